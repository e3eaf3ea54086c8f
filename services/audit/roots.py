"""The organisations' root certificates, on which a verification rests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from services.common.config import ConfigError
from services.common.msp import Msp


def load_roots(folder: Path) -> dict[str, tuple[bytes, ...]]:
    """Root certificates by MSP id: `<MSPID>/msp/cacerts/*.pem` or `<MSPID>.pem` below `folder`. Raises ConfigError."""
    paths: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*/msp/cacerts/*.pem")):
        paths.setdefault(path.parents[2].name, []).append(path)
    for path in sorted(folder.glob("*.pem")):
        paths.setdefault(path.stem, []).append(path)
    roots: dict[str, tuple[bytes, ...]] = {}
    for msp_id, found in paths.items():
        try:
            roots[msp_id] = tuple(path.read_bytes() for path in found)
            Msp(msp_id, roots[msp_id])
        except (OSError, ValueError):
            raise ConfigError(f"the root certificates of {msp_id} in {folder} cannot be read") from None
    if not roots:
        raise ConfigError(f"{folder} holds no root certificates: neither <MSPID>/msp/cacerts/*.pem nor <MSPID>.pem")
    return roots


def fingerprints(pems: Iterable[bytes]) -> list[str]:
    """SHA-256 of each certificate, lower-case hexadecimal, sorted."""
    found = [each for pem in pems for each in x509.load_pem_x509_certificates(pem)]
    return sorted(each.fingerprint(hashes.SHA256()).hex() for each in found)


def pems(given: bytes | Sequence[bytes]) -> Sequence[bytes]:
    """PEM texts, given as one or as several."""
    return (given,) if isinstance(given, bytes) else given
