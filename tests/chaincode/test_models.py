"""The life of a model on the ledger: who may take which step, and what it takes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from chaincode.api.stub import Response
from chaincode.models import ModelsContract
from tests.chaincode.callers import HOSPITAL_A, HOSPITAL_B, REGULATOR, Caller, caller
from tests.chaincode.cards import CARD, EVALUATION, card_json
from tests.chaincode.memory_ledger import NOON, MemoryLedger

OWNER = caller(HOSPITAL_A, "owner-a", "owner")
OTHER_OWNER = caller(HOSPITAL_B, "owner-b", "owner")
INSPECTOR = caller(REGULATOR, "inspector", "inspector")
CLINICIAN = caller(HOSPITAL_A, "dr-adams", "clinician")

# What brings version 1 of the test model to each status.
STEPS: dict[str, list[tuple[Caller, tuple[str, ...]]]] = {
    "proposed": [(OWNER, ("Propose", card_json()))],
    "validated": [(INSPECTOR, ("Validate", "sum", "1", json.dumps(EVALUATION)))],
    "deployed": [(OWNER, ("Deploy", "sum", "1"))],
    "suspended": [(OWNER, ("Suspend", "sum", "1", "drift"))],
    "retired": [(OWNER, ("Retire", "sum", "1"))],
}
ORDER = list(STEPS)


def ledger_at(status: str) -> MemoryLedger:
    ledger = MemoryLedger({"models": ModelsContract(REGULATOR, lambda: NOON)})
    for each in ORDER[: ORDER.index(status) + 1]:
        for who, args in STEPS[each]:
            response = ledger.submit(who.creator, "models", *args)
            assert response.ok, response.message
    return ledger


def get(ledger: MemoryLedger, version: str = "1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ledger.submit(CLINICIAN.creator, "models", "Get", "sum", version).payload)
    return found


def reason(response: Response) -> str:
    return response.message.partition(":")[0]


@pytest.mark.parametrize("status", ORDER)
def test_a_model_reaches_each_status_by_its_step(status: str) -> None:
    assert get(ledger_at(status))["status"] == status


def test_a_model_keeps_its_card_verbatim() -> None:
    assert get(ledger_at("proposed"))["card"] == card_json()


def test_the_history_says_who_took_each_step() -> None:
    history = get(ledger_at("deployed"))["history"]
    assert [(step["function"], step["organisation"]) for step in history] == [
        ("Propose", HOSPITAL_A),
        ("Validate", REGULATOR),
        ("Deploy", HOSPITAL_A),
    ]


LEGAL = {
    ("proposed", "Validate"),
    ("validated", "Deploy"),
    ("deployed", "Suspend"),
    ("suspended", "Resume"),
    ("proposed", "Retire"),
    ("validated", "Retire"),
    ("deployed", "Retire"),
    ("suspended", "Retire"),
}
CALLS: dict[str, tuple[Caller, tuple[str, ...]]] = {
    "Validate": (INSPECTOR, ("Validate", "sum", "1", json.dumps(EVALUATION))),
    "Deploy": (OWNER, ("Deploy", "sum", "1")),
    "Suspend": (OWNER, ("Suspend", "sum", "1", "drift")),
    "Resume": (OWNER, ("Resume", "sum", "1")),
    "Retire": (OWNER, ("Retire", "sum", "1")),
}
ILLEGAL = sorted({(status, function) for status in ORDER for function in CALLS} - LEGAL)


@pytest.mark.parametrize(("status", "function"), ILLEGAL)
def test_a_step_that_the_table_does_not_have_is_refused(status: str, function: str) -> None:
    who, args = CALLS[function]
    assert reason(ledger_at(status).submit(who.creator, "models", *args)) == "WRONG_STATUS"


@pytest.mark.parametrize(
    ("status", "who", "args"),
    [
        ("proposed", OWNER, CALLS["Validate"][1]),
        ("proposed", OTHER_OWNER, CALLS["Retire"][1]),
        ("validated", INSPECTOR, CALLS["Deploy"][1]),
        ("validated", CLINICIAN, CALLS["Deploy"][1]),
        ("deployed", CLINICIAN, CALLS["Suspend"][1]),
        ("suspended", OTHER_OWNER, CALLS["Resume"][1]),
    ],
)
def test_a_step_is_refused_to_whoever_may_not_take_it(status: str, who: Caller, args: tuple[str, ...]) -> None:
    assert reason(ledger_at(status).submit(who.creator, "models", *args)) == "ACCESS_DENIED"


def test_the_regulator_suspends_a_model() -> None:
    response = ledger_at("deployed").submit(INSPECTOR.creator, "models", "Suspend", "sum", "1", "complaint")
    assert json.loads(response.payload)["status"] == "suspended"


def test_the_owner_does_not_resume_what_the_regulator_suspended() -> None:
    ledger = ledger_at("deployed")
    ledger.submit(INSPECTOR.creator, "models", "Suspend", "sum", "1", "complaint")
    assert reason(ledger.submit(OWNER.creator, "models", "Resume", "sum", "1")) == "ACCESS_DENIED"


def test_the_regulator_resumes_what_it_suspended() -> None:
    ledger = ledger_at("deployed")
    ledger.submit(INSPECTOR.creator, "models", "Suspend", "sum", "1", "complaint")
    assert ledger.submit(INSPECTOR.creator, "models", "Resume", "sum", "1").ok


def test_a_suspension_needs_a_reason() -> None:
    response = ledger_at("deployed").submit(OWNER.creator, "models", "Suspend", "sum", "1", "")
    assert reason(response) == "BAD_REASON"


@pytest.mark.parametrize("who", [OTHER_OWNER, INSPECTOR])
def test_only_the_organisation_on_the_card_proposes_it(who: Caller) -> None:
    ledger = MemoryLedger({"models": ModelsContract(REGULATOR, lambda: NOON)})
    response = ledger.submit(who.creator, "models", "Propose", card_json())
    assert reason(response) in ("NOT_OWNER", "ACCESS_DENIED")


def test_another_organisation_cannot_take_over_a_models_id() -> None:
    response = ledger_at("proposed").submit(
        OTHER_OWNER.creator, "models", "Propose", card_json(version="2", owner=HOSPITAL_B)
    )
    assert reason(response) == "NOT_OWNER"


def test_a_version_is_proposed_once() -> None:
    assert reason(ledger_at("proposed").submit(OWNER.creator, "models", "Propose", card_json())) == "ALREADY_EXISTS"


@pytest.mark.parametrize("text", ["{}", "[]", "{", json.dumps(CARD)])
def test_a_card_that_is_no_canonical_card_is_refused(text: str) -> None:
    ledger = MemoryLedger({"models": ModelsContract(REGULATOR, lambda: NOON)})
    assert reason(ledger.submit(OWNER.creator, "models", "Propose", text)) == "BAD_CARD"


@pytest.mark.parametrize(
    "metrics",
    [
        {"accuracy": 0.95, "sensitivity": 0.5},
        {"accuracy": 0.95},
        {"accuracy": 0.95, "sensitivity": "high"},
    ],
)
def test_an_evaluation_below_the_cards_criteria_does_not_validate(metrics: dict[str, Any]) -> None:
    evaluation = json.dumps({**EVALUATION, "metrics": metrics})
    response = ledger_at("proposed").submit(INSPECTOR.creator, "models", "Validate", "sum", "1", evaluation)
    assert reason(response) == "NOT_ACCEPTED"


def test_a_failing_evaluation_names_each_criterion() -> None:
    evaluation = json.dumps({**EVALUATION, "metrics": {"accuracy": 0.1, "sensitivity": 0.1}})
    response = ledger_at("proposed").submit(INSPECTOR.creator, "models", "Validate", "sum", "1", evaluation)
    assert "accuracy" in response.message
    assert "sensitivity" in response.message


@pytest.mark.parametrize("change", [{"rows": 0}, {"rows": "many"}, {"dataset_sha256": "x"}, {"metrics": []}])
def test_an_evaluation_says_on_what_it_was_made(change: dict[str, Any]) -> None:
    evaluation = json.dumps({**EVALUATION, **change})
    response = ledger_at("proposed").submit(INSPECTOR.creator, "models", "Validate", "sum", "1", evaluation)
    assert reason(response) == "NOT_ACCEPTED"


def ledger_with_two_versions() -> MemoryLedger:
    """Version 1 deployed, version 2 validated."""
    ledger = ledger_at("deployed")
    ledger.submit(OWNER.creator, "models", "Propose", card_json(version="2"))
    ledger.submit(INSPECTOR.creator, "models", "Validate", "sum", "2", json.dumps(EVALUATION))
    return ledger


def test_a_second_version_is_not_deployed_beside_the_first() -> None:
    response = ledger_with_two_versions().submit(OWNER.creator, "models", "Deploy", "sum", "2")
    assert reason(response) == "ALREADY_DEPLOYED"


def test_a_second_version_is_deployed_after_the_first_is_retired() -> None:
    ledger = ledger_with_two_versions()
    ledger.submit(OWNER.creator, "models", "Retire", "sum", "1")
    assert ledger.submit(OWNER.creator, "models", "Deploy", "sum", "2").ok


def test_two_versions_deployed_at_once_conflict() -> None:
    ledger = ledger_with_two_versions()
    ledger.submit(OWNER.creator, "models", "Suspend", "sum", "1", "drift")
    resume = ledger.simulate(OWNER.creator, "models", "Resume", "sum", "1")
    deploy = ledger.simulate(OWNER.creator, "models", "Deploy", "sum", "2")
    assert [ledger.commit(resume), ledger.commit(deploy)] == ["VALID", "MVCC_READ_CONFLICT"]


def test_no_version_asked_for_gives_the_deployed_one() -> None:
    assert get(ledger_with_two_versions(), "")["version"] == "1"


def test_no_version_asked_for_and_none_deployed_is_not_found() -> None:
    response = ledger_at("suspended").submit(CLINICIAN.creator, "models", "Get", "sum")
    assert reason(response) == "NOT_FOUND"


def test_an_unknown_model_is_not_found() -> None:
    response = ledger_at("proposed").submit(CLINICIAN.creator, "models", "Get", "other", "1")
    assert reason(response) == "NOT_FOUND"


def test_the_list_has_every_version() -> None:
    found = json.loads(ledger_with_two_versions().submit(CLINICIAN.creator, "models", "List").payload)
    assert [(model["id"], model["version"]) for model in found] == [("sum", "1"), ("sum", "2")]


def test_a_step_with_a_time_far_from_the_endorsers_clock_is_refused() -> None:
    response = ledger_at("validated").submit(
        OWNER.creator, "models", "Deploy", "sum", "1", at=NOON - timedelta(minutes=6)
    )
    assert reason(response) == "STALE_TIMESTAMP"


def test_a_contract_without_its_regulator_is_not_built() -> None:
    with pytest.raises(ValueError, match="regulator"):
        ModelsContract.from_config({"msp_id": HOSPITAL_A})
