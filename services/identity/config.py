"""The identity service's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.common.config import ConfigError, ServerConfig, load


@dataclass(frozen=True)
class OrganisationConfig:
    """An organisation whose authorities this service holds. msp_id: for example HospitalAMSP. name: for people."""

    msp_id: str
    name: str


@dataclass(frozen=True)
class IdentityConfig:
    """server: where to listen with mutual TLS; its `tls` and `msp_root` are made by the service itself.

    enrolment_address: host:port for callers without a certificate. home: folder of the authorities' keys, the data and
    the first administrators' secrets (`bootstrap/<MSPID>`). organisations: all of the network. operator: whose TLS
    authority vouches for this service. names: host names and addresses under which it is reached. secret_days: how long
    a one-time secret works.
    """

    server: ServerConfig
    enrolment_address: str
    home: Path
    organisations: tuple[OrganisationConfig, ...]
    operator: str
    names: tuple[str, ...] = ("localhost", "127.0.0.1")
    secret_days: int = 7


def load_config(path: Path) -> IdentityConfig:
    """Reads and checks the file. Raises ConfigError naming file and key."""
    config = load(IdentityConfig, path, "SALUS_IDENTITY_")
    ids = [each.msp_id for each in config.organisations]
    if not ids or len(set(ids)) != len(ids):
        raise ConfigError(f"{path}: organisations must name at least one organisation, and each once")
    if not all(msp_id.isascii() and msp_id.isalnum() for msp_id in ids):
        raise ConfigError(f"{path}: organisations.msp_id must consist of letters and digits")
    if config.operator not in ids:
        raise ConfigError(f"{path}: operator must be one of the organisations")
    if not config.names:
        raise ConfigError(f"{path}: names must hold at least one host name or address")
    return config
