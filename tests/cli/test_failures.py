"""Whatever goes wrong is one line with a reason."""

from __future__ import annotations

import grpc
import pytest

from services.cli.failures import Failure, describe
from services.common.config import ConfigError
from services.common.errors import ErrorDetails
from services.consent.client import ConflictError, DraftError
from services.ledger.client import CommitError, EndorseError, LedgerUnavailableError

CONFLICT = ErrorDetails(grpc.StatusCode.ABORTED, "the ledger found it invalid", "MVCC_READ_CONFLICT")
FAULTY = ErrorDetails(
    grpc.StatusCode.INVALID_ARGUMENT, "not valid", "INVALID_REQUEST", violations=(("model", "takes an id"),)
)
REFUSED = ErrorDetails(grpc.StatusCode.PERMISSION_DENIED, "no consent", "NO_CONSENT", {"decision_id": "d1"})


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Failure("A", "b", "c"), "A: b (c)"),
        (Failure("A", "b\n\x1b[2Jc"), "A: b  [2Jc"),
        (ConfigError("x.yaml: key y is missing"), "CONFIGURATION: x.yaml: key y is missing"),
        (FileNotFoundError(2, "No such file or directory", "x"), "FILE: No such file or directory: x"),
        (
            ConflictError(CONFLICT),
            "MVCC_READ_CONFLICT: the ledger found it invalid (something else changed first: try again)",
        ),
        (ConflictError(FAULTY), "INVALID_REQUEST: model: takes an id"),
        (ConflictError(REFUSED), "NO_CONSENT: no consent [decision_id d1]"),
        (
            EndorseError("failed", ["chaincode response 500, NOT_FOUND: model m 1 is not registered"]),
            "NOT_FOUND: model m 1 is not registered",
        ),
        (EndorseError("failed to endorse", ["results differ"]), "LEDGER_REFUSED: failed to endorse; results differ"),
    ],
)
def test_an_error_is_told_with_its_reason(error: Exception, line: str) -> None:
    failure = describe(error)
    assert failure is not None
    assert failure.line() == line


def test_an_invalid_transaction_is_told_by_fabrics_code() -> None:
    failure = describe(CommitError("t", "ENDORSEMENT_POLICY_FAILURE", 3))
    assert failure is not None
    assert failure.reason == "ENDORSEMENT_POLICY_FAILURE"


def test_an_unreachable_ledger_is_told_with_what_to_do() -> None:
    failure = describe(LedgerUnavailableError("the ledger cannot be reached"))
    assert failure is not None
    assert failure.reason == "LEDGER_UNAVAILABLE"
    assert failure.advice


@pytest.mark.parametrize("reason", ["REVOKED_CERTIFICATE", "EXPIRED_CERTIFICATE", "ALREADY_ENROLLED"])
def test_who_cannot_go_on_under_an_id_is_told_that_a_new_one_is_needed(reason: str) -> None:
    assert "a new enrolment id" in Failure(reason, "x").advice


def test_a_dishonest_draft_is_a_warning() -> None:
    failure = describe(DraftError("the draft's creator is not what was asked for"))
    assert failure is not None
    assert "do not trust" in failure.advice


def test_what_should_not_happen_is_not_explained_away() -> None:
    assert describe(KeyError("x")) is None
