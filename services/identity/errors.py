"""What the registry refuses. Messages are catalogue text: they name no person and quote no secret."""

from __future__ import annotations

from collections.abc import Sequence


class RegistryError(Exception):
    """The request is refused."""


class InvalidRequestError(RegistryError):
    """Fields are wrong. `violations`: (field, what is wrong)."""

    def __init__(self, violations: Sequence[tuple[str, str]]) -> None:
        super().__init__("the request is not valid: " + "; ".join(f"{name}: {what}" for name, what in violations))
        self.violations = tuple(violations)


class NotAllowedError(RegistryError):
    """The caller may not do this."""


class NotFoundError(RegistryError):
    """There is no such thing in the organisation."""


class AlreadyEnrolledError(RegistryError):
    """Somebody has enrolled under this id, or it was revoked: it cannot be registered again."""


class SecretError(RegistryError):
    """The one-time secret does not open this enrolment. Which of the possible reasons it is, nobody learns."""

    def __init__(self) -> None:
        super().__init__("the organisation, enrolment id or one-time secret is wrong, used or expired")
