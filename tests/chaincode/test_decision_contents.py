"""What a service gets that lies about consent, the input, the output or the explanation. See `lies`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chaincode.core import canonical, record
from chaincode.core.provision import Basis
from chaincode.core.record import Consented, Contribution, Record
from tests.chaincode.callers import REGULATOR, caller
from tests.chaincode.clinic import (
    ANN,
    BEN,
    INFERENCE_B,
    INPUT_SALT,
    SALT,
    Clinic,
    Question,
    sign,
)
from tests.chaincode.lies import answered, changed, refusal
from tests.chaincode.memory_ledger import NOON


@pytest.fixture
def clinic() -> Clinic:
    return Clinic()


def test_an_answer_without_consent_is_refused(clinic: Clinic) -> None:
    signed = clinic.batch()
    clinic.call(ANN, "consent", "Revoke", "c1")
    assert refusal(clinic, signed) == "CONSENT_MISMATCH"


def test_a_refusal_although_consent_permits_is_refused(clinic: Clinic) -> None:
    signed = clinic.batch(Question(patient=BEN))
    clinic.grant(BEN, "c2")
    assert refusal(clinic, signed) == "CONSENT_MISMATCH"


@pytest.mark.parametrize("fields", [{"id": "c9"}, {"commitment": "9" * 64}, {"basis": Basis.EMERGENCY}])
def test_an_answer_under_another_consent_than_the_one_that_decides_is_refused(
    clinic: Clinic, fields: dict[str, Any]
) -> None:
    def change(found: Record) -> Record:
        return replace(found, consent=replace(found.consent, **fields))

    assert refusal(clinic, clinic.batch(change=change)) == "CONSENT_MISMATCH"


@pytest.mark.parametrize(
    "fields", [{"consent": Consented(Basis.DENIED, "c9", "9" * 64)}, {"reason": "the patient is unwilling"}]
)
def test_a_refusal_with_another_reason_than_the_verdicts_is_refused(clinic: Clinic, fields: dict[str, Any]) -> None:
    assert changed(clinic, Question(patient=BEN), **fields) == "CONSENT_MISMATCH"


def test_consent_for_another_purpose_does_not_count(clinic: Clinic) -> None:
    assert changed(clinic, purpose="HRESCH") == "CONSENT_MISMATCH"


def test_an_emergency_without_a_reason_is_not_permitted(clinic: Clinic) -> None:
    question = Question(patient=BEN, purpose="ETREAT", emergency_reason="unconscious")
    assert changed(clinic, question, emergency_reason="") == "CONSENT_MISMATCH"


def test_consent_that_has_ended_does_not_count(clinic: Clinic) -> None:
    clinic.grant(BEN, "c2", period={"end": record.format_time(NOON + timedelta(minutes=1))})
    signed = clinic.batch(Question(patient=BEN))
    assert refusal(clinic, signed, at=NOON + timedelta(minutes=1)) == "CONSENT_MISMATCH"


# The input


def test_an_input_that_is_not_the_one_committed_to_is_refused(clinic: Clinic) -> None:
    item, other = clinic.batch().items[0], clinic.batch(Question(x=2.0)).items[0]
    assert refusal(clinic, sign([(item.record, SALT, other.input, INPUT_SALT)])) == "BAD_INPUT"


def test_an_answer_without_its_input_is_refused(clinic: Clinic) -> None:
    item = clinic.batch().items[0]
    assert refusal(clinic, sign([(item.record, SALT, b"", b"")])) == "BAD_INPUT"


def edited_input(clinic: Clinic, edit: Callable[[dict[str, Any]], object]) -> str:
    def change(given: bytes) -> bytes:
        document = json.loads(given)
        edit(document)
        return canonical.encode(document)

    return refusal(clinic, clinic.batch(change_input=change))


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document["measurements"].pop("x"),
        lambda document: document["measurements"].update(z=[1.0]),
        lambda document: document["measurements"].update(x=[1.0, 2.0]),
        lambda document: document["measurements"].update(x=[10.5]),
        lambda document: document["measurements"].update(x=["high"]),
        lambda document: document["measurements"].update(x=[True]),
        lambda document: document.update(note="x"),
    ],
)
def test_an_input_that_the_card_does_not_take_is_refused(
    clinic: Clinic, edit: Callable[[dict[str, Any]], object]
) -> None:
    assert edited_input(clinic, edit) == "BAD_INPUT"


@pytest.mark.parametrize("written", [b"NaN", b"Infinity", b"1e999"])
def test_an_input_that_is_not_finite_is_refused(clinic: Clinic, written: bytes) -> None:
    signed = clinic.batch(change_input=lambda given: given.replace(b'"x":[1.0]', b'"x":[' + written + b"]"))
    assert refusal(clinic, signed) == "BAD_INPUT"


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document.update(patient="b" * 32),
        lambda document: document.update(request_id="r0"),
        lambda document: document.update(model="other"),
    ],
)
def test_an_input_made_for_another_patient_request_or_model_is_refused(
    clinic: Clinic, edit: Callable[[dict[str, Any]], object]
) -> None:
    assert edited_input(clinic, edit) == "REUSED_INPUT"


def test_an_input_recorded_before_is_refused(clinic: Clinic) -> None:
    first = clinic.batch()
    clinic.submit(first)
    assert refusal(clinic, clinic.batch(Question("r2"), change_input=lambda _: first.items[0].input)) == "REUSED_INPUT"


def test_measurements_recorded_of_another_patient_are_refused(clinic: Clinic) -> None:
    clinic.submit(clinic.batch())
    clinic.grant(BEN, "c2")
    assert refusal(clinic, clinic.batch(Question("r2", BEN))) == "REUSED_INPUT"


def test_measurements_of_another_patient_in_the_same_batch_are_refused(clinic: Clinic) -> None:
    clinic.grant(BEN, "c2")
    assert refusal(clinic, clinic.batch(Question(), Question("r2", BEN))) == "REUSED_INPUT"


def test_measurements_of_two_patients_endorsed_at_once_conflict(clinic: Clinic) -> None:
    clinic.grant(BEN, "c2")
    first, second = clinic.simulate(clinic.batch()), clinic.simulate(clinic.batch(Question("r2", BEN)))
    assert [clinic.ledger.commit(first), clinic.ledger.commit(second)] == ["VALID", "MVCC_READ_CONFLICT"]


@pytest.mark.parametrize("sources", [(("z", "Observation/1"),), (("x", "1"), ("x", "2")), (("x", "s" * 501),)])
def test_a_source_belongs_to_an_input(clinic: Clinic, sources: Any) -> None:
    assert changed(clinic, sources=sources) == "BAD_INPUT"


def test_a_refusal_that_keeps_the_input_is_refused(clinic: Clinic) -> None:
    item, other = clinic.batch(Question(patient=BEN)).items[0], clinic.batch().items[0]
    assert refusal(clinic, sign([(item.record, SALT, other.input, INPUT_SALT)])) == "BAD_INPUT"


def test_a_refusal_that_names_sources_is_refused(clinic: Clinic) -> None:
    assert changed(clinic, Question(patient=BEN), sources=(("x", "Observation/1"),)) == "BAD_INPUT"


# The output


@pytest.mark.parametrize("fields", [{"probability": 0.9}, {"probability": 0.0}, {"label": "benign"}, {"label": "x"}])
def test_another_output_than_the_models_is_refused(clinic: Clinic, fields: dict[str, Any]) -> None:
    assert answered(clinic, **fields) == "OUTPUT_MISMATCH"


@pytest.mark.parametrize(
    "explanation",
    [
        (),
        (Contribution("x", 1.0, 1.0),),
        (Contribution("y", 0.5, 0.5), Contribution("x", 1.0, 1.0)),
        (Contribution("x", 1.0, 0.9), Contribution("y", 0.5, 0.5)),
        (Contribution("x", 1.1, 1.0), Contribution("y", 0.5, 0.5)),
        (Contribution("x", 1.0, 1.0), Contribution("z", 0.5, 0.5)),
        (Contribution("x", 1.0, 1.0), Contribution("y", 0.5, 0.5), Contribution("y", 0.5, 0.5)),
    ],
)
def test_another_explanation_than_the_models_is_refused(clinic: Clinic, explanation: Any) -> None:
    assert answered(clinic, explanation=explanation) == "OUTPUT_MISMATCH"


def test_the_answer_to_other_measurements_is_refused(clinic: Clinic) -> None:
    other = clinic.record(Question(x=2.0))[0].answer
    assert other
    assert answered(clinic, probability=other.probability, explanation=other.explanation) == "OUTPUT_MISMATCH"


def test_one_lie_in_a_batch_refuses_the_whole(clinic: Clinic) -> None:
    def change(found: Record) -> Record:
        if found.request_id != "r2" or found.answer is None:
            return found
        return replace(found, answer=replace(found.answer, probability=0.1, label="benign"))

    assert refusal(clinic, clinic.batch(Question(), Question("r2", x=2.0), change=change)) == "OUTPUT_MISMATCH"


def test_no_message_holds_what_is_personal(clinic: Clinic) -> None:
    messages = [
        clinic.submit(clinic.batch(change=lambda found: replace(found, patient=BEN.name))).message,
        clinic.submit(clinic.batch(change=lambda found: replace(found, purpose="HRESCH"))).message,
        clinic.submit(clinic.batch(Question(x=10.5))).message,
        clinic.submit(clinic.batch(change_input=lambda given: given.replace(b"a" * 32, b"b" * 32))).message,
    ]
    assert not [each for each in messages if ANN.name in each or BEN.name in each or "10.5" in each or not each]


def test_a_service_of_another_organisation_does_not_write_into_this_ones_records(clinic: Clinic) -> None:
    item = clinic.batch().items[0]
    signed = sign([(item.record, SALT, item.input, INPUT_SALT)], INFERENCE_B)
    assert refusal(clinic, signed, who=INFERENCE_B) == "WRONG_ORGANISATION"


def test_an_inference_service_of_the_regulator_records_nothing(clinic: Clinic) -> None:
    service = caller(REGULATOR, "inference-r", "inference")
    item = clinic.batch().items[0]
    assert refusal(clinic, sign([(item.record, SALT, item.input, INPUT_SALT)], service), who=service) == (
        "WRONG_ORGANISATION"
    )
