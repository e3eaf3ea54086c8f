"""A small service behind the real server, to see what the server does around it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import grpc.aio
from salus.identity.v1 import identity_pb2 as pb
from salus.identity.v1 import identity_pb2_grpc as pb_grpc

from services.common.access import Access, anyone, caller, roles
from services.common.errors import StatusError
from services.common.msp import MembershipFolder
from services.common.server import Authentication, Listener
from services.common.tls import connect, mutual
from tests.organisations import Organisations

NAME = "salus.identity.v1.IdentityService"
ACCESS: Access = {
    f"/{NAME}/GetCrl": roles("clinician", own_organisation=True),
    f"/{NAME}/ListOrganisations": anyone(),
    f"/{NAME}/Register": anyone(),
    f"/{NAME}/Reenrol": anyone(),
}


@dataclass
class Probe(pb_grpc.IdentityServiceServicer):
    """GetCrl tells who called; ListOrganisations waits; Register raises StatusError, Reenrol anything else; Revoke is
    not in the table."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def GetCrl(self, request: pb.GetCrlRequest, context: object) -> pb.GetCrlResponse:
        identity = caller()
        return pb.GetCrlResponse(crl=f"{identity.msp_id}/{identity.role}".encode())

    async def ListOrganisations(
        self, request: pb.ListOrganisationsRequest, context: object
    ) -> pb.ListOrganisationsResponse:
        self.started.set()
        await self.release.wait()
        return pb.ListOrganisationsResponse()

    async def Register(self, request: pb.RegisterRequest, context: object) -> pb.RegisterResponse:
        raise StatusError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "QUEUE_FULL",
            "the queue is full",
            metadata={"waiting": "7"},
            violations=[("role", "is unknown")],
            retry_after=1.5,
        )

    async def Reenrol(self, request: pb.ReenrolRequest, context: object) -> pb.ReenrolResponse:
        raise ValueError("Jane Doe, born 1970")

    async def Revoke(self, request: pb.RevokeRequest, context: object) -> pb.RevokeResponse:
        return pb.RevokeResponse()


def listener(organisations: Organisations, probe: Probe, *, max_concurrent: int = 64) -> Listener:
    """A listener of HospitalAMSP's service on a free port."""
    membership = MembershipFolder(organisations.msp_root, time.monotonic)
    return Listener(
        "127.0.0.1:0",
        mutual(organisations.tls("HospitalAMSP", "probe"), membership),
        [(pb_grpc.add_IdentityServiceServicer_to_server, probe, NAME)],
        Authentication(membership, ACCESS, "HospitalAMSP"),
        max_concurrent,
    )


@asynccontextmanager
async def running(organisations: Organisations, probe: Probe, *, max_concurrent: int = 64) -> AsyncIterator[str]:
    """The address of a running probe."""
    served = listener(organisations, probe, max_concurrent=max_concurrent)
    address = await served.start("salus.probe")
    try:
        yield address
    finally:
        await served.stop(0)


def client(address: str, organisations: Organisations, msp_id: str, name: str, role: str = "") -> grpc.aio.Channel:
    """A channel of somebody newly enrolled."""
    return connect(address, organisations.enrol(msp_id, name, role=role), organisations.tls_roots)


def stub(channel: grpc.aio.Channel) -> pb_grpc.IdentityServiceStub:
    return pb_grpc.IdentityServiceStub(channel)  # type: ignore[no-untyped-call]
