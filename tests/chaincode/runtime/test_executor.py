from __future__ import annotations

import hashlib
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from chaincode.core import card
from chaincode.core.card import Card
from chaincode.runtime.executor import ExecutionError, ModelFileError, ModelRepository, OnnxExecutor
from tests.chaincode.cards import CARD

SUM = [
    helper.make_node("Identity", ["input"], ["contributions"]),
    helper.make_node("ReduceSum", ["input", "axes"], ["logit"], keepdims=1),
    helper.make_node("Sigmoid", ["logit"], ["probability"]),
]
LOGIT = [*SUM[:1], helper.make_node("ReduceSum", ["input", "axes"], ["probability"], keepdims=1)]
LOGARITHM = [helper.make_node("Log", ["input"], ["contributions"]), *SUM[1:]]
FLAT = [*SUM[:1], helper.make_node("ReduceSum", ["input", "axes"], ["probability"], keepdims=0)]
NARROW = [helper.make_node("ReduceSum", ["input", "axes"], ["contributions"], keepdims=1), *SUM[1:]]
LISTED = [helper.make_node("SequenceConstruct", ["input"], ["contributions"]), *SUM[1:]]
COUNTED = [helper.make_node("Cast", ["input"], ["contributions"], to=TensorProto.INT64), *SUM[1:]]
WHOLE = TensorProto.INT64


def graph(
    nodes: list[Any] = SUM, kind: int = TensorProto.DOUBLE, contributions: int | None = None, inputs: int = 1
) -> bytes:
    """An ONNX file: inputs [N, 2] of a type, and the two outputs that cards name."""
    outputs = [
        helper.make_tensor_value_info("probability", kind, None),
        helper.make_tensor_value_info("contributions", contributions or kind, None),
    ]
    if nodes is LISTED:
        outputs[1] = helper.make_tensor_sequence_value_info("contributions", kind, None)
    described = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, kind, ["N", 2]) for name in ("input", "more")[:inputs]],
        outputs,
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    data: bytes = helper.make_model(
        described, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()
    return data


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(tmp_path / "models")


def installed(repository: ModelRepository, folder: Path, file: bytes) -> Card:
    """The card of a file put into the repository."""
    (folder / "model.onnx").write_bytes(file)
    return card.parse(CARD | {"sha256": repository.install(folder / "model.onnx")})


def test_an_installed_file_is_found_by_its_hash(repository: ModelRepository, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"file")
    sha256 = repository.install(tmp_path / "model.onnx")
    assert sha256 == hashlib.sha256(b"file").hexdigest()
    assert repository.load(sha256) == b"file"
    assert [each.name for each in (tmp_path / "models").iterdir()] == [f"{sha256}.onnx"]


def test_a_file_installed_twice_is_there_once(repository: ModelRepository, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"file")
    assert repository.install(tmp_path / "model.onnx") == repository.install(tmp_path / "model.onnx")
    assert len(list((tmp_path / "models").iterdir())) == 1


def test_a_file_that_is_not_there_is_named_by_its_hash_alone(repository: ModelRepository, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="5" * 64) as caught:
        repository.load("5" * 64)
    assert str(tmp_path) not in str(caught.value)


def test_a_file_that_changed_on_disk_is_not_loaded(repository: ModelRepository, tmp_path: Path) -> None:
    described = installed(repository, tmp_path, graph())
    path = tmp_path / "models" / f"{described.sha256}.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ModelFileError, match=f"{found}.*{described.sha256}"):
        OnnxExecutor(repository).run(described, [0.0, 0.0])


@pytest.mark.parametrize("sha256", ["", "../" * 21 + "x", "A" * 64, "5" * 63])
def test_a_name_that_is_no_hash_reaches_no_file(repository: ModelRepository, sha256: str) -> None:
    with pytest.raises(ModelFileError, match="64 lower-case hexadecimal"):
        repository.load(sha256)


@pytest.mark.parametrize("kind", [TensorProto.DOUBLE, TensorProto.FLOAT])
def test_a_row_gets_probability_label_and_contributions(repository: ModelRepository, tmp_path: Path, kind: int) -> None:
    described = installed(repository, tmp_path, graph(kind=kind))
    output = OnnxExecutor(repository).run(described, [1.5, -0.5])
    assert output.probability == pytest.approx(1 / (1 + math.exp(-1)), rel=1e-6)
    assert (output.label, output.contributions) == ("malignant", (1.5, -0.5))


def test_rows_run_together_are_answered_as_if_alone(repository: ModelRepository, tmp_path: Path) -> None:
    described = installed(repository, tmp_path, graph())
    executor, rows = OnnxExecutor(repository), [[float(x), -0.25] for x in range(-9, 10)]
    assert executor.run_rows(described, rows) == [executor.run(described, row) for row in rows]


def test_many_threads_get_the_answers_that_one_gets(repository: ModelRepository, tmp_path: Path) -> None:
    described = installed(repository, tmp_path, graph())
    rows = [[number / 10, 0.5] for number in range(200)]
    executor = OnnxExecutor(repository)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda row: executor.run(described, row), rows))
    assert answers == OnnxExecutor(repository).run_rows(described, rows)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"no model", "cannot be loaded"),
        (graph(inputs=2), "input alone"),
        (graph(kind=TensorProto.FLOAT16), "type"),
        (graph(LOGIT), "no probability"),
        (graph(LOGARITHM), "not finite"),
        (graph(FLAT), "shape"),
        (graph(NARROW), "shape"),
        (graph(COUNTED, contributions=WHOLE), "shape"),
        (graph(LISTED), "shape"),
    ],
)
def test_a_model_that_does_not_keep_its_cards_word_gives_no_answer(
    repository: ModelRepository, tmp_path: Path, file: bytes, says: str
) -> None:
    described = installed(repository, tmp_path, file)
    with pytest.raises(ExecutionError, match=says):
        OnnxExecutor(repository).run(described, [-3.0, 0.5])


def test_a_card_that_names_other_outputs_gets_no_answer(repository: ModelRepository, tmp_path: Path) -> None:
    described = installed(repository, tmp_path, graph())
    other = replace(described, graph=replace(described.graph, probability="p"))
    with pytest.raises(ExecutionError, match="failed"):
        OnnxExecutor(repository).run(other, [0.0, 0.0])


def test_a_row_of_another_width_gets_no_answer(repository: ModelRepository, tmp_path: Path) -> None:
    described = installed(repository, tmp_path, graph())
    with pytest.raises(ExecutionError):
        OnnxExecutor(repository).run(described, [0.0, 0.0, 0.0])
