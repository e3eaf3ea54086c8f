"""`python -m services.consent --config FILE`: reads the configuration, builds what the service needs, serves."""

from __future__ import annotations

import os
import time
from pathlib import Path

from salus.consent.v1 import consent_pb2, consent_pb2_grpc

from services.common.config import load
from services.common.entry import run
from services.common.msp import MembershipFolder
from services.common.server import Authentication, Listener, serve, utc_now
from services.common.signer import Signer
from services.common.tls import connect, mutual
from services.consent.access import ACCESS
from services.consent.config import ConsentConfig
from services.consent.servicer import ConsentServicer
from services.ledger.client import LedgerClient


async def main(path: Path) -> None:
    config = load(ConsentConfig, path, "SALUS_CONSENT_")
    membership = MembershipFolder.load(config.server.msp_root, time.monotonic)
    signer = Signer.load(config.msp_id, config.identity)
    async with connect(config.ledger.address, config.identity, config.ledger.tls_roots) as channel:
        ledger = LedgerClient(channel, signer, config.ledger.channel)
        servicer = ConsentServicer(ledger, utc_now, os.urandom)
        name = consent_pb2.DESCRIPTOR.services_by_name["ConsentService"].full_name
        listener = Listener(
            config.server.address,
            mutual(config.server.tls, membership),
            [(consent_pb2_grpc.add_ConsentServiceServicer_to_server, servicer, name)],
            Authentication(membership, ACCESS, config.msp_id),
            config.server.max_concurrent,
        )
        await serve(
            "consent",
            {"address": listener},
            metrics_address=config.server.metrics_address,
            drain_seconds=config.server.drain_seconds,
        )


if __name__ == "__main__":
    run("consent", main)
