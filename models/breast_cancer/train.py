"""Trains the breast cancer model and writes model.onnx, test.csv and the figures of card.yaml, byte for byte the same.

    python models/breast_cancer/train.py [--output FOLDER]

The data are scikit-learn's copy of the Wisconsin diagnostic data: 455 rows train, 114 test, stratified. Features are
standardised and go into a logistic regression, whose parameters are rounded to `DECIMALS` so that another
processor's last bits do not change the file. The decision threshold is chosen by cross-validation on the training rows;
the test rows are used once, for the figures on the card.

The graph is written by hand in double precision: contributions = w * (x - mean) / scale, whose sum and the bias are the
logit, so the explanation is exact. Gates: the graph agrees with scikit-learn within `PARITY` on every test row, every
row is within the ranges of the card, and the figures meet the card's acceptance criteria.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import yaml
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from chaincode.core import canonical, card, metrics

HERE = Path(__file__).parent
SEED = 20261124
TEST_ROWS = 114
FOLDS = 10
DECIMALS = 6
PARITY = 1e-9
TRUTH = "diagnosis"


class TrainingError(Exception):
    """A gate did not hold; nothing was written."""


@dataclass(frozen=True)
class Rows:
    """Features [N, F] and whether each row is malignant [N]."""

    features: np.ndarray[Any, np.dtype[np.float64]]
    malignant: np.ndarray[Any, np.dtype[np.bool_]]


def load() -> tuple[list[str], Rows, Rows]:
    """Feature names, training rows and test rows."""
    data = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in data.feature_names]
    malignant = data.target == list(data.target_names).index("malignant")
    train_x, test_x, train_y, test_y = train_test_split(
        data.data, malignant, test_size=TEST_ROWS, stratify=malignant, random_state=SEED
    )
    return names, Rows(train_x, train_y), Rows(test_x, test_y)


def fit(rows: Rows) -> Pipeline:
    """The fitted pipeline, its parameters rounded."""
    model = _pipeline().fit(rows.features, rows.malignant)
    scaler, regression = model[0], model[1]
    for owner, attribute in ((scaler, "mean_"), (scaler, "scale_"), (regression, "coef_"), (regression, "intercept_")):
        setattr(owner, attribute, np.round(getattr(owner, attribute), DECIMALS))
    return model


def choose_threshold(rows: Rows) -> float:
    """The threshold with the largest sensitivity + specificity in cross-validation; of equals the nearest to 0.5."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    probabilities = cross_val_predict(_pipeline(), rows.features, rows.malignant, cv=folds, method="predict_proba")[
        :, 1
    ]

    def merit(threshold: float) -> tuple[float, float]:
        figures = metrics.evaluate(rows.malignant.tolist(), probabilities.tolist(), threshold)
        return figures["sensitivity"] + figures["specificity"], -abs(threshold - 0.5)

    return max((percent / 100 for percent in range(5, 96)), key=merit)


def _pipeline() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-10))


def graph(model: Pipeline, names: card.Graph) -> bytes:
    """The ONNX file of a fitted pipeline: input [N, F], probability [N, 1], contributions [N, F], all double."""
    scaler, regression = model[0], model[1]
    width = len(scaler.mean_)
    constants = {
        "mean": scaler.mean_,
        "scale": scaler.scale_,
        "weights": regression.coef_[0],
        "bias": regression.intercept_,
    }
    nodes = [
        helper.make_node("Sub", [names.input, "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["standardised"]),
        helper.make_node("Mul", ["standardised", "weights"], [names.contributions]),
        helper.make_node("ReduceSum", [names.contributions, "axes"], ["sum"], keepdims=1),
        helper.make_node("Add", ["sum", "bias"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], [names.probability]),
    ]
    described = helper.make_graph(
        nodes,
        "breast_cancer",
        [helper.make_tensor_value_info(names.input, TensorProto.DOUBLE, ["N", width])],
        [
            helper.make_tensor_value_info(names.probability, TensorProto.DOUBLE, ["N", 1]),
            helper.make_tensor_value_info(names.contributions, TensorProto.DOUBLE, ["N", width]),
        ],
        [
            *(numpy_helper.from_array(np.asarray(value, np.float64), name) for name, value in constants.items()),
            numpy_helper.from_array(np.asarray([1], np.int64), "axes"),
        ],
    )
    file = helper.make_model(
        described, producer_name="salus", opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.checker.check_model(file, full_check=True)
    data: bytes = file.SerializeToString(deterministic=True)
    return data


def run(file: bytes, names: card.Graph, rows: Rows) -> Sequence[float]:
    """The graph's probability of each row."""
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    probabilities = session.run([names.probability], {names.input: rows.features})[0]
    found: list[float] = probabilities[:, 0].tolist()
    return found


def check_parity(probabilities: Sequence[float], model: Pipeline, rows: Rows) -> None:
    """Raises TrainingError unless graph and scikit-learn agree on every row."""
    expected = model.predict_proba(rows.features)[:, 1]
    largest = max(abs(expected - probabilities))
    if not largest <= PARITY:
        raise TrainingError(f"the graph differs from scikit-learn by {largest:.2g}")


def check_ranges(described: card.Card, names: Sequence[str], rows: Rows) -> None:
    """Raises TrainingError unless the card takes every row."""
    if [each.name for each in described.inputs] != list(names):
        raise TrainingError("the card's inputs are not the features of the data")
    for number, row in enumerate(rows.features.tolist()):
        try:
            card.validate_inputs(described, [card.Measurement(*each) for each in zip(names, zip(row), strict=True)])
        except card.InputError as error:
            raise TrainingError(f"row {number}: {error}") from None


def table(names: Sequence[str], rows: Rows) -> bytes:
    """The rows as CSV, with `diagnosis` 1 for malignant; numbers read back as the same doubles."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, TRUTH])
    for features, malignant in zip(rows.features.tolist(), rows.malignant.tolist(), strict=True):
        writer.writerow([*map(repr, features), int(malignant)])
    return text.getvalue().encode()


def train(output: Path) -> card.Card:
    """Trains and writes the three files into a folder. Raises TrainingError, and then has written none."""
    document = yaml.safe_load((HERE / "card.yaml").read_text())
    names, training, test = load()
    model = fit(training)
    graph_names = card.Graph(**document["onnx"])
    file = graph(model, graph_names)
    probabilities = run(file, graph_names, test)
    check_parity(probabilities, model, test)
    threshold = choose_threshold(training)
    figures = metrics.evaluate(test.malignant.tolist(), probabilities, threshold)
    rows = table(names, test)
    document["sha256"] = canonical.sha256_hex(file)
    document["output"]["threshold"] = threshold
    document["performance"] |= {
        "rows": len(probabilities),
        "positive_rows": int(test.malignant.sum()),
        "dataset_sha256": canonical.sha256_hex(rows),
        "metrics": {name: round(value, 4) for name, value in figures.items()},
    }
    described = card.parse(document)
    for part in (training, test):
        check_ranges(described, names, part)
    evaluation = {"dataset_sha256": canonical.sha256_hex(rows), "rows": len(probabilities), "metrics": figures}
    if problems := card.acceptance_problems(described, evaluation):
        raise TrainingError("; ".join(problems))
    output.mkdir(parents=True, exist_ok=True)
    (output / "model.onnx").write_bytes(file)
    (output / "test.csv").write_bytes(rows)
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    (output / "card.yaml").write_text(text, encoding="utf-8")
    return described


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the breast cancer model.")
    parser.add_argument("--output", type=Path, default=HERE, help="the folder to write to (default: this one)")
    described = train(parser.parse_args().output)
    print(f"{described.id} {described.version}: sha256 {described.sha256}")
    for name, value in described.document["performance"]["metrics"].items():
        print(f"  {name:12} {value:.4f}")


if __name__ == "__main__":
    main()
