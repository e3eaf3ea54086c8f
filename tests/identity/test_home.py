"""What a start finds, makes and refuses."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from services.common.config import ConfigError
from services.identity import authority
from services.identity.config import load_config
from services.identity.home import Home, open_home
from services.identity.registration import Profile
from services.identity.registry import Caller

from .conftest import Clock

ADMIN = Caller("HospitalAMSP", "admin", "admin")
CSR = authority.write_csr(ec.generate_private_key(ec.SECP256R1()), "anyone")

MUST_STAY = [
    "HospitalAMSP/ca/key.pem",
    "HospitalAMSP/tlsca/cert.pem",
    "HospitalAMSP/pseudonym.key",
    "data/identity.sqlite3",
    "data/pseudonyms.sqlite3",
    "tls/key.pem",
]


def _open(config_path: Path, clock: Clock) -> Home:
    return open_home(load_config(config_path), clock, os.urandom)


def test_keys_and_secrets_are_their_owners_alone(home: Home, config_path: Path) -> None:
    root = config_path.parent
    secret = [*root.rglob("key.pem"), *root.rglob("*.key"), *root.rglob("*.sqlite3*"), *root.glob("bootstrap/*")]
    assert len(secret) >= 3 * 3 + 1 + 2 + 3
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}
    assert {path.parent.stat().st_mode & 0o777 for path in secret} == {0o700}


def test_a_restart_finds_everything(config_path: Path, clock: Clock) -> None:
    first = _open(config_path, clock)
    name = first.registry.pseudonym(ADMIN, "MRN-1")
    secret = first.registry.register(ADMIN, "dr-adams", "client", "clinician", {}).text
    first.registry.enrol("HospitalAMSP", "dr-adams", secret, CSR, Profile.ENROLMENT)
    first.registry.revoke(ADMIN, enrolment_id="dr-adams", reason=x509.ReasonFlags.unspecified)
    bootstrap = (config_path.parent / "bootstrap" / "HospitalAMSP").read_text()
    roots = [each.ca.pem for each in first.registry.organisations()]
    first.close()

    second = _open(config_path, clock)
    assert [each.ca.pem for each in second.registry.organisations()] == roots
    assert second.registry.pseudonym(ADMIN, "MRN-1") == name
    assert len(x509.load_pem_x509_crl(second.registry.crl("HospitalAMSP"))) == 1
    second.registry.enrol("HospitalAMSP", "admin", bootstrap, CSR, Profile.ENROLMENT)
    second.close()


def test_lists_are_published_again_before_they_run_out(config_path: Path, tmp_path: Path, clock: Clock) -> None:
    _open(config_path, clock).close()
    clock.advance(timedelta(days=6))
    _open(config_path, clock).close()
    crl = x509.load_pem_x509_crl((tmp_path / "msp/HospitalAMSP/msp/crls/crl.pem").read_bytes())
    assert crl.next_update_utc == clock.now + authority.CRL_LIFETIME


def test_an_administrator_who_never_enrolled_gets_a_new_secret_once_the_first_expired(
    config_path: Path, clock: Clock
) -> None:
    _open(config_path, clock).close()
    path = config_path.parent / "bootstrap" / "HospitalAMSP"
    first = path.read_text()
    clock.advance(timedelta(days=8))
    home = _open(config_path, clock)
    assert path.read_text() != first
    home.registry.enrol("HospitalAMSP", "admin", path.read_text(), CSR, Profile.ENROLMENT)
    home.close()
    second = path.read_text()
    clock.advance(timedelta(days=8))
    _open(config_path, clock).close()
    assert path.read_text() == second


def test_the_services_own_certificate_is_renewed_before_it_ends(config_path: Path, clock: Clock) -> None:
    _open(config_path, clock).close()
    path = config_path.parent / "tls" / "cert.pem"
    first = path.read_bytes()
    _open(config_path, clock).close()
    assert path.read_bytes() == first
    clock.advance(authority.TLS_LIFETIME - timedelta(days=20))
    _open(config_path, clock).close()
    assert path.read_bytes() != first


@pytest.mark.parametrize(
    "missing",
    [
        "HospitalAMSP/ca/key.pem",
        "HospitalAMSP/tlsca/cert.pem",
        "HospitalAMSP/pseudonym.key",
        "data/identity.sqlite3",
        "data/pseudonyms.sqlite3",
        "tls/key.pem",
    ],
)
def test_a_missing_file_is_named_and_never_made_anew(config_path: Path, clock: Clock, missing: str) -> None:
    _open(config_path, clock).close()
    path = config_path.parent / missing
    path.unlink()
    with pytest.raises(ConfigError, match=missing.rpartition("/")[2]):
        _open(config_path, clock)
    assert not path.exists()


def test_a_first_start_cut_short_is_completed(config_path: Path, clock: Clock) -> None:
    _open(config_path, clock).close()
    # As a crash leaves it before the organisation's last file.
    (config_path.parent / "HospitalBMSP/ca/cert.pem").unlink()
    home = _open(config_path, clock)
    assert [each.msp_id for each in home.registry.organisations()] == ["HospitalAMSP", "HospitalBMSP", "OrdererMSP"]
    home.close()


def test_a_key_of_another_certificate_is_refused(config_path: Path, clock: Clock) -> None:
    _open(config_path, clock).close()
    root = config_path.parent
    (root / "HospitalAMSP/ca/key.pem").write_bytes((root / "HospitalBMSP/ca/key.pem").read_bytes())
    with pytest.raises(ConfigError, match="is not the key of"):
        _open(config_path, clock)
