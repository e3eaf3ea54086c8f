"""A certificate authority: what it issues and what it has revoked. Pure: time and serial numbers are arguments.

An organisation has two: one for enrolment (who signs and who calls) and one for TLS servers, so that a leaked server
certificate is no identity. Keys are ECDSA P-256. Certificates follow RFC 5280 and carry Fabric's node OU and
attributes (see `chaincode.core.certificate`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chaincode.core import certificate

ROOT_LIFETIME = timedelta(days=3650)
ENROLMENT_LIFETIME = timedelta(days=365)
TLS_LIFETIME = timedelta(days=365)
CRL_LIFETIME = timedelta(days=7)
# A certificate is good from a little earlier, since clocks differ.
BACKDATE = timedelta(minutes=5)
SERIAL_BYTES = 16


class CsrError(Exception):
    """The certificate signing request cannot be used. The message says why."""


@dataclass(frozen=True)
class Subject:
    """Whom a certificate names. `attributes` go into the Fabric CA extension."""

    enrolment_id: str
    node_ou: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Revocation:
    """One entry of a revocation list. `reason` is RFC 5280's."""

    serial: int
    time: datetime
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified


@dataclass(frozen=True)
class Authority:
    """A root certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, common_name: str, organisation: str, now: datetime, serial: int) -> Authority:
        """A new self-signed root."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )
        usage = _key_usage(digital_signature=True, key_cert_sign=True, crl_sign=True)
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(now - BACKDATE)
            .not_valid_after(now + ROOT_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(built, key)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def issue_enrolment(
        self, public_key: ec.EllipticCurvePublicKey, subject: Subject, now: datetime, serial: int
    ) -> x509.Certificate:
        """A certificate that signs transactions and authenticates its holder to servers."""
        attributes = {
            "hf.EnrollmentID": subject.enrolment_id,
            "hf.Type": subject.node_ou,
            "hf.Affiliation": "",
            **subject.attributes,
        }
        builder = self._builder(public_key, subject, now, serial, ENROLMENT_LIFETIME, ExtendedKeyUsageOID.CLIENT_AUTH)
        return builder.add_extension(certificate.attributes_extension(attributes), critical=False).sign(
            self.key, hashes.SHA256()
        )

    def issue_tls(
        self,
        public_key: ec.EllipticCurvePublicKey,
        subject: Subject,
        names: Iterable[x509.GeneralName],
        now: datetime,
        serial: int,
    ) -> x509.Certificate:
        """A certificate of a server that answers at these names, which may also connect to other servers."""
        both = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
        builder = self._builder(public_key, subject, now, serial, TLS_LIFETIME, *both)
        return builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(self.key, hashes.SHA256())

    def crl(self, revocations: Iterable[Revocation], now: datetime, number: int) -> bytes:
        """The certificate revocation list in PEM, good for CRL_LIFETIME. `number` grows with each list."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - BACKDATE)
            .next_update(now + CRL_LIFETIME)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for each in revocations:
            entry = x509.RevokedCertificateBuilder().serial_number(each.serial).revocation_date(each.time)
            if each.reason is not x509.ReasonFlags.unspecified:
                entry = entry.add_extension(x509.CRLReason(each.reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _builder(
        self,
        public_key: ec.EllipticCurvePublicKey,
        subject: Subject,
        now: datetime,
        serial: int,
        lifetime: timedelta,
        *purposes: x509.ObjectIdentifier,
    ) -> x509.CertificateBuilder:
        organisation = self.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        name = x509.Name(
            [
                *organisation,
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, subject.node_ou),
                x509.NameAttribute(NameOID.COMMON_NAME, subject.enrolment_id),
            ]
        )
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.certificate.subject)
            .public_key(public_key)
            .serial_number(serial)
            .not_valid_before(now - BACKDATE)
            .not_valid_after(min(now + lifetime, self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )


def read_csr(pem: bytes) -> tuple[ec.EllipticCurvePublicKey, Sequence[x509.GeneralName]]:
    """Public key and subject alternative names of a PKCS #10 request whose signature holds. Raises CsrError."""
    try:
        request = x509.load_pem_x509_csr(pem)
        public_key = request.public_key()
        signed = request.is_signature_valid
        extensions = request.extensions
    except (ValueError, InvalidSignature, *certificate.UNREADABLE):
        raise CsrError("the certificate signing request cannot be read") from None
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(public_key.curve, ec.SECP256R1):
        raise CsrError("the key of a certificate signing request must be ECDSA P-256")
    if not signed:
        raise CsrError("the certificate signing request is not signed by its key")
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return public_key, ()
    return public_key, tuple(names)


def write_csr(key: ec.EllipticCurvePrivateKey, common_name: str, names: Sequence[str] = ()) -> bytes:
    """A PKCS #10 request in PEM; `names` are host names and IP addresses for the subject alternative names."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([general_name(each) for each in names]), False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def general_name(name: str) -> x509.GeneralName:
    """A host name or an IP address as X.509 has it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
