"""An identity service's home, in process and as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc.aio
import pytest
import pytest_asyncio
import yaml

from services.common.tls import connect
from services.identity.client import EnrolmentClient, IdentityClient
from services.identity.config import load_config
from services.identity.home import Home, open_home

MSP_IDS = ("HospitalAMSP", "HospitalBMSP", "OrdererMSP")


def write_config(root: Path) -> Path:
    """A configuration of three organisations below `root`, on free ports."""
    path = root / "identity" / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "server": {"address": "127.0.0.1:0", "tls": "tls", "msp_root": "../msp"},
        "enrolment_address": "127.0.0.1:0",
        "home": ".",
        "operator": "OrdererMSP",
        "organisations": [{"msp_id": msp_id, "name": msp_id.removesuffix("MSP")} for msp_id in MSP_IDS],
    }
    path.write_text(yaml.safe_dump(content))
    return path


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    return write_config(tmp_path)


@pytest.fixture
def home(config_path: Path, clock: Clock) -> Iterator[Home]:
    opened = open_home(load_config(config_path), clock, os.urandom)
    yield opened
    opened.close()


@dataclass
class Service:
    """A running identity service."""

    root: Path
    process: subprocess.Popen[bytes] = field(init=False)
    address: str = field(init=False)
    enrolment_address: str = field(init=False)

    def start(self) -> None:
        with (self.root / "log").open("ab") as log:
            command = [sys.executable, "-m", "services.identity", "--config", str(self.root / "identity/config.yaml")]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert self.process.stdout is not None
        announced = json.loads(self.process.stdout.readline())
        self.address, self.enrolment_address = announced["address"], announced["enrolment_address"]

    def stop(self) -> int:
        self.process.terminate()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(20)

    def kill(self) -> None:
        self.process.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.wait(20)

    @property
    def tls_roots(self) -> bytes:
        return (self.root / "msp/OrdererMSP/msp/tlscacerts/tlsca.pem").read_bytes()

    def secret(self, msp_id: str) -> str:
        """The first administrator's."""
        return (self.root / "identity/bootstrap" / msp_id).read_text()

    def channel(self, folder: Path | None) -> grpc.aio.Channel:
        return connect(self.address if folder else self.enrolment_address, folder, self.tls_roots)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One process for a module's tests, which use names of their own."""
    root = tmp_path_factory.mktemp("network")
    write_config(root)
    running = Service(root)
    running.start()
    yield running
    assert running.stop() == 0


@pytest_asyncio.fixture
async def enrolment(service: Service) -> AsyncIterator[EnrolmentClient]:
    async with service.channel(None) as channel:
        yield EnrolmentClient(channel)


@pytest_asyncio.fixture
async def admin(service: Service, enrolment: EnrolmentClient) -> AsyncIterator[IdentityClient]:
    """The administrator of HospitalAMSP."""
    folder = service.root / "admin"
    await enrolment.enrol("HospitalAMSP", "admin", service.secret("HospitalAMSP"), folder)
    async with service.channel(folder) as channel:
        yield IdentityClient(channel)
