"""The inference service's configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from services.common.config import ConfigError, LedgerConfig, ServerConfig
from services.inference.question import MAX_BATCH


@dataclass(frozen=True)
class Limits:
    """How much the service takes on.

    waiting: questions inside at one time, 256 or more and below `server.max_concurrent`; beyond it callers read
    RESOURCE_EXHAUSTED and when to come back. working: calls at work at one time. attempts: how often a record is made
    before a conflict on the ledger ends the call.
    """

    waiting: int = 500
    working: int = 32
    attempts: int = 5

    def __post_init__(self) -> None:
        for name, minimum in (("waiting", MAX_BATCH), ("working", 1), ("attempts", 1)):
            if getattr(self, name) < minimum:
                raise ConfigError(f"limits.{name} must be {minimum} or more")


@dataclass(frozen=True)
class InferenceConfig:
    """server: where to listen. msp_id: the organisation served. identity: folder with cert.pem and key.pem of the
    enrolled service, which signs the records. models: folder with the organisation's model files, named by SHA-256."""

    server: ServerConfig
    msp_id: str
    identity: Path
    models: Path
    ledger: LedgerConfig
    limits: Limits = field(default_factory=Limits)
