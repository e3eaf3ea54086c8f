"""The audit service's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.common.config import LedgerConfig, ServerConfig


@dataclass(frozen=True)
class AuditConfig:
    """server: where to listen. msp_id: the auditor's organisation, which is a member of every collection of decisions.
    identity: folder with cert.pem and key.pem of the enrolled service (role `audit`), which asks the ledger and signs
    checkpoints and exports. data: folder of the log and the index, made at the first start."""

    server: ServerConfig
    msp_id: str
    identity: Path
    data: Path
    ledger: LedgerConfig
