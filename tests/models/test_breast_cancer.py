"""The committed model: made by its recipe, described by its card, run by the executor."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from chaincode.core import card, metrics
from chaincode.core.card import Card, Measurement
from chaincode.runtime.executor import ModelRepository, OnnxExecutor, Output
from models.breast_cancer import train

FOLDER = Path(train.__file__).parent


@pytest.fixture(scope="module")
def described() -> Card:
    return card.parse_yaml((FOLDER / "card.yaml").read_bytes())


@pytest.fixture(scope="module")
def rows() -> list[dict[str, float]]:
    with (FOLDER / "test.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def outputs(described: Card, rows: list[dict[str, float]], tmp_path_factory: pytest.TempPathFactory) -> list[Output]:
    repository = ModelRepository(tmp_path_factory.mktemp("models"))
    assert repository.install(FOLDER / "model.onnx") == described.sha256
    values = [[row[each.name] for each in described.inputs] for row in rows]
    return OnnxExecutor(repository).run_rows(described, values)


def test_training_again_gives_the_committed_files_byte_for_byte(tmp_path: Path) -> None:
    train.train(tmp_path)
    for name in ("model.onnx", "card.yaml", "test.csv"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name


def test_455_rows_train_and_114_test_with_the_same_share_of_malignant() -> None:
    names, training, test = train.load()
    assert (len(names), len(training.malignant), len(test.malignant)) == (30, 455, 114)
    assert training.malignant.mean() == pytest.approx(test.malignant.mean(), abs=0.01)


def test_no_test_row_was_trained_on() -> None:
    _, training, test = train.load()
    assert not {row.tobytes() for row in training.features} & {row.tobytes() for row in test.features}


def test_the_card_takes_every_test_row_and_names_each_column(described: Card, rows: list[dict[str, float]]) -> None:
    assert [*(each.name for each in described.inputs), "diagnosis"] == list(rows[0])
    for row in rows:
        card.validate_inputs(described, [Measurement(each.name, (row[each.name],)) for each in described.inputs])


def test_a_slip_of_the_decimal_point_is_out_of_range(described: Card, rows: list[dict[str, float]]) -> None:
    slipped = [Measurement(each.name, (rows[0][each.name] * 1e3,)) for each in described.inputs]
    with pytest.raises(card.InputError) as caught:
        card.validate_inputs(described, slipped)
    assert {"mean_radius", "worst_area", "mean_smoothness"} <= {fault.name for fault in caught.value.faults}


def test_the_figures_on_the_card_are_those_of_the_held_out_rows(
    described: Card, rows: list[dict[str, float]], outputs: list[Output]
) -> None:
    truths = [row["diagnosis"] == 1 for row in rows]
    figures = metrics.evaluate(truths, [output.probability for output in outputs], described.threshold)
    performance = described.document["performance"]
    assert performance["metrics"] == {name: round(value, 4) for name, value in figures.items()}
    assert performance["dataset_sha256"] == hashlib.sha256((FOLDER / "test.csv").read_bytes()).hexdigest()
    assert (performance["rows"], performance["positive_rows"]) == (len(rows), sum(truths))


def test_the_model_meets_the_acceptance_criteria_of_its_card(described: Card) -> None:
    performance = described.document["performance"]
    evaluation = {name: performance[name] for name in ("dataset_sha256", "rows", "metrics")}
    assert card.acceptance_problems(described, evaluation) == []
    assert set(described.acceptance) == {"auc", "sensitivity", "specificity", "accuracy"}


def test_the_explanation_is_exact(outputs: list[Output]) -> None:
    logits = [np.log(output.probability) - np.log1p(-output.probability) for output in outputs]
    biases = [logit - sum(output.contributions) for logit, output in zip(logits, outputs, strict=True)]
    certain = [bias for bias, logit in zip(biases, logits, strict=True) if abs(logit) < 15]
    assert max(certain) - min(certain) < 1e-6


def test_the_positive_class_is_malignant(rows: list[dict[str, float]], outputs: list[Output]) -> None:
    malignant = [output.probability for row, output in zip(rows, outputs, strict=True) if row["diagnosis"] == 1]
    assert sum(malignant) / len(malignant) > 0.85
    assert {output.label for output in outputs} == {"malignant", "benign"}


def test_a_graph_that_differs_from_scikit_learn_is_not_written() -> None:
    _, training, test = train.load()
    model = train.fit(training)
    probabilities = [*model.predict_proba(test.features)[:-1, 1], 0.5]
    with pytest.raises(train.TrainingError, match="differs from scikit-learn"):
        train.check_parity(probabilities, model, test)
