"""What fits into an error."""

from __future__ import annotations

from typing import Any

import grpc

from services.common import errors
from services.common.errors import MAX_DETAILS_BYTES, StatusError, explain


class _Failed(grpc.RpcError):
    """A failed call as a client has it, with this error's status in its trailing metadata."""

    def __init__(self, error: StatusError) -> None:
        self.carried = errors.status(error, "salus.test")

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.INVALID_ARGUMENT

    def details(self) -> str:
        return str(self.carried.message)

    def trailing_metadata(self) -> tuple[Any, ...]:
        return ((errors.STATUS_DETAILS_KEY, self.carried.SerializeToString()),)


def _invalid(message: str, *violations: tuple[str, str]) -> _Failed:
    return _Failed(StatusError(grpc.StatusCode.INVALID_ARGUMENT, "INVALID", message, violations=violations))


def test_more_violations_than_a_header_holds_are_counted() -> None:
    given = [(f"requests[{n}].measurements[mean_radius]", "is missing; it takes a number") for n in range(300)]
    failed = _invalid("the request is not valid", *given)
    assert failed.carried.ByteSize() <= MAX_DETAILS_BYTES
    *named, (_, said) = explain(failed).violations
    assert named == given[: len(named)]
    assert said == f"and {300 - len(named)} more"


def test_an_endless_field_or_message_is_cut() -> None:
    failed = _invalid("é" * 100_000, ("x" * 100_000, "y" * 100_000))
    assert failed.carried.ByteSize() <= MAX_DETAILS_BYTES
    ((field, said),) = explain(failed).violations
    assert (field[:2], said[:2]) == ("xx", "yy")


def test_what_fits_is_told_in_full() -> None:
    given = [(f"measurements[feature_{n}]", "is missing; it takes a number from 0 to 100 mm") for n in range(30)]
    assert list(explain(_invalid("the request is not valid", *given)).violations) == given
