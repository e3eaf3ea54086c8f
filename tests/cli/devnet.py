"""A `salus devnet` for tests: a process of its own, on free ports."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SAMPLE = "basic=tests.ledger.sample_contract:SampleContract"
COLLECTIONS = [
    {
        "name": "org1",
        "policy": "OR('Org1MSP.member')",
        "requiredPeerCount": 0,
        "maxPeerCount": 1,
        "blockToLive": 0,
        "memberOnlyRead": True,
        "memberOnlyWrite": True,
        "endorsementPolicy": {"signaturePolicy": "OR('Org1MSP.peer')"},
    }
]


def free_base_port() -> int:
    """A port that is free, as is the one 2,000 higher."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 2_000))
            except (OSError, OverflowError):
                continue
            return port


def command(out: Path, port: int, *options: str) -> list[str]:
    """The command line of a network of two organisations."""
    return [
        *(sys.executable, "-m", "services.cli", "devnet"),
        *("--orgs", "Org1MSP,Org2MSP", "--channel", "mychannel", "--out", str(out), "--base-port", str(port)),
        *options,
    ]


@contextmanager
def devnet(out: Path, port: int, *options: str, folder: Path = ROOT) -> Iterator[dict[str, Any]]:
    """What the network announces; it is stopped at the end, which must go well. `folder`: the current one."""
    environ = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'protos'}"}
    out.mkdir(exist_ok=True)
    with (
        (out / "log").open("ab") as log,
        subprocess.Popen(
            command(out, port, *options), cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (out / "log").read_text()
            yield json.loads(line)
            process.terminate()
            assert process.wait(20) == 0
            assert process.stdout.read() == b""
        finally:
            process.kill()
