"""How a noun declares its commands. A noun's module holds `add_parser(subparsers)` and imports nothing heavy at the
top: the command line starts quickly because only the noun asked for is imported, and gRPC only when it is used.

A command's `run(arguments, output)` may be a coroutine; it returns an exit code, None being 0, and raises to fail.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.cli.output import Output

Run = Callable[[argparse.Namespace, Output], "int | Awaitable[int | None] | None"]


def moment(text: str) -> datetime:
    """A date or an RFC 3339 time; UTC where it names no zone."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def common() -> argparse.ArgumentParser:
    """The options that every command takes, before or after its name."""
    parser = argparse.ArgumentParser(add_help=False)
    who = parser.add_mutually_exclusive_group()
    who.add_argument(
        "--as",
        dest="as_name",
        metavar="NAME",
        default=argparse.SUPPRESS,
        help="act as NAME: the profile SALUS_HOME/profiles/NAME.yaml (SALUS_HOME is var by default)",
    )
    who.add_argument(
        "--profile",
        type=Path,
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="act with this profile (default: SALUS_PROFILE)",
    )
    parser.add_argument(
        "--json", dest="as_json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document"
    )
    return parser


def add_noun(subparsers: Any, name: str, text: str) -> Any:
    """A noun; returns where its commands go."""
    parser = subparsers.add_parser(name, help=text, description=text)
    return parser.add_subparsers(metavar="COMMAND", required=True)


def add_command(subparsers: Any, name: str, text: str, run: Run) -> argparse.ArgumentParser:
    """A command; returns its parser, for its own arguments."""
    parser: argparse.ArgumentParser = subparsers.add_parser(name, help=text, description=text, parents=[common()])
    parser.set_defaults(run=run)
    return parser
