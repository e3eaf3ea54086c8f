from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from chaincode.core import certificate

KEY = ec.generate_private_key(ec.SECP256R1())
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def pem(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey = KEY,
    *,
    name: str | None = "dr-a",
    extension: bytes | None = b'{"attrs":{"role":"clinician"}}',
) -> bytes:
    """A certificate signed by its own key."""
    names = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else []
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in ("client", "cytology")]
    subject = x509.Name([*names, *units])
    builder = x509.CertificateBuilder(
        issuer_name=subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=NOON,
        not_valid_after=NOON + timedelta(days=1),
    )
    if extension is not None:
        builder = builder.add_extension(x509.UnrecognizedExtension(certificate.ATTRIBUTES_OID, extension), False)
    digest = hashes.SHA256() if isinstance(key, ec.EllipticCurvePrivateKey) else None
    return builder.sign(key, digest).public_bytes(Encoding.PEM)


def test_a_certificate_tells_enrolment_id_node_ous_and_attributes() -> None:
    view = certificate.parse(pem())
    assert (view.enrolment_id, view.node_ous) == ("dr-a", ("client", "cytology"))
    assert dict(view.attributes) == {"role": "clinician"}
    assert view.public_key == KEY.public_key()


def test_a_certificate_without_the_fabric_extension_has_no_attributes() -> None:
    assert dict(certificate.parse(pem(extension=None)).attributes) == {}


def test_attributes_read_back_from_the_extension_that_carries_them() -> None:
    extension = certificate.attributes_extension({"role": "patient", "hf.Type": "client"})
    assert dict(certificate.parse(pem(extension=extension.value)).attributes) == {
        "role": "patient",
        "hf.Type": "client",
    }


@pytest.mark.parametrize("extension", [b"", b"{}", b"[]", b'{"attrs":[]}', b'{"attrs":{"role":1}}', b"\xff"])
def test_an_extension_that_holds_no_attributes_is_refused(extension: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (any message)
        certificate.parse(pem(extension=extension))


def test_a_certificate_without_a_common_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no common name"):
        certificate.parse(pem(name=None))


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()])
def test_a_key_of_another_kind_is_refused(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> None:
    with pytest.raises(ValueError, match="P-256"):
        certificate.parse(pem(key))


@pytest.mark.parametrize("text", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (any message)
        certificate.parse(text)


@given(st.binary(max_size=100))
def test_a_signature_has_low_s_and_verifies(message: bytes) -> None:
    signature = certificate.sign(KEY, message)
    assert decode_dss_signature(signature)[1] <= certificate.P256_ORDER // 2
    assert certificate.verify(KEY.public_key(), signature, message)


@given(st.binary(max_size=20), st.integers(0, 63), st.integers(1, 255))
def test_a_changed_message_or_signature_does_not_verify(message: bytes, place: int, change: int) -> None:
    signature = certificate.sign(KEY, message)
    assert not certificate.verify(KEY.public_key(), signature, message + b"!")
    broken = bytearray(signature)
    broken[place] ^= change
    assert not certificate.verify(KEY.public_key(), bytes(broken), message)


def test_the_other_valid_s_is_refused() -> None:
    r, s = decode_dss_signature(certificate.sign(KEY, b"message"))
    high = encode_dss_signature(r, certificate.P256_ORDER - s)
    KEY.public_key().verify(high, b"message", ec.ECDSA(hashes.SHA256()))
    assert not certificate.verify(KEY.public_key(), high, b"message")


@pytest.mark.parametrize("signature", [b"", b"\x30\x00", b"signature"])
def test_what_is_no_signature_does_not_verify(signature: bytes) -> None:
    assert not certificate.verify(KEY.public_key(), signature, b"message")
