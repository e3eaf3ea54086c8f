"""`python -m services.ledger --config FILE`: the embedded ledger as a process."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from services.common import config as configuration
from services.common import entry, server
from services.common.config import ConfigError
from services.common.msp import MembershipFolder
from services.ledger import network
from services.ledger.commits import LedgerStoppedError
from services.ledger.config import CLIENT_CERTIFICATES, LedgerConfig
from services.ledger.node import Node
from services.ledger.orderer import OrdererLimits
from services.ledger.service import listener
from services.ledger.workers import Workers

EXIT_STOPPED = 1
# Without any of these the ledger would take transactions and never commit one, or take none.
_COUNTS = ("workers", "max_executions", "max_waiting", "block_transactions", "block_bytes", "transaction_bytes")


async def main(path: Path) -> None:
    config = configuration.load(LedgerConfig, path, "SALUS_LEDGER_")
    for name in _COUNTS:
        if getattr(config, name) < 1:
            raise ConfigError(f"{path}: {name} must be at least 1")
    if config.client_certificates not in CLIENT_CERTIFICATES:
        raise ConfigError(f"{path}: client_certificates must be {' or '.join(CLIENT_CERTIFICATES)}")
    described = network.load(config.network)
    if described.msp_root.resolve() != config.server.msp_root.resolve():
        raise ConfigError(f"{path}: server.msp_root is not the msp_root of {config.network}")
    membership = MembershipFolder.load(described.msp_root, time.monotonic)
    limits = OrdererLimits(
        queue=config.max_waiting,
        block_transactions=config.block_transactions,
        block_bytes=config.block_bytes,
        transaction_bytes=config.transaction_bytes,
    )
    node = Node(described, config.data, membership, server.utc_now, os.urandom, limits)
    ports = {"address": config.server} | {
        f"{name}_address": replace(config.server, address=each.address, tls=each.tls)
        for name, each in config.gateways.items()
    }
    certificates = config.client_certificates == "required"
    workers = Workers(config.workers, config.max_executions, config.execution_seconds)
    try:
        feed = node.start()
        await server.serve(
            "ledger",
            {
                name: listener(port, node, feed, workers, membership, server.utc_now, client_certificates=certificates)
                for name, port in ports.items()
            },
            metrics_address=config.server.metrics_address,
            drain_seconds=config.server.drain_seconds,
            until=feed.failure(),
            draining=feed.end_tails,
        )
    except LedgerStoppedError as error:
        print(f"salus-ledger: {error}", file=sys.stderr)
        raise SystemExit(EXIT_STOPPED) from None
    finally:
        workers.close()
        await node.close()


if __name__ == "__main__":
    entry.run("ledger", main)
