"""Who may call what: one table a service, and nothing outside it.

Each service's `access.py` holds its table. A call passes when the caller's certificate is accepted now (known
organisation, not expired, not revoked), the method is in the table and the caller's role is in its rule. Health and
reflection are open to anyone enrolled.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

import grpc

from services.common.errors import StatusError
from services.common.msp import Identity, IdentityError, Membership

OPEN_SERVICES = (
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1alpha.ServerReflection/",
    "/grpc.reflection.v1.ServerReflection/",
)
_caller: ContextVar[Identity] = ContextVar("caller")


@dataclass(frozen=True)
class Rule:
    """Who may make one call. `roles` None means any role. `own_organisation`: only members of the service's own."""

    roles: frozenset[str] | None
    own_organisation: bool = False


def anyone() -> Rule:
    """Anyone enrolled in any organisation of the network."""
    return Rule(None)


def roles(*names: str, own_organisation: bool = False) -> Rule:
    """Members with one of these roles."""
    return Rule(frozenset(names), own_organisation)


Access = Mapping[str, Rule]


def caller() -> Identity:
    """The identity that made the call in work. Raises LookupError outside a call."""
    return _caller.get()


def authenticate(membership: Membership, certificate_pem: bytes | None, now: datetime) -> Identity:
    """The caller's identity, from its TLS certificate. Raises StatusError (UNAUTHENTICATED)."""
    if certificate_pem is None:
        raise StatusError(
            grpc.StatusCode.UNAUTHENTICATED,
            "NO_CERTIFICATE",
            "a certificate of an organisation of this network is needed",
        )
    try:
        return membership.identify_peer(certificate_pem, now)
    except IdentityError as error:
        reason = type(error).__name__.removesuffix("Error")
        snake = "".join(f"_{letter}" if letter.isupper() else letter for letter in reason).lstrip("_").upper()
        raise StatusError(grpc.StatusCode.UNAUTHENTICATED, snake, str(error)) from None


def authorise(access: Access, method: str, identity: Identity, own_msp: str) -> None:
    """Raises StatusError (PERMISSION_DENIED) unless the table lets this identity make this call."""
    if method.startswith(OPEN_SERVICES):
        return
    rule = access.get(method)
    if rule is None:
        raise StatusError(grpc.StatusCode.PERMISSION_DENIED, "NOT_LISTED", f"{method} is open to nobody")
    if rule.roles is not None and identity.role not in rule.roles:
        raise StatusError(
            grpc.StatusCode.PERMISSION_DENIED, "WRONG_ROLE", f"this call takes role {' or '.join(sorted(rule.roles))}"
        )
    if rule.own_organisation and identity.msp_id != own_msp:
        raise StatusError(
            grpc.StatusCode.PERMISSION_DENIED, "WRONG_ORGANISATION", f"this call is for members of {own_msp}"
        )


def enter(identity: Identity) -> None:
    """Makes `identity` the caller for the rest of this call."""
    _caller.set(identity)
