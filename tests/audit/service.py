"""The audit service over mutual TLS before a real ledger: hospital A diagnoses, the regulator audits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from salus.audit.v1 import audit_pb2_grpc

from services.audit.access import ACCESS, SERVICE
from services.audit.export import Auditor, Exporter
from services.audit.follower import Follower
from services.audit.ledger import GatewayLedger
from services.audit.roots import fingerprints
from services.audit.servicer import AuditServicer
from services.audit.store import IndexedBlock, LmdbStore
from services.common import tls
from services.common.server import Authentication, Listener, utc_now
from tests.audit.ledger import CHANNEL
from tests.chaincode.callers import REGULATOR
from tests.inference.site import Site


class WatchedStore(LmdbStore):
    """Tells its waiters when a block is stored."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, CHANNEL)
        self._loop = asyncio.get_running_loop()
        self._appended = asyncio.Event()

    def append(self, block: IndexedBlock) -> None:
        super().append(block)
        self._loop.call_soon_threadsafe(self._appended.set)

    async def reached(self, block_number: int) -> None:
        """Returns once the block is stored."""
        while self.position().height <= block_number:
            await self._appended.wait()
            self._appended.clear()


class Audit:
    """A running service."""

    def __init__(self, site: Site, store: WatchedStore, address: str) -> None:
        self.site, self.store, self.address = site, store, address

    def stub(self, name: str = "inspector", role: str = "inspector", msp_id: str = REGULATOR) -> Any:
        """The service's generated stub, for somebody who enrols."""
        return self.stub_of(self.site.organisations.enrol(msp_id, name, role=role))

    def stub_of(self, folder: Path | None) -> Any:
        channel = tls.connect(self.address, folder, self.site.organisations.tls_roots)
        self.site.stack.push_async_exit(channel)
        return audit_pb2_grpc.AuditServiceStub(channel)  # type: ignore[no-untyped-call]


@asynccontextmanager
async def audit_of(site: Site) -> AsyncIterator[Audit]:
    """The service on the site's ledger; a second one finds the data of the first."""
    ledger = GatewayLedger(site.client("audit", "audit", REGULATOR))
    with WatchedStore(site.layout.root / "audit") as store:
        exporter = Exporter(Auditor(CHANNEL, site.organisations.signer(REGULATOR, "audit")), store, ledger)
        servicer = AuditServicer(
            exporter,
            lambda: {name: fingerprints(msp.roots_pem) for name, msp in site.membership.current().items()},
            utc_now,
        )
        listener = Listener(
            "127.0.0.1:0",
            tls.mutual(site.organisations.tls(REGULATOR, "audit"), site.membership),
            [(audit_pb2_grpc.add_AuditServiceServicer_to_server, servicer, SERVICE)],
            Authentication(site.membership, ACCESS, REGULATOR),
        )
        address = await listener.start("salus.audit")
        following = asyncio.create_task(Follower(CHANNEL, ledger, store).run())
        try:
            yield Audit(site, store, address)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await listener.stop(0)
