from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chaincode.core import canonical
from chaincode.core.card import (
    Card,
    CardError,
    InputError,
    Measurement,
    acceptance_problems,
    parse,
    parse_yaml,
    validate_inputs,
)

DOCUMENT: dict[str, Any] = {
    "schema": "salus.card/1",
    "id": "sepsis",
    "version": "1.0.0",
    "title": "Sepsis",
    "owner": "HospitalAMSP",
    "type": "classification",
    "data_class": "vital-signs",
    "sha256": "5" * 64,
    "inputs": [
        {"name": "temperature", "unit": "Cel", "minimum": 30, "maximum": 45},
        {"name": "breaths", "unit": "/min", "minimum": 0, "maximum": 80, "integer": True},
        {"name": "lead", "unit": "mV", "minimum": -5, "maximum": 5, "length": 3},
    ],
    "inputs_may_repeat": True,
    "output": {"positive": "sepsis", "negative": "none", "threshold": 0.5},
    "onnx": {"input": "input", "probability": "probability", "contributions": "contributions"},
    "tolerance": 1e-6,
    "acceptance": {"auc": {"minimum": 0.8}, "sensitivity": {"minimum": 0.9}},
    "retention_years": 10,
    "limitations": "Adults alone.",
}
CARD = parse(DOCUMENT)
GIVEN = {"temperature": (37.5,), "breaths": (16.0,), "lead": (0.0, 0.5, -0.5)}


def measured(**changes: Any) -> list[Measurement]:
    return [Measurement(name, values) for name, values in (GIVEN | changes).items() if values is not None]


def faults(card: Card, measurements: list[Measurement]) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        validate_inputs(card, measurements)
    return {fault.name: fault.takes for fault in caught.value.faults}


def test_values_come_out_in_the_order_of_the_card() -> None:
    assert validate_inputs(CARD, measured()[::-1]) == (37.5, 16.0, 0.0, 0.5, -0.5)


@given(st.permutations(measured()))
def test_the_order_of_measurements_does_not_matter(measurements: list[Measurement]) -> None:
    assert validate_inputs(CARD, measurements) == validate_inputs(CARD, measured())


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_value_is_taken_if_and_only_if_it_is_within_the_range(value: float) -> None:
    if 30 <= value <= 45:
        assert validate_inputs(CARD, measured(temperature=(value,)))[0] == value
    else:
        assert list(faults(CARD, measured(temperature=(value,)))) == ["temperature"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"temperature": None}, "is missing; it takes a number from 30 to 45 Cel"),
        ({"temperature": ()}, "has 0 values; it takes a number from 30 to 45 Cel"),
        ({"temperature": (37.0, 38.0)}, "has 2 values; it takes a number from 30 to 45 Cel"),
        ({"temperature": (98.6,)}, "is out of range; it takes a number from 30 to 45 Cel"),
        ({"temperature": (math.nan,)}, "is not a finite number; it takes a number from 30 to 45 Cel"),
        ({"temperature": (math.inf,)}, "is not a finite number; it takes a number from 30 to 45 Cel"),
        ({"temperature": ("37",)}, "is not a finite number; it takes a number from 30 to 45 Cel"),
        ({"temperature": (True,)}, "is not a finite number; it takes a number from 30 to 45 Cel"),
        ({"temperature": (10**400,)}, "is not a finite number; it takes a number from 30 to 45 Cel"),
        ({"breaths": (16.5,)}, "is not a whole number; it takes a whole number from 0 to 80 /min"),
        ({"breaths": (90.5,)}, "is not a whole number and is out of range; it takes a whole number from 0 to 80 /min"),
        ({"lead": (0.0, 9.0)}, "has 2 values and is out of range; it takes 3 values, each a number from -5 to 5 mV"),
        ({"pulse": (60.0,)}, "is no input of this model"),
    ],
)
def test_a_fault_names_the_input_and_what_it_takes(changes: dict[str, Any], fault: str) -> None:
    (name,) = changes
    assert faults(CARD, measured(**changes)) == {name: fault}


def test_every_fault_is_named_at_once_and_no_value_is_told() -> None:
    wrong = measured(temperature=(98.6,), breaths=None, lead=(0.25,), pulse=(61.0,))
    assert set(faults(CARD, wrong)) == {"temperature", "breaths", "lead", "pulse"}
    assert not any(value in text for value in ("98.6", "0.25", "61") for text in faults(CARD, wrong).values())


def test_an_input_given_twice_is_refused_even_with_equal_values() -> None:
    assert faults(CARD, [*measured(), Measurement("breaths", (16.0,))]) == {"breaths": "is given more than once"}


def test_a_unit_must_be_the_cards_and_may_be_left_out() -> None:
    kelvin, celsius = (Measurement("temperature", (37.5,), unit) for unit in ("K", "Cel"))
    assert "is in another unit" in faults(CARD, [kelvin, *measured(temperature=None)])["temperature"]
    assert validate_inputs(CARD, [celsius, *measured(temperature=None)]) == validate_inputs(CARD, measured())


def test_a_card_reads_the_same_from_yaml_and_from_its_canonical_json() -> None:
    assert parse_yaml(yaml.safe_dump(DOCUMENT)) == CARD == parse(canonical.decode(CARD.json))


def test_prose_is_kept_verbatim() -> None:
    assert canonical.decode(CARD.json) == DOCUMENT


def test_a_probability_at_the_threshold_is_positive() -> None:
    assert [CARD.label(probability) for probability in (0.4999, 0.5, 1.0)] == ["none", "sepsis", "sepsis"]


def test_equal_inputs_of_two_patients_are_implausible_unless_the_card_says_so() -> None:
    assert CARD.inputs_may_repeat
    assert not parse({key: value for key, value in DOCUMENT.items() if key != "inputs_may_repeat"}).inputs_may_repeat


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (["schema"], "salus.card/2", "schema"),
        (["id"], "a b", "id"),
        (["version"], 1.0, "version"),
        (["title"], "", "title"),
        (["owner"], None, "owner"),
        (["type"], "regression", "type"),
        (["data_class"], ["cytology"], "data_class"),
        (["sha256"], "5" * 63, "sha256"),
        (["sha256"], "A" * 64, "sha256"),
        (["inputs"], [], "inputs"),
        (["inputs", 0, "name"], "breaths", "inputs name breaths twice"),
        (["inputs", 0, "unit"], None, r"inputs\[0\].unit"),
        (["inputs", 0, "minimum"], 45, r"inputs\[0\].minimum"),
        (["inputs", 0, "maximum"], math.nan, r"inputs\[0\].maximum"),
        (["inputs", 1, "integer"], "yes", r"inputs\[1\].integer"),
        (["inputs", 2, "length"], 0, r"inputs\[2\].length"),
        (["inputs", 2, "length"], 1.5, r"inputs\[2\].length"),
        (["inputs_may_repeat"], "yes", "inputs_may_repeat"),
        (["output"], "sepsis", "output.positive"),
        (["output", "threshold"], 1.5, "output.threshold"),
        (["onnx", "input"], 7, "onnx.input"),
        (["tolerance"], -1, "tolerance"),
        (["tolerance"], True, "tolerance"),
        (["tolerance"], 0.5, "tolerance"),
        (["acceptance"], {}, "acceptance"),
        (["acceptance"], {"f1": {"minimum": 0.5}}, "acceptance.f1"),
        (["acceptance"], {"brier": {"minimum": 0.1}}, "acceptance.brier"),
        (["acceptance", "auc"], 0.8, "acceptance.auc.minimum"),
        (["minimum_rows"], 0, "minimum_rows"),
        (["retention_years"], 0, "retention_years"),
        (["retention_years"], 1.5, "retention_years"),
        (["limitations"], math.inf, "not JSON"),
    ],
)
def test_a_faulty_card_is_refused_by_the_name_of_its_field(path: list[Any], value: Any, named: str) -> None:
    document = deepcopy(DOCUMENT)
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(CardError, match=named):
        parse(document)


def test_a_card_with_nothing_in_it_is_told_everything_it_lacks() -> None:
    with pytest.raises(CardError) as caught:
        parse({})
    assert all(name in str(caught.value) for name in DOCUMENT if name not in ("inputs_may_repeat", "limitations"))


@pytest.mark.parametrize("text", ["", "- a\n- b", "{", "a: !!python/object:os.system {}", b"\xff\xfe"])
def test_what_is_no_card_file_is_refused(text: str | bytes) -> None:
    with pytest.raises(CardError):
        parse_yaml(text)


def evaluation(**metrics: Any) -> dict[str, Any]:
    return {"dataset_sha256": "d" * 64, "rows": 114, "metrics": {"auc": 0.8, "sensitivity": 0.95} | metrics}


def test_an_evaluation_at_the_minimum_is_accepted() -> None:
    assert acceptance_problems(CARD, evaluation()) == []


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        ({"auc": 0.79}, "metric auc is 0.7900, below the card's minimum of 0.8"),
        ({"auc": None}, "metric auc is missing"),
        ({"auc": math.nan}, "metric auc is missing"),
        ({"auc": True}, "metric auc is missing"),
        ({"auc": 1.5}, "metric auc is 1.5, outside 0 to 1"),
    ],
)
def test_an_evaluation_that_falls_short_is_told_where(metrics: dict[str, Any], problem: str) -> None:
    assert acceptance_problems(CARD, evaluation(**metrics)) == [problem]


def test_an_evaluation_on_too_few_rows_is_not_accepted() -> None:
    strict = parse(DOCUMENT | {"minimum_rows": 115})
    assert acceptance_problems(strict, evaluation()) == ["114 rows are fewer than the card's minimum of 115"]


@pytest.mark.parametrize(
    "faulty",
    [None, {}, evaluation() | {"rows": 0}, evaluation() | {"rows": True}, evaluation() | {"dataset_sha256": "d"},
     evaluation() | {"metrics": []}, evaluation() | {"more": 1}],
)  # fmt: skip
def test_a_malformed_evaluation_is_not_accepted(faulty: object) -> None:
    assert acceptance_problems(CARD, faulty) != []
