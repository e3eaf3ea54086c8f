"""What the registry lets whom do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from services.common import msp
from services.identity import authority
from services.identity.errors import (
    AlreadyEnrolledError,
    InvalidRequestError,
    NotAllowedError,
    NotFoundError,
    SecretError,
)
from services.identity.home import Home
from services.identity.registration import Profile
from services.identity.registry import Caller

from .conftest import Clock

ADMIN = Caller("HospitalAMSP", "admin", "admin")
REGISTRAR = Caller("HospitalAMSP", "registrar", "registrar")
KEY = ec.generate_private_key(ec.SECP256R1())
CSR = authority.write_csr(KEY, "anyone")
REASON = x509.ReasonFlags.unspecified


def _other_csr() -> bytes:
    return authority.write_csr(ec.generate_private_key(ec.SECP256R1()), "anyone")


def _enrol(home: Home, enrolment_id: str, role: str, node_ou: str = "client") -> bytes:
    secret = home.registry.register(ADMIN, enrolment_id, node_ou, role, {})
    return home.registry.enrol("HospitalAMSP", enrolment_id, secret.text, CSR, Profile.ENROLMENT).certificate


@pytest.mark.parametrize(("role", "node_ou"), [("admin", "admin"), ("ledger", "peer"), ("inspector", "client")])
def test_a_registrar_registers_clinicians_and_patients_only(home: Home, role: str, node_ou: str) -> None:
    home.registry.register(REGISTRAR, "dr-adams", "client", "clinician", {})
    with pytest.raises(NotAllowedError):
        home.registry.register(REGISTRAR, "somebody", node_ou, role, {})


def test_a_registrar_cannot_take_over_an_id_that_an_admin_registered(home: Home) -> None:
    home.registry.register(ADMIN, "inspector", "client", "inspector", {})
    with pytest.raises(NotAllowedError):
        home.registry.register(REGISTRAR, "inspector", "client", "clinician", {})


def test_registering_again_replaces_the_secret_until_somebody_has_enrolled(home: Home) -> None:
    former = home.registry.register(ADMIN, "dr-adams", "client", "clinician", {})
    _enrol(home, "dr-adams", "clinician")
    with pytest.raises(SecretError):
        home.registry.enrol("HospitalAMSP", "dr-adams", former.text, CSR, Profile.ENROLMENT)
    with pytest.raises(AlreadyEnrolledError):
        home.registry.register(ADMIN, "dr-adams", "client", "clinician", {})


def test_a_secret_gives_one_certificate_of_each_profile(home: Home) -> None:
    secret = home.registry.register(ADMIN, "inference", "client", "inference", {}).text
    csr = authority.write_csr(KEY, "inference", ["localhost"])
    first = home.registry.enrol("HospitalAMSP", "inference", secret, csr, Profile.ENROLMENT)
    tls = home.registry.enrol("HospitalAMSP", "inference", secret, csr, Profile.TLS)
    assert first.issuer != tls.issuer
    for profile in Profile:
        with pytest.raises(SecretError):
            home.registry.enrol("HospitalAMSP", "inference", secret, _other_csr(), profile)


def test_a_lost_answer_is_given_again_for_the_same_key(home: Home) -> None:
    secret = home.registry.register(ADMIN, "dr-adams", "client", "clinician", {}).text
    first = home.registry.enrol("HospitalAMSP", "dr-adams", secret, CSR, Profile.ENROLMENT)
    assert home.registry.enrol("HospitalAMSP", "dr-adams", secret, CSR, Profile.ENROLMENT) == first
    home.registry.revoke(ADMIN, enrolment_id="dr-adams", reason=REASON)
    with pytest.raises(SecretError):
        home.registry.enrol("HospitalAMSP", "dr-adams", secret, CSR, Profile.ENROLMENT)


def test_a_secret_expires(home: Home, clock: Clock) -> None:
    secret = home.registry.register(ADMIN, "dr-adams", "client", "clinician", {})
    clock.now = secret.expires
    with pytest.raises(SecretError):
        home.registry.enrol("HospitalAMSP", "dr-adams", secret.text, CSR, Profile.ENROLMENT)


def test_unknown_ids_and_organisations_are_refused_as_a_wrong_secret_is(home: Home) -> None:
    secret = home.registry.register(ADMIN, "dr-adams", "client", "clinician", {}).text
    messages = set()
    for msp_id, enrolment_id, tried in (
        ("HospitalAMSP", "dr-adams", "wrong"),
        ("HospitalAMSP", "nobody", secret),
        ("HospitalBMSP", "dr-adams", secret),
        ("NoMSP", "dr-adams", secret),
    ):
        with pytest.raises(SecretError) as caught:
            home.registry.enrol(msp_id, enrolment_id, tried, CSR, Profile.ENROLMENT)
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_people_get_no_tls_certificate_and_keep_their_secret(home: Home) -> None:
    secret = home.registry.register(ADMIN, "dr-adams", "client", "clinician", {}).text
    with pytest.raises(NotAllowedError):
        home.registry.enrol("HospitalAMSP", "dr-adams", secret, CSR, Profile.TLS)
    home.registry.enrol("HospitalAMSP", "dr-adams", secret, CSR, Profile.ENROLMENT)


def test_a_tls_certificate_needs_names(home: Home) -> None:
    secret = home.registry.register(ADMIN, "inference", "client", "inference", {}).text
    with pytest.raises(InvalidRequestError, match="csr"):
        home.registry.enrol("HospitalAMSP", "inference", secret, CSR, Profile.TLS)


def test_a_patient_is_registered_under_a_pseudonym_in_force_only(home: Home) -> None:
    for enrolment_id in ("jane-doe", "0" * 32):
        with pytest.raises(InvalidRequestError, match="pseudonym"):
            home.registry.register(ADMIN, enrolment_id, "client", "patient", {})
    name = home.registry.pseudonym(REGISTRAR, "MRN-1")
    home.registry.register(REGISTRAR, name, "client", "patient", {})
    with pytest.raises(InvalidRequestError, match="pseudonym"):
        home.registry.register(Caller("HospitalBMSP", "admin", "admin"), name, "client", "patient", {})


def test_an_erased_patient_gets_another_pseudonym(home: Home) -> None:
    first = home.registry.pseudonym(ADMIN, "MRN-1")
    assert home.registry.pseudonym(ADMIN, " MRN-1") == first
    home.registry.erase_pseudonym(ADMIN, identifier="MRN-1")
    second = home.registry.pseudonym(ADMIN, "MRN-1")
    assert second != first
    home.registry.erase_pseudonym(ADMIN, name=second)
    with pytest.raises(NotFoundError):
        home.registry.erase_pseudonym(ADMIN, identifier="MRN-1")


def test_the_same_patient_has_a_pseudonym_of_their_own_at_each_organisation(home: Home) -> None:
    other = Caller("HospitalBMSP", "admin", "admin")
    assert home.registry.pseudonym(ADMIN, "MRN-1") != home.registry.pseudonym(other, "MRN-1")


def test_revoking_by_id_closes_the_registration_and_publishes(home: Home, tmp_path: Path, clock: Clock) -> None:
    pem = _enrol(home, "dr-adams", "clinician")
    serial = f"{x509.load_pem_x509_certificate(pem).serial_number:032x}"
    assert home.registry.revoke(REGISTRAR, enrolment_id="dr-adams", reason=REASON) == [serial]
    members = msp.Membership(msp.read_folder(tmp_path / "msp"))
    with pytest.raises(msp.RevokedCertificateError):
        members.identify("HospitalAMSP", pem, clock.now)
    assert home.registry.revoke(REGISTRAR, enrolment_id="dr-adams", reason=REASON) == []
    with pytest.raises(NotAllowedError):
        home.registry.reenrol(Caller("HospitalAMSP", "dr-adams", "clinician"), CSR, Profile.ENROLMENT)
    with pytest.raises(AlreadyEnrolledError):
        home.registry.register(ADMIN, "dr-adams", "client", "clinician", {})


def test_revoking_by_serial_leaves_the_other_certificates(home: Home, tmp_path: Path, clock: Clock) -> None:
    first = _enrol(home, "dr-adams", "clinician")
    second = home.registry.reenrol(Caller("HospitalAMSP", "dr-adams", "clinician"), _other_csr(), Profile.ENROLMENT)
    serial = f"{x509.load_pem_x509_certificate(first).serial_number:032x}"
    assert home.registry.revoke(ADMIN, serial=serial, reason=x509.ReasonFlags.superseded) == [serial]
    assert home.registry.revoke(ADMIN, serial=serial.lstrip("0"), reason=REASON) == []
    members = msp.Membership(msp.read_folder(tmp_path / "msp"))
    members.identify("HospitalAMSP", second.certificate, clock.now)
    with pytest.raises(msp.RevokedCertificateError):
        members.identify("HospitalAMSP", first, clock.now)


def test_a_registrar_revokes_no_administrator_and_nobody_revokes_elsewhere(home: Home) -> None:
    _enrol(home, "admin-2", "admin", "admin")
    with pytest.raises(NotAllowedError):
        home.registry.revoke(REGISTRAR, enrolment_id="admin-2", reason=REASON)
    with pytest.raises(NotFoundError):
        home.registry.revoke(Caller("HospitalBMSP", "admin", "admin"), enrolment_id="admin-2", reason=REASON)


def test_lists_grow_in_number_and_drop_what_has_expired(home: Home, clock: Clock) -> None:
    _enrol(home, "dr-adams", "clinician")
    home.registry.revoke(ADMIN, enrolment_id="dr-adams", reason=REASON)
    before = x509.load_pem_x509_crl(home.registry.crl("HospitalAMSP"))
    clock.advance(authority.ENROLMENT_LIFETIME + timedelta(days=1))
    home.registry.publish_all()
    after = x509.load_pem_x509_crl(home.registry.crl("HospitalAMSP"))
    assert (len(before), len(after)) == (1, 0)
    numbers = [crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for crl in (before, after)]
    assert numbers[0] < numbers[1]
