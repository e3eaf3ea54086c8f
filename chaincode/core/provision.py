"""What a patient permits: consents made of provisions, and whether a use is permitted at a moment. Pure.

The rules, in this order:

1. Only active consents count, and only provisions whose every field matches the use at that moment. An empty field
   matches anything, but an empty list of purposes matches no emergency purpose. Periods are half-open.
2. The most specific matching provision decides: first by actor (person, then organisation and role, then one of them,
   then anybody), then by whether it limits models, then data classes, then purposes.
3. Among the equally specific a denial decides.
4. An emergency purpose (ETREAT, BTG) is permitted to a clinician who gives a reason, whatever else was consented,
   unless a denial names either of them; without a reason, or asked by anybody else, it is refused.
5. Where nothing matches, the answer is no.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from chaincode.core.purpose import EMERGENCY_PURPOSES as EMERGENCY_PURPOSES
from chaincode.core.purpose import PURPOSES as PURPOSES

EMERGENCY_ROLE = "clinician"
MAX_PROVISIONS = 32
MAX_VALUES = 32

_WORD = re.compile(r"[0-9A-Za-z._-]{1,64}")
_PERSON = re.compile(r"[0-9A-Za-z._-]{1,128}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


class ProvisionError(ValueError):
    """A consent or a use is not well-formed. The message names the field."""


class Type(StrEnum):
    """What a provision says."""

    PERMIT = "permit"
    DENY = "deny"


class Basis(StrEnum):
    """What a verdict rests on."""

    CONSENT = "consent"
    EMERGENCY = "emergency"
    DENIED = "denied"
    NO_CONSENT = "no-consent"


@dataclass(frozen=True)
class Actor:
    """Who: MSP id, role and enrolment id. Empty means any, in a provision; a person needs an organisation."""

    organisation: str = ""
    role: str = ""
    person: str = ""

    def matches(self, other: Actor) -> bool:
        return (
            self.organisation in ("", other.organisation)
            and self.role in ("", other.role)
            and self.person in ("", other.person)
        )

    @property
    def specificity(self) -> int:
        if self.person:
            return 3
        return bool(self.organisation) + bool(self.role)


@dataclass(frozen=True)
class Provision:
    """One rule; `start` and `end` bound it, start <= t < end, None being open."""

    type: Type
    actor: Actor = Actor()
    data_classes: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    start: datetime | None = None
    end: datetime | None = None
    models: frozenset[str] = frozenset()

    def matches(self, use: Use, at: datetime) -> bool:
        """Whether this rule speaks about the use at this moment."""
        return (
            self.actor.matches(use.actor)
            and (not self.data_classes or use.data_class in self.data_classes)
            and self._covers(use.purpose)
            and (not self.models or use.model in self.models)
            and (self.start is None or self.start <= at)
            and (self.end is None or at < self.end)
        )

    def _covers(self, purpose: str) -> bool:
        if not self.purposes:
            return purpose not in EMERGENCY_PURPOSES
        if self.type is Type.DENY and purpose in EMERGENCY_PURPOSES:
            # Denying one kind of emergency access denies the other: nobody gets around it by another code.
            return not self.purposes.isdisjoint(EMERGENCY_PURPOSES)
        return purpose in self.purposes

    @property
    def specificity(self) -> tuple[int, bool, bool, bool]:
        """Larger is more specific."""
        return self.actor.specificity, bool(self.models), bool(self.data_classes), bool(self.purposes)


@dataclass(frozen=True)
class Consent:
    """One consent as held by the ledger."""

    id: str
    patient: str
    provisions: tuple[Provision, ...]
    active: bool = True
    commitment: str = ""


@dataclass(frozen=True)
class Use:
    """One use of a patient's data: by whom, which class of data, why, by which model."""

    actor: Actor
    data_class: str
    purpose: str
    model: str
    emergency_reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether a use is permitted. `consent_id` and `commitment` are of the consent that decided, if one did."""

    permitted: bool
    basis: Basis
    reason: str
    consent_id: str = ""
    commitment: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "permitted": self.permitted,
            "basis": str(self.basis),
            "consent_id": self.consent_id,
            "commitment": self.commitment,
            "reason": self.reason,
        }


def evaluate(consents: Iterable[Consent], use: Use, at: datetime) -> Verdict:
    """Whether the use is permitted at this moment by these consents of one patient; see the module's rules.

    Raises ProvisionError where the purpose is no PurposeOfUse code.
    """
    if use.purpose not in PURPOSES:
        raise ProvisionError("purpose takes an HL7 v3 PurposeOfUse code, for example TREAT")
    matching = [
        (provision.specificity, provision.type is Type.DENY, consent)
        for consent in consents
        if consent.active
        for provision in consent.provisions
        if provision.matches(use, at)
    ]
    # The id settles which of several equal consents is named, whatever their order.
    _, denied, decisive = max(matching, key=lambda each: (each[0], each[1], each[2].id), default=(None, False, None))
    if decisive and denied:
        return Verdict(False, Basis.DENIED, _denial(use), decisive.id, decisive.commitment)
    if use.purpose in EMERGENCY_PURPOSES:
        return _emergency(use)
    asked = f"purpose {use.purpose} on {use.data_class} data"
    if decisive:
        granted = f"The patient's consent permits {use.actor.organisation} {asked}."
        return Verdict(True, Basis.CONSENT, granted, decisive.id, decisive.commitment)
    return Verdict(
        False,
        Basis.NO_CONSENT,
        f"The patient has granted {use.actor.organisation} no consent in force for {asked}; ask the patient for "
        "consent, or use emergency access (ETREAT) with a reason.",
    )


def _denial(use: Use) -> str:
    denied = f"The patient has denied {use.actor.organisation} purpose {use.purpose} on {use.data_class} data; "
    if use.purpose in EMERGENCY_PURPOSES:
        return denied + "only the patient can change this."
    return denied + "ask the patient to change this, or use emergency access (ETREAT) with a reason."


def _emergency(use: Use) -> Verdict:
    if use.actor.role != EMERGENCY_ROLE:
        reason = f"Emergency access ({use.purpose}) is for clinicians; let a clinician ask, or ask under consent."
        return Verdict(False, Basis.NO_CONSENT, reason)
    if not use.emergency_reason.strip():
        reason = f"Emergency access ({use.purpose}) needs a reason; state why it is needed and ask again."
        return Verdict(False, Basis.NO_CONSENT, reason)
    return Verdict(True, Basis.EMERGENCY, f"Emergency access ({use.purpose}): recorded, and shown to the patient.")


def parse(document: object) -> Consent:
    """Reads a consent: {"id", "patient", "provisions": [...]} and, as held by the ledger, "status" and "commitment".
    Other keys are not looked at. Raises ProvisionError."""
    fields = _object(document, "consent")
    provisions = fields.get("provisions")
    if not isinstance(provisions, list) or not 1 <= len(provisions) <= MAX_PROVISIONS:
        raise ProvisionError(f"provisions must hold 1 to {MAX_PROVISIONS} rules")
    if fields.get("status", "active") not in ("active", "revoked"):
        raise ProvisionError("status must be active or revoked")
    return Consent(
        id=_word(fields.get("id"), "id"),
        patient=_word(fields.get("patient"), "patient"),
        provisions=tuple(parse_provision(each, f"provisions[{n}]") for n, each in enumerate(provisions)),
        active=fields.get("status", "active") == "active",
        commitment=str(fields.get("commitment", "")),
    )


def parse_provision(document: object, where: str = "provision") -> Provision:
    """Reads one rule, as `provision_json` writes it; only "type" is required. Raises ProvisionError."""
    fields = _object(document, where)
    _only(fields, ("type", "actor", "data_classes", "purposes", "period", "models"), where)
    if fields.get("type") not in (Type.PERMIT, Type.DENY):
        raise ProvisionError(f"{where}.type must be permit or deny")
    period = _object(fields.get("period", {}), f"{where}.period")
    _only(period, ("start", "end"), f"{where}.period")
    start, end = (_time(period.get(name), f"{where}.period.{name}") for name in ("start", "end"))
    if start is not None and end is not None and end <= start:
        raise ProvisionError(f"{where}.period ends before it starts")
    purposes = _words(fields.get("purposes"), f"{where}.purposes")
    if unknown := sorted(purposes - PURPOSES.keys()):
        raise ProvisionError(f"{where}.purposes: {unknown[0]} is no HL7 v3 PurposeOfUse code")
    return Provision(
        type=Type(fields["type"]),
        actor=parse_actor(fields.get("actor", {}), f"{where}.actor"),
        data_classes=_words(fields.get("data_classes"), f"{where}.data_classes"),
        purposes=purposes,
        start=start,
        end=end,
        models=_words(fields.get("models"), f"{where}.models"),
    )


def parse_actor(document: object, where: str = "actor") -> Actor:
    """Reads {"organisation", "role", "person"}, each optional. Raises ProvisionError."""
    fields = _object(document, where)
    _only(fields, ("organisation", "role", "person"), where)
    values = {}
    for name, pattern in (("organisation", _WORD), ("role", _WORD), ("person", _PERSON)):
        value = fields.get(name, "")
        if not isinstance(value, str) or (value and not pattern.fullmatch(value)):
            raise ProvisionError(f"{where}.{name} takes letters, digits, '.', '_' and '-'")
        values[name] = value
    if values["person"] and not values["organisation"]:
        raise ProvisionError(f"{where}.person needs {where}.organisation")
    return Actor(**values)


def provision_json(provision: Provision) -> dict[str, Any]:
    """The rule as JSON; the inverse of `parse_provision`."""
    return {
        "type": str(provision.type),
        "actor": actor_json(provision.actor),
        "data_classes": sorted(provision.data_classes),
        "purposes": sorted(provision.purposes),
        "period": {"start": _format(provision.start), "end": _format(provision.end)},
        "models": sorted(provision.models),
    }


def actor_json(actor: Actor) -> dict[str, str]:
    return {"organisation": actor.organisation, "role": actor.role, "person": actor.person}


def _object(document: object, where: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ProvisionError(f"{where} must be an object")
    return document


def _only(fields: dict[str, Any], known: Collection[str], where: str) -> None:
    """Refuses a field that is not known: a rule with a misspelt limit would hold for more than was meant."""
    if unknown := sorted(str(name)[:64] for name in set(fields) - set(known)):
        raise ProvisionError(f"{where}.{unknown[0]} is not known")


def _word(value: object, where: str) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise ProvisionError(f"{where} takes 1 to 64 letters, digits, '.', '_' and '-'")
    return value


def _words(value: object, where: str) -> frozenset[str]:
    values: Sequence[object] = value if isinstance(value, list) else [] if value is None else [None]
    if len(values) > MAX_VALUES:
        raise ProvisionError(f"{where} takes at most {MAX_VALUES} values")
    return frozenset(_word(each, where) for each in values)


def _time(value: object, where: str) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ProvisionError(f"{where} takes an RFC 3339 time in UTC, such as 2026-01-31T12:00:00Z")
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ProvisionError(f"{where} is no date and time") from None


def _format(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
