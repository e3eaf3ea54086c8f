"""Services as processes of their own, for tests."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path


async def start(service: str, config: Path) -> Process:
    """The service's process, its standard output and error piped."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"services.{service}", "--config", str(config), stdout=PIPE, stderr=PIPE
    )


async def announced(process: Process, service: str) -> str:
    """The address that the service announces once it serves."""
    assert process.stdout is not None
    line = json.loads(await process.stdout.readline())
    assert (line["event"], line["service"]) == ("serving", service)
    return str(line["address"])
