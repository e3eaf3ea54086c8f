"""Crypto material in the layout of Fabric's `cryptogen`: an organisation a domain, its authorities, nodes and users.

    peerOrganizations/org1.example.com/
      ca/ tlsca/                             ca.org1.example.com-cert.pem, priv_sk
      msp/                                   cacerts, tlscacerts, config.yaml
      peers/peer0.org1.example.com/          msp/{signcerts,keystore,...}, tls/{ca.crt,server.crt,server.key}
      users/User1@org1.example.com/          msp/{signcerts,keystore,...}, tls/{ca.crt,client.crt,client.key}
    ordererOrganizations/example.com/        the same, with orderers/ in place of peers/

Keys are readable by their owner alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from services.identity import folders
from services.identity.authority import Authority, Subject, general_name
from services.identity.organisation import Entropy, serial_number

LOOPBACK = ("localhost", "127.0.0.1")
USERS = ("Admin", "User1")


@dataclass(frozen=True)
class Domain:
    """An organisation as cryptogen names it. `kind` is peer or orderer: what its one node is, called `node`."""

    kind: str
    name: str
    node: str

    @property
    def folder(self) -> Path:
        """Where its material lies, below `crypto-config`."""
        return Path(f"{self.kind}Organizations") / self.name

    @property
    def msp(self) -> Path:
        return self.folder / "msp"

    @property
    def node_folder(self) -> Path:
        return self.folder / f"{self.kind}s" / self.node

    def user_folder(self, name: str) -> Path:
        return self.folder / "users" / f"{name}@{self.name}"


def peer_domain(name: str) -> Domain:
    """The domain of a peer organisation, `org1` for instance."""
    return Domain("peer", f"{name}.example.com", f"peer0.{name}.example.com")


ORDERER = Domain("orderer", "example.com", "orderer.example.com")


def write(root: Path, domain: Domain, now: datetime, entropy: Entropy) -> None:
    """Makes an organisation below `root`, which is `crypto-config`. Its server answers at its name and on loopback."""
    _Writer(root, domain, now, entropy).write()


class _Writer:
    def __init__(self, root: Path, domain: Domain, now: datetime, entropy: Entropy) -> None:
        self._root, self._domain, self._now, self._entropy = root, domain, now, entropy
        self._ca = Authority.create(f"ca.{domain.name}", domain.name, now, self._serial())
        self._tls_ca = Authority.create(f"tlsca.{domain.name}", domain.name, now, self._serial())

    def write(self) -> None:
        domain = self._domain
        for kind, authority in (("ca", self._ca), ("tlsca", self._tls_ca)):
            folder = self._root / domain.folder / kind
            _write_key(folder / "priv_sk", authority.key)
            _write(folder / f"{kind}.{domain.name}-cert.pem", authority.pem)
        self._write_roots(self._root / domain.msp)
        node_names = [general_name(each) for each in (domain.node, *LOOPBACK)]
        self._write_member(self._root / domain.node_folder, domain.node, domain.kind, "server", node_names)
        for user in USERS:
            folder = self._root / domain.user_folder(user)
            names = [x509.RFC822Name(folder.name)]
            self._write_member(folder, folder.name, "admin" if user == "Admin" else "client", "client", names)

    def _write_member(
        self, folder: Path, name: str, node_ou: str, tls_name: str, tls_names: Sequence[x509.GeneralName]
    ) -> None:
        subject = Subject(name, node_ou, {})
        key, tls_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        certificate = self._ca.issue_enrolment(key.public_key(), subject, self._now, self._serial())
        tls_certificate = self._tls_ca.issue_tls(tls_key.public_key(), subject, tls_names, self._now, self._serial())
        self._write_roots(folder / "msp")
        _write_key(folder / "msp" / "keystore" / "priv_sk", key)
        _write(folder / "msp" / "signcerts" / f"{name}-cert.pem", certificate.public_bytes(Encoding.PEM))
        _write_key(folder / "tls" / f"{tls_name}.key", tls_key)
        _write(folder / "tls" / f"{tls_name}.crt", tls_certificate.public_bytes(Encoding.PEM))
        _write(folder / "tls" / "ca.crt", self._tls_ca.pem)

    def _write_roots(self, msp: Path) -> None:
        """The part of an MSP folder that is the same for every member."""
        ca = f"ca.{self._domain.name}-cert.pem"
        _write(msp / "cacerts" / ca, self._ca.pem)
        _write(msp / "tlscacerts" / f"tlsca.{self._domain.name}-cert.pem", self._tls_ca.pem)
        _write(msp / "config.yaml", folders.node_ous(f"cacerts/{ca}"))

    def _serial(self) -> int:
        return serial_number(self._entropy)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    _write(path, folders.key_pem(key), 0o600)


def _write(path: Path, data: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode)
    path.write_bytes(data)
