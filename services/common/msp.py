"""Membership: which organisation vouches for a certificate, and whether it still does.

`Msp` and `Membership` are pure: PEM bytes, revocation lists and the time are arguments. `MembershipFolder` reads
Fabric's MSP folders and reads them again when they change, so that a revocation takes effect in running services.

A certificate is accepted in this order: known MSP, well-formed, issued by one of its roots, within its validity, not
revoked, a known node OU. Fabric's rule that the organisational unit names the node's kind is NodeOUs in
`msp/config.yaml`.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from threading import Lock

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.msp import identities_pb2
from google.protobuf.message import DecodeError

from chaincode.core import certificate
from chaincode.core.certificate import CertificateView
from services.common.config import ConfigError
from services.common.logs import log

_logger = logging.getLogger(__name__)

NODE_OUS = frozenset({"client", "peer", "admin", "orderer"})
CACHE_SIZE = 10_000
CHECK_SECONDS = 0.5


class IdentityError(Exception):
    """The certificate is not accepted. Messages name the MSP at most, never the person."""


class UnknownMspError(IdentityError):
    """No such organisation in this network."""


class MalformedCertificateError(IdentityError):
    """The bytes are no certificate that Salus can use."""


class UntrustedCertificateError(IdentityError):
    """No root of the organisation issued it."""


class ExpiredCertificateError(IdentityError):
    """It is past, or before, its validity."""


class RevokedCertificateError(IdentityError):
    """Its organisation has revoked it."""


class InvalidSignatureError(IdentityError):
    """The signature is not by this identity over this message, or not in low-S form."""


@dataclass(frozen=True)
class Identity:
    """An accepted certificate. `roles` are Fabric's: member, and one of client, peer, admin, orderer."""

    msp_id: str
    certificate: CertificateView
    roles: frozenset[str]
    serialized: bytes

    @property
    def enrolment_id(self) -> str:
        return self.certificate.enrolment_id

    @property
    def attributes(self) -> Mapping[str, str]:
        return self.certificate.attributes

    @property
    def role(self) -> str:
        """The attribute `role`; empty without one."""
        return self.attributes.get("role", "")

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, lower-case hexadecimal: how logs name a caller."""
        return hashlib.sha256(self.certificate.certificate.public_bytes(Encoding.DER)).hexdigest()

    @cached_property
    def content_digest(self) -> str:
        """SHA-256 of what the authority signed. Anybody can exchange the two forms of its ECDSA signature, so that one
        certificate has two fingerprints; it has one of these."""
        return hashlib.sha256(self.certificate.certificate.tbs_certificate_bytes).hexdigest()

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises InvalidSignatureError."""
        if not certificate.verify(self.certificate.public_key, signature, message):
            raise InvalidSignatureError(f"invalid signature of a member of {self.msp_id}")


class Msp:
    """One organisation's roots and revocation lists. Immutable; its identities are cached."""

    def __init__(
        self, msp_id: str, roots: Iterable[bytes], tls_roots: Iterable[bytes] = (), crls: Iterable[bytes] = ()
    ) -> None:
        """Takes PEM. Raises ValueError for what cannot be read and for a list that no root has signed."""
        self.msp_id = msp_id
        self.roots_pem, self.tls_roots_pem = tuple(roots), tuple(tls_roots)
        self._roots = _certificates(self.roots_pem)
        self._tls_roots = _certificates(self.tls_roots_pem)
        # Serial numbers are unique for an issuer only.
        self._revoked = {entry for pem in crls for entry in _revoked(pem, (*self._roots, *self._tls_roots))}
        self._issued: OrderedDict[bytes, tuple[Identity, bytes]] = OrderedDict()
        self._lock = Lock()

    def identify(self, pem: bytes, at: datetime, *, allow_tls: bool = False) -> Identity:
        """The identity of a certificate at this time. Raises the IdentityErrors. `allow_tls` also takes certificates
        of the TLS authority."""
        identity, issuer = self._vouch(pem, allow_tls=allow_tls)
        leaf = identity.certificate.certificate
        if not leaf.not_valid_before_utc <= at <= leaf.not_valid_after_utc:
            raise ExpiredCertificateError(f"certificate of {self.msp_id} is expired or not yet valid")
        if (issuer, leaf.serial_number) in self._revoked:
            raise RevokedCertificateError(f"certificate of {self.msp_id} is revoked")
        return identity

    def _vouch(self, pem: bytes, *, allow_tls: bool) -> tuple[Identity, bytes]:
        """Chain and node OU, which do not change: cached by digest."""
        key = hashlib.sha256(pem + bytes([allow_tls])).digest()
        with self._lock:
            if key in self._issued:
                self._issued.move_to_end(key)
                return self._issued[key]
        try:
            view = certificate.parse(pem)
        except (ValueError, TypeError) as error:
            # TypeError: the library's for a name that is a bit string.
            raise MalformedCertificateError(f"certificate of {self.msp_id} is malformed: {error}") from None
        roots = (*self._roots, *self._tls_roots) if allow_tls else self._roots
        issuer = next((root for root in roots if _issued_by(view.certificate, root)), None)
        if issuer is None:
            raise UntrustedCertificateError(f"certificate was not issued by {self.msp_id}")
        ous = NODE_OUS.intersection(view.node_ous)
        if len(ous) != 1:
            raise MalformedCertificateError(f"certificate of {self.msp_id} names no node OU, or several")
        serialized = identities_pb2.SerializedIdentity(mspid=self.msp_id, id_bytes=pem).SerializeToString(
            deterministic=True
        )
        found = (
            Identity(self.msp_id, view, frozenset({"member", *ous}), serialized),
            issuer.subject.public_bytes(),
        )
        with self._lock:
            self._issued[key] = found
            if len(self._issued) > CACHE_SIZE:
                self._issued.popitem(last=False)
        return found


class Membership:
    """The organisations of a network, by MSP id."""

    def __init__(self, msps: Iterable[Msp]) -> None:
        self._msps = {msp.msp_id: msp for msp in msps}
        self._issuers: dict[bytes, str] = {}

    def msp(self, msp_id: str) -> Msp:
        """Raises UnknownMspError."""
        if (found := self.current().get(msp_id)) is None:
            raise UnknownMspError(f"MSP {msp_id[:64]} is unknown")
        return found

    def current(self) -> Mapping[str, Msp]:
        return self._msps

    def identify(self, msp_id: str, pem: bytes, at: datetime) -> Identity:
        """The identity of an enrolment certificate of this organisation. Raises the IdentityErrors."""
        return self.msp(msp_id).identify(pem, at)

    def identify_serialized(self, serialized: bytes, at: datetime) -> Identity:
        """The identity of a serialised `msp.SerializedIdentity`. Raises the IdentityErrors."""
        message = identities_pb2.SerializedIdentity()
        try:
            message.ParseFromString(serialized)
        except DecodeError:
            raise MalformedCertificateError("this is no serialised identity") from None
        return self.identify(message.mspid, message.id_bytes, at)

    def identify_peer(self, pem: bytes, at: datetime) -> Identity:
        """The identity of a TLS client, which names no MSP: whichever organisation issued the certificate."""
        key, msps = hashlib.sha256(pem).digest(), self.current()
        # Each organisation that did not issue it costs a verification: who did the last time is asked first.
        last = self._issuers.get(key, "")
        for msp in sorted(msps.values(), key=lambda each: each.msp_id != last):
            try:
                identity = msp.identify(pem, at, allow_tls=True)
            except UntrustedCertificateError:
                continue
            if len(self._issuers) >= CACHE_SIZE:
                self._issuers.clear()
            self._issuers[key] = msp.msp_id
            return identity
        raise UntrustedCertificateError("no organisation of this network issued the certificate")

    def tls_client_roots(self) -> bytes:
        """The roots against which servers verify TLS clients: everybody's, in PEM."""
        return b"".join(pem for msp in self.current().values() for pem in (*msp.roots_pem, *msp.tls_roots_pem))

    def tls_server_roots(self) -> bytes:
        """The roots against which clients verify servers, in PEM."""
        return b"".join(pem for msp in self.current().values() for pem in msp.tls_roots_pem)


class MembershipFolder(Membership):
    """Membership as Fabric's MSP folders have it, `root/<MSPID>/msp/...`, read again when a file in them changes.

    `monotonic` gives seconds; the folder is looked at no more often than every CHECK_SECONDS. A folder that cannot be
    read later on leaves the last good membership in force, which is logged once.
    """

    def __init__(self, root: Path, monotonic: Callable[[], float]) -> None:
        """Raises ConfigError naming the file that is missing or wrong."""
        super().__init__(())
        self._root, self._monotonic = root, monotonic
        self._lock = Lock()
        self._stamp = _stamp(root)
        self._msps = {msp.msp_id: msp for msp in read_folder(root)}
        self._looked, self._fault = monotonic(), ""

    def current(self) -> Mapping[str, Msp]:
        if self._monotonic() - self._looked >= CHECK_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._looked = self._monotonic()
                stamp = _stamp(self._root)
                if stamp != self._stamp:
                    self._msps = {msp.msp_id: msp for msp in read_folder(self._root)}
                    self._stamp = stamp
            except (ConfigError, OSError) as error:
                if str(error) != self._fault:
                    log(_logger, logging.ERROR, "membership unreadable", fault=str(error))
                self._fault = str(error)
            else:
                self._fault = ""
            finally:
                self._lock.release()
        return self._msps

    @classmethod
    def load(cls, root: Path, monotonic: Callable[[], float]) -> MembershipFolder:
        return cls(root, monotonic)


def read_folder(root: Path) -> list[Msp]:
    """Every MSP below `root`. Raises ConfigError."""
    if not root.is_dir():
        raise ConfigError(f"membership folder {root} does not exist")
    msps = []
    for folder in sorted(root.glob("*/msp")):
        try:
            msps.append(
                Msp(
                    folder.parent.name,
                    roots=_read_all(folder / "cacerts"),
                    tls_roots=_read_all(folder / "tlscacerts"),
                    crls=_read_all(folder / "crls"),
                )
            )
        except (ValueError, OSError) as error:
            raise ConfigError(f"{folder} is no usable MSP folder: {error}") from None
    if not msps:
        raise ConfigError(f"membership folder {root} holds no organisation")
    return msps


def _read_all(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("*.pem"))]


def _stamp(root: Path) -> tuple[tuple[str, int, int], ...]:
    paths = sorted(root.glob("*/msp/*/*.pem"))
    return tuple((str(path), stat.st_mtime_ns, stat.st_ino) for path in paths for stat in (path.stat(),))


def _certificates(pems: Iterable[bytes]) -> tuple[x509.Certificate, ...]:
    return tuple(each for pem in pems for each in x509.load_pem_x509_certificates(pem))


def _issued_by(leaf: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _revoked(pem: bytes, roots: Iterable[x509.Certificate]) -> Iterable[tuple[bytes, int]]:
    """(issuer, serial) of every entry of every list in `pem`."""
    marker = b"-----BEGIN X509 CRL-----"
    for part in pem.split(marker)[1:]:
        crl = x509.load_pem_x509_crl(marker + part)
        issuer = next((root for root in roots if root.subject == crl.issuer), None)
        if issuer is None or not crl.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
            raise ValueError("a revocation list is not signed by this organisation")
        yield from ((crl.issuer.public_bytes(), entry.serial_number) for entry in crl)
