"""What is endorsed, and what is written where. Refusals have tests of their own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from chaincode.core import record
from chaincode.core.provision import Actor
from chaincode.decisions import DecisionsContract
from tests.chaincode.callers import HOSPITAL_A, HOSPITAL_B, REGULATOR, Caller, caller
from tests.chaincode.clinic import ANN, BEN, DOCTOR, INFERENCE, INSPECTOR, Clinic, Question
from tests.chaincode.memory_ledger import NOON

R1 = record.decision_id(HOSPITAL_A, "r1")
R2 = record.decision_id(HOSPITAL_A, "r2")
AUDIT = caller(REGULATOR, "audit", "audit")


@pytest.fixture
def clinic() -> Clinic:
    return Clinic()


def test_an_honest_answer_is_recorded(clinic: Clinic) -> None:
    response = clinic.submit(clinic.batch(Question()))
    assert (response.status, json.loads(response.payload)) == (200, [R1])


def test_a_refusal_is_recorded(clinic: Clinic) -> None:
    clinic.submit(clinic.batch(Question(patient=BEN)))
    assert clinic.call(INSPECTOR, "decisions", "Get", R1)["outcome"] == "refused"


def test_answers_and_refusals_share_a_batch(clinic: Clinic) -> None:
    signed = clinic.batch(Question(), Question("r2", patient=BEN), Question("r3", x=2.0))
    assert json.loads(clinic.submit(signed).payload) == [R1, R2, record.decision_id(HOSPITAL_A, "r3")]


def test_the_public_part_holds_nothing_of_the_patient(clinic: Clinic) -> None:
    signed = clinic.batch(Question())
    clinic.submit(signed)
    public = clinic.call(INSPECTOR, "decisions", "Get", R1)
    found = record.parse(signed.items[0].record)
    assert {key: value for key, value in public.items() if key not in ("transaction_id", "batch")} == {
        "id": R1,
        "outcome": "answered",
        "record_hash": signed.items[0].commitment,
        "model": {"id": "sum", "version": "1", "sha256": "5" * 64},
        "organisation": HOSPITAL_A,
        "purpose": "TREAT",
        "consent_commitment": record.commitment(signed.items[0].salt, found.consent.commitment.encode()),
        "started": "2026-03-02T11:59:59.997000Z",
        "ended": "2026-03-02T11:59:59.999000Z",
    }


def test_decisions_under_one_consent_cannot_be_told_to_be_so_from_what_is_public(clinic: Clinic) -> None:
    clinic.submit(clinic.batch(Question()))
    clinic.submit(clinic.batch(Question("r2", x=2.0)))
    first, second = (clinic.call(INSPECTOR, "decisions", "Get", each) for each in (R1, R2))
    assert first["consent_commitment"] != second["consent_commitment"]


def test_the_public_part_holds_the_batchs_signature(clinic: Clinic) -> None:
    signed = clinic.batch(Question(), Question("r2", x=2.0))
    clinic.submit(signed)
    document = json.loads(signed.encode())
    assert clinic.call(INSPECTOR, "decisions", "Get", R2)["batch"] == {
        "root": document["root"],
        "size": 2,
        "index": 1,
        "signature": document["signature"],
    }


def test_the_private_record_is_the_item_as_signed(clinic: Clinic) -> None:
    signed = clinic.batch(Question())
    clinic.submit(signed)
    assert clinic.call(INFERENCE, "decisions", "GetRecord", HOSPITAL_A, R1) == signed.items[0].to_json()


@pytest.mark.parametrize("who", [INFERENCE, DOCTOR, AUDIT, INSPECTOR, ANN])
def test_a_record_is_read_by_who_asked_the_services_the_regulator_and_the_patient(clinic: Clinic, who: Caller) -> None:
    clinic.submit(clinic.batch(Question()))
    assert clinic.ledger.submit(who.creator, "decisions", "GetRecord", HOSPITAL_A, R1).ok


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (BEN, "ACCESS_DENIED"),
        (caller(HOSPITAL_A, "registrar-a", "registrar"), "ACCESS_DENIED"),
        (caller(HOSPITAL_A, "dr-else", "clinician"), "ACCESS_DENIED"),
        (caller(HOSPITAL_B, "dr-baker", "clinician"), "NOT_A_MEMBER"),
    ],
)
def test_a_record_is_not_read_by_others(clinic: Clinic, who: Caller, reason: str) -> None:
    clinic.submit(clinic.batch(Question()))
    response = clinic.ledger.submit(who.creator, "decisions", "GetRecord", HOSPITAL_A, R1)
    assert response.message.startswith(reason)


@pytest.mark.parametrize("args", [("Get", "0" * 32), ("GetRecord", HOSPITAL_A, "0" * 32)])
def test_a_decision_that_there_is_not_is_not_found(clinic: Clinic, args: tuple[str, ...]) -> None:
    response = clinic.ledger.submit(INSPECTOR.creator, "decisions", *args)
    assert response.message.startswith("NOT_FOUND")


def uses(clinic: Clinic, patient: Caller) -> list[dict[str, object]]:
    found: list[dict[str, object]] = clinic.call(patient, "consent", "ListUses", patient.name, "10")["uses"]
    return found


def test_the_patient_sees_the_use(clinic: Clinic) -> None:
    simulation = clinic.simulate(clinic.batch(Question()))
    clinic.ledger.commit(simulation)
    assert uses(clinic, ANN) == [
        {
            "decision_id": R1,
            "time": "2026-03-02T12:00:00.000000Z",
            "requester": {"organisation": HOSPITAL_A, "role": "clinician", "person": "dr-adams"},
            "model_id": "sum",
            "data_class": "cytology",
            "purpose": "TREAT",
            "answered": True,
            "basis": "consent",
            "consent_id": "c1",
            "emergency_reason": "",
            "transaction_id": simulation.tx_id,
        }
    ]


def test_the_patient_sees_the_refusal(clinic: Clinic) -> None:
    clinic.submit(clinic.batch(Question(patient=BEN)))
    assert [(each["answered"], each["basis"]) for each in uses(clinic, BEN)] == [(False, "no-consent")]


def test_emergency_access_is_recorded_and_shown_with_its_reason(clinic: Clinic) -> None:
    clinic.submit(clinic.batch(Question(patient=BEN, purpose="ETREAT", emergency_reason="unconscious")))
    assert [(each["answered"], each["basis"], each["emergency_reason"]) for each in uses(clinic, BEN)] == [
        (True, "emergency", "unconscious")
    ]


def test_a_revocation_between_endorsement_and_commit_invalidates_the_record(clinic: Clinic) -> None:
    endorsed = clinic.simulate(clinic.batch(Question()))
    clinic.call(ANN, "consent", "Revoke", "c1")
    assert clinic.ledger.commit(endorsed) == "MVCC_READ_CONFLICT"


def test_a_refusal_that_a_grant_overtakes_is_invalid(clinic: Clinic) -> None:
    endorsed = clinic.simulate(clinic.batch(Question(patient=BEN)))
    clinic.grant(BEN, "c2")
    assert clinic.ledger.commit(endorsed) == "MVCC_READ_CONFLICT"


def test_another_patients_revocation_does_not_matter(clinic: Clinic) -> None:
    clinic.grant(BEN, "c2")
    endorsed = clinic.simulate(clinic.batch(Question()))
    clinic.call(BEN, "consent", "Revoke", "c2")
    assert clinic.ledger.commit(endorsed) == "VALID"


def test_a_suspension_between_endorsement_and_commit_invalidates_the_record(clinic: Clinic) -> None:
    endorsed = clinic.simulate(clinic.batch(Question()))
    clinic.call(INSPECTOR, "models", "Suspend", "sum", "1", "complaint")
    assert clinic.ledger.commit(endorsed) == "MVCC_READ_CONFLICT"


def test_one_request_endorsed_twice_is_recorded_once(clinic: Clinic) -> None:
    first, second = clinic.simulate(clinic.batch(Question())), clinic.simulate(clinic.batch(Question()))
    assert [clinic.ledger.commit(first), clinic.ledger.commit(second)] == ["VALID", "MVCC_READ_CONFLICT"]


def test_two_decisions_about_one_patient_do_not_conflict(clinic: Clinic) -> None:
    first = clinic.simulate(clinic.batch(Question()))
    second = clinic.simulate(clinic.batch(Question("r2", x=2.0)))
    assert [clinic.ledger.commit(first), clinic.ledger.commit(second)] == ["VALID", "VALID"]


def test_the_same_measurements_of_the_same_patient_are_asked_about_again(clinic: Clinic) -> None:
    clinic.submit(clinic.batch(Question()))
    assert clinic.submit(clinic.batch(Question("r2"))).ok


def test_measurements_that_repeat_by_nature_are_taken_of_two_patients(clinic: Clinic) -> None:
    clinic.call(INSPECTOR, "models", "Retire", "sum", "1")
    clinic.deploy("2", inputs_may_repeat=True)
    clinic.grant(BEN, "c2")
    assert clinic.submit(clinic.batch(Question(version="2"), Question("r2", patient=BEN, version="2"))).ok


def test_a_decision_amends_an_earlier_one(clinic: Clinic) -> None:
    clinic.submit(clinic.batch(Question()))
    assert clinic.submit(clinic.batch(Question("r2", x=2.0, amends=R1))).ok


def test_an_output_within_the_cards_tolerance_is_taken(clinic: Clinic) -> None:
    def nudge(found: record.Record) -> record.Record:
        assert found.answer
        return replace(found, answer=replace(found.answer, probability=found.answer.probability + 5e-7))

    assert clinic.submit(clinic.batch(Question(), change=nudge)).ok


def test_a_clock_five_minutes_off_is_tolerated(clinic: Clinic) -> None:
    clinic.now = NOON + timedelta(minutes=5)
    assert clinic.submit(clinic.batch(Question(at=NOON))).ok


def test_the_largest_batch_is_taken(clinic: Clinic) -> None:
    questions = [Question(f"r{n}", x=n / 100) for n in range(256)]
    assert clinic.submit(clinic.batch(*questions)).ok


def test_consent_for_one_person_is_not_for_another(clinic: Clinic) -> None:
    clinic.grant(BEN, "c2", actor={"organisation": HOSPITAL_A, "person": "dr-adams"})
    other, _ = clinic.record(Question(patient=BEN), Actor(HOSPITAL_A, "clinician", "dr-other"))
    assert other.outcome == "refused"


def test_a_contract_without_a_folder_of_models_is_not_built() -> None:
    with pytest.raises(ValueError, match="models"):
        DecisionsContract.from_config({"msp_id": HOSPITAL_A})
