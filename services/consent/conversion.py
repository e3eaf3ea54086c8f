"""Protobuf messages from and to what the contract `consent` and `chaincode.core.provision` speak. Pure.

A message becomes the contract's JSON first and is then read by `provision.parse_provision`, so that the service
refuses what the contract would refuse, with the same words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from salus.consent.v1 import consent_pb2

from chaincode.core import provision
from chaincode.core.provision import Actor, Provision, ProvisionError

_TYPES = {
    consent_pb2.PROVISION_TYPE_PERMIT: provision.Type.PERMIT,
    consent_pb2.PROVISION_TYPE_DENY: provision.Type.DENY,
}
_TYPE_VALUES = {kind: value for value, kind in _TYPES.items()}
_BASES = {
    provision.Basis.CONSENT: consent_pb2.BASIS_CONSENT,
    provision.Basis.EMERGENCY: consent_pb2.BASIS_EMERGENCY,
    provision.Basis.DENIED: consent_pb2.BASIS_DENIED,
    provision.Basis.NO_CONSENT: consent_pb2.BASIS_NO_CONSENT,
}
_STATUSES = {"active": consent_pb2.CONSENT_STATUS_ACTIVE, "revoked": consent_pb2.CONSENT_STATUS_REVOKED}


def read_provisions(messages: Sequence[consent_pb2.Provision]) -> tuple[Provision, ...]:
    """The rules of a grant. Raises ProvisionError naming the field."""
    if not 1 <= len(messages) <= provision.MAX_PROVISIONS:
        raise ProvisionError(f"provisions takes 1 to {provision.MAX_PROVISIONS} rules")
    return tuple(read_provision(each, f"provisions[{number}]") for number, each in enumerate(messages))


def read_provision(message: consent_pb2.Provision, where: str = "provision") -> Provision:
    """One rule. Raises ProvisionError naming the field below `where`."""
    period = message.period
    document = {
        "type": str(_TYPES.get(message.type, "")),
        "actor": _actor_json(message.actor),
        "data_classes": list(message.data_classes),
        "purposes": list(message.purposes),
        "period": {
            name: _time_json(getattr(period, name), f"{where}.period.{name}") if period.HasField(name) else None
            for name in ("start", "end")
        },
        "models": list(message.models),
    }
    return provision.parse_provision(document, where)


def write_provision(rule: Provision) -> consent_pb2.Provision:
    """The inverse of `read_provision`; lists come out sorted."""
    message = consent_pb2.Provision(
        type=_TYPE_VALUES[rule.type],
        actor=write_actor(rule.actor),
        data_classes=sorted(rule.data_classes),
        purposes=sorted(rule.purposes),
        models=sorted(rule.models),
    )
    if rule.start is not None:
        message.period.start.FromDatetime(rule.start)
    if rule.end is not None:
        message.period.end.FromDatetime(rule.end)
    return message


def read_actor(message: consent_pb2.Actor, where: str = "actor") -> Actor:
    """Who. Raises ProvisionError."""
    return provision.parse_actor(_actor_json(message), where)


def write_actor(actor: Actor) -> consent_pb2.Actor:
    return consent_pb2.Actor(organisation=actor.organisation, role=actor.role, person=actor.person)


def write_consent(row: Mapping[str, Any]) -> consent_pb2.Consent:
    """One consent as the contract's List gives it."""
    message = consent_pb2.Consent(
        id=row["id"],
        patient=row["patient"],
        status=_STATUSES[row["status"]],
        provisions=[write_provision(provision.parse_provision(each)) for each in row["provisions"]],
        commitment=row["commitment"],
    )
    _write_time(message.granted, row["granted"])
    if row["revoked"]:
        _write_time(message.revoked, row["revoked"])
    return message


def write_verdict(verdict: Mapping[str, Any]) -> consent_pb2.EvaluateResponse:
    """The contract's answer to Evaluate."""
    return consent_pb2.EvaluateResponse(
        permitted=verdict["permitted"],
        basis=_BASES[provision.Basis(verdict["basis"])],
        consent_id=verdict["consent_id"],
        reason=verdict["reason"],
    )


def write_use(row: Mapping[str, Any]) -> consent_pb2.Use:
    """One use or refusal as the contract's ListUses gives it."""
    message = consent_pb2.Use(
        decision_id=row["decision_id"],
        requester=write_actor(provision.parse_actor(row["requester"])),
        model_id=row["model_id"],
        data_class=row["data_class"],
        purpose=row["purpose"],
        answered=row["answered"],
        basis=_BASES[provision.Basis(row["basis"])],
        consent_id=row["consent_id"],
        emergency_reason=row["emergency_reason"],
        transaction_id=row["transaction_id"],
    )
    _write_time(message.time, row["time"])
    return message


def _actor_json(message: consent_pb2.Actor) -> dict[str, str]:
    return {"organisation": message.organisation, "role": message.role, "person": message.person}


def _time_json(timestamp: Timestamp, where: str) -> str:
    try:
        moment = timestamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ProvisionError(f"{where} is no date and time") from None
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _write_time(timestamp: Timestamp, text: str) -> None:
    timestamp.FromDatetime(datetime.fromisoformat(text))
