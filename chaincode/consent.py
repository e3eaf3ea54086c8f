"""Patients' permissions: granted and revoked by the patient, evaluated where a decision is recorded.

Where things lie:

- public `consent/<id>`: commitment, status, times. Nothing else about a consent is public.
- private `patient/<pseudonym>` in collection `consents`: every consent of one patient under one key, so that a grant or
  a revocation that races a decision about the patient makes the later of the two invalid (MVCC).
- private `use/<pseudonym>/<newest first>/<decision id>` in `consents`: every use and refusal of the patient's data.

Rules:

1. Only the patient grants and revokes: role patient, enrolment id equal to the pseudonym, and of the organisation
   that enrolled whoever granted first under this pseudonym.
2. A consent arrives as transient data with a salt of 16 bytes or more; its commitment is made over its bytes verbatim.
3. Evaluate answers from committed state at the transaction's time. `chaincode.core.provision` holds the rules.
4. RecordUse is called by the contract `decisions` alone: the client's own proposal must name that contract.
5. A patient, and the consent service of the patient's organisation, see the patient's consents and uses. Evaluate also
   answers clinicians and the inference service about their own organisation. Others get nothing: every organisation
   gives out roles, so `inspector` in a certificate does not say that the regulator sent them.

Reasons: ACCESS_DENIED, BAD_REQUEST, BAD_CONSENT, ALREADY_EXISTS, TOO_MANY_CONSENTS, NOT_FOUND, ALREADY_REVOKED,
STALE_TIMESTAMP.
"""

from __future__ import annotations

import re
from datetime import datetime
from itertools import islice
from typing import Any

from chaincode.api.clock import Clock, system_clock
from chaincode.api.clock import check as check_time
from chaincode.api.context import Context
from chaincode.api.contract import Contract, transaction
from chaincode.api.errors import ContractError
from chaincode.core import canonical, provision, record

COLLECTION = "consents"
DECISIONS = "decisions"
MAX_CONSENTS = 256
# All of a patient's consents: every decision about the patient reads them.
MAX_HELD_BYTES = 1 << 20
MAX_PAGE = 1000
SALT_BYTES = range(16, 65)

Rows = list[dict[str, Any]]

_PSEUDONYM = re.compile(r"[0-9a-f]{32}")


class ConsentContract(Contract):
    """Functions `Grant`, `Revoke`, `Evaluate`, `List`, `ListUses`, `RecordUse`."""

    name = "consent"

    def __init__(self, clock: Clock = system_clock) -> None:
        self._clock = clock

    @transaction
    def grant(self, ctx: Context, consent_id: str) -> dict[str, str]:
        """Grants the consent in transient `consent` (JSON {"id", "patient", "provisions"}) with transient `salt`."""
        patient = self._patient(ctx)
        body, salt = ctx.transient("consent"), ctx.transient("salt")
        provisions = _read_consent(body, consent_id, patient)
        if len(salt) not in SALT_BYTES:
            raise ContractError("BAD_CONSENT", "the salt has 16 to 64 bytes")
        public_key = ctx.stub.create_composite_key("consent", [consent_id])
        if ctx.stub.get_state(public_key):
            raise ContractError("ALREADY_EXISTS", "there is a consent of this id")
        held = self._own(ctx, patient)
        if len(held["consents"]) >= MAX_CONSENTS:
            raise ContractError("TOO_MANY_CONSENTS", f"a patient has at most {MAX_CONSENTS} consents")
        granted = record.format_time(ctx.now)
        commitment = record.commitment(salt, body)
        held["consents"].append(
            {
                "id": consent_id,
                "patient": patient,
                "status": "active",
                "provisions": provisions,
                "granted": granted,
                "revoked": None,
                "commitment": commitment,
                "body": body.decode(),
                "salt": salt.hex(),
            }
        )
        stored = canonical.encode(held)
        if len(stored) > MAX_HELD_BYTES:
            raise ContractError("TOO_MANY_CONSENTS", f"a patient's consents take at most {MAX_HELD_BYTES} bytes")
        public = {"commitment": commitment, "status": "active", "granted": granted, "revoked": None}
        ctx.stub.put_state(public_key, canonical.encode(public))
        ctx.stub.put_private_data(COLLECTION, _patient_key(patient), stored)
        return {"id": consent_id, "commitment": commitment}

    @transaction
    def revoke(self, ctx: Context, consent_id: str) -> None:
        """Ends one of the caller's consents, for good."""
        patient = self._patient(ctx)
        held = self._own(ctx, patient)
        found = next((each for each in held["consents"] if each["id"] == consent_id), None)
        if found is None:
            raise ContractError("NOT_FOUND", "the caller has no consent of this id")
        if found["status"] == "revoked":
            raise ContractError("ALREADY_REVOKED", "this consent is revoked already")
        found["status"], found["revoked"] = "revoked", record.format_time(ctx.now)
        public = {key: found[key] for key in ("commitment", "status", "granted", "revoked")}
        ctx.stub.put_state(ctx.stub.create_composite_key("consent", [consent_id]), canonical.encode(public))
        ctx.stub.put_private_data(COLLECTION, _patient_key(patient), canonical.encode(held))

    @transaction(readonly=True)
    def evaluate(self, ctx: Context, query: dict[str, Any]) -> dict[str, Any]:
        """Would this use be permitted now?

        `query` is {"patient", "actor": {"organisation", "role", "person"}, "data_class", "purpose", "model",
        "emergency_reason"}; the answer {"permitted", "basis", "consent_id", "commitment", "reason"}.
        """
        patient, use = _read_query(query)
        client = ctx.client_identity
        client.assert_role("patient", "clinician", "inference", "consent")
        held = self._own(ctx, patient) if client.role == "patient" else _held(ctx, patient)
        if client.role in ("clinician", "inference") and client.msp_id != use.actor.organisation:
            raise ContractError("ACCESS_DENIED", f"a {client.role} asks for their own organisation")
        if client.role == "consent" and client.msp_id not in (use.actor.organisation, held["organisation"]):
            raise ContractError("ACCESS_DENIED", "a consent service asks for its organisation or about its patients")
        consents = [provision.parse(each) for each in held["consents"]]
        return provision.evaluate(consents, use, ctx.now).to_json()

    @transaction(readonly=True)
    def list(self, ctx: Context, patient: str) -> Rows:
        """A patient's consents in the order granted, revoked ones included, with body and salt of each commitment."""
        rows: Rows = self._seen(ctx, patient)["consents"]
        return rows

    @transaction(readonly=True)
    def list_uses(self, ctx: Context, patient: str, page_size: int, bookmark: str = "") -> dict[str, Any]:
        """Uses and refusals of a patient's data, newest first: {"uses": [...], "bookmark"}; "" on the last page."""
        self._seen(ctx, patient)
        if not 1 <= page_size <= MAX_PAGE:
            raise ContractError("BAD_REQUEST", f"a page has 1 to {MAX_PAGE} entries")
        start, end = f"use/{patient}/", f"use/{patient}0"
        if bookmark and not start <= bookmark < end:
            raise ContractError("BAD_REQUEST", "the bookmark belongs to another query")
        entries = ctx.stub.get_private_data_by_range(COLLECTION, bookmark or start, end)
        found = list(islice(entries, page_size + 1))
        return {
            "uses": [canonical.decode(each.value) for each in found[:page_size]],
            "bookmark": found[page_size].key if len(found) > page_size else "",
        }

    @transaction
    def record_use(self, ctx: Context, patient: str, use: dict[str, Any]) -> None:
        """Writes one use below the patient's; called by `decisions`, which has checked it. Reads nothing."""
        if ctx.called_contract() != DECISIONS:
            raise ContractError("ACCESS_DENIED", f"uses are recorded by contract {DECISIONS}")
        ctx.client_identity.assert_role("inference")
        key = f"use/{patient}/{_newest_first(ctx.now)}/{use['decision_id']}"
        ctx.stub.put_private_data(COLLECTION, key, canonical.encode(use))

    def _patient(self, ctx: Context) -> str:
        """The caller's pseudonym. Raises `ContractError`."""
        check_time(ctx.now, self._clock())
        client = ctx.client_identity
        client.assert_role("patient")
        if not _PSEUDONYM.fullmatch(client.enrolment_id):
            raise ContractError("ACCESS_DENIED", "a patient enrols under a pseudonym")
        return client.enrolment_id

    def _own(self, ctx: Context, patient: str) -> dict[str, Any]:
        """What is held of the calling patient; an organisation that enrols somebody else's pseudonym gets nothing."""
        client = ctx.client_identity
        held = _held(ctx, patient)
        if client.enrolment_id != patient or held["organisation"] not in ("", client.msp_id):
            raise ContractError("ACCESS_DENIED", "patients see and change what is their own")
        return {**held, "organisation": client.msp_id}

    def _seen(self, ctx: Context, patient: str) -> dict[str, Any]:
        """What is held of a patient, for those who see everything of the patient. Raises `ContractError`."""
        client = ctx.client_identity
        client.assert_role("patient", "consent")
        # Anything longer would reach below a pseudonym, into its uses.
        if not _PSEUDONYM.fullmatch(patient):
            raise ContractError("BAD_REQUEST", "a patient is asked about by pseudonym")
        if client.role == "patient":
            return self._own(ctx, patient)
        held = _held(ctx, patient)
        if held["organisation"] not in ("", client.msp_id):
            raise ContractError("ACCESS_DENIED", "a consent service sees the patients of its organisation")
        return held


def _held(ctx: Context, patient: str) -> dict[str, Any]:
    """What is held of a patient, empty where nothing is: {"patient", "organisation", "consents"}."""
    value = ctx.stub.get_private_data(COLLECTION, _patient_key(patient))
    if not value:
        return {"patient": patient, "organisation": "", "consents": []}
    held: dict[str, Any] = canonical.decode(value)
    return held


def _read_consent(body: bytes, consent_id: str, patient: str) -> Rows:
    """The provisions of a consent that is well-formed and is the one announced. Raises `ContractError`."""
    try:
        document = canonical.decode(body)
        consent = provision.parse(document)
    except ValueError as error:
        text = str(error) if isinstance(error, provision.ProvisionError) else "the consent is not JSON"
        raise ContractError("BAD_CONSENT", text) from None
    if set(document) != {"id", "patient", "provisions"}:
        raise ContractError("BAD_CONSENT", "a consent has the fields id, patient and provisions")
    if consent.id != consent_id:
        raise ContractError("BAD_CONSENT", "the consent has another id than the one granted")
    if consent.patient != patient:
        raise ContractError("ACCESS_DENIED", "only the patient grants a consent")
    return [provision.provision_json(each) for each in consent.provisions]


def _read_query(query: dict[str, Any]) -> tuple[str, provision.Use]:
    """The patient and the use asked about. Raises `ContractError` (BAD_REQUEST)."""
    texts = {name: query.get(name) for name in ("patient", "data_class", "purpose", "model", "emergency_reason")}
    if set(query) != {*texts, "actor"} or not all(isinstance(text, str) for text in texts.values()):
        raise ContractError("BAD_REQUEST", f"a question has the object actor and the texts {', '.join(texts)}")
    patient = str(query["patient"])
    if not _PSEUDONYM.fullmatch(patient):
        raise ContractError("BAD_REQUEST", "a patient is asked about by pseudonym")
    if query["purpose"] not in provision.PURPOSES:
        raise ContractError("BAD_REQUEST", "a purpose is an HL7 v3 PurposeOfUse code, for example TREAT")
    try:
        actor = provision.parse_actor(query["actor"])
    except provision.ProvisionError as error:
        raise ContractError("BAD_REQUEST", str(error)) from None
    return patient, provision.Use(
        actor, query["data_class"], query["purpose"], query["model"], query["emergency_reason"]
    )


def _patient_key(patient: str) -> str:
    return f"patient/{patient}"


def _newest_first(time: datetime) -> str:
    """Sorts later times first: microseconds to the end of time, 20 digits."""
    return f"{10**18 - int(time.timestamp() * 1_000_000):020d}"
