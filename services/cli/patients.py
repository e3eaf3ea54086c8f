"""`salus patients`: the pseudonyms under which an organisation's patients are known on the ledger.

A patient's own identifier (a medical record number) is personal: it may be given as a file, or typed, so that it does
not stand in a shell's history.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.cli import profile, prompt
from services.cli.command import add_command, add_noun
from services.cli.connection import Connection
from services.cli.failures import Failure
from services.cli.output import Output


def add_parser(subparsers: Any) -> None:
    commands = add_noun(subparsers, "patients", "pseudonyms of patients")
    pseudonym = add_command(commands, "pseudonym", "the pseudonym of a patient, made at first use", _pseudonym)
    _add_identifier(pseudonym)
    enrolment = add_command(commands, "enrol", "give a patient a pseudonym, a key and a certificate", _enrol)
    _add_identifier(enrolment)
    enrolment.add_argument("--into", type=Path, metavar="FOLDER", help="folder for key and certificate")
    erase = add_command(commands, "erase", "erase what links a pseudonym to the patient", _erase)
    _add_identifier(erase)
    erase.add_argument("--pseudonym", default="", metavar="PSEUDONYM", help="by pseudonym, in place of IDENTIFIER")
    erase.add_argument("--yes", action="store_true", help="do not ask; this cannot be undone")


async def enrol(connection: Connection, identifier: str, folder: Path | None = None) -> tuple[str, Path]:
    """Registers a patient and enrols them into `folder`; may be repeated after an interruption.

    Returns the pseudonym and the folder, by default `organisations/<MSPID>/<pseudonym>` below SALUS_HOME. For a
    registrar or administrator.
    """
    from services.identity.client import join

    msp_id = connection.profile.msp_id
    pseudonym = await connection.identity().pseudonym(identifier)
    where = folder or profile.home() / "organisations" / msp_id / pseudonym
    await join(connection.identity(), connection.enrolment(), msp_id, pseudonym, where, role="patient")
    return pseudonym, where


async def _pseudonym(arguments: argparse.Namespace, output: Output) -> None:
    identifier = _identifier(arguments)
    async with Connection(profile.of(arguments)) as connection:
        pseudonym = await connection.identity().pseudonym(identifier)
    if output.as_json:
        output.record({"pseudonym": pseudonym}, {})
    else:
        output.raw(pseudonym)


async def _enrol(arguments: argparse.Namespace, output: Output) -> None:
    identifier = _identifier(arguments)
    mine = profile.of(arguments)
    async with Connection(mine) as connection:
        pseudonym, folder = await enrol(connection, identifier, arguments.into)
    path = profile.home() / "profiles" / f"{pseudonym}.yaml"
    if arguments.into:
        path = folder.with_name(f"{folder.name}.profile.yaml")
    profile.write(replace(mine, identity=folder, models=None), path)
    document = {"pseudonym": pseudonym, "identity": str(folder), "profile": str(path)}
    output.record(document, {"pseudonym": "pseudonym", "identity": "identity", "profile": "profile"})


async def _erase(arguments: argparse.Namespace, output: Output) -> None:
    identifier = "" if arguments.pseudonym else _identifier(arguments)
    if not arguments.yes:
        raise Failure("NOT_CONFIRMED", "erasing a pseudonym's link cannot be undone", "repeat with --yes")
    async with Connection(profile.of(arguments)) as connection:
        await connection.identity().erase_pseudonym(patient_identifier=identifier, pseudonym=arguments.pseudonym)
    output.record({"erased": True}, {"erased": "erased"})


def _add_identifier(command: argparse.ArgumentParser) -> None:
    command.add_argument("identifier", nargs="?", metavar="IDENTIFIER", help="your organisation's own (default: typed)")
    command.add_argument("--identifier-file", metavar="FILE", help="file with the identifier, - for standard input")


def _identifier(arguments: argparse.Namespace) -> str:
    if arguments.identifier is not None:
        return str(arguments.identifier)
    return prompt.take("Patient identifier", arguments.identifier_file)
