"""Membership: Fabric's MSP rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common import msp
from services.common.config import ConfigError
from services.common.msp import MembershipFolder
from tests.organisations import Organisation, Organisations


def _cert(folder: Path) -> bytes:
    return (folder / "cert.pem").read_bytes()


NOW = datetime.now(UTC)


def test_a_member_is_identified_with_its_node_ou_and_attributes(organisations: Organisations) -> None:
    pem = _cert(organisations.enrol("HospitalAMSP", "dr-adams", role="clinician", attributes={"ward": "7"}))
    identity = MembershipFolder(organisations.msp_root, lambda: 0.0).identify("HospitalAMSP", pem, NOW)
    assert identity.roles == {"member", "client"}
    assert (identity.enrolment_id, identity.role, identity.attributes["ward"]) == ("dr-adams", "clinician", "7")


def test_a_certificate_of_another_organisation_is_untrusted(organisations: Organisations) -> None:
    pem = _cert(organisations.enrol("HospitalBMSP", "dr-baker"))
    with pytest.raises(msp.UntrustedCertificateError):
        MembershipFolder(organisations.msp_root, lambda: 0.0).identify("HospitalAMSP", pem, NOW)


def test_a_root_of_the_same_name_with_another_key_is_untrusted(organisations: Organisations, tmp_path: Path) -> None:
    forged = Organisations(tmp_path / "forged", {"HospitalAMSP": Organisation.create("HospitalAMSP")})
    pem = _cert(forged.enrol("HospitalAMSP", "dr-adams"))
    with pytest.raises(msp.UntrustedCertificateError):
        MembershipFolder(organisations.msp_root, lambda: 0.0).identify("HospitalAMSP", pem, NOW)


def test_a_certificate_is_refused_outside_its_validity(organisations: Organisations) -> None:
    pem = _cert(organisations.enrol("HospitalAMSP", "dr-adams"))
    membership = MembershipFolder(organisations.msp_root, lambda: 0.0)
    for at in (NOW - timedelta(days=1), NOW + timedelta(days=366)):
        with pytest.raises(msp.ExpiredCertificateError):
            membership.identify("HospitalAMSP", pem, at)


def test_a_revocation_takes_effect_within_a_second(organisations: Organisations) -> None:
    folder = organisations.enrol("HospitalAMSP", "dr-adams")
    clock = [0.0]
    membership = MembershipFolder(organisations.msp_root, lambda: clock[0])
    membership.identify("HospitalAMSP", _cert(folder), NOW)
    organisations.revoke("HospitalAMSP", folder)
    clock[0] += 1.0
    with pytest.raises(msp.RevokedCertificateError):
        membership.identify("HospitalAMSP", _cert(folder), NOW)


def test_a_tls_certificate_is_no_signing_identity(organisations: Organisations) -> None:
    pem = _cert(organisations.tls("HospitalAMSP", "inference"))
    membership = MembershipFolder(organisations.msp_root, lambda: 0.0)
    assert membership.identify_peer(pem, NOW).msp_id == "HospitalAMSP"
    with pytest.raises(msp.UntrustedCertificateError):
        membership.identify("HospitalAMSP", pem, NOW)


def test_a_signature_with_high_s_is_refused(organisations: Organisations) -> None:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    from chaincode.core.certificate import P256_ORDER

    organisations.enrol("HospitalAMSP", "dr-adams")
    signer = organisations.signer("HospitalAMSP", "dr-adams")
    identity = MembershipFolder(organisations.msp_root, lambda: 0.0).identify_serialized(signer.serialized, NOW)
    signature = signer.sign(b"message")
    identity.verify(signature, b"message")
    r, s = decode_dss_signature(signature)
    with pytest.raises(msp.InvalidSignatureError):
        identity.verify(encode_dss_signature(r, P256_ORDER - s), b"message")


def test_a_folder_that_cannot_be_read_leaves_the_last_membership_in_force_and_is_logged_once(
    organisations: Organisations, caplog: pytest.LogCaptureFixture
) -> None:
    pem = _cert(organisations.enrol("HospitalAMSP", "dr-adams"))
    clock = [0.0]
    membership = MembershipFolder(organisations.msp_root, lambda: clock[0])
    (organisations.msp_root / "HospitalAMSP/msp/cacerts/ca.pem").write_bytes(b"damaged")
    for _ in range(3):
        clock[0] += 1.0
        membership.identify("HospitalAMSP", pem, NOW)
    assert [record.getMessage() for record in caplog.records] == ["membership unreadable"]


def test_a_revocation_list_of_somebody_else_is_refused(organisations: Organisations, tmp_path: Path) -> None:
    forged = Organisations(tmp_path / "forged", {"HospitalAMSP": Organisation.create("HospitalAMSP")})
    crl = (forged.msp_root / "HospitalAMSP/msp/crls/crl.pem").read_bytes()
    (organisations.msp_root / "HospitalAMSP/msp/crls/crl.pem").write_bytes(crl)
    with pytest.raises(ConfigError, match="HospitalAMSP"):
        MembershipFolder(organisations.msp_root, lambda: 0.0)


def test_an_identity_of_no_node_ou_is_malformed(organisations: Organisations) -> None:
    pem = _cert(organisations.enrol("HospitalAMSP", "dr-adams", node_ou="visitor"))
    with pytest.raises(msp.MalformedCertificateError):
        MembershipFolder(organisations.msp_root, lambda: 0.0).identify("HospitalAMSP", pem, NOW)


def test_a_root_is_no_identity(organisations: Organisations) -> None:
    pem = organisations.members["HospitalAMSP"].ca.pem
    with pytest.raises(msp.IdentityError):
        MembershipFolder(organisations.msp_root, lambda: 0.0).identify("HospitalAMSP", pem, NOW)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_identity_raise_an_identity_error(serialized: bytes) -> None:
    with pytest.raises(msp.IdentityError):
        msp.Membership([]).identify_serialized(serialized, NOW)
