"""How a noun declares its commands. A noun's module holds `add_parser(subparsers)` and imports nothing heavy at the
top: the command line starts quickly because only the noun asked for is imported, and gRPC only when it is used.

A command's `run(arguments, output)` may be a coroutine; it returns an exit code, None being 0, and raises to fail:
UsageError where the options do not go together, Failure and the like for the rest.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.cli.output import Output

Run = Callable[[argparse.Namespace, Output], "int | Awaitable[int | None] | None"]

_MAX_DAYS = 36500
_PSEUDONYM = re.compile(r"[0-9a-f]{32}")


class UsageError(Exception):
    """The options given do not go together: exit code 2, as for what argparse finds itself."""


def moment(text: str) -> datetime:
    """A date or an RFC 3339 time; UTC where it names no zone."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no date or RFC 3339 time, as 2027-01-31 or 2027-01-31T12:00:00Z"
        ) from None


def days(text: str) -> int:
    """A number of days, 1 to _MAX_DAYS."""
    if not text.isascii() or not text.isdigit() or len(text) > len(str(_MAX_DAYS)) or not 1 <= int(text) <= _MAX_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from 1 to {_MAX_DAYS}")
    return int(text)


def pseudonym(text: str) -> str:
    """A patient's pseudonym."""
    if not _PSEUDONYM.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no pseudonym: 32 lower-case hexadecimal characters")
    return text


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
    parser.set_defaults(run=run, parser=parser)
    return parser
