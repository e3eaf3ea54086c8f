"""A ledger for tests: in this process, on a free port, over mutual TLS, with the sample contracts."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import yaml
from fabric_protos.gateway import gateway_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from services.common import tls
from services.common.config import ServerConfig
from services.common.msp import MembershipFolder
from services.common.server import utc_now
from services.ledger import network
from services.ledger.client import LedgerClient
from services.ledger.commits import CommitFeed
from services.ledger.node import Node
from services.ledger.orderer import OrdererLimits
from services.ledger.service import listener
from services.ledger.workers import Workers
from tests.organisations import Organisations

A, B, REGULATOR, OPERATOR = "HospitalAMSP", "HospitalBMSP", "RegulatorMSP", "OrdererMSP"
PEERS = (A, B, REGULATOR)
CONTRACT = "tests.ledger.sample_contract"


def described(contracts: dict[str, Any] | None = None) -> dict[str, Any]:
    """A `network.yaml`: `sample` needs two of three, `other` hospital B and the regulator."""
    two = "OutOf(2,'HospitalAMSP.peer','HospitalBMSP.peer','RegulatorMSP.peer')"
    default = {
        "sample": {
            "class": f"{CONTRACT}:SampleContract",
            "version": "1.0",
            "policy": two,
            "collections": [
                {"name": "everyone", "policy": f"OR('{A}.member','{B}.member','{REGULATOR}.member')"},
                {
                    "name": "a_and_regulator",
                    "policy": f"OR('{A}.member','{REGULATOR}.member')",
                    "memberOnlyRead": True,
                    "memberOnlyWrite": True,
                },
                {"name": "only_b", "policy": f"OR('{B}.member')"},
            ],
        },
        "other": {
            "class": f"{CONTRACT}:OtherContract",
            "version": "2.0",
            "policy": f"AND('{B}.peer','{REGULATOR}.peer')",
        },
    }
    return {
        "channel": "salus",
        "msp_root": "msp",
        "orderer": {"msp_id": OPERATOR, "identity": f"organisations/{OPERATOR}/orderer"},
        "organisations": {msp_id: {"peer": f"organisations/{msp_id}/peer"} for msp_id in PEERS},
        "contracts": contracts if contracts is not None else default,
    }


def prepare(organisations: Organisations, content: dict[str, Any] | None = None) -> Path:
    """Enrols what a ledger needs, and some people, and writes `network.yaml`; once a network."""
    path = organisations.root / "network.yaml"
    path.write_text(yaml.safe_dump(content or described()))
    if not (organisations.root / "organisations" / OPERATOR / "orderer").exists():
        organisations.enrol(OPERATOR, "orderer", node_ou="orderer", role="ledger")
        organisations.tls(OPERATOR, "ledger")
        for msp_id in PEERS:
            organisations.enrol(msp_id, "peer", node_ou="peer", role="ledger")
            organisations.enrol(msp_id, "member", role="clinician")
        organisations.enrol(REGULATOR, "audit", role="audit")
    return path


@dataclass
class Running:
    """A ledger that serves."""

    organisations: Organisations
    node: Node
    address: str
    workers: Workers
    feed: CommitFeed
    channels: list[grpc.aio.Channel] = field(default_factory=list)

    def channel(self, msp_id: str, name: str) -> grpc.aio.Channel:
        folder = self.organisations.root / "organisations" / msp_id / name
        channel = tls.connect(self.address, folder, self.organisations.tls_roots)
        self.channels.append(channel)
        return channel

    def client(self, msp_id: str = A, name: str = "member") -> LedgerClient:
        return LedgerClient(self.channel(msp_id, name), self.organisations.signer(msp_id, name))


@asynccontextmanager
async def running(
    organisations: Organisations,
    *,
    content: dict[str, Any] | None = None,
    data: Path | None = None,
    limits: OrdererLimits | None = None,
    seconds: float = 20.0,
    executions: int = 64,
    threads: int = 2,
    clock: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Running]:
    described_network = network.load(prepare(organisations, content))
    membership = MembershipFolder.load(described_network.msp_root, time.monotonic)
    folder = data or organisations.root / "ledger"
    node = Node(described_network, folder, membership, clock, os.urandom, limits or OrdererLimits())
    workers = Workers(threads, executions, seconds)
    config = ServerConfig(
        "127.0.0.1:0", organisations.root / "organisations" / OPERATOR / "tls" / "ledger", described_network.msp_root
    )
    feed = node.start()
    served = listener(config, node, feed, workers, membership, clock)
    try:
        ledger = Running(organisations, node, await served.start("salus.ledger"), workers, feed)
        try:
            yield ledger
        finally:
            for channel in ledger.channels:
                await channel.close()
            await served.stop(0)
    finally:
        workers.close()
        await node.close()


@dataclass(frozen=True)
class Refusal:
    """How a call of the gateway failed: Fabric's code and text, what each endorser said, and RetryInfo in seconds."""

    code: str
    message: str
    said: tuple[str, ...]
    endorsers: tuple[str, ...]
    retry_after: float | None


async def refusal(call: Awaitable[Any]) -> Refusal:
    """Awaits a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    details, retry_after = [], None
    for packed in status.details if status is not None else ():
        detail, retry = gateway_pb2.ErrorDetail(), error_details_pb2.RetryInfo()
        if packed.Unpack(detail):
            details.append(detail)
        elif packed.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta().total_seconds()
    return Refusal(
        caught.value.code().name,
        caught.value.details() or "",
        tuple(each.message for each in details),
        tuple(each.msp_id for each in details),
        retry_after,
    )
