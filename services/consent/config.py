"""The consent service's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.common.config import LedgerConfig, ServerConfig


@dataclass(frozen=True)
class ConsentConfig:
    """server: where to listen. msp_id: the organisation that runs the service. identity: folder with cert.pem and
    key.pem of the enrolled service (role consent), which asks the ledger; patients sign for themselves."""

    server: ServerConfig
    msp_id: str
    identity: Path
    ledger: LedgerConfig
