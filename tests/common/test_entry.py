"""How a service's process fails: one clear line, exit code 2."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import pytest
import yaml

CONFIG = {
    "server": {"address": "127.0.0.1:0", "tls": "tls", "msp_root": "../msp"},
    "enrolment_address": "127.0.0.1:0",
    "home": ".",
    "operator": "OrdererMSP",
    "organisations": [{"msp_id": "OrdererMSP", "name": "Operator"}],
}


async def _run(path: Path) -> tuple[int | None, list[str]]:
    """Exit code and what is not a log line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.identity", "--config", str(path), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, [line for line in errors.decode().splitlines() if not line.startswith("{")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server: [", "is not valid"),
        (yaml.safe_dump({**CONFIG, "sever": 1}), "unknown key sever"),
        (yaml.safe_dump({**CONFIG, "operator": "NoMSP"}), "operator must be one of the organisations"),
    ],
)
async def test_a_corrupt_configuration(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    code, [line] = await _run(path)
    assert code == 2
    assert line.startswith(f"salus-identity: {path}")
    assert said in line


async def test_a_busy_port(tmp_path: Path) -> None:
    path = tmp_path / "identity" / "config.yaml"
    path.parent.mkdir()
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        address = f"127.0.0.1:{held.getsockname()[1]}"
        path.write_text(yaml.safe_dump({**CONFIG, "enrolment_address": address}))
        code, lines = await _run(path)
    assert code == 2
    assert lines[-1].startswith(f"salus-identity: cannot listen on {address}")


async def test_a_missing_key_file(tmp_path: Path) -> None:
    path = tmp_path / "identity" / "config.yaml"
    (tmp_path / "identity" / "OrdererMSP" / "ca").mkdir(parents=True)
    (tmp_path / "identity" / "OrdererMSP" / "ca" / "cert.pem").write_text("")
    (tmp_path / "identity" / "data").mkdir()
    for name in ("identity", "pseudonyms"):
        (tmp_path / "identity" / "data" / f"{name}.sqlite3").touch()
    path.write_text(yaml.safe_dump(CONFIG))
    code, [line] = await _run(path)
    assert code == 2
    assert line.startswith("salus-identity: cannot read")
    assert "No such file" in line


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**CONFIG, "home": "file/home"}))
    code, [line] = await _run(path)
    assert code == 2
    assert line.startswith("salus-identity: ")
    assert "Not a directory" in line
