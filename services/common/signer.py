"""An identity that signs: its certificate, and a function that signs. The private key stays inside the function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from fabric_protos.msp import identities_pb2

from chaincode.core import certificate
from services.common.config import ConfigError


@dataclass(frozen=True)
class Signer:
    """`sign` returns an ECDSA P-256 signature over SHA-256 of its argument: ASN.1 DER, low s."""

    msp_id: str
    certificate_pem: bytes
    sign: Callable[[bytes], bytes]

    @cached_property
    def serialized(self) -> bytes:
        """A serialised `msp.SerializedIdentity`: how this identity appears in transactions."""
        return bytes(
            identities_pb2.SerializedIdentity(mspid=self.msp_id, id_bytes=self.certificate_pem).SerializeToString(
                deterministic=True
            )
        )

    @classmethod
    def load(cls, msp_id: str, folder: Path) -> Signer:
        """Reads cert.pem and key.pem. Raises ConfigError naming the file that is missing, unreadable or unfit."""
        pem, key = read_pem(folder / "cert.pem"), load_key(folder / "key.pem")
        try:
            view = certificate.parse(pem)
        except ValueError as error:
            raise ConfigError(f"{folder / 'cert.pem'} is no usable certificate: {error}") from None
        if view.public_key.public_numbers() != key.public_key().public_numbers():
            raise ConfigError(f"{folder / 'key.pem'} is not the key of {folder / 'cert.pem'}")
        return cls(msp_id, pem, lambda message: certificate.sign(key, message))


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Reads a P-256 private key in PEM that its owner alone can read. Raises ConfigError."""
    pem = read_pem(path)
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} can be read by others; run: chmod 600 {path}")
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{path} is no unencrypted private key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(f"{path} is no ECDSA P-256 key")
    return key


def read_pem(path: Path) -> bytes:
    """The bytes of a file. Raises ConfigError naming it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
