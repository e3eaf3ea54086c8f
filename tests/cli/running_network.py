"""Runs a network in the folder given, on free ports, until standard input ends."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from services.cli.launcher import Network
from services.cli.topology import Layout


async def main() -> None:
    network = Network(Layout(Path(sys.argv[1])))
    await network.up(lambda step: None)
    print("up", flush=True)
    try:
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await network.down()


asyncio.run(main())
