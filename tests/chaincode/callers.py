"""People and services who send transactions in the contracts' tests, each with a key and an enrolment certificate."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fabric_protos.msp import identities_pb2

from chaincode.core import certificate

HOSPITAL_A = "HospitalAMSP"
HOSPITAL_B = "HospitalBMSP"
REGULATOR = "RegulatorMSP"

ATTRIBUTES = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")


@dataclass(frozen=True)
class Caller:
    """Somebody enrolled. `creator` is what their transactions carry."""

    msp_id: str
    name: str
    creator: bytes
    key: ec.EllipticCurvePrivateKey

    def sign(self, message: bytes) -> bytes:
        return certificate.sign(self.key, message)


@cache
def caller(msp_id: str, name: str, role: str, node_ou: str = "client") -> Caller:
    """Enrols somebody; the same arguments give the same caller."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, node_ou),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, msp_id),
        ]
    )
    attributes = {"attrs": {"hf.EnrollmentID": name, "hf.Type": node_ou, "hf.Affiliation": "", "role": role}}
    start = datetime(2026, 1, 1, tzinfo=UTC)
    issued = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365))
        .add_extension(x509.UnrecognizedExtension(ATTRIBUTES, json.dumps(attributes).encode()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = issued.public_bytes(serialization.Encoding.PEM)
    serialized = identities_pb2.SerializedIdentity(mspid=msp_id, id_bytes=pem)
    return Caller(msp_id, name, serialized.SerializeToString(), key)
