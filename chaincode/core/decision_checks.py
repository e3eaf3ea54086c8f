"""What an organisation checks of a decision record before it endorses it. Pure; the ledger's part is in `decisions`.

The inference service is not trusted: every field of a record is compared with the caller's certificate, the
registered card, the verdict of the contract `consent`, the model's input, or a re-execution of the model. Each check
raises `RefusedError` with a reason of its own, and a message that names fields and never their values.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chaincode.core import batch, card, provision, record
from chaincode.core.batch import Batch, Item
from chaincode.core.card import Card
from chaincode.core.record import Input, Record

WINDOW = timedelta(minutes=5)
MAX_EMERGENCY_REASON = 500
MAX_SOURCE = 500
CLINICIAN = "clinician"


class RefusedError(Exception):
    """The record is not endorsed. `reason` is the word, `message` the sentence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Claim:
    """One item of a batch with its record read."""

    item: Item
    record: Record


def read_batch(body: bytes) -> Batch:
    """BAD_BATCH unless it is well-formed, holds as many items as it says, and holds them in the order of their places:
    so no record is signed that is not shown, and none is shown twice."""
    try:
        read = batch.parse(body)
    except record.RecordError as error:
        raise RefusedError("BAD_BATCH", str(error)) from None
    if read.size != len(read.items) or [item.index for item in read.items] != list(range(read.size)):
        raise RefusedError("BAD_BATCH", "a batch holds every record of its tree, in order")
    return read


def read_claims(items: Sequence[Item]) -> list[Claim]:
    """BAD_RECORD where a record is not written exactly as records are, or contradicts itself (`record.parse`);
    DUPLICATE where two are of one request."""
    claims = []
    for item in items:
        try:
            claims.append(Claim(item, record.parse(item.record)))
        except record.RecordError as error:
            raise RefusedError("BAD_RECORD", f"record {item.index}: {error}") from None
    if len({claim.record.id for claim in claims}) < len(claims):
        raise RefusedError("DUPLICATE", "two records of the batch are about the same request")
    return claims


def check_requester(found: Record, organisation: str) -> None:
    """WRONG_ORGANISATION unless the requester belongs to the organisation of the service that signed; BAD_RECORD unless
    it is a clinician with a name, and the reason for an emergency is of bounded length."""
    if found.organisation != organisation:
        raise RefusedError("WRONG_ORGANISATION", "the requester is not of the inference service's organisation")
    if found.requester.role != CLINICIAN or not found.requester.person:
        raise RefusedError("BAD_RECORD", "the requester is a clinician, named by enrolment id")
    if len(found.emergency_reason) > MAX_EMERGENCY_REASON:
        raise RefusedError("BAD_RECORD", f"an emergency reason has at most {MAX_EMERGENCY_REASON} characters")


def check_times(found: Record, at: datetime) -> None:
    """STALE_TIMESTAMP where the record started or ended more than five minutes from the transaction's time."""
    if abs(at - found.started) > WINDOW or abs(at - found.ended) > WINDOW:
        raise RefusedError("STALE_TIMESTAMP", "the record's times are more than 5 minutes from the transaction's")


def check_model(found: Record, registered: Mapping[str, Any], described: Card) -> None:
    """MODEL_NOT_DEPLOYED, WRONG_MODEL (hash of file or card, or class of data), RETENTION."""
    if registered["status"] != "deployed":
        raise RefusedError("MODEL_NOT_DEPLOYED", f"the model is {registered['status']}")
    if (found.model.sha256, found.model.card_sha256) != (registered["sha256"], registered["card_sha256"]):
        raise RefusedError("WRONG_MODEL", "the record names another model file or card than is registered")
    if found.data_class != described.data_class:
        raise RefusedError("WRONG_MODEL", "the record names another class of data than the model's card")
    if found.retain_until != retain_until(found.ended, described.retention_years):
        raise RefusedError("RETENTION", "the record is not kept for as long as the model's card says")


def retain_until(ended: datetime, years: int) -> datetime:
    """The same day `years` later; 1 March for a 29 February that there is not."""
    try:
        return ended.replace(year=ended.year + years)
    except ValueError:
        return (ended + timedelta(days=1)).replace(year=ended.year + years)


def check_consent(found: Record, verdict: Mapping[str, Any]) -> None:
    """CONSENT_MISMATCH unless the record rests on what the contract `consent` says now: answered where it permits,
    refused with its reason where it does not, and naming the same basis, consent and commitment."""
    if verdict["permitted"] and found.answer is None:
        raise RefusedError("CONSENT_MISMATCH", "the record is a refusal, and the use is permitted")
    if not verdict["permitted"] and found.answer is not None:
        raise RefusedError("CONSENT_MISMATCH", "the record is an answer, and the use is not permitted")
    said = (str(found.consent.basis), found.consent.id, found.consent.commitment)
    if said != (verdict["basis"], verdict["consent_id"], verdict["commitment"]):
        raise RefusedError("CONSENT_MISMATCH", "the record rests on another consent than the one that decides")
    if found.reason != ("" if found.answer else verdict["reason"]):
        raise RefusedError("CONSENT_MISMATCH", "the record's reason is not the verdict's")


def check_refusal(claim: Claim) -> None:
    """BAD_INPUT where a refusal carries an input or says where one came from."""
    if claim.item.input or claim.record.sources:
        raise RefusedError("BAD_INPUT", "a refusal keeps nothing of the input")


def read_input(claim: Claim) -> Input:
    """The input of an answer. BAD_INPUT where it is not the one committed to, REUSED_INPUT where it was made for
    another patient, request or model: since a request is recorded once, so is its input."""
    answer = claim.record.answer
    if answer is None or record.commitment(claim.item.input_salt, claim.item.input) != answer.input_commitment:
        raise RefusedError("BAD_INPUT", "the input is not the one that the record commits to")
    try:
        found = record.parse_input(claim.item.input)
    except record.RecordError as error:
        raise RefusedError("BAD_INPUT", str(error)) from None
    made_for = (found.patient, found.request_id, found.model_id)
    if made_for != (claim.record.patient, claim.record.request_id, claim.record.model.id):
        raise RefusedError("REUSED_INPUT", "the input was made for another patient, request or model")
    return found


def input_values(found: Record, given: Input, described: Card) -> tuple[float, ...]:
    """The values that the model runs on, in its order. BAD_INPUT where the card does not take them, or where a source
    is named of something that is no input."""
    names = {each.name for each in described.inputs}
    sources = [name for name, _ in found.sources]
    if not names.issuperset(sources) or len(set(sources)) < len(sources):
        raise RefusedError("BAD_INPUT", "each source belongs to one input of the model")
    if any(len(source) > MAX_SOURCE for _, source in found.sources):
        raise RefusedError("BAD_INPUT", f"a source has at most {MAX_SOURCE} characters")
    try:
        return card.validate_inputs(
            described, [card.Measurement(name, values) for name, values in given.measurements.items()]
        )
    except card.InputError as error:
        raise RefusedError("BAD_INPUT", str(error)) from None


def check_output(
    found: Record, values: Sequence[float], described: Card, probability: float, contributions: Sequence[float]
) -> None:
    """OUTPUT_MISMATCH unless the answer is that of a re-execution on `values`: probability and each contribution within
    the card's tolerance, the label that of the recorded probability, the explanation of these inputs and values."""
    answer = found.answer
    if answer is None:
        raise RefusedError("OUTPUT_MISMATCH", "the record holds no answer")
    explained = [(each.name, each.value) for each in answer.explanation]
    if explained != list(zip(value_names(described), values, strict=True)):
        raise RefusedError("OUTPUT_MISMATCH", "the explanation is not one of the model's inputs, in order")
    # The label follows from the recorded probability: near the threshold, two executions within tolerance may differ.
    label = described.label(answer.probability)
    differing = record.differences(answer, label, probability, contributions, described.tolerance)
    if differing:
        raise RefusedError("OUTPUT_MISMATCH", f"re-execution gives another {', '.join(differing)}")


def value_names(described: Card) -> list[str]:
    """A name for each value of the model's input: the input's, with the place where it takes several."""
    return [
        each.name if each.length == 1 else f"{each.name}[{place}]"
        for each in described.inputs
        for place in range(each.length)
    ]


def check_amendment(found: Record, amended: Mapping[str, Any] | None, patient: str) -> None:
    """WRONG_AMENDMENT unless the amended decision exists and is of the same organisation and patient. `amended` is its
    public part, `patient` is from its private one."""
    if amended is None:
        raise RefusedError("WRONG_AMENDMENT", "the amended decision is not on the ledger")
    if amended["organisation"] != found.organisation or patient != found.patient:
        raise RefusedError("WRONG_AMENDMENT", "the amended decision is about another patient or organisation")


def public_part(claim: Claim, signed: Batch, transaction_id: str) -> dict[str, Any]:
    """What everybody may know of a decision.

    The consent's own commitment is public with the patient who granted it; committed to once more under the record's
    salt, it does not tell which decisions are of one patient.
    """
    found = claim.record
    consent = found.consent.commitment
    return {
        "id": found.id,
        "outcome": found.outcome,
        "record_hash": claim.item.commitment,
        "model": {"id": found.model.id, "version": found.model.version, "sha256": found.model.sha256},
        "organisation": found.organisation,
        "purpose": found.purpose,
        "consent_commitment": record.commitment(claim.item.salt, consent.encode()) if consent else "",
        "started": record.format_time(found.started),
        "ended": record.format_time(found.ended),
        "batch": {
            "root": signed.root.hex(),
            "size": signed.size,
            "index": claim.item.index,
            "signature": base64.b64encode(signed.signature).decode(),
        },
        "transaction_id": transaction_id,
    }


def use(found: Record, transaction_id: str, at: datetime) -> dict[str, Any]:
    """What the patient is shown of a decision."""
    return {
        "decision_id": found.id,
        "time": record.format_time(at),
        "requester": provision.actor_json(found.requester),
        "model_id": found.model.id,
        "data_class": found.data_class,
        "purpose": found.purpose,
        "answered": found.answer is not None,
        "basis": str(found.consent.basis),
        "consent_id": found.consent.id,
        "emergency_reason": found.emergency_reason,
        "transaction_id": transaction_id,
    }
