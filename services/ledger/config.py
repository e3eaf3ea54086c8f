"""The ledger's configuration file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from services.common.config import ServerConfig

CLIENT_CERTIFICATES = ("required", "none")


@dataclass(frozen=True)
class PortConfig:
    """address: host:port. tls: folder with cert.pem and key.pem."""

    address: str
    tls: Path


@dataclass(frozen=True)
class LedgerConfig:
    """server: where to listen; its `msp_root` is the one of `network`. network: `network.yaml`. data: folder of blocks
    and state, made at the first start.

    gateways: further ports that serve what `server` serves, by name; each is announced as `<name>_address`.
    client_certificates: what the ports ask of whoever connects. With "required", a TLS certificate of a member of the
    network, whose role `access.py` judges. With "none", as Fabric's peers are usually set up, no certificate: the
    caller is whoever signed the proposal, transaction or request, and blocks go to every member who signs for them.

    execution_seconds: how long a call may take to execute a contract at every organisation it needs, waiting included.
    workers: threads that execute contracts. max_executions: calls that may execute or wait; beyond, RESOURCE_EXHAUSTED.
    max_waiting: transactions that may wait to be ordered. block_transactions, block_bytes: when a block is full.
    transaction_bytes: the largest transaction taken.
    """

    server: ServerConfig
    network: Path
    data: Path
    gateways: dict[str, PortConfig] = field(default_factory=dict)
    client_certificates: str = "required"
    execution_seconds: float = 30.0
    workers: int = 4
    max_executions: int = 256
    max_waiting: int = 5_000
    block_transactions: int = 500
    block_bytes: int = 2 * 1024 * 1024
    transaction_bytes: int = 10 * 1024 * 1024
