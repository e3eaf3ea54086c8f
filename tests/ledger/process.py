"""A ledger as a process of its own, for tests."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.ledger.running import OPERATOR, prepare
from tests.organisations import Organisations


def config_file(organisations: Organisations, **changes: Any) -> Path:
    """The configuration of a ledger process; dotted names change one value."""
    prepare(organisations)
    content: dict[str, Any] = {
        "server": {
            "address": "127.0.0.1:0",
            "tls": f"organisations/{OPERATOR}/tls/ledger",
            "msp_root": "msp",
        },
        "network": "network.yaml",
        "data": "ledger",
    }
    for key, value in changes.items():
        section, _, name = key.rpartition("__")
        (content[section] if section else content)[name] = value
    path = organisations.root / "ledger.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


async def run(path: Path) -> tuple[int, str]:
    """Exit code and standard error of a ledger process that must end by itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.ledger", "--config", str(path), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, errors.decode()


@asynccontextmanager
async def process(config: Path, before: Callable[[], None] | None = None) -> AsyncIterator[tuple[Process, str]]:
    """A ledger process that serves, and its address; killed at the end, if it lives. Its log lies beside `config`.

    `before` runs in the new process first.
    """
    log = config.with_suffix(".log")
    with log.open("ab") as errors:
        started = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.ledger",
            "--config",
            str(config),
            stdout=PIPE,
            stderr=errors,
            preexec_fn=before,
        )
    try:
        assert started.stdout is not None
        line = await asyncio.wait_for(started.stdout.readline(), 30)
        assert line, log.read_text()[-2000:]
        yield started, json.loads(line)["address"]
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
