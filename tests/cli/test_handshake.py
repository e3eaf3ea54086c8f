"""A refused certificate, a server not to be trusted and a server that is not there are told apart."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.cli.connection import Connection
from services.cli.failures import Failure
from services.cli.profile import Profile, Services
from tests.common.service import Probe, running
from tests.organisations import MSP_IDS, Organisation, Organisations


async def failure(identity: Path, tls_roots: Path, address: str) -> Failure:
    mine = Profile("HospitalAMSP", identity, tls_roots, Services(identity=address))
    with pytest.raises(Failure) as caught:
        async with Connection(mine) as connection:
            await connection.identity().crl()
    return caught.value


async def test_a_foreign_certificate(organisations: Organisations, tmp_path: Path) -> None:
    strangers = Organisations(tmp_path / "strangers", {each: Organisation.create(each) for each in MSP_IDS})
    async with running(organisations, Probe()) as address:
        told = await failure(strangers.enrol("HospitalAMSP", "x", role="clinician"), organisations.tls_roots, address)
    assert told.reason == "CERTIFICATE_REFUSED"
    assert told.message.startswith("the server refused this certificate: no organisation of this network issued it")


async def test_an_expired_certificate(organisations: Organisations) -> None:
    past = datetime.now(UTC) - timedelta(days=3650)
    async with running(organisations, Probe()) as address:
        identity = organisations.enrol("HospitalAMSP", "x", role="clinician", now=past)
        told = await failure(identity, organisations.tls_roots, address)
    assert told.reason == "CERTIFICATE_REFUSED"
    assert "it has expired" in told.message


async def test_a_damaged_certificate_is_told_in_our_own_words(organisations: Organisations) -> None:
    identity = organisations.enrol("HospitalAMSP", "x", role="clinician")
    path = identity / "cert.pem"
    path.write_text(path.read_text().replace("MI", "IM", 1))
    told = await failure(identity, organisations.tls_roots, "127.0.0.1:1")
    assert (told.reason, told.message) == ("CONFIGURATION", f"{path} is no certificate, or a damaged one")


async def test_a_server_of_another_network(organisations: Organisations, tmp_path: Path) -> None:
    strangers = Organisations(tmp_path / "strangers", {each: Organisation.create(each) for each in MSP_IDS})
    async with running(organisations, Probe()) as address:
        told = await failure(organisations.enrol("HospitalAMSP", "x"), strangers.tls_roots, address)
    assert told.reason == "SERVER_NOT_TRUSTED"


async def test_a_server_that_is_not_there(organisations: Organisations) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        told = await failure(organisations.enrol("HospitalAMSP", "x"), organisations.tls_roots, address)
    assert told.reason == "UNREACHABLE"
    assert address in told.message
