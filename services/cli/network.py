"""`salus network`: runs all services on this machine, with something to try."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.cli.command import add_command, add_noun
from services.cli.failures import Failure
from services.cli.output import Output

if TYPE_CHECKING:
    from services.cli.launcher import Network


def add_parser(subparsers: Any) -> None:
    noun = add_noun(subparsers, "network", "run a whole network on this machine")
    up = add_command(noun, "up", "start every service and serve until Ctrl-C", _run)
    up.add_argument("--dir", type=Path, default=Path("var"), metavar="DIR", help="its files (default: var)")


async def _run(arguments: argparse.Namespace, output: Output) -> None:
    from services.cli import sample
    from services.cli.launcher import Network
    from services.cli.supervisor import ServiceError
    from services.cli.topology import PORTS, Layout

    layout = Layout(arguments.dir.resolve())
    network = Network(layout, PORTS)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await network.up(lambda name: output.say(f"starting {name}"))
        try:
            first_steps = await sample.prepare(network)
            _announce(network, first_steps, output)
            ended = asyncio.create_task(network.supervisor.first_ended())
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                raise ServiceError(f"{ended.result().name} ended by itself; see {ended.result().log}")
        finally:
            output.say("stopping")
            await network.down()
    except ServiceError as error:
        raise Failure("SERVICE", str(error)) from None


def _announce(network: Network, first_steps: list[str], output: Output) -> None:
    from services.cli.topology import SERVICES

    rows = [{"service": name, "address": network.address(name)} for name in (*SERVICES, "enrolment")]
    output.rows("services", rows, {"service": "Service", "address": "Address"})
    output.say("")
    for line in first_steps:
        output.say(line)
