"""The services that a profile names, as clients. Channels open at their first call and close together.

When a service cannot be reached, leaving the connection says why: not running, not to be trusted, or refusing the
profile's certificate.
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from services.cli.failures import Failure
from services.cli.profile import Profile

if TYPE_CHECKING:
    import grpc.aio

    from chaincode.core.certificate import CertificateView
    from services.common.signer import Signer
    from services.consent.client import ConsentClient
    from services.identity.client import EnrolmentClient, IdentityClient
    from services.ledger.client import LedgerClient


class Connection:
    """`async with Connection(profile) as connection`. Raises Failure and ConfigError where a client cannot be made."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for channel in self._channels.values():
            await channel.close()
        if error is not None and _is_transport(error):
            from services.cli import handshake

            for service in self._channels:
                folder = None if service == "enrolment" else self.profile.identity
                address, roots = self.profile.address(service), self.profile.tls_roots
                failure = await asyncio.to_thread(handshake.diagnose, service, address, folder, roots)
                if failure is not None:
                    raise failure from error

    def certificate(self) -> CertificateView:
        """The profile's certificate. Raises Failure where it is none, ConfigError where it cannot be read."""
        from chaincode.core import certificate
        from services.common.signer import read_pem

        path = self.profile.identity / "cert.pem"
        try:
            return certificate.parse(read_pem(path))
        except ValueError:
            # The library's own words lead to its installation manual.
            raise Failure("CONFIGURATION", f"{path} is no certificate, or a damaged one") from None

    @cached_property
    def signer(self) -> Signer:
        """Signs as the profile's identity."""
        from services.common.signer import Signer

        self.certificate()
        return Signer.load(self.profile.msp_id, self.profile.identity)

    @cached_property
    def enrolment_id(self) -> str:
        """The enrolment id in the profile's certificate."""
        return self.certificate().enrolment_id

    def channel(self, service: str) -> grpc.aio.Channel:
        """The channel to a service of the profile."""
        from services.common.tls import connect

        if service not in self._channels:
            address = self.profile.address(service)
            folder = None if service == "enrolment" else self.profile.identity
            if folder is not None:
                self.certificate()
            self._channels[service] = connect(address, folder, self.profile.tls_roots)
        return self._channels[service]

    def identity(self) -> IdentityClient:
        from services.identity.client import IdentityClient

        return IdentityClient(self.channel("identity"))

    def enrolment(self) -> EnrolmentClient:
        from services.identity.client import EnrolmentClient

        return EnrolmentClient(self.channel("enrolment"))

    def consent(self) -> ConsentClient:
        from services.consent.client import ConsentClient

        return ConsentClient(self.channel("consent"), self.signer, self.profile.channel)

    def ledger(self) -> LedgerClient:
        from services.ledger.client import LedgerClient

        return LedgerClient(self.channel("ledger"), self.signer, self.profile.channel)

    def inference(self) -> Any:
        """The generated stub of the inference service."""
        from salus.inference.v1 import inference_pb2_grpc

        return inference_pb2_grpc.InferenceServiceStub(self.channel("inference"))

    def audit(self) -> Any:
        """The generated stub of the audit service."""
        from salus.audit.v1 import audit_pb2_grpc

        return audit_pb2_grpc.AuditServiceStub(self.channel("audit"))


def _is_transport(error: BaseException) -> bool:
    """Whether a service was not reached, rather than answering that something else was not."""
    import grpc

    from services.common.errors import explain
    from services.consent.client import ConsentUnavailableError
    from services.ledger.client import LedgerUnavailableError

    if isinstance(error, grpc.RpcError):
        details = explain(error)
        return details.code == grpc.StatusCode.UNAVAILABLE and not details.reason
    if isinstance(error, ConsentUnavailableError):
        return not error.details.reason
    return isinstance(error, LedgerUnavailableError)
