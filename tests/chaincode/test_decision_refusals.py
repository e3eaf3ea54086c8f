"""What a lying or broken inference service gets: no endorsement, and the reason.

Every test signs as the inference service would after the lie, unless the lie is about the signature.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chaincode.api.stub import Response
from chaincode.core import batch, canonical, record
from chaincode.core.batch import Batch
from chaincode.core.provision import Actor, Basis
from chaincode.core.record import Consented, Contribution, Record
from tests.chaincode.callers import HOSPITAL_A, HOSPITAL_B, REGULATOR, Caller, caller
from tests.chaincode.clinic import (
    ANN,
    BEN,
    DOCTOR,
    INFERENCE,
    INFERENCE_B,
    INPUT_SALT,
    INSPECTOR,
    OWNER,
    SALT,
    Clinic,
    Question,
    sign,
    signed_by,
)
from tests.chaincode.memory_ledger import NOON

R1 = record.decision_id(HOSPITAL_A, "r1")


@pytest.fixture
def clinic() -> Clinic:
    return Clinic()


def reason(response: Response) -> str:
    return response.message.partition(":")[0]


def refusal(clinic: Clinic, signed: Batch | bytes, **kwargs: Any) -> str:
    response = clinic.submit(signed, **kwargs)
    assert response.status == 500
    return reason(response)


def changed(clinic: Clinic, question: Question | None = None, **fields: Any) -> str:
    """The reason for refusing an honest record with some fields changed."""
    signed = clinic.batch(question or Question(), change=lambda found: replace(found, **fields))
    return refusal(clinic, signed)


def answered(clinic: Clinic, **fields: Any) -> str:
    """The reason for refusing an honest record with fields of its answer changed."""

    def change(found: Record) -> Record:
        assert found.answer
        return replace(found, answer=replace(found.answer, **fields))

    return refusal(clinic, clinic.batch(Question(), change=change))


# Who asks


@pytest.mark.parametrize("who", [DOCTOR, ANN, INSPECTOR, OWNER, caller(HOSPITAL_A, "admin", "admin")])
def test_only_an_inference_service_records(clinic: Clinic, who: Caller) -> None:
    assert refusal(clinic, clinic.batch(), who=who) == "NOT_INFERENCE_SERVICE"


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_time_far_from_the_endorsers_clock_is_stale(clinic: Clinic, minutes: int) -> None:
    at = NOON + timedelta(minutes=minutes)
    assert refusal(clinic, clinic.batch(Question(at=at)), at=at) == "STALE_TIMESTAMP"


# The batch


def test_a_call_without_a_batch_is_refused(clinic: Clinic) -> None:
    assert reason(clinic.ledger.submit(INFERENCE.creator, "decisions", "Record")) == "BAD_REQUEST"


Tamper = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "tamper",
    [
        lambda document: document.pop("root"),
        lambda document: document.update(note="x"),
        lambda document: document.update(root="00"),
        lambda document: document.update(signature="%"),
        lambda document: document.update(items=[]),
        lambda document: document["items"].append(document["items"][0]),
        lambda document: document["items"].pop(),
        lambda document: document["items"].reverse(),
        lambda document: document.update(size=3),
        lambda document: document.update(size=2.0),
        lambda document: document["items"][0].update(index=-1),
        lambda document: document["items"][0].update(index=1),
        lambda document: document["items"][0].update(salt="00"),
        lambda document: document["items"][0].update(path=["zz"]),
        lambda document: document["items"][0].update(record=None),
    ],
)
def test_a_batch_that_is_not_whole_and_in_order_is_refused(clinic: Clinic, tamper: Tamper) -> None:
    document = json.loads(clinic.batch(Question(), Question("r2", x=2.0)).encode())
    tamper(document)
    assert refusal(clinic, canonical.encode(document)) == "BAD_BATCH"


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'{"root":NaN}', b'{"size":1e999}'])
def test_a_batch_that_is_no_json_object_is_refused(clinic: Clinic, body: bytes) -> None:
    assert refusal(clinic, body) == "BAD_BATCH"


def test_a_batch_of_257_is_refused(clinic: Clinic) -> None:
    item = clinic.batch().items[0]
    many = tuple(replace(item, index=n) for n in range(257))
    assert refusal(clinic, signed_by(INFERENCE, bytes(32), many)) == "BAD_BATCH"


def test_a_signed_record_cannot_be_held_back(clinic: Clinic) -> None:
    whole = clinic.batch(Question(), Question("r2", x=2.0))
    assert refusal(clinic, replace(whole, items=whole.items[:1])) == "BAD_BATCH"


@pytest.mark.parametrize("signer", [INFERENCE_B, DOCTOR])
def test_a_signature_of_somebody_else_is_refused(clinic: Clinic, signer: Caller) -> None:
    honest = clinic.batch()
    assert refusal(clinic, signed_by(signer, honest.root, honest.items)) == "BAD_SIGNATURE"


def test_another_service_cannot_hand_in_a_batch_as_its_own(clinic: Clinic) -> None:
    assert refusal(clinic, clinic.batch(), who=INFERENCE_B) == "BAD_SIGNATURE"


def test_a_signature_over_another_root_is_refused(clinic: Clinic) -> None:
    honest, other = clinic.batch(), clinic.batch(Question(x=2.0))
    assert refusal(clinic, replace(honest, signature=other.signature)) == "BAD_SIGNATURE"


def test_a_signature_for_another_size_is_refused(clinic: Clinic) -> None:
    honest = clinic.batch()
    signature = INFERENCE.sign(batch.statement(honest.root, 2))
    assert refusal(clinic, replace(honest, signature=signature)) == "BAD_SIGNATURE"


def test_a_signature_over_the_bare_root_is_refused(clinic: Clinic) -> None:
    honest = clinic.batch()
    assert refusal(clinic, replace(honest, signature=INFERENCE.sign(honest.root))) == "BAD_SIGNATURE"


def test_paths_swapped_between_records_are_refused(clinic: Clinic) -> None:
    honest = clinic.batch(Question(), Question("r2", x=2.0))
    first, second = honest.items
    swapped = (replace(first, path=second.path), replace(second, path=first.path))
    assert refusal(clinic, replace(honest, items=swapped)) == "BAD_PROOF"


def test_records_swapped_between_places_are_refused(clinic: Clinic) -> None:
    honest = clinic.batch(Question(), Question("r2", x=2.0))
    first, second = honest.items
    swapped = (replace(second, index=0, path=first.path), replace(first, index=1, path=second.path))
    assert refusal(clinic, replace(honest, items=swapped)) == "BAD_PROOF"


def test_a_record_changed_after_signing_is_refused(clinic: Clinic) -> None:
    honest = clinic.batch()
    item = replace(honest.items[0], record=honest.items[0].record.replace(b"malignant", b"benign"))
    assert refusal(clinic, replace(honest, items=(item,))) == "BAD_PROOF"


def test_a_salt_changed_after_signing_is_refused(clinic: Clinic) -> None:
    honest = clinic.batch()
    assert refusal(clinic, replace(honest, items=(replace(honest.items[0], salt=bytes(16)),))) == "BAD_PROOF"


# The record


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


# Consent


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
