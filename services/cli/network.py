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
    up.add_argument(
        "--port-offset", type=int, default=0, metavar="N", help="add N to every port, to run beside another network"
    )


async def _run(arguments: argparse.Namespace, output: Output) -> None:
    from services.cli.launcher import Network
    from services.cli.supervisor import ServiceError
    from services.cli.topology import PORTS, Layout

    ports = {name: port + arguments.port_offset for name, port in PORTS.items()}
    network = Network(Layout(arguments.dir.resolve()), ports)
    serving = asyncio.create_task(_serve(network, output))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        pass
    except ServiceError as error:
        raise Failure("SERVICE", str(error)) from None
    finally:
        output.say("stopping")
        await network.down()


async def _serve(network: Network, output: Output) -> None:
    """Starts everything and waits until it is cancelled. Raises ServiceError for a service that ends before."""
    from services.cli import sample
    from services.cli.supervisor import ServiceError

    await network.up(output.say)
    _announce(network, await sample.prepare(network), output)
    ended = await network.supervisor.first_ended()
    raise ServiceError(f"{ended.name} {ended.end}, so the others are stopped; see {ended.log}")


def _announce(network: Network, first_steps: list[str], output: Output) -> None:
    from services.cli.topology import SERVICES

    rows = [{"service": name, "address": network.address(name)} for name in (*SERVICES, "enrolment")]
    output.rows("services", rows, {"service": "Service", "address": "Address"})
    output.say("")
    for line in first_steps:
        output.say(line)
