"""`salus enrol`: a key made here, a certificate for it, and a profile to use both."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.cli import profile, prompt
from services.cli.command import add_command
from services.cli.connection import Connection
from services.cli.failures import Failure
from services.cli.output import Output
from services.cli.profile import Profile, Services


def add_parser(subparsers: Any) -> None:
    command = add_command(subparsers, "enrol", "get a certificate for a one-time secret", _enrol)
    command.add_argument("enrolment_id", metavar="ID", help="the enrolment id given at registration")
    command.add_argument("--organisation", metavar="MSP", help="the organisation (default: the profile's)")
    command.add_argument(
        "--secret-file", metavar="FILE", help="file with the one-time secret, - for standard input (default: typed)"
    )
    command.add_argument("--into", type=Path, metavar="FOLDER", help="folder for key and certificate")
    command.add_argument("--address", metavar="HOST:PORT", help="the enrolment service (default: the profile's)")
    command.add_argument("--tls-roots", type=Path, metavar="FILE", help="roots of servers (default: the profile's)")


async def enrol(base: Profile, enrolment_id: str, secret: str, folder: Path) -> Profile:
    """Enrols with the one-time secret into `folder`; returns the profile of whoever has enrolled.

    `base` says where and in which organisation. Raises what `Connection` and `EnrolmentClient.enrol` raise.
    """
    async with Connection(base) as connection:
        await connection.enrolment().enrol(base.msp_id, enrolment_id, secret, folder)
    return replace(base, identity=folder)


async def _enrol(arguments: argparse.Namespace, output: Output) -> None:
    base = _base(arguments)
    folder = arguments.into or profile.home() / "organisations" / base.msp_id / arguments.enrolment_id
    if (folder / "cert.pem").exists():
        raise Failure("ALREADY_ENROLLED", f"{folder} holds a certificate already", "choose another folder with --into")
    secret = prompt.take("One-time secret", arguments.secret_file)
    mine = await enrol(base, arguments.enrolment_id, secret, folder)
    path = folder.with_name(f"{folder.name}.profile.yaml") if arguments.into else _path(arguments.enrolment_id)
    profile.write(mine, path)
    output.record(
        {"enrolment_id": arguments.enrolment_id, "msp_id": mine.msp_id, "identity": str(folder), "profile": str(path)},
        {"identity": "identity", "profile": "profile"},
    )


def _path(name: str) -> Path:
    return profile.home() / "profiles" / f"{name}.yaml"


def _base(arguments: argparse.Namespace) -> Profile:
    """Where to enrol: what the options say, and the chosen profile, if any, for the rest."""
    if arguments.address and arguments.tls_roots and arguments.organisation:
        services = Services(enrolment=arguments.address)
        return Profile(arguments.organisation, Path(), arguments.tls_roots, services)
    base = profile.of(arguments)
    services = replace(base.services, enrolment=arguments.address) if arguments.address else base.services
    return replace(
        base,
        msp_id=arguments.organisation or base.msp_id,
        tls_roots=arguments.tls_roots or base.tls_roots,
        services=services,
    )
