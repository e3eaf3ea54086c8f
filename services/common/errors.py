"""Errors as clients see them: a gRPC status with `google.rpc` details, and how a client reads them back.

A handler raises StatusError; the interceptor in `services.common.server` sends it. Anything else that escapes a
handler becomes INTERNAL with a reference that also stands in the log. Messages are catalogue text: no personal data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

STATUS_DETAILS_KEY = "grpc-status-details-bin"
# Details travel in a header. Clients take 8 KiB of headers, and tell of another error where there is more.
MAX_DETAILS_BYTES = 6_000
_MAX_MESSAGE = 500
_MAX_VIOLATION = 300
Violation = tuple[str, str]


class StatusError(Exception):
    """Ends a call. `reason` is UPPER_SNAKE, unique within the service; `violations` are (field, what is wrong)."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after = retry_after


def status(error: StatusError, domain: str) -> status_pb2.Status:
    """The rich status of an error: ErrorInfo, and BadRequest and RetryInfo where they apply. What does not fit into
    MAX_DETAILS_BYTES is cut: texts at their end, and violations with their number told."""
    details: list[any_pb2.Any] = [
        _pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=domain, metadata=error.metadata))
    ]
    if error.violations:
        details.append(_pack(_bad_request(error.violations)))
    if error.retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        details.append(_pack(error_details_pb2.RetryInfo(retry_delay=delay)))
    return status_pb2.Status(code=error.code.value[0], message=error.message[:_MAX_MESSAGE], details=details)


def _bad_request(violations: Sequence[Violation]) -> error_details_pb2.BadRequest:
    request, left = error_details_pb2.BadRequest(), MAX_DETAILS_BYTES - 4 * _MAX_MESSAGE
    for told, (name, description) in enumerate(violations):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=name[:_MAX_VIOLATION], description=description[:_MAX_VIOLATION]
        )
        left -= violation.ByteSize() + 4
        if left < 0:
            request.field_violations.add(field="", description=f"and {len(violations) - told} more")
            break
        request.field_violations.append(violation)
    return request


@dataclass(frozen=True)
class ErrorDetails:
    """What a client can tell from a failed call. `reason` is empty where the server gave none."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()
    retry_after: float | None = None


def explain(error: grpc.RpcError) -> ErrorDetails:
    """Reads the details of a failed call."""
    code, message = error.code(), error.details() or ""
    rich = status_pb2.Status()
    metadata: Iterable[tuple[str, bytes]] = error.trailing_metadata() or ()  # type: ignore[assignment]
    for key, value in metadata:
        if key == STATUS_DETAILS_KEY:
            try:
                rich.ParseFromString(value)
            except DecodeError:
                break
    if rich.code == code_pb2.OK:
        return ErrorDetails(code, message)
    info, request, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    for detail in rich.details:
        for each in (info, request, retry):
            detail.Unpack(each)
    return ErrorDetails(
        code,
        rich.message,
        info.reason,
        dict(info.metadata),
        tuple((each.field, each.description) for each in request.field_violations),
        retry.retry_delay.ToMilliseconds() / 1000 if retry.HasField("retry_delay") else None,
    )


def _pack(message: object) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)  # type: ignore[arg-type]
    return packed
