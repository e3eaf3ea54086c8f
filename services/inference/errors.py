"""Why a question got no answer. One class a cause; the servicer maps each to one gRPC status.

Messages are for the person who asked, and hold nothing personal: no pseudonym, no measured value, no request id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """One fault of a request: the field's path as in the proto, and what it takes."""

    field: str
    description: str


class InferenceError(Exception):
    """A question got no answer. `reason` is one upper-case word that programs compare; `metadata` goes with it.

    `retry_after` is in seconds, and set where the same call may succeed later.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.retry_after = retry_after


class InvalidQuestionError(InferenceError):
    """The request breaks its own rules or the model's; `violations` names every fault. Nothing was recorded."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        fields = ", ".join(violation.field for violation in violations[:5])
        more = f" and {len(violations) - 5} more" if len(violations) > 5 else ""
        super().__init__("INVALID_REQUEST", f"the request is not valid: {fields}{more}")
        self.violations = tuple(violations)


class RequestIdUsedError(InferenceError):
    """The request id names a recorded decision about something else, or of somebody else."""

    def __init__(self, decision_id: str) -> None:
        message = "this request id was used for a different request"
        super().__init__("REQUEST_ID_USED", message, metadata={"decision_id": decision_id})


class ModelUnavailableError(InferenceError):
    """The service does not serve this model. Reasons: UNKNOWN_MODEL, MODEL_NOT_DEPLOYED,
    MODEL_FILE_DIFFERS (from the registered one, or missing), MODEL_FAILED."""


class ModelNotFoundError(InferenceError):
    """The ledger knows no such model."""

    def __init__(self) -> None:
        super().__init__("UNKNOWN_MODEL", "no such model is registered on the ledger")


class DecisionNotFoundError(InferenceError):
    """The caller has asked for no decision of this id; whether somebody else has is not told."""

    def __init__(self) -> None:
        super().__init__("NOT_FOUND", "you have asked for no such decision")


class LedgerUnreachableError(InferenceError):
    """The ledger cannot be reached; nothing was recorded. Asking again later is safe."""

    def __init__(self, retry_after: float) -> None:
        message = "the ledger cannot be reached; ask again with the same request id"
        super().__init__("LEDGER_UNAVAILABLE", message, retry_after=retry_after)


class OutcomeUnknownError(InferenceError):
    """The transaction was handed in and its outcome could not be learnt. Asking again with the same request id finds
    its record, or makes it."""

    def __init__(self, transaction_id: str, retry_after: float) -> None:
        message = "the ledger did not say whether it committed the record; ask again with the same request id"
        metadata = {"transaction_id": transaction_id}
        super().__init__("OUTCOME_UNKNOWN", message, metadata=metadata, retry_after=retry_after)


class RecordRefusedError(InferenceError):
    """The organisations did not endorse the record, or the ledger did not take it. `reason` is the contract's word."""


class RecordInvalidError(InferenceError):
    """The transaction was committed as invalid, however often it was made afresh. `reason` is Fabric's code."""

    def __init__(self, transaction_id: str, code: str) -> None:
        message = "the ledger found the record's transaction invalid; ask again with the same request id"
        super().__init__(code, message, metadata={"transaction_id": transaction_id})


class OverloadedError(InferenceError):
    """Too many questions wait."""

    def __init__(self, retry_after: float) -> None:
        message = "too many questions wait for an answer; ask again later"
        super().__init__("TOO_MANY_REQUESTS", message, retry_after=retry_after)
