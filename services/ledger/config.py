"""The ledger's configuration file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.common.config import ServerConfig


@dataclass(frozen=True)
class LedgerConfig:
    """server: where to listen; its `msp_root` is the one of `network`. network: `network.yaml`. data: folder of blocks
    and state, made at the first start.

    execution_seconds: how long a call may take to execute a contract at every organisation it needs, waiting included.
    workers: threads that execute contracts. max_executions: calls that may execute or wait; beyond, RESOURCE_EXHAUSTED.
    max_waiting: transactions that may wait to be ordered. block_transactions, block_bytes: when a block is full.
    transaction_bytes: the largest transaction taken.
    """

    server: ServerConfig
    network: Path
    data: Path
    execution_seconds: float = 30.0
    workers: int = 4
    max_executions: int = 256
    max_waiting: int = 5_000
    block_transactions: int = 500
    block_bytes: int = 2 * 1024 * 1024
    transaction_bytes: int = 10 * 1024 * 1024
