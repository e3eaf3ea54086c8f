"""What a service gets that lies about a request, its times or its model. See `lies`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chaincode.core import canonical, record
from chaincode.core.provision import Actor
from chaincode.core.record import Record
from tests.chaincode.callers import HOSPITAL_A, HOSPITAL_B
from tests.chaincode.clinic import (
    BEN,
    INFERENCE,
    INPUT_SALT,
    INSPECTOR,
    SALT,
    Clinic,
    Question,
    sign,
)
from tests.chaincode.lies import changed, refusal
from tests.chaincode.memory_ledger import NOON

R1 = record.decision_id(HOSPITAL_A, "r1")


@pytest.fixture
def clinic() -> Clinic:
    return Clinic()


def edited(clinic: Clinic, edit: Callable[[dict[str, Any]], object], question: Question | None = None) -> str:
    """The reason for refusing a record whose JSON was edited."""
    item = clinic.batch(question or Question()).items[0]
    document = json.loads(item.record)
    edit(document)
    return refusal(clinic, sign([(canonical.encode(document), SALT, item.input, item.input_salt)]))


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document.update(schema="salus.decision/2"),
        lambda document: document.update(id="0" * 32),
        lambda document: document.update(outcome="refused"),
        lambda document: document.update(outcome="pending"),
        lambda document: document.update(note="x"),
        lambda document: document.pop("amends"),
        lambda document: document.update(patient="Ann"),
        lambda document: document.update(request_id=""),
        lambda document: document.update(started="2026-03-02 12:00"),
        lambda document: document.update(amends="x"),
        lambda document: document.update(purpose="FUN"),
        lambda document: document.update(emergency_reason="unconscious"),
        lambda document: document.update(reason="none"),
        lambda document: document["output"].update(probability=2.0),
        lambda document: document["output"].update(probability="high"),
        lambda document: document["consent"].update(basis="hearsay"),
        lambda document: document["requester"].update(role="patient"),
        lambda document: document["requester"].update(person=""),
    ],
)
def test_a_record_that_is_malformed_or_contradicts_itself_is_refused(
    clinic: Clinic, edit: Callable[[dict[str, Any]], object]
) -> None:
    assert edited(clinic, edit) == "BAD_RECORD"


@pytest.mark.parametrize("written", [b" ", b'{"schema":"salus.decision/1","schema":"salus.decision/1"}', b"[NaN]"])
def test_a_record_that_is_not_canonical_is_refused(clinic: Clinic, written: bytes) -> None:
    item = clinic.batch().items[0]
    body = item.record + b" " if written == b" " else written
    assert refusal(clinic, sign([(body, SALT, item.input, INPUT_SALT)])) == "BAD_RECORD"


def test_a_record_that_ends_before_it_starts_is_refused(clinic: Clinic) -> None:
    assert changed(clinic, ended=NOON - timedelta(seconds=1)) == "BAD_RECORD"


def test_an_endless_emergency_reason_is_refused(clinic: Clinic) -> None:
    question = Question(patient=BEN, purpose="ETREAT", emergency_reason="x" * 501)
    assert refusal(clinic, clinic.batch(question)) == "BAD_RECORD"


def test_two_records_of_one_request_in_a_batch_are_refused(clinic: Clinic) -> None:
    assert refusal(clinic, clinic.batch(Question(), Question(x=2.0))) == "DUPLICATE"


def test_a_record_in_the_name_of_another_organisation_is_refused(clinic: Clinic) -> None:
    requester = Actor(HOSPITAL_B, "clinician", "dr-baker")
    assert changed(clinic, requester=requester) == "WRONG_ORGANISATION"


@pytest.mark.parametrize("started", [NOON - timedelta(minutes=6), NOON - timedelta(days=365)])
def test_a_backdated_record_is_refused(clinic: Clinic, started: Any) -> None:
    assert changed(clinic, started=started) == "STALE_TIMESTAMP"


def test_a_postdated_record_is_refused(clinic: Clinic) -> None:
    assert changed(clinic, ended=NOON + timedelta(minutes=6)) == "STALE_TIMESTAMP"


def test_a_request_is_recorded_once(clinic: Clinic) -> None:
    clinic.submit(clinic.batch())
    assert refusal(clinic, clinic.batch(Question(x=2.0))) == "ALREADY_RECORDED"


def test_a_refused_request_is_not_asked_again_under_its_id(clinic: Clinic) -> None:
    clinic.submit(clinic.batch(Question(patient=BEN)))
    clinic.grant(BEN, "c2")
    assert refusal(clinic, clinic.batch(Question(patient=BEN))) == "ALREADY_RECORDED"


@pytest.mark.parametrize("amends", ["0" * 32, R1])
def test_a_decision_that_there_is_not_is_not_amended(clinic: Clinic, amends: str) -> None:
    assert changed(clinic, amends=amends) == "WRONG_AMENDMENT"


def test_a_decision_of_the_same_batch_is_not_amended(clinic: Clinic) -> None:
    signed = clinic.batch(Question(), Question("r2", x=2.0, amends=R1))
    assert refusal(clinic, signed) == "WRONG_AMENDMENT"


def test_a_decision_about_another_patient_is_not_amended(clinic: Clinic) -> None:
    clinic.submit(clinic.batch())
    clinic.grant(BEN, "c2")
    assert refusal(clinic, clinic.batch(Question("r2", BEN, x=2.0, amends=R1))) == "WRONG_AMENDMENT"


def test_a_decision_of_another_organisation_is_not_amended(clinic: Clinic) -> None:
    public = {**clinic.call(INFERENCE, "decisions", "Get", _recorded(clinic)), "organisation": HOSPITAL_B}
    key = (("decisions", ""), f"\x00decision\x00{R1}\x00")
    clinic.ledger.state[key] = (canonical.encode(public), (1, 0))
    assert refusal(clinic, clinic.batch(Question("r2", x=2.0, amends=R1))) == "WRONG_AMENDMENT"


def _recorded(clinic: Clinic) -> str:
    assert clinic.submit(clinic.batch()).ok
    return R1


# The model


def model_changed(clinic: Clinic, **fields: str) -> str:
    return refusal(clinic, clinic.batch(change=lambda found: replace(found, model=replace(found.model, **fields))))


@pytest.mark.parametrize("fields", [{"id": "other"}, {"version": "9"}])
def test_a_model_that_is_not_registered_is_unknown(clinic: Clinic, fields: dict[str, str]) -> None:
    assert model_changed(clinic, **fields) == "UNKNOWN_MODEL"


@pytest.mark.parametrize("function", ["Suspend", "Retire"])
def test_a_model_out_of_use_does_not_answer(clinic: Clinic, function: str) -> None:
    signed = clinic.batch()
    clinic.call(INSPECTOR, "models", function, "sum", "1", *(["complaint"] if function == "Suspend" else []))
    assert refusal(clinic, signed) == "MODEL_NOT_DEPLOYED"


def test_a_refusal_also_needs_a_deployed_model(clinic: Clinic) -> None:
    signed = clinic.batch(Question(patient=BEN))
    clinic.call(INSPECTOR, "models", "Suspend", "sum", "1", "complaint")
    assert refusal(clinic, signed) == "MODEL_NOT_DEPLOYED"


@pytest.mark.parametrize("fields", [{"sha256": "6" * 64}, {"card_sha256": "6" * 64}])
def test_a_model_named_with_another_file_or_card_is_wrong(clinic: Clinic, fields: dict[str, str]) -> None:
    assert model_changed(clinic, **fields) == "WRONG_MODEL"


def test_a_version_named_with_the_hashes_of_another_is_wrong(clinic: Clinic) -> None:
    old = clinic.record(Question())[0].model
    clinic.call(INSPECTOR, "models", "Retire", "sum", "1")
    clinic.deploy("2", sha256="6" * 64)
    clinic.executor.files.add("6" * 64)
    assert (
        refusal(
            clinic,
            clinic.batch(Question(version="2"), change=lambda found: replace(found, model=replace(old, version="2"))),
        )
        == "WRONG_MODEL"
    )


def test_another_class_of_data_than_the_cards_is_wrong(clinic: Clinic) -> None:
    assert changed(clinic, data_class="imaging") == "WRONG_MODEL"


@pytest.mark.parametrize("days", [-1, 1])
def test_a_record_kept_for_less_or_more_than_the_card_says_is_refused(clinic: Clinic, days: int) -> None:
    def change(found: Record) -> Record:
        return replace(found, retain_until=found.retain_until + timedelta(days=days))

    assert refusal(clinic, clinic.batch(change=change)) == "RETENTION"


def test_an_organisation_without_the_model_file_does_not_endorse(clinic: Clinic) -> None:
    signed = clinic.batch()
    clinic.executor.files.clear()
    assert refusal(clinic, signed) == "MODEL_FILE"


def test_an_organisation_whose_model_does_not_run_does_not_endorse(clinic: Clinic) -> None:
    signed = clinic.batch()
    clinic.executor.broken = True
    assert refusal(clinic, signed) == "EXECUTION_FAILED"
