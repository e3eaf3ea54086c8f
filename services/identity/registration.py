"""Who may be registered as what, and one-time secrets. Pure.

Rules, in order: the role is one of ROLES; its node OU is one the role may have; ids and attributes have their form. A
registrar registers clinicians and patients only; without the node OU rule it could register an endorsing peer. TLS
certificates are for servers only, or any member could answer in a service's name.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from services.identity.authority import Subject

SECRET_BYTES = 32
MAX_ATTRIBUTES = 16
MAX_VALUE = 256

ROLES: Mapping[str, frozenset[str]] = {
    "clinician": frozenset({"client"}),
    "patient": frozenset({"client"}),
    "inspector": frozenset({"client"}),
    "registrar": frozenset({"client"}),
    "owner": frozenset({"client"}),
    "admin": frozenset({"admin", "client"}),
    "consent": frozenset({"client"}),
    "inference": frozenset({"client"}),
    "audit": frozenset({"client"}),
    "identity": frozenset({"client"}),
    "ledger": frozenset({"peer", "orderer", "client"}),
}
SERVER_ROLES = frozenset({"consent", "inference", "audit", "identity", "ledger"})
REGISTRAR_ROLES = frozenset({"clinician", "patient"})

_ENROLMENT_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_PSEUDONYM = re.compile(r"[0-9a-f]{32}")
_ATTRIBUTE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Profile(StrEnum):
    """What a certificate is for."""

    ENROLMENT = "enrolment"
    TLS = "tls"


@dataclass(frozen=True)
class Registration:
    """Somebody who may enrol, or has. `spent`: the serial number of the certificate that the secret was given for, by
    profile. `revoked`: every certificate is revoked and none is issued any more."""

    msp_id: str
    enrolment_id: str
    node_ou: str
    role: str
    attributes: Mapping[str, str]
    secret_hash: bytes
    expires: datetime
    spent: Mapping[Profile, int] = field(default_factory=dict)
    revoked: bool = False

    @property
    def subject(self) -> Subject:
        return Subject(self.enrolment_id, self.node_ou, {**self.attributes, "role": self.role})

    @property
    def may_serve(self) -> bool:
        """Whether this is a server, which gets TLS certificates."""
        return self.role in SERVER_ROLES


def violations(enrolment_id: str, node_ou: str, role: str, attributes: Mapping[str, str]) -> list[tuple[str, str]]:
    """Everything wrong with a registration, as (field, what)."""
    found = []
    if not _ENROLMENT_ID.fullmatch(enrolment_id):
        found.append(("enrolment_id", "must be 1 to 128 letters, digits, '.', '_' or '-'"))
    elif role == "patient" and not is_pseudonym(enrolment_id):
        found.append(("enrolment_id", "a patient's must be the pseudonym, 32 lower-case hexadecimal characters"))
    if role not in ROLES:
        found.append(("role", f"must be one of {', '.join(sorted(ROLES))}"))
    elif node_ou not in ROLES[role]:
        found.append(("node_ou", f"of role {role} must be {' or '.join(sorted(ROLES[role]))}"))
    if len(attributes) > MAX_ATTRIBUTES:
        found.append(("attributes", f"must be at most {MAX_ATTRIBUTES}"))
    if not all(_ATTRIBUTE.fullmatch(key) for key in attributes):
        found.append(("attributes", "keys must be 1 to 64 letters, digits, '.', '_' or '-'"))
    if any(key == "role" or key.startswith("hf.") for key in attributes):
        found.append(("attributes", "role and hf.* are set by the authority"))
    if any(len(value) > MAX_VALUE for value in attributes.values()):
        found.append(("attributes", f"values must be at most {MAX_VALUE} characters"))
    return found


def is_pseudonym(text: str) -> bool:
    return _PSEUDONYM.fullmatch(text) is not None


def secret_text(entropy: bytes) -> str:
    """A one-time secret as people and files carry it."""
    return base64.urlsafe_b64encode(entropy).rstrip(b"=").decode()


def secret_hash(secret: str) -> bytes:
    """What is kept of a secret. It holds 256 random bits, so a plain hash cannot be searched."""
    return hashlib.sha256(b"salus.enrolment-secret\0" + secret.encode()).digest()


def opens(registration: Registration | None, secret: str, now: datetime) -> bool:
    """Whether the secret is this registration's and still good. Takes as long for an unknown id as for a known one."""
    expected = registration.secret_hash if registration is not None else bytes(hashlib.sha256().digest_size)
    matches = hmac.compare_digest(expected, secret_hash(secret))
    return registration is not None and matches and not registration.revoked and now < registration.expires
