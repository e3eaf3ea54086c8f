"""`salus identities`: an organisation's members, for its administrators and registrars; and one's own certificate."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any, cast

from services.cli import profile, prompt
from services.cli.command import UsageError, add_command, add_noun
from services.cli.connection import Connection
from services.cli.failures import Failure
from services.cli.output import Output

ROLES = (
    *("clinician", "patient", "inspector", "registrar", "admin", "owner"),
    *("consent", "inference", "audit", "identity", "ledger"),
)
REASONS = ("unspecified", "key-compromise", "affiliation-changed", "superseded", "cessation-of-operation")


def add_parser(subparsers: Any) -> None:
    commands = add_noun(subparsers, "identities", "register, list and revoke members")

    register = add_command(commands, "register", "register somebody, who may then enrol once", _register)
    register.add_argument("enrolment_id", metavar="ID", help="letters, digits, '.', '_', '-'")
    register.add_argument(
        "--role",
        required=True,
        choices=ROLES,
        metavar="ROLE",
        help="by a registrar or an administrator: clinician, patient (whom `salus patients enrol` registers and enrols"
        f" at once); by an administrator only: {', '.join(ROLES[2:])}",
    )
    register.add_argument("--node-ou", default="client", choices=("client", "peer", "admin", "orderer"))
    register.add_argument(
        "--attribute", action="append", default=[], metavar="NAME=VALUE", help="a further attribute of certificates"
    )
    register.add_argument("--secret-file", type=Path, metavar="FILE", help="write the one-time secret here, not out")

    listing = add_command(commands, "list", "your organisation's registrations", _list)
    listing.add_argument("--role", default="", choices=ROLES, metavar="ROLE", help="only these; needed for patients")

    revoke = add_command(commands, "revoke", "revoke all certificates of somebody, or one", _revoke)
    revoke.add_argument("enrolment_id", nargs="?", default="", metavar="ID", help="whose certificates")
    revoke.add_argument("--serial", default="", metavar="HEX", help="one certificate, in place of ID")
    revoke.add_argument("--reason", default="unspecified", choices=REASONS)

    reenrol = add_command(commands, "reenrol", "a new key and certificate for the profile's identity", _reenrol)
    reenrol.epilog = "The former certificate stays good until it expires, or is revoked by its serial number."
    reenrol.add_argument(
        "--into", type=Path, metavar="FOLDER", help="a new folder (default: in place, the former kept as FOLDER.former)"
    )

    crl = add_command(commands, "crl", "an organisation's revocation lists, in PEM", _crl)
    crl.add_argument("msp_id", nargs="?", default="", metavar="MSP", help="the organisation (default: your own)")


async def _register(arguments: argparse.Namespace, output: Output) -> None:
    attributes = dict(_attribute(each) for each in arguments.attribute)
    path: Path | None = arguments.secret_file
    if path is not None:
        _check_free(path)
    async with Connection(profile.of(arguments)) as connection:
        secret = await connection.identity().register(
            arguments.enrolment_id, arguments.role, arguments.node_ou, attributes
        )
    document = {"enrolment_id": arguments.enrolment_id, "role": arguments.role}
    if path is None:
        output.record({**document, "secret": secret}, {"enrolment_id": "registered", "secret": "one-time secret"})
    else:
        prompt.keep(path, secret)
        output.record(
            {**document, "secret_file": str(path)}, {"enrolment_id": "registered", "secret_file": "one-time secret in"}
        )


async def _list(arguments: argparse.Namespace, output: Output) -> None:
    from salus.identity.v1 import identity_pb2

    async with Connection(profile.of(arguments)) as connection:
        rows = [
            {
                "enrolment_id": each.enrolment_id,
                "role": each.role,
                "node_ou": identity_pb2.NodeOu.Name(each.node_ou).removeprefix("NODE_OU_").lower(),
                "certificates": each.certificates,
                "revoked": each.revoked,
            }
            async for each in connection.identity().registrations(arguments.role)
        ]
    columns = {"enrolment_id": "ID", "role": "ROLE", "node_ou": "OU", "certificates": "ISSUED", "revoked": "REVOKED"}
    output.rows("registrations", rows, columns)


async def _revoke(arguments: argparse.Namespace, output: Output) -> None:
    from salus.identity.v1 import identity_pb2

    if bool(arguments.enrolment_id) == bool(arguments.serial):
        raise UsageError("give ID or --serial")
    name = f"REVOCATION_REASON_{arguments.reason.upper().replace('-', '_')}"
    reason = cast("identity_pb2.RevocationReason", identity_pb2.RevocationReason.Value(name))
    async with Connection(profile.of(arguments)) as connection:
        serials = await connection.identity().revoke(
            enrolment_id=arguments.enrolment_id, serial=arguments.serial, reason=reason
        )
    if serials or output.as_json:
        output.rows("revoked", [{"serial": each} for each in serials], {"serial": "REVOKED SERIAL"})
    else:
        # By enrolment id, the registration is closed even where there was no certificate yet.
        output.say(
            "nothing was left to revoke" + ("; nobody can enrol under this id" if arguments.enrolment_id else "")
        )


async def _reenrol(arguments: argparse.Namespace, output: Output) -> None:
    mine = profile.of(arguments)
    folder: Path = arguments.into or mine.identity.with_name(f"{mine.identity.name}.new")
    if arguments.into:
        _check_free(folder)
    async with Connection(mine) as connection:
        former = connection.certificate().certificate
        await connection.identity().reenrol(connection.enrolment_id, folder)
    if not arguments.into:
        folder = _put_in_place(folder, mine.identity)
    serial = f"{former.serial_number:032x}"
    output.record({"identity": str(folder), "former_serial": serial}, {"identity": "new certificate in"})
    output.note(
        f"the former certificate works until {former.not_valid_after_utc:%Y-%m-%d}; to end that, ask your registrar or"
        f" administrator: salus identities revoke --reason superseded --serial {serial}"
    )


async def _crl(arguments: argparse.Namespace, output: Output) -> None:
    async with Connection(profile.of(arguments)) as connection:
        crl = (await connection.identity().crl(arguments.msp_id)).decode()
    if output.as_json:
        output.record({"crl": crl}, {})
    else:
        output.raw(crl)


def _check_free(path: Path) -> None:
    if path.exists():
        raise Failure("FILE", f"{path} exists", "choose another")


def _put_in_place(new: Path, identity: Path) -> Path:
    """Moves the new identity to where the former one is, which is kept beside it."""
    former = identity.with_name(f"{identity.name}.former")
    shutil.rmtree(former, ignore_errors=True)
    identity.rename(former)
    new.rename(identity)
    return identity


def _attribute(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError("an attribute is written NAME=VALUE")
    return name, value
