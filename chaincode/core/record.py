"""The decision record: what is kept of one answer, or refusal, of a model. Pure.

A record is canonical JSON, signed and kept verbatim. What it holds follows EU AI Act Art. 12 and 19, 21 CFR Part 11,
ONC HTI-1 and HL7 AI Transparency on FHIR. The record and the input of the model are private; public is a commitment
to each: SHA-256(salt || bytes) with a salt of 16 bytes, so that nobody can guess the content from it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chaincode.core import canonical
from chaincode.core.provision import EMERGENCY_PURPOSES, PURPOSES, Actor, Basis

SCHEMA = "salus.decision/1"
INPUT_SCHEMA = "salus.input/1"
ANSWERED = "answered"
REFUSED = "refused"
SALT_BYTES = 16

_ID = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[0-9A-Za-z._-]{1,64}")
_REQUEST_ID = _WORD
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class RecordError(ValueError):
    """A record or an input is not well-formed. The message names the field and never its value."""


def decision_id(organisation: str, request_id: str) -> str:
    """The id of the decision on this request: 32 hexadecimal characters, the same for every retry."""
    preimage = b"\x00".join((b"salus.decision", organisation.encode(), request_id.encode()))
    return hashlib.sha256(preimage).hexdigest()[:32]


def commitment(salt: bytes, body: bytes) -> str:
    """SHA-256(salt || body), lower-case hexadecimal."""
    return hashlib.sha256(salt + body).hexdigest()


def format_time(time: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_time(text: object, where: str = "time") -> datetime:
    """The inverse of `format_time`. Raises RecordError."""
    if isinstance(text, str) and _TIME.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    raise RecordError(f"{where} takes an RFC 3339 time in UTC with microseconds")


@dataclass(frozen=True)
class Model:
    """Which model answered: SHA-256 of its file and of its card as registered."""

    id: str
    version: str
    sha256: str
    card_sha256: str


@dataclass(frozen=True)
class Contribution:
    """The share of one input value in the logit."""

    name: str
    value: float
    contribution: float


@dataclass(frozen=True)
class Answer:
    """What a model said. `probability` of the positive class; `input_commitment` binds the input it saw."""

    probability: float
    label: str
    explanation: tuple[Contribution, ...]
    input_commitment: str


@dataclass(frozen=True)
class Consented:
    """What the decision rests on, as the contract `consent` said. `id` and `commitment` are empty without a consent."""

    basis: Basis
    id: str = ""
    commitment: str = ""


@dataclass(frozen=True)
class Record:
    """One decision. `answer` is None for a refusal, whose `reason` says why; an answer has no reason.

    `sources` name where inputs came from; `emergency_reason` is set for emergency access alone; `amends` is the id
    of the decision that this one amends, or empty; `retain_until` is the day before which it may not be destroyed.
    """

    request_id: str
    started: datetime
    ended: datetime
    model: Model
    patient: str
    data_class: str
    purpose: str
    requester: Actor
    consent: Consented
    answer: Answer | None
    retain_until: datetime
    reason: str = ""
    emergency_reason: str = ""
    amends: str = ""
    sources: tuple[tuple[str, str], ...] = ()

    @property
    def organisation(self) -> str:
        return self.requester.organisation

    @property
    def id(self) -> str:
        return decision_id(self.organisation, self.request_id)

    @property
    def outcome(self) -> str:
        return REFUSED if self.answer is None else ANSWERED

    def encode(self) -> bytes:
        """The record's bytes. Raises ValueError for numbers that are not finite."""
        answer = self.answer
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "id": self.id,
            "request_id": self.request_id,
            "outcome": self.outcome,
            "started": format_time(self.started),
            "ended": format_time(self.ended),
            "model": vars(self.model),
            "patient": self.patient,
            "data_class": self.data_class,
            "purpose": self.purpose,
            "emergency_reason": self.emergency_reason,
            "requester": vars(self.requester),
            "consent": {"basis": str(self.consent.basis), "id": self.consent.id, "commitment": self.consent.commitment},
            "reason": self.reason,
            "amends": self.amends,
            "retain_until": format_time(self.retain_until),
            "sources": [{"name": name, "source": source} for name, source in self.sources],
            "input_commitment": answer.input_commitment if answer else "",
            "output": {"type": "classification", "probability": answer.probability, "label": answer.label}
            if answer
            else None,
            "explanation": [vars(each) for each in answer.explanation] if answer else [],
        }
        return canonical.encode(document)


def parse(body: bytes) -> Record:
    """Reads a record. Raises RecordError unless it is exactly what `Record.encode` writes: nothing missing, nothing
    added, nothing written in another way."""
    try:
        document = canonical.decode(body)
    except ValueError:
        raise RecordError("the record is no JSON document") from None
    read = _Fields(document, "record")
    model, requester, consent = read.object("model"), read.object("requester"), read.object("consent")
    basis = consent.text("basis")
    if basis not in set(Basis):
        raise RecordError("consent.basis is not known")
    record = Record(
        request_id=read.match("request_id", _REQUEST_ID),
        started=parse_time(read.text("started"), "started"),
        ended=parse_time(read.text("ended"), "ended"),
        model=Model(
            model.match("id", _WORD),
            model.match("version", _WORD),
            model.match("sha256", _SHA256),
            model.match("card_sha256", _SHA256),
        ),
        patient=read.match("patient", _ID),
        data_class=read.match("data_class", _WORD),
        purpose=read.match("purpose", _WORD),
        requester=Actor(
            requester.match("organisation", _WORD), requester.match("role", _WORD), requester.text("person")
        ),
        consent=Consented(Basis(basis), consent.text("id"), consent.text("commitment")),
        answer=_answer(read) if read.text("outcome") == ANSWERED else None,
        retain_until=parse_time(read.text("retain_until"), "retain_until"),
        reason=read.text("reason"),
        emergency_reason=read.text("emergency_reason"),
        amends=read.text("amends"),
        sources=tuple((each.text("name"), each.text("source")) for each in read.objects("sources")),
    )
    if record.amends and not _ID.fullmatch(record.amends):
        raise RecordError("amends is no decision id")
    _check(record)
    if record.encode() != body:
        raise RecordError("the record holds a field too many, or one that contradicts another")
    return record


def _check(record: Record) -> None:
    """What must hold between the fields of any record."""
    if not record.started <= record.ended < record.retain_until:
        raise RecordError("started, ended and retain_until are out of order")
    if record.purpose not in PURPOSES:
        raise RecordError("purpose is no HL7 v3 PurposeOfUse code")
    if record.emergency_reason and record.purpose not in EMERGENCY_PURPOSES:
        raise RecordError("emergency_reason belongs to emergency access alone")
    if record.answer and not 0 <= record.answer.probability <= 1:
        raise RecordError("output.probability takes a number from 0 to 1")
    if bool(record.reason) == bool(record.answer):
        raise RecordError("reason belongs to every refusal, and to no answer")
    if bool(record.answer) != (record.consent.basis in (Basis.CONSENT, Basis.EMERGENCY)):
        raise RecordError("consent.basis contradicts the outcome")


def _answer(read: _Fields) -> Answer:
    output = read.object("output")
    return Answer(
        probability=output.number("probability"),
        label=output.text("label"),
        explanation=tuple(
            Contribution(each.text("name"), each.number("value"), each.number("contribution"))
            for each in read.objects("explanation")
        ),
        input_commitment=read.match("input_commitment", _SHA256),
    )


@dataclass(frozen=True)
class Input:
    """What a model was given for one request; `measurements` are values by input name."""

    patient: str
    request_id: str
    model_id: str
    measurements: Mapping[str, tuple[float, ...]]

    def encode(self) -> bytes:
        """The input's bytes: canonical JSON."""
        return canonical.encode(
            {
                "schema": INPUT_SCHEMA,
                "patient": self.patient,
                "request_id": self.request_id,
                "model": self.model_id,
                "measurements": {name: list(values) for name, values in self.measurements.items()},
            }
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the measurements alone, by which the same measurements of another patient are found."""
        values = {name: [float(value) + 0.0 for value in values] for name, values in self.measurements.items()}
        return canonical.sha256_hex(canonical.encode(values))


def parse_input(body: bytes) -> Input:
    """Reads an input. Raises RecordError unless it is exactly what `Input.encode` writes."""
    try:
        read = _Fields(canonical.decode(body), "input")
    except ValueError:
        raise RecordError("the input is no JSON document") from None
    measurements = read.object("measurements").document
    for name, values in measurements.items():
        if not isinstance(values, list) or not all(_is_number(value) for value in values):
            raise RecordError(f"measurements.{name[:64]} takes a list of finite numbers")
    parsed = Input(
        patient=read.match("patient", _ID),
        request_id=read.match("request_id", _REQUEST_ID),
        model_id=read.match("model", _WORD),
        measurements={name: tuple(float(value) for value in values) for name, values in measurements.items()},
    )
    if parsed.encode() != body:
        raise RecordError("the input holds a field too many, or is not canonical")
    return parsed


def differences(
    recorded: Answer, label: str, probability: float, contributions: Sequence[float], tolerance: float
) -> list[str]:
    """In what a recorded answer differs from a re-execution by more than `tolerance`: names, never values. The
    explanation is compared in the order of the model's inputs."""
    found = []
    if not abs(recorded.probability - probability) <= tolerance:
        found.append("probability")
    if recorded.label != label:
        found.append("label")
    if len(recorded.explanation) != len(contributions):
        return [*found, "explanation"]
    found += [
        f"contribution of {said.name}"
        for said, is_ in zip(recorded.explanation, contributions, strict=True)
        if not abs(said.contribution - is_) <= tolerance
    ]
    return found


class _Fields:
    """Reads fields of one JSON object. Raises RecordError naming the field."""

    def __init__(self, document: object, where: str) -> None:
        if not isinstance(document, dict):
            raise RecordError(f"{where} must be an object")
        self.document: Mapping[str, Any] = document
        self._where = where

    def _name(self, name: str) -> str:
        return name if self._where in ("record", "input") else f"{self._where}.{name}"

    def object(self, name: str) -> _Fields:
        return _Fields(self.document.get(name), self._name(name))

    def objects(self, name: str) -> list[_Fields]:
        value = self.document.get(name)
        if not isinstance(value, list):
            raise RecordError(f"{self._name(name)} must be a list")
        return [_Fields(each, f"{self._name(name)}[{index}]") for index, each in enumerate(value)]

    def text(self, name: str) -> str:
        value = self.document.get(name)
        if not isinstance(value, str):
            raise RecordError(f"{self._name(name)} must be text")
        return value

    def match(self, name: str, pattern: re.Pattern[str]) -> str:
        value = self.text(name)
        if not pattern.fullmatch(value):
            raise RecordError(f"{self._name(name)} is not well-formed")
        return value

    def number(self, name: str) -> float:
        value = self.document.get(name)
        if not _is_number(value):
            raise RecordError(f"{self._name(name)} must be a finite number")
        return float(value)  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
