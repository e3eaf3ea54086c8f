"""Crypto material as Fabric's cryptogen lays it out."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from services.common.msp import Msp
from services.common.signer import load_key
from services.identity import cryptogen

NOW = datetime.now(UTC)
MEMBERS = {
    "peers/peer0.org1.example.com": "peer",
    "users/User1@org1.example.com": "client",
    "users/Admin@org1.example.com": "admin",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("crypto-config")
    cryptogen.write(root, cryptogen.peer_domain("org1"), NOW, os.urandom)
    return root / "peerOrganizations" / "org1.example.com"


def msp(folder: Path) -> Msp:
    def read(kind: str) -> list[bytes]:
        return [each.read_bytes() for each in (folder / kind).glob("*.pem")]

    return Msp("Org1MSP", read("cacerts"), read("tlscacerts"))


@pytest.mark.parametrize(("name", "role"), MEMBERS.items())
def test_everybody_has_the_role_of_their_folder(folder: Path, name: str, role: str) -> None:
    own = folder / name / "msp"
    (path,) = (own / "signcerts").iterdir()
    identity = msp(folder / "msp").identify(path.read_bytes(), NOW)
    assert identity.roles == {"member", role}
    assert identity.enrolment_id == Path(name).name
    assert load_key(own / "keystore" / "priv_sk").public_key() == identity.certificate.public_key
    assert msp(own).roots_pem == msp(folder / "msp").roots_pem


@pytest.mark.parametrize(
    ("name", "tls"), [(each, "server" if role == "peer" else "client") for each, role in MEMBERS.items()]
)
def test_everybodys_tls_certificate_is_of_the_tls_authority(folder: Path, name: str, tls: str) -> None:
    own = folder / name / "tls"
    root = x509.load_pem_x509_certificate((own / "ca.crt").read_bytes())
    leaf = x509.load_pem_x509_certificate((own / f"{tls}.crt").read_bytes())
    leaf.verify_directly_issued_by(root)
    assert load_key(own / f"{tls}.key").public_key() == leaf.public_key()
    assert (folder / "tlsca" / "tlsca.org1.example.com-cert.pem").read_bytes() == (own / "ca.crt").read_bytes()


def test_a_peers_tls_certificate_is_good_for_its_name_and_for_loopback(folder: Path) -> None:
    pem = (folder / "peers" / "peer0.org1.example.com" / "tls" / "server.crt").read_bytes()
    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["peer0.org1.example.com", "localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_the_authorities_keys_are_there(folder: Path) -> None:
    for kind in ("ca", "tlsca"):
        certificate = (folder / kind / f"{kind}.org1.example.com-cert.pem").read_bytes()
        key = load_key(folder / kind / "priv_sk")
        assert x509.load_pem_x509_certificate(certificate).public_key() == key.public_key()


def test_the_orderers_organisation_has_orderers(tmp_path: Path) -> None:
    cryptogen.write(tmp_path, cryptogen.ORDERER, NOW, os.urandom)
    folder = tmp_path / "ordererOrganizations" / "example.com"
    (path,) = (folder / "orderers" / "orderer.example.com" / "msp" / "signcerts").iterdir()
    assert msp(folder / "msp").identify(path.read_bytes(), NOW).roles == {"member", "orderer"}
