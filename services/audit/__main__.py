"""`python -m services.audit --config FILE`: reads the configuration, builds the service, follows the ledger, serves."""

from __future__ import annotations

import time
from pathlib import Path

from salus.audit.v1 import audit_pb2_grpc

from services.audit.access import ACCESS, SERVICE
from services.audit.config import AuditConfig
from services.audit.export import Auditor, Exporter
from services.audit.follower import Follower
from services.audit.ledger import GatewayLedger
from services.audit.roots import fingerprints
from services.audit.servicer import AuditServicer
from services.audit.store import LmdbStore
from services.common import config, entry, server, tls
from services.common.msp import MembershipFolder
from services.common.signer import Signer
from services.ledger.client import LedgerClient


async def main(path: Path) -> None:
    settings = config.load(AuditConfig, path, "SALUS_AUDIT_")
    membership = MembershipFolder.load(settings.server.msp_root, time.monotonic)
    signer = Signer.load(settings.msp_id, settings.identity)
    channel_id = settings.ledger.channel
    with LmdbStore(settings.data, channel_id) as store:
        async with tls.connect(settings.ledger.address, settings.identity, settings.ledger.tls_roots) as channel:
            ledger = GatewayLedger(LedgerClient(channel, signer, channel_id))
            servicer = AuditServicer(
                Exporter(Auditor(channel_id, signer), store, ledger),
                lambda: {msp_id: fingerprints(msp.roots_pem) for msp_id, msp in membership.current().items()},
                server.utc_now,
            )
            listener = server.Listener(
                settings.server.address,
                tls.mutual(settings.server.tls, membership),
                [(audit_pb2_grpc.add_AuditServiceServicer_to_server, servicer, SERVICE)],
                server.Authentication(membership, ACCESS, settings.msp_id),
                settings.server.max_concurrent,
            )
            await server.serve(
                "audit",
                {"address": listener},
                metrics_address=settings.server.metrics_address,
                drain_seconds=settings.server.drain_seconds,
                until=Follower(channel_id, ledger, store).run(),
            )


if __name__ == "__main__":
    entry.run("audit", main)
