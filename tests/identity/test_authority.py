"""Certificates and revocation lists (RFC 5280), with Fabric's node OU and attributes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from chaincode.core import certificate
from services.identity import authority
from services.identity.authority import Authority, CsrError, Revocation, Subject

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CA = Authority.create("ca.HospitalAMSP", "Hospital A", NOW, 1)
KEY = ec.generate_private_key(ec.SECP256R1())
_TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


@settings(max_examples=30)
@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9._-]{0,20}", fullmatch=True), _TEXT, max_size=6))
def test_attributes_are_read_back_as_registered(attributes: dict[str, str]) -> None:
    issued = CA.issue_enrolment(KEY.public_key(), Subject("dr-adams", "client", attributes), NOW, 7)
    view = certificate.parse(issued.public_bytes(Encoding.PEM))
    assert dict(view.attributes).items() >= attributes.items()
    assert (view.enrolment_id, view.node_ous) == ("dr-adams", ("client",))
    assert view.attributes["hf.EnrollmentID"] == "dr-adams"


def test_an_enrolment_certificate_signs_and_connects_but_does_not_serve() -> None:
    issued = CA.issue_enrolment(KEY.public_key(), Subject("dr-adams", "client", {}), NOW, 7)
    issued.verify_directly_issued_by(CA.certificate)
    purposes = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert issued.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert not issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_certificate_does_not_outlive_its_authority() -> None:
    late = CA.certificate.not_valid_after_utc - timedelta(days=1)
    issued = CA.issue_enrolment(KEY.public_key(), Subject("dr-adams", "client", {}), late, 7)
    assert issued.not_valid_after_utc == CA.certificate.not_valid_after_utc


def test_a_list_names_every_revoked_serial_with_its_reason_and_when_the_next_comes() -> None:
    revocations = [Revocation(5, NOW, x509.ReasonFlags.key_compromise), Revocation(9, NOW)]
    crl = x509.load_pem_x509_crl(CA.crl(revocations, NOW, 3))
    key = CA.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(key)
    assert [each.serial_number for each in crl] == [5, 9]
    first, second = crl
    assert first.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    # RFC 5280 section 5.3.1: no reason is said by leaving it out.
    assert len(second.extensions) == 0
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 3
    assert crl.next_update_utc == NOW + authority.CRL_LIFETIME


def test_a_request_with_an_extension_that_cannot_be_read_is_refused() -> None:
    broken = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"no names")
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(broken, critical=False)
    with pytest.raises(CsrError):
        authority.read_csr(request.sign(KEY, SHA256()).public_bytes(Encoding.PEM))


def test_a_request_round_trips_key_and_names() -> None:
    public_key, names = authority.read_csr(authority.write_csr(KEY, "inference", ["localhost", "127.0.0.1"]))
    assert public_key == KEY.public_key()
    assert list(names) == [authority.general_name("localhost"), authority.general_name("127.0.0.1")]


@pytest.mark.parametrize(
    "pem", [b"", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"]
)
def test_what_is_no_request_is_refused(pem: bytes) -> None:
    with pytest.raises(CsrError, match="cannot be read"):
        authority.read_csr(pem)


def test_a_request_with_an_rsa_key_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, SHA256())
    with pytest.raises(CsrError, match="P-256"):
        authority.read_csr(request.public_bytes(Encoding.PEM))


def test_a_request_signed_by_another_key_is_refused() -> None:
    der = bytearray(x509.load_pem_x509_csr(authority.write_csr(KEY, "inference")).public_bytes(Encoding.DER))
    der[-1] ^= 1
    with pytest.raises(CsrError):
        authority.read_csr(x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM))
