"""The supervisor: services announce themselves, say why they cannot start, and end with whoever started them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
import yaml

from services.cli.supervisor import ServiceError, Supervisor
from services.cli.topology import Layout, identity_config

# Starts identity, says which process it is, and waits to be killed.
LAUNCHER = """
import asyncio, sys
from pathlib import Path
from services.cli.supervisor import Supervisor

async def main():
    service = await Supervisor(Path(sys.argv[1])).start("identity", Path(sys.argv[2]))
    print(service.process.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "identity" / "config.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(identity_config(Layout(tmp_path), "127.0.0.1:0", "127.0.0.1:0")))
    return path


async def test_a_started_service_has_the_addresses_that_it_announced(tmp_path: Path, config: Path) -> None:
    supervisor = Supervisor(tmp_path / "logs")
    service = await supervisor.start("identity", config)
    try:
        assert set(service.addresses) == {"address", "enrolment_address"}
        assert not any(address.endswith(":0") for address in service.addresses.values())
    finally:
        await supervisor.stop_all()
    assert service.process.returncode == 0


async def test_a_service_that_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "config.yaml"
    broken.write_text("server: {}\n")
    with pytest.raises(ServiceError, match=r"identity ended with exit code 2: salus-identity: .*config\.yaml"):
        await Supervisor(tmp_path / "logs").start("identity", broken)


async def test_a_service_that_ends_by_itself_is_noticed(tmp_path: Path, config: Path) -> None:
    supervisor = Supervisor(tmp_path / "logs")
    service = await supervisor.start("identity", config)
    service.process.kill()
    assert await asyncio.wait_for(supervisor.first_ended(), 10) is service
    await supervisor.stop_all()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for another's child, which needs Linux")
async def test_a_service_ends_when_its_launcher_is_killed(tmp_path: Path, config: Path) -> None:
    launcher = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LAUNCHER, str(tmp_path / "logs"), str(config), stdout=asyncio.subprocess.PIPE
    )
    assert launcher.stdout is not None
    service = os.pidfd_open(int(await asyncio.wait_for(launcher.stdout.readline(), 30)))
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(service, ended.set)
    launcher.kill()
    await launcher.wait()
    await asyncio.wait_for(ended.wait(), 20)
    asyncio.get_running_loop().remove_reader(service)
    os.close(service)
    lines = [json.loads(line) for line in (tmp_path / "logs" / "identity.log").read_text().splitlines()]
    assert lines[-1]["event"] == "stopped"
