"""Questions from files: JSON, JSON Lines, CSV, and typed."""

from __future__ import annotations

import json

import pytest
from salus.inference.v1 import inference_pb2 as pb

from services.cli import questions
from services.cli.failures import Failure

DEFAULTS = {"model_id": "breast-cancer", "purpose": "TREAT"}


def values(found: list[pb.Measurement]) -> dict[str, list[float]]:
    return {each.name: list(each.values) for each in found}


@pytest.mark.parametrize(
    "document",
    [
        {"radius": 1.5, "trace": [1, 2]},
        {"measurements": {"radius": 1.5, "trace": [1, 2]}},
        [
            {"name": "radius", "value": 1.5},
            {"name": "trace", "values": [1, 2], "unit": "mm", "source": "Observation"},
        ],
    ],
)
def test_json_holds_values_by_name_or_as_a_list(document: object) -> None:
    found = questions.read_one(json.dumps(document).encode(), ".json")
    assert values(found) == {"radius": [1.5], "trace": [1.0, 2.0]}


def test_a_csv_file_of_one_row_is_one_patients_measurements() -> None:
    found = questions.read_one(b"radius,trace,diagnosis\n1.5,1 2,0\n", ".csv", ["diagnosis"])
    assert values(found) == {"radius": [1.5], "trace": [1.0, 2.0]}


def test_typed_measurements() -> None:
    assert values(questions.measurements_set(["radius=1.5", "trace=1,2"])) == {"radius": [1.5], "trace": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("content", "suffix", "message"),
    [
        (b"{", ".json", "no JSON"),
        (b'{"radius": "large"}', ".json", "radius takes a number"),
        (b'{"radius": true}', ".json", "radius takes a number"),
        (b"radius\nlarge\n", ".csv", "row 1: radius takes a number"),
        (b"radius\n1\n2\n", ".csv", "2 rows"),
        (b"radius,texture\n1\n", ".csv", "row 1 has another number of cells"),
        (b"radius\n\xff\n", ".csv", "no CSV"),
    ],
)
def test_what_is_no_measurement_is_refused_by_name(content: bytes, suffix: str, message: str) -> None:
    with pytest.raises(Failure, match=message):
        questions.read_one(content, suffix)


def test_a_batch_takes_what_a_row_leaves_out_from_the_defaults() -> None:
    content = b"patient,purpose,radius\np1,,1\np2,HRESCH,2\n"
    first, second = questions.read_batch(content, ".csv", DEFAULTS, "file")
    assert (first.request_id, first.patient, first.purpose) == ("file-1", "p1", "TREAT")
    assert (second.request_id, second.purpose, second.model_id) == ("file-2", "HRESCH", "breast-cancer")
    assert values(list(second.measurements)) == {"radius": [2.0]}


def test_json_lines_hold_one_question_each() -> None:
    lines = b'{"patient": "p1", "request_id": "r", "measurements": {"a": 1}}\n\n{"patient": "p2", "measurements": {}}'
    first, second = questions.read_batch(lines, ".jsonl", DEFAULTS, "file")
    assert (first.request_id, second.request_id) == ("r", "file-2")


@pytest.mark.parametrize(
    ("content", "suffix", "message"),
    [
        (b"radius\n1\n", ".csv", "row 1 has no patient"),
        (b"", ".jsonl", "no question"),
        (b'{"patient": "p", "radius": 1}', ".jsonl", "row 1 takes measurements"),
        (b"[]", ".jsonl", "row 1 takes measurements"),
    ],
)
def test_a_row_that_is_no_question_is_named(content: bytes, suffix: str, message: str) -> None:
    with pytest.raises(Failure, match=message):
        questions.read_batch(content, suffix, DEFAULTS, "file")
