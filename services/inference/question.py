"""What a clinician asks, and the rules a question keeps before any model is looked at. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from chaincode.core.purpose import EMERGENCY_PURPOSES, PURPOSES
from services.inference.errors import InvalidQuestionError, Violation

MAX_BATCH = 256
MAX_REASON = 500
MAX_SOURCE = 500

_REQUEST_ID = re.compile(r"[0-9A-Za-z._-]{1,64}")
_PSEUDONYM = re.compile(r"[0-9a-f]{32}")
_DECISION_ID = re.compile(r"[0-9a-f]{32}")
_MODEL = re.compile(r"[0-9A-Za-z._-]{1,64}")


@dataclass(frozen=True)
class Measurement:
    """One input of a model. `unit` and `source` may be empty."""

    name: str
    values: tuple[float, ...]
    unit: str = ""
    source: str = ""


@dataclass(frozen=True)
class Question:
    """One question about one patient; the fields are those of `DiagnoseRequest`."""

    request_id: str
    patient: str
    model_id: str
    model_version: str
    measurements: tuple[Measurement, ...]
    purpose: str
    emergency_reason: str = ""
    amends: str = ""


@dataclass(frozen=True)
class Requester:
    """Who asks, read from the caller's certificate: MSP id, role and enrolment id."""

    organisation: str
    role: str
    person: str


def check(questions: Sequence[Question]) -> list[Violation]:
    """Every fault of the questions that can be told without a model. Fields are those of `DiagnoseBatchRequest`."""
    if not 1 <= len(questions) <= MAX_BATCH:
        return [Violation("requests", f"takes 1 to {MAX_BATCH} requests")]
    violations = [
        Violation(prefix(index) + field, takes)
        for index, question in enumerate(questions)
        for field, takes in _faults(question)
    ]
    times_used = Counter(question.request_id for question in questions)
    violations += [
        Violation(prefix(index) + "request_id", "is used more than once in this batch")
        for index, question in enumerate(questions)
        if times_used[question.request_id] > 1
    ]
    return violations


def check_decision_id(text: str) -> None:
    """Raises InvalidQuestionError for what is no decision's id."""
    if not _DECISION_ID.fullmatch(text):
        raise InvalidQuestionError([Violation("decision_id", "takes 32 lower-case hexadecimal characters")])


def prefix(index: int) -> str:
    """What leads to a field of one question in its batch."""
    return f"requests[{index}]."


def measurement_field(name: str) -> str:
    return f"measurements[{name}]"


def _faults(question: Question) -> list[tuple[str, str]]:
    faults = []
    if not _REQUEST_ID.fullmatch(question.request_id):
        faults.append(("request_id", "takes 1 to 64 letters, digits, '.', '_' or '-'"))
    if not _PSEUDONYM.fullmatch(question.patient):
        faults.append(("patient", "takes a pseudonym: 32 lower-case hexadecimal characters"))
    if not _MODEL.fullmatch(question.model_id):
        faults.append(("model_id", "takes a model's id"))
    if question.model_version and not _MODEL.fullmatch(question.model_version):
        faults.append(("model_version", "takes a model's version, or nothing for the deployed one"))
    if question.purpose not in PURPOSES:
        faults.append(("purpose", "takes an HL7 v3 PurposeOfUse code, such as TREAT"))
    faults += _emergency_faults(question)
    if question.amends and not _DECISION_ID.fullmatch(question.amends):
        faults.append(("amends", "takes a decision's id: 32 lower-case hexadecimal characters"))
    names = Counter(measurement.name for measurement in question.measurements)
    faults += [(measurement_field(name), "is given more than once") for name, times in names.items() if times > 1]
    faults += [
        (measurement_field(measurement.name), f"takes a source of at most {MAX_SOURCE} characters")
        for measurement in question.measurements
        if len(measurement.source) > MAX_SOURCE
    ]
    return faults


def _emergency_faults(question: Question) -> list[tuple[str, str]]:
    if question.purpose not in EMERGENCY_PURPOSES:
        return (
            [("emergency_reason", "belongs to emergency access (ETREAT, BTG) alone")]
            if question.emergency_reason
            else []
        )
    if not question.emergency_reason.strip() or len(question.emergency_reason) > MAX_REASON:
        return [("emergency_reason", f"takes the reason of the emergency access, 1 to {MAX_REASON} characters")]
    return []
