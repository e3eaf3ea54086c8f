"""`salus NOUN COMMAND ...`: finds the noun's module, runs the command, and turns whatever it raises into one line.

With --json a failure is a document on standard output, {"error": {"reason", "message", "advice"}}; wrong usage stays
prose on standard error.

Exit codes: 0 done; 1 failed, or found something wrong; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from services.cli.command import UsageError, common
from services.cli.failures import Failure, describe
from services.cli.output import Output

NOUNS: Mapping[str, str] = {
    "network": "run a whole network on this machine",
    "devnet": "a Fabric network for chaincode developers",
    "demo": "the whole story once, on real measurements",
    "organisations": "who takes part",
    "enrol": "get a certificate for a one-time secret",
    "identities": "register, list and revoke members",
    "patients": "pseudonyms of patients",
    "consents": "grant, revoke and see permissions",
    "models": "the life of models on the ledger",
    "diagnoses": "ask a model about a patient",
    "audit": "search, export and verify decisions",
    "ledger": "check a ledger's files",
}


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point `salus`. Returns the exit code."""
    # What went wrong is told in one line; gRPC would tell it in lines of its own.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        return asyncio.run(run(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the output has gone; nothing may be written on the way out either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


async def run(argv: Sequence[str]) -> int:
    """Runs one command line; returns the exit code. Raises SystemExit for wrong usage and for --help."""
    arguments = _parser(argv).parse_args(argv)
    output = Output(getattr(arguments, "as_json", False))
    try:
        result = arguments.run(arguments, output)
        return int((await result if inspect.isawaitable(result) else result) or 0)
    except BrokenPipeError:
        raise
    except UsageError as error:
        command: argparse.ArgumentParser = arguments.parser
        command.error(str(error))
    except Exception as error:
        if os.environ.get("SALUS_DEBUG"):
            raise
        failure = describe(error) or Failure(
            "INTERNAL", f"unexpected {type(error).__name__}", "set SALUS_DEBUG=1 to see where, and report it"
        )
        if output.as_json:
            output.record({"error": failure.document()}, {})
        else:
            print(f"salus: {failure.line()}", file=sys.stderr)
        return 1


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from importlib.metadata import version

        print(f"salus {version('salus')}")
        parser.exit()


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """The parser, with the commands of the nouns that are on the command line; the others have their name and help."""
    parser = argparse.ArgumentParser(
        prog="salus", description="A permissioned health ledger, for people.", parents=[common()]
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    subparsers = parser.add_subparsers(metavar="NOUN", required=True)
    for noun, text in NOUNS.items():
        if noun in given:
            importlib.import_module(f"services.cli.{noun}").add_parser(subparsers)
        else:
            subparsers.add_parser(noun, help=text)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
