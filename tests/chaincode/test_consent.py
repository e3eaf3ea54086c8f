"""Consent on the ledger: granted and revoked by the patient alone, evaluated for whoever may ask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from chaincode.api.context import Context
from chaincode.api.contract import Contract, transaction
from chaincode.api.stub import Response
from chaincode.consent import MAX_HELD_BYTES, ConsentContract
from chaincode.core import record
from tests.chaincode.callers import HOSPITAL_A, HOSPITAL_B, REGULATOR, Caller, caller
from tests.chaincode.memory_ledger import NOON, MemoryLedger

ANN = caller(HOSPITAL_A, "a" * 32, "patient")
BEN = caller(HOSPITAL_A, "b" * 32, "patient")
DOCTOR = caller(HOSPITAL_A, "dr-adams", "clinician")
INFERENCE = caller(HOSPITAL_A, "inference", "inference")
CONSENT = caller(HOSPITAL_A, "consent", "consent")
INSPECTOR = caller(REGULATOR, "inspector", "inspector")

SALT = b"0123456789abcdef"
PERMIT: dict[str, Any] = {"type": "permit", "actor": {"organisation": HOSPITAL_A}, "purposes": ["TREAT"]}


class DecisionsContract(Contract):
    """Stands where `decisions` stands: it passes on to `consent` what it is told."""

    name = "decisions"

    @transaction
    def pass_on(self, ctx: Context, patient: str, use: str) -> bytes:
        return ctx.call("consent", "RecordUse", patient, use)


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger(
        {"consent": ConsentContract(lambda: NOON), "decisions": DecisionsContract()},
        {"consent": {"consents": {HOSPITAL_A, HOSPITAL_B, REGULATOR}}},
    )


def body(consent_id: str = "c1", patient: Caller = ANN, *provisions: Mapping[str, Any]) -> bytes:
    return json.dumps({"id": consent_id, "patient": patient.name, "provisions": list(provisions) or [PERMIT]}).encode()


def grant(
    ledger: MemoryLedger,
    who: Caller = ANN,
    consent_id: str = "c1",
    consent: bytes | None = None,
    salt: bytes = SALT,
) -> Response:
    transient = {"consent": body(consent_id, who) if consent is None else consent, "salt": salt}
    return ledger.submit(who.creator, "consent", "Grant", consent_id, transient=transient)


def query(patient: Caller = ANN, **changes: Any) -> str:
    question = {
        "patient": patient.name,
        "actor": {"organisation": HOSPITAL_A, "role": "clinician", "person": "dr-adams"},
        "data_class": "cytology",
        "purpose": "TREAT",
        "model": "sum",
        "emergency_reason": "",
    }
    return json.dumps({**question, **changes})


def verdict(ledger: MemoryLedger, **changes: Any) -> dict[str, Any]:
    response = ledger.submit(INFERENCE.creator, "consent", "Evaluate", query(**changes))
    assert response.ok, response.message
    found: dict[str, Any] = json.loads(response.payload)
    return found


def consents(ledger: MemoryLedger, who: Caller = ANN) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ledger.submit(who.creator, "consent", "List", who.name).payload)
    return found


def reason(response: Response) -> str:
    return response.message.partition(":")[0]


def test_a_granted_consent_permits(ledger: MemoryLedger) -> None:
    grant(ledger)
    assert verdict(ledger)["permitted"] is True


def test_a_verdict_names_the_consent_and_its_commitment(ledger: MemoryLedger) -> None:
    grant(ledger)
    found = verdict(ledger)
    assert (found["basis"], found["consent_id"], found["commitment"]) == (
        "consent",
        "c1",
        record.commitment(SALT, body()),
    )


def test_without_consent_the_answer_is_no(ledger: MemoryLedger) -> None:
    found = verdict(ledger)
    assert (found["permitted"], found["basis"]) == (False, "no-consent")


def test_a_revoked_consent_no_longer_permits(ledger: MemoryLedger) -> None:
    grant(ledger)
    ledger.submit(ANN.creator, "consent", "Revoke", "c1")
    assert verdict(ledger)["permitted"] is False


def test_a_denial_denies(ledger: MemoryLedger) -> None:
    grant(ledger, consent=body("c1", ANN, {**PERMIT, "type": "deny"}))
    assert verdict(ledger)["basis"] == "denied"


def test_a_consent_ends_with_its_period(ledger: MemoryLedger) -> None:
    period = {"start": None, "end": record.format_time(NOON + timedelta(hours=1))}
    grant(ledger, consent=body("c1", ANN, {**PERMIT, "period": period}))
    late = ledger.submit(INFERENCE.creator, "consent", "Evaluate", query(), at=NOON + timedelta(hours=1))
    assert json.loads(late.payload)["permitted"] is False


def test_an_emergency_with_a_reason_is_permitted_without_consent(ledger: MemoryLedger) -> None:
    found = verdict(ledger, purpose="ETREAT", emergency_reason="unconscious")
    assert (found["permitted"], found["basis"]) == (True, "emergency")


def test_an_emergency_is_for_clinicians(ledger: MemoryLedger) -> None:
    actor = {"organisation": HOSPITAL_A, "role": "researcher", "person": "x"}
    assert verdict(ledger, actor=actor, purpose="ETREAT", emergency_reason="unconscious")["permitted"] is False


def test_public_state_holds_the_commitment_and_no_patient(ledger: MemoryLedger) -> None:
    grant(ledger)
    public = {key: value for ((_, collection), key), (value, _) in ledger.state.items() if not collection}
    assert json.loads(public["\x00consent\x00c1\x00"]) == {
        "commitment": record.commitment(SALT, body()),
        "status": "active",
        "granted": "2026-03-02T12:00:00.000000Z",
        "revoked": None,
    }


def test_nobody_grants_for_somebody_else(ledger: MemoryLedger) -> None:
    assert reason(grant(ledger, BEN, consent=body("c1", ANN))) == "ACCESS_DENIED"


@pytest.mark.parametrize("who", [DOCTOR, CONSENT, INFERENCE])
def test_only_a_patient_grants(ledger: MemoryLedger, who: Caller) -> None:
    assert reason(grant(ledger, who)) == "ACCESS_DENIED"


def test_a_patient_enrolled_under_a_name_does_not_grant(ledger: MemoryLedger) -> None:
    assert reason(grant(ledger, caller(HOSPITAL_A, "Ann Smith", "patient"))) == "ACCESS_DENIED"


def test_another_organisation_cannot_enrol_the_same_pseudonym_and_grant(ledger: MemoryLedger) -> None:
    grant(ledger)
    assert reason(grant(ledger, caller(HOSPITAL_B, ANN.name, "patient"), "c2")) == "ACCESS_DENIED"


def test_another_organisation_cannot_enrol_the_same_pseudonym_and_read(ledger: MemoryLedger) -> None:
    grant(ledger)
    impostor = caller(HOSPITAL_B, ANN.name, "patient")
    assert reason(ledger.submit(impostor.creator, "consent", "List", ANN.name)) == "ACCESS_DENIED"


def test_a_consent_id_is_granted_once(ledger: MemoryLedger) -> None:
    grant(ledger)
    assert reason(grant(ledger)) == "ALREADY_EXISTS"


def test_a_consent_id_of_another_patient_is_taken(ledger: MemoryLedger) -> None:
    grant(ledger)
    assert reason(grant(ledger, BEN)) == "ALREADY_EXISTS"


@pytest.mark.parametrize(
    "consent",
    [
        b"{",
        b"[]",
        b"{}",
        body("another id"),
        body("c1", ANN, *[PERMIT] * 33),
        body("c1", ANN, {**PERMIT, "type": "perhaps"}),
        body("c1", ANN, {**PERMIT, "colour": "red"}),
        body("c1", ANN, {"type": "permit", "actor": {"person": "x"}}),
        json.dumps({"id": "c1", "patient": ANN.name, "provisions": []}).encode(),
        json.dumps({"id": "c1", "patient": ANN.name, "provisions": [PERMIT], "note": "x"}).encode(),
    ],
)
def test_a_malformed_consent_is_refused(ledger: MemoryLedger, consent: bytes) -> None:
    assert reason(grant(ledger, consent=consent)) == "BAD_CONSENT"


def test_a_short_salt_is_refused(ledger: MemoryLedger) -> None:
    assert reason(grant(ledger, salt=b"short")) == "BAD_CONSENT"


def test_a_grant_without_transient_data_is_refused(ledger: MemoryLedger) -> None:
    assert reason(ledger.submit(ANN.creator, "consent", "Grant", "c1")) == "BAD_REQUEST"


def test_a_grant_dated_far_from_the_endorsers_clock_is_refused(ledger: MemoryLedger) -> None:
    transient = {"consent": body(), "salt": SALT}
    late = ledger.submit(ANN.creator, "consent", "Grant", "c1", transient=transient, at=NOON - timedelta(minutes=6))
    assert reason(late) == "STALE_TIMESTAMP"


def test_revoking_twice_is_refused(ledger: MemoryLedger) -> None:
    grant(ledger)
    ledger.submit(ANN.creator, "consent", "Revoke", "c1")
    assert reason(ledger.submit(ANN.creator, "consent", "Revoke", "c1")) == "ALREADY_REVOKED"


@pytest.mark.parametrize("who", [ANN, BEN])
def test_a_consent_that_is_not_the_callers_is_not_found(ledger: MemoryLedger, who: Caller) -> None:
    grant(ledger, BEN if who is ANN else ANN)
    assert reason(ledger.submit(who.creator, "consent", "Revoke", "c1")) == "NOT_FOUND"


def test_a_patient_sees_their_consents_in_the_order_granted(ledger: MemoryLedger) -> None:
    grant(ledger, consent_id="c2")
    grant(ledger, consent_id="c1")
    assert [each["id"] for each in consents(ledger)] == ["c2", "c1"]


def test_a_patient_sees_a_revoked_consent_with_its_time(ledger: MemoryLedger) -> None:
    grant(ledger)
    ledger.submit(ANN.creator, "consent", "Revoke", "c1")
    assert (consents(ledger)[0]["status"], consents(ledger)[0]["revoked"]) == (
        "revoked",
        "2026-03-02T12:00:00.000000Z",
    )


def test_a_patient_who_granted_nothing_sees_nothing(ledger: MemoryLedger) -> None:
    assert consents(ledger) == []


def test_the_consent_service_sees_its_organisations_patients_consents(ledger: MemoryLedger) -> None:
    grant(ledger)
    assert ledger.submit(CONSENT.creator, "consent", "List", ANN.name).ok


@pytest.mark.parametrize("who", [BEN, DOCTOR, INFERENCE, INSPECTOR, caller(HOSPITAL_B, "consent-b", "consent")])
@pytest.mark.parametrize("function", [("List",), ("ListUses", "10")])
def test_nobody_else_sees_a_patients_consents_and_uses(
    ledger: MemoryLedger, who: Caller, function: tuple[str, ...]
) -> None:
    grant(ledger)
    name, *rest = function
    assert reason(ledger.submit(who.creator, "consent", name, ANN.name, *rest)) == "ACCESS_DENIED"


@pytest.mark.parametrize(
    "who",
    [
        BEN,
        caller(HOSPITAL_B, "dr-baker", "clinician"),
        caller(HOSPITAL_B, "inference-b", "inference"),
        caller(HOSPITAL_A, "owner-a", "owner"),
        caller(HOSPITAL_B, "inspector-b", "inspector"),
        caller(HOSPITAL_B, "audit-b", "audit"),
    ],
)
def test_who_has_nothing_to_do_with_a_use_does_not_ask_about_it(ledger: MemoryLedger, who: Caller) -> None:
    assert reason(ledger.submit(who.creator, "consent", "Evaluate", query())) == "ACCESS_DENIED"


@pytest.mark.parametrize("who", [ANN, DOCTOR, INFERENCE, CONSENT])
def test_who_has_to_do_with_a_use_asks_about_it(ledger: MemoryLedger, who: Caller) -> None:
    assert ledger.submit(who.creator, "consent", "Evaluate", query()).ok


@pytest.mark.parametrize(
    "changes", [{"actor": "x"}, {"purpose": 1}, {"extra": ""}, {"patient": "Ann"}, {"actor": {"organisation": 1}}]
)
def test_a_malformed_question_is_refused(ledger: MemoryLedger, changes: dict[str, Any]) -> None:
    response = ledger.submit(INFERENCE.creator, "consent", "Evaluate", json.dumps({**json.loads(query()), **changes}))
    assert reason(response) == "BAD_REQUEST"


def test_what_a_patient_stores_is_bounded(ledger: MemoryLedger) -> None:
    half = b" " * (MAX_HELD_BYTES // 2)
    assert grant(ledger, consent=body("c1") + half).ok
    assert reason(grant(ledger, consent_id="c2", consent=body("c2") + half)) == "TOO_MANY_CONSENTS"


def test_two_grants_of_one_patient_at_once_conflict(ledger: MemoryLedger) -> None:
    first, second = (
        ledger.simulate(ANN.creator, "consent", "Grant", name, transient={"consent": body(name), "salt": SALT})
        for name in ("c1", "c2")
    )
    assert [ledger.commit(first), ledger.commit(second)] == ["VALID", "MVCC_READ_CONFLICT"]


def use(decision: str) -> str:
    return json.dumps({"decision_id": decision, "answered": True})


def test_uses_are_listed_newest_first_page_by_page(ledger: MemoryLedger) -> None:
    for minute in range(3):
        at = NOON + timedelta(minutes=minute)
        ledger.submit(INFERENCE.creator, "decisions", "PassOn", ANN.name, use(f"d{minute}"), at=at)
    first = json.loads(ledger.submit(ANN.creator, "consent", "ListUses", ANN.name, "2").payload)
    second = json.loads(ledger.submit(ANN.creator, "consent", "ListUses", ANN.name, "2", first["bookmark"]).payload)
    assert [each["decision_id"] for each in first["uses"] + second["uses"]] == ["d2", "d1", "d0"]


def test_the_last_page_of_uses_has_no_bookmark(ledger: MemoryLedger) -> None:
    ledger.submit(INFERENCE.creator, "decisions", "PassOn", ANN.name, use("d"))
    assert json.loads(ledger.submit(ANN.creator, "consent", "ListUses", ANN.name, "2").payload)["bookmark"] == ""


def test_a_patient_does_not_see_another_ones_uses(ledger: MemoryLedger) -> None:
    ledger.submit(INFERENCE.creator, "decisions", "PassOn", ANN.name, use("d"))
    assert json.loads(ledger.submit(BEN.creator, "consent", "ListUses", BEN.name, "2").payload)["uses"] == []


def test_a_bookmark_of_another_patient_is_refused(ledger: MemoryLedger) -> None:
    response = ledger.submit(BEN.creator, "consent", "ListUses", BEN.name, "2", f"use/{ANN.name}/0/d")
    assert reason(response) == "BAD_REQUEST"


def test_what_is_no_pseudonym_reaches_no_patients_uses(ledger: MemoryLedger) -> None:
    grant(ledger)
    ledger.submit(INFERENCE.creator, "decisions", "PassOn", ANN.name, use("d"))
    # The transaction's time is public, and so is what stands between pseudonym and decision id in a use's key.
    inside = f"{ANN.name}/{10**18 - int(NOON.timestamp() * 1_000_000):020d}"
    stranger = caller(HOSPITAL_B, "consent-b", "consent")
    assert reason(ledger.submit(stranger.creator, "consent", "ListUses", inside, "10")) == "BAD_REQUEST"


def test_the_inference_service_does_not_write_uses_itself(ledger: MemoryLedger) -> None:
    response = ledger.submit(INFERENCE.creator, "consent", "RecordUse", ANN.name, use("d"))
    assert reason(response) == "ACCESS_DENIED"


def test_recording_a_use_conflicts_with_no_other_use(ledger: MemoryLedger) -> None:
    first, second = (
        ledger.simulate(INFERENCE.creator, "decisions", "PassOn", ANN.name, use(name)) for name in ("d1", "d2")
    )
    assert [ledger.commit(first), ledger.commit(second)] == ["VALID", "VALID"]
