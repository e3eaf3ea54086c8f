"""How a service's process starts and fails: one clear line and exit code 2 for what an operator has to mend."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from services.common import logs
from services.common.config import ConfigError

EXIT_CONFIG = 2


def run(service: str, main: Callable[[Path], Awaitable[None]]) -> None:
    """Parses `--config FILE` and runs `main` with it until it returns. Never returns by itself: exits 0, or 2 after a
    ConfigError or OSError, which it prints as one line."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="YAML or TOML configuration")
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends, as on SIGTERM")
    arguments = parser.parse_args()
    logs.configure(service)

    async def start() -> None:
        if arguments.until_eof:
            _stop_at_end_of_input()
        await main(arguments.config)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(start())
    except ConfigError as error:
        print(f"salus-{service}: {error}", file=sys.stderr)
        raise SystemExit(EXIT_CONFIG) from None
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        print(f"salus-{service}: {name}{error.strerror or type(error).__name__}", file=sys.stderr)
        raise SystemExit(EXIT_CONFIG) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(0)


def _stop_at_end_of_input() -> None:
    loop, standard_input = asyncio.get_running_loop(), sys.stdin.fileno()

    def readable() -> None:
        if not os.read(standard_input, 4096):
            loop.remove_reader(standard_input)
            os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(standard_input, readable)
