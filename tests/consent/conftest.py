"""The consent service over mutual TLS, in process, before an in-memory ledger."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import grpc.aio
import pytest
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from salus.consent.v1 import consent_pb2, consent_pb2_grpc

from chaincode.consent import ConsentContract
from services.common.access import anyone
from services.common.msp import MembershipFolder
from services.common.server import Authentication, Listener, utc_now
from services.common.tls import connect, mutual
from services.consent.access import ACCESS
from services.consent.client import ConsentClient
from services.consent.servicer import ConsentServicer
from services.ledger.client import LedgerClient
from tests.chaincode.memory_ledger import MemoryLedger
from tests.consent.memory_gateway import MemoryGateway
from tests.organisations import Organisations

HOSPITAL = "HospitalAMSP"
ANN = "a" * 32
BEN = "b" * 32
MEMBERS = {"HospitalAMSP", "HospitalBMSP", "RegulatorMSP"}


@dataclass
class ConsentSite:
    """A running consent service: its address, its ledger, and clients for whoever enrols."""

    organisations: Organisations
    gateway: MemoryGateway
    ledger: LedgerClient
    ledger_address: str
    stack: AsyncExitStack
    address: str = ""

    def channel(self, name: str, role: str, msp_id: str = HOSPITAL) -> grpc.aio.Channel:
        """Speaks to the service for somebody, who is enrolled if they are not."""
        folder = self.organisations.root / "organisations" / msp_id / name
        if not folder.exists():
            self.organisations.enrol(msp_id, name, role=role)
        channel = connect(self.address, folder, self.organisations.tls_roots)
        self.stack.push_async_exit(channel)
        return channel

    def stub(self, name: str, role: str = "patient", msp_id: str = HOSPITAL) -> Any:
        """The generated stub, speaking for somebody."""
        return consent_pb2_grpc.ConsentServiceStub(self.channel(name, role, msp_id))  # type: ignore[no-untyped-call]

    def client(self, name: str, role: str = "patient", msp_id: str = HOSPITAL) -> ConsentClient:
        """The client, speaking for somebody."""
        channel = self.channel(name, role, msp_id)
        return ConsentClient(channel, self.organisations.signer(msp_id, name))

    async def start(self, servicer: ConsentServicer) -> None:
        """Serves `servicer` at `address`."""
        membership = MembershipFolder.load(self.organisations.msp_root, lambda: 0.0)
        name = consent_pb2.DESCRIPTOR.services_by_name["ConsentService"].full_name
        service = Listener(
            "127.0.0.1:0",
            mutual(self.organisations.tls(HOSPITAL, "consent"), membership),
            [(consent_pb2_grpc.add_ConsentServiceServicer_to_server, servicer, name)],
            Authentication(membership, ACCESS, HOSPITAL),
        )
        self.address = await service.start("salus.consent")
        self.stack.push_async_callback(service.stop, 0)


@pytest.fixture
async def site(organisations: Organisations) -> AsyncIterator[ConsentSite]:
    membership = MembershipFolder.load(organisations.msp_root, lambda: 0.0)
    ledger = MemoryLedger({"consent": ConsentContract()}, {"consent": {"consents": MEMBERS}})
    gateway = MemoryGateway(ledger)
    methods = [method.name for method in gateway_pb2.DESCRIPTOR.services_by_name["Gateway"].methods]
    async with AsyncExitStack() as stack:
        node = Listener(
            "127.0.0.1:0",
            mutual(organisations.tls("OrdererMSP", "ledger"), membership),
            [(gateway_pb2_grpc.add_GatewayServicer_to_server, gateway, "gateway.Gateway")],
            Authentication(membership, {f"/gateway.Gateway/{name}": anyone() for name in methods}, "OrdererMSP"),
        )
        ledger_address = await node.start("salus.ledger")
        stack.push_async_callback(node.stop, 0)
        folder = organisations.enrol(HOSPITAL, "consent", role="consent")
        channel = await stack.enter_async_context(connect(ledger_address, folder, organisations.tls_roots))
        client = LedgerClient(channel, organisations.signer(HOSPITAL, "consent"))
        found = ConsentSite(organisations, gateway, client, ledger_address, stack)
        await found.start(ConsentServicer(client, utc_now, os.urandom))
        yield found
