"""How the consent service fails: what the ledger or a contract said, as a gRPC status with a reason. Pure.

| what happened | code | reason |
| --- | --- | --- |
| a field of the request is wrong | INVALID_ARGUMENT | INVALID_REQUEST, with the fields |
| bytes that are not passed on | INVALID_ARGUMENT, PERMISSION_DENIED | as in `forwarding` |
| the contract refused | by its reason, see `_CODES` | the contract's |
| too few organisations endorsed | ABORTED | ENDORSEMENT_FAILED |
| the transaction is in a block, and invalid | ABORTED | Fabric's code, as MVCC_READ_CONFLICT |
| the outcome could not be learnt | UNAVAILABLE | OUTCOME_UNKNOWN: submit the same bytes again |
| the ledger cannot be reached | UNAVAILABLE | LEDGER_UNAVAILABLE |
"""

from __future__ import annotations

from grpc import StatusCode

from services.common.errors import StatusError
from services.consent.forwarding import ForwardingError
from services.ledger.client import CommitStatusError, EndorseError, EvaluateError, LedgerError, LedgerUnavailableError

RETRY_SECONDS = 1.0

_CODES = {
    "ACCESS_DENIED": StatusCode.PERMISSION_DENIED,
    "BAD_REQUEST": StatusCode.INVALID_ARGUMENT,
    "BAD_CONSENT": StatusCode.INVALID_ARGUMENT,
    "ALREADY_EXISTS": StatusCode.ALREADY_EXISTS,
    "TOO_MANY_CONSENTS": StatusCode.FAILED_PRECONDITION,
    "NOT_FOUND": StatusCode.NOT_FOUND,
    "ALREADY_REVOKED": StatusCode.FAILED_PRECONDITION,
    "STALE_TIMESTAMP": StatusCode.FAILED_PRECONDITION,
}


def invalid(field: str, takes: str) -> StatusError:
    """A field of the request that cannot be used."""
    return StatusError(
        StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", f"{field} is not valid", violations=[(field, takes)]
    )


def not_forwarded(error: ForwardingError) -> StatusError:
    code = StatusCode.INVALID_ARGUMENT if error.reason == "MALFORMED" else StatusCode.PERMISSION_DENIED
    return StatusError(code, error.reason, error.message)


def invalid_transaction(transaction_id: str, code: str) -> StatusError:
    """The transaction is committed as invalid; it changed nothing."""
    return StatusError(
        StatusCode.ABORTED,
        code,
        f"the ledger found the transaction invalid ({code}); draft it again",
        metadata={"transaction_id": transaction_id},
    )


def from_ledger(error: LedgerError, transaction_id: str = "") -> StatusError:
    """What a failed call of the ledger means to the patient."""
    if isinstance(error, LedgerUnavailableError):
        return StatusError(
            StatusCode.UNAVAILABLE,
            "LEDGER_UNAVAILABLE",
            "the ledger cannot be reached; ask again later",
            retry_after=error.retry_after or RETRY_SECONDS,
        )
    if isinstance(error, CommitStatusError):
        return StatusError(
            StatusCode.UNAVAILABLE,
            "OUTCOME_UNKNOWN",
            "the ledger did not say whether it committed; submit the same bytes again",
            metadata={"transaction_id": transaction_id},
            retry_after=RETRY_SECONDS,
        )
    if isinstance(error, EndorseError | EvaluateError) and error.reason:
        return StatusError(_CODES.get(error.reason, StatusCode.ABORTED), error.reason, error.message)
    if isinstance(error, EndorseError):
        return StatusError(
            StatusCode.ABORTED, "ENDORSEMENT_FAILED", "too few organisations endorsed it; draft it again"
        )
    return StatusError(StatusCode.ABORTED, "LEDGER_REFUSED", "the ledger did not accept the request")
