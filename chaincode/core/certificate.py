"""What an X.509 certificate says in Fabric's terms, and signatures as Fabric makes them.

Enrolment id from the common name, node OUs from the organisational units, attributes from the Fabric CA extension
(JSON {"attrs": {...}}). Signatures are ECDSA P-256 over SHA-256 in ASN.1 DER; of the two valid values of s only the
lower is made or taken (Fabric, bccsp/utils). Nothing here checks who issued a certificate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import NameOID

from chaincode.core import canonical

ATTRIBUTES_OID = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")
# What the library raises for certificates and requests beside ValueError; TypeError for a name that is no text.
UNREADABLE = (
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    TypeError,
)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class CertificateView:
    """A parsed leaf certificate."""

    enrolment_id: str
    node_ous: tuple[str, ...]
    attributes: Mapping[str, str]
    public_key: ec.EllipticCurvePublicKey
    certificate: x509.Certificate


def parse(pem: bytes) -> CertificateView:
    """Reads one PEM certificate with a P-256 key. Raises ValueError saying what is wrong."""
    try:
        return _parse(x509.load_pem_x509_certificate(pem))
    except UNREADABLE:
        raise ValueError("the certificate is of a kind that cannot be read") from None


def _parse(certificate: x509.Certificate) -> CertificateView:
    public_key = certificate.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(public_key.curve, ec.SECP256R1):
        raise ValueError("the certificate's key is not ECDSA P-256")
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not names:
        raise ValueError("the certificate has no common name")
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return CertificateView(
        enrolment_id=str(names[0].value),
        node_ous=tuple(str(unit.value) for unit in units),
        attributes=MappingProxyType(_attributes(certificate)),
        public_key=public_key,
        certificate=certificate,
    )


def attributes_extension(attributes: Mapping[str, str]) -> x509.UnrecognizedExtension:
    """The Fabric CA extension that carries these attributes."""
    return x509.UnrecognizedExtension(ATTRIBUTES_OID, canonical.encode({"attrs": dict(attributes)}))


def _attributes(certificate: x509.Certificate) -> dict[str, str]:
    try:
        extension = certificate.extensions.get_extension_for_oid(ATTRIBUTES_OID).value
    except x509.ExtensionNotFound:
        return {}
    if not isinstance(extension, x509.UnrecognizedExtension):
        raise ValueError("the certificate's attribute extension cannot be read")
    document = canonical.decode(extension.value)
    attributes = document.get("attrs") if isinstance(document, dict) else None
    if not isinstance(attributes, dict) or not all(isinstance(value, str) for value in attributes.values()):
        raise ValueError("the certificate's attribute extension holds no attributes")
    return attributes


def sign(private_key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Signature over SHA-256 of the message: ASN.1 DER with low s."""
    r, s = decode_dss_signature(private_key.sign(message, ec.ECDSA(hashes.SHA256())))
    return encode_dss_signature(r, min(s, P256_ORDER - s))


def verify(public_key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """Whether the signature is valid for the message and has low s."""
    try:
        _, s = decode_dss_signature(signature)
        if s > P256_ORDER // 2:
            return False
        public_key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
