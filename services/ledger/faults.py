"""How the gateway fails: Fabric's status codes, messages and `gateway.ErrorDetail`s (internal/pkg/gateway).

| phase | code | when |
| --- | --- | --- |
| Evaluate, Endorse | INVALID_ARGUMENT | the proposal cannot be taken apart |
| Evaluate | UNAVAILABLE, FAILED_PRECONDITION | no such channel; no such contract |
| Evaluate | FAILED_PRECONDITION, UNKNOWN, ABORTED | proposal refused; the contract refused; execution failed |
| Endorse | FAILED_PRECONDITION, UNAVAILABLE | no organisations satisfy the policies; those asked for do not endorse |
| Endorse | ABORTED | refused or failed at too many organisations, or their results differ; details say which |
| Submit | INVALID_ARGUMENT, FAILED_PRECONDITION, ABORTED | unsigned; no such channel; the orderer refused |
| ProcessProposal | UNKNOWN | the proposal cannot be taken apart, or is refused; else a response says what failed |
| CommitStatus, ChaincodeEvents | INVALID_ARGUMENT, PERMISSION_DENIED | incomplete; not a member, or not its signature |
| each | RESOURCE_EXHAUSTED, with RetryInfo | at the limits |
| each | UNAVAILABLE | the ledger has stopped committing |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from fabric_protos.gateway import gateway_pb2
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

# An error travels in headers, of which clients take 8 KiB: its message percent-encoded, all of it once more in base64.
_MESSAGE_BYTES = 700
_DETAILS_BYTES = 2_800


@dataclass(frozen=True)
class Detail:
    """What one endorser said."""

    address: str
    msp_id: str
    message: str


class GatewayError(Exception):
    """Ends a call of the gateway. `retry_after` is in seconds."""

    def __init__(
        self, code: grpc.StatusCode, message: str, details: Sequence[Detail] = (), retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = tuple(details)
        self.retry_after = retry_after

    def status(self) -> status_pb2.Status:
        """As it goes over the wire, cut to what headers hold. Fabric's clients take every detail for an ErrorDetail, so
        nothing else is added, but for RetryInfo where there are none."""
        status = status_pb2.Status(code=self.code.value[0], message=_cut(self.message, _MESSAGE_BYTES))
        for detail in self.details:
            said = _cut(detail.message, _DETAILS_BYTES // len(self.details))
            packed = any_pb2.Any()
            packed.Pack(gateway_pb2.ErrorDetail(address=detail.address, msp_id=detail.msp_id, message=said))
            status.details.append(packed)
        if self.retry_after is not None:
            delay = duration_pb2.Duration()
            delay.FromMilliseconds(int(self.retry_after * 1000))
            packed = any_pb2.Any()
            packed.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
            status.details.append(packed)
        return status


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def invalid(message: str) -> GatewayError:
    """The request is incomplete or malformed."""
    return GatewayError(grpc.StatusCode.INVALID_ARGUMENT, message)


def denied(message: str) -> GatewayError:
    """Whoever asks may not."""
    return GatewayError(grpc.StatusCode.PERMISSION_DENIED, message)
