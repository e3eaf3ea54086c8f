"""Why a command failed, in one line: a reason that programs compare, what happened, what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

# An enrolment id that was used once is closed to registrars, lest they take it over.
NEW_ID = "ask your organisation's registrar to register you under a new enrolment id, and enrol with it: salus enrol"

ADVICE: Mapping[str, str] = {
    "WRONG_ROLE": "act as somebody who has that role: --as NAME",
    "WRONG_ORGANISATION": "act as a member of that organisation: --as NAME",
    "WRONG_SECRET": "check it, or ask your organisation's registrar for a new one",
    "REVOKED_CERTIFICATE": NEW_ID,
    "EXPIRED_CERTIFICATE": NEW_ID,
    "ALREADY_ENROLLED": "register a new enrolment id: one that was enrolled or revoked is not given again",
    "LEDGER_UNAVAILABLE": "try again when the ledger is back; nothing was written twice",
    "OUTCOME_UNKNOWN": "ask again with the same request id",
    "MVCC_READ_CONFLICT": "something else changed first: try again",
    "PHANTOM_READ_CONFLICT": "something else changed first: try again",
    "MODEL_NOT_DEPLOYED": "see which models answer: salus models list",
    "UNKNOWN_MODEL": "see which models there are: salus models list",
    "ALREADY_DEPLOYED": "suspend or retire the other version first: salus models suspend",
    "RESOURCE_EXHAUSTED": "try again in a moment",
    "DEADLINE_EXCEEDED": "try again; the service did not answer in time",
}


class Failure(Exception):
    """Ends a command with exit code 1. `advice` may be empty."""

    def __init__(self, reason: str, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.advice = advice or ADVICE.get(reason, "")

    def document(self) -> dict[str, str]:
        """The failure for programs."""
        return {"reason": self.reason, "message": self.message, "advice": self.advice}

    def line(self) -> str:
        """The failure as printed: one line whatever a server said."""
        text = f"{self.reason}: {self.message}" + (f" ({self.advice})" if self.advice else "")
        return "".join(each if each.isprintable() else " " for each in " ".join(text.split()))


def describe(error: Exception) -> Failure | None:
    """What an exception means to whoever typed the command; None for one that should not happen."""
    from services.cli.supervisor import ServiceError
    from services.common.config import ConfigError

    if isinstance(error, Failure):
        return error
    if isinstance(error, ServiceError):
        return Failure("SERVICE_ENDED", str(error))
    if isinstance(error, ConfigError):
        return Failure("CONFIGURATION", str(error))
    if isinstance(error, OSError):
        return Failure("FILE", f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    return _of_call(error)


def _of_call(error: Exception) -> Failure | None:
    """Of an exception that came over the network. Imported here, so that commands without one do without gRPC."""
    import grpc

    from services.common.errors import explain
    from services.consent.client import ConsentError, DraftError
    from services.ledger.client import CommitError, LedgerError, LedgerUnavailableError

    if isinstance(error, grpc.RpcError):
        details = explain(error)
    elif isinstance(error, ConsentError):
        details = error.details
    elif isinstance(error, DraftError):
        return Failure("DRAFT_NOT_AS_ASKED", str(error), "nothing was signed; do not trust this consent service")
    elif isinstance(error, CommitError):
        return Failure(error.code, error.message)
    elif isinstance(error, LedgerUnavailableError):
        return Failure("LEDGER_UNAVAILABLE", error.message)
    elif isinstance(error, LedgerError):
        return Failure(error.reason or "LEDGER_REFUSED", "; ".join((error.message, *_others(error))))
    else:
        return None
    faults = "; ".join(f"{field}: {takes}" for field, takes in details.violations)
    references = ", ".join(f"{name} {details.metadata[name]}" for name in _REFERENCES if name in details.metadata)
    message = faults or details.message or "the service gave no reason"
    return Failure(details.reason or details.code.name, f"{message} [{references}]" if references else message)


_REFERENCES = ("decision_id", "transaction_id")


def _others(error: object) -> tuple[str, ...]:
    details: tuple[str, ...] = getattr(error, "details", ())
    return details if not getattr(error, "reason", "") else ()
