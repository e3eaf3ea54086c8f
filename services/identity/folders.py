"""Files of keys, certificates and Fabric's MSP folders. Keys are readable by their owner alone; every file is written
whole or not at all, so that a reader, or a crash, never meets half of one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

NODE_OUS = ("client", "peer", "admin", "orderer")


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Writes the file durably and atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_secret(path: Path, data: bytes) -> None:
    """Writes a file that its owner alone can read, in a folder that its owner alone can enter."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.chmod(0o700)
    write(path, data, 0o600)


def write_identity(folder: Path, key: ec.EllipticCurvePrivateKey, certificate: bytes) -> None:
    """Writes key.pem, then cert.pem, whose presence says that the identity is complete."""
    write_secret(folder / "key.pem", key_pem(key))
    write(folder / "cert.pem", certificate)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS #8, unencrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_msp(root: Path, msp_id: str, ca: bytes, tls_ca: bytes, crls: bytes) -> None:
    """Writes `root/<MSPID>/msp` in Fabric's layout. `crls`: revocation lists in PEM, concatenated."""
    # The lists come first: a root without its list would let the revoked in.
    write_crls(root, msp_id, crls)
    write_roots(root, msp_id, ca, tls_ca)


def write_crls(root: Path, msp_id: str, crls: bytes) -> None:
    """Publishes new revocation lists of an organisation."""
    write(root / msp_id / "msp" / "crls" / "crl.pem", crls)


def write_roots(root: Path, msp_id: str, ca: bytes, tls_ca: bytes) -> None:
    """Writes the organisation's root certificates and node OUs, where they are not what they should be already."""
    folder = root / msp_id / "msp"
    for path, content in (
        (folder / "config.yaml", node_ous("cacerts/ca.pem")),
        (folder / "tlscacerts" / "tlsca.pem", tls_ca),
        (folder / "cacerts" / "ca.pem", ca),
    ):
        if not path.exists() or path.read_bytes() != content:
            write(path, content)


def node_ous(ca: str) -> bytes:
    """`msp/config.yaml`: every node OU there is. `ca`: the root's file, relative to the folder."""
    identifiers = {
        f"{unit.capitalize()}OUIdentifier": {
            "Certificate": ca,
            "OrganizationalUnitIdentifier": unit,
        }
        for unit in NODE_OUS
    }
    return yaml.safe_dump({"NodeOUs": {"Enable": True, **identifiers}}, sort_keys=False).encode()
