"""An organisation whose certificate authorities this service holds, and their files.

`home/<MSPID>/` holds `ca` and `tlsca` (cert.pem, key.pem) and `pseudonym.key`. `ca/cert.pem` is written last: it says
that the organisation is complete. A crash before that point is mended by making everything anew, since nothing can
have been issued; a file missing after that point is an error, never made again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from services.common.config import ConfigError
from services.common.signer import load_key, read_pem
from services.identity import folders, pseudonym
from services.identity.authority import SERIAL_BYTES, Authority

Entropy = Callable[[int], bytes]


@dataclass(frozen=True)
class Organisation:
    """Its enrolment authority, its TLS authority and the key of its pseudonyms."""

    msp_id: str
    name: str
    ca: Authority
    tls_ca: Authority
    pseudonym_key: bytes


def serial_number(entropy: Entropy) -> int:
    """A random serial number, positive and of at most 16 octets (RFC 5280 section 4.1.2.2)."""
    return int.from_bytes(entropy(SERIAL_BYTES)) >> 1 | 1


def exists(home: Path, msp_id: str) -> bool:
    """Whether the organisation is complete."""
    return (home / msp_id / "ca" / "cert.pem").exists()


def create(home: Path, msp_id: str, name: str, now: datetime, entropy: Entropy) -> Organisation:
    """Makes the organisation's keys and files; durable on return."""
    folder = home / msp_id
    made = Organisation(
        msp_id,
        name,
        Authority.create(f"ca.{msp_id}", name, now, serial_number(entropy)),
        Authority.create(f"tlsca.{msp_id}", name, now, serial_number(entropy)),
        entropy(pseudonym.KEY_BYTES),
    )
    folders.write_secret(folder / "pseudonym.key", made.pseudonym_key)
    for kind, authority in (("tlsca", made.tls_ca), ("ca", made.ca)):
        folders.write_identity(folder / kind, authority.key, authority.pem)
    return made


def load(home: Path, msp_id: str, name: str, now: datetime) -> Organisation:
    """Reads a complete organisation. Raises ConfigError naming the file that is missing or wrong."""
    folder = home / msp_id
    key = read_pem(folder / "pseudonym.key")
    if len(key) != pseudonym.KEY_BYTES:
        raise ConfigError(f"{folder / 'pseudonym.key'} does not hold {pseudonym.KEY_BYTES} bytes")
    return Organisation(msp_id, name, _authority(folder / "ca", now), _authority(folder / "tlsca", now), key)


def _authority(folder: Path, now: datetime) -> Authority:
    path = folder / "cert.pem"
    key, pem = load_key(folder / "key.pem"), read_pem(path)
    try:
        root = x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise ConfigError(f"{path} is no certificate in PEM") from None
    if root.public_key() != key.public_key():
        raise ConfigError(f"{folder / 'key.pem'} is not the key of {path}")
    if now > root.not_valid_after_utc:
        raise ConfigError(f"{path} has expired")
    return Authority(root, key)
