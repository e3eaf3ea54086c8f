"""`salus consents`: what a patient permits, and what was done with it. A patient's own key signs each change."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.cli import profile
from services.cli.command import UsageError, add_command, add_noun, days, moment
from services.cli.connection import Connection
from services.cli.failures import Failure
from services.cli.output import Output

if TYPE_CHECKING:
    from chaincode.core.provision import Provision
    from services.consent.client import ConsentClient

_PAGE = 200


def add_parser(subparsers: Any) -> None:
    commands = add_noun(subparsers, "consents", "grant, revoke and see permissions")

    grant = add_command(commands, "grant", "grant a consent: one rule from the options, or several from a file", _grant)
    grant.epilog = "A permission takes --organisation, and one of --until, --days and --without-end."
    grant.add_argument("--file", type=Path, metavar="FILE", help="rules as JSON or YAML, instead of the options below")
    _add_actor(grant)
    grant.add_argument("--purpose", action="append", default=[], metavar="CODE", help="HL7 purpose of use, as TREAT")
    grant.add_argument("--data-class", action="append", default=[], metavar="CLASS", help="class of data, as cytology")
    grant.add_argument("--model", action="append", default=[], metavar="ID", help="only these models")
    grant.add_argument("--from", dest="start", type=moment, metavar="TIME", help="RFC 3339 time or date (default: now)")
    end = grant.add_mutually_exclusive_group()
    end.add_argument("--until", dest="end", type=moment, metavar="TIME", help="RFC 3339 time or date")
    end.add_argument("--days", type=days, metavar="N", help="for so many days from now")
    end.add_argument("--without-end", action="store_true", help="until it is revoked")
    grant.add_argument("--deny", action="store_true", help="forbid instead of permitting; needs no organisation or end")

    revoke = add_command(commands, "revoke", "revoke a consent, for good", _revoke)
    revoke.add_argument("consent_id", metavar="ID")

    add_command(commands, "list", "your consents, revoked ones included", _list)

    evaluate = add_command(commands, "evaluate", "would a use be permitted now?", _evaluate)
    evaluate.add_argument("--patient", default="", metavar="PSEUDONYM", help="whose data (default: your own)")
    _add_actor(evaluate)
    evaluate.add_argument("--purpose", required=True, metavar="CODE")
    evaluate.add_argument("--data-class", required=True, metavar="CLASS")
    evaluate.add_argument("--model", required=True, metavar="ID")
    evaluate.add_argument("--emergency-reason", default="", metavar="TEXT")

    uses = add_command(commands, "uses", "every use and refusal of your data, newest first", _uses)
    uses.add_argument("--limit", type=int, default=0, metavar="N", help="at most so many (default: all)")


def provision_of(
    *,
    organisation: str = "",
    role: str = "",
    person: str = "",
    purposes: tuple[str, ...] = (),
    data_classes: tuple[str, ...] = (),
    models: tuple[str, ...] = (),
    start: datetime | None = None,
    end: datetime | None = None,
    deny: bool = False,
) -> Provision:
    """One rule. Raises ProvisionError where the ledger would refuse it."""
    from chaincode.core import provision

    rule = provision.Provision(
        type=provision.Type.DENY if deny else provision.Type.PERMIT,
        actor=provision.Actor(organisation, role, person),
        data_classes=frozenset(data_classes),
        purposes=frozenset(purposes),
        start=start,
        end=end,
        models=frozenset(models),
    )
    return provision.parse_provision(provision.provision_json(rule))


def read_provisions(path: Path) -> list[Provision]:
    """Rules from a file: a list, or an object with the list `provisions`. Raises ConfigError, ProvisionError."""
    from chaincode.core import provision
    from services.common.config import read

    content = read(path)
    rules = content.get("provisions") if isinstance(content, dict) else content
    if not isinstance(rules, list):
        raise Failure("BAD_RULES", f"{path} holds no list of rules")
    return [provision.parse_provision(_with_text_times(each), f"rule {n}") for n, each in enumerate(rules, 1)]


async def all_uses(client: ConsentClient, limit: int = 0) -> AsyncIterator[dict[str, Any]]:
    """Uses and refusals of the patient's data, newest first; all of them, or `limit`."""
    token, left = "", limit
    while True:
        page = await client.uses(min(_PAGE, left) if limit else _PAGE, token)
        for each in page.uses:
            yield use_json(each)
        left -= len(page.uses)
        token = page.next_page_token
        if not token or (limit and left <= 0):
            return


def consent_json(message: Any, now: datetime) -> dict[str, Any]:
    """A `salus.consent.v1.Consent` as printed. `expired`: the period of each of its rules is over."""
    from salus.consent.v1 import consent_pb2

    from chaincode.core import provision
    from services.consent.conversion import read_provision

    provisions = [read_provision(each) for each in message.provisions]
    return {
        "id": message.id,
        "status": consent_pb2.ConsentStatus.Name(message.status).removeprefix("CONSENT_STATUS_").lower(),
        "granted": _when(message, "granted"),
        "revoked": _when(message, "revoked"),
        "expired": all(_is_over(each, now) for each in provisions),
        "commitment": message.commitment,
        "provisions": [provision.provision_json(each) for each in provisions],
    }


def use_json(message: Any) -> dict[str, Any]:
    """A `salus.consent.v1.Use` as printed."""
    return {
        "decision_id": message.decision_id,
        "time": _when(message, "time"),
        "organisation": message.requester.organisation,
        "role": message.requester.role,
        "person": message.requester.person,
        "model_id": message.model_id,
        "data_class": message.data_class,
        "purpose": message.purpose,
        "outcome": "answered" if message.answered else "refused",
        "basis": _basis(message.basis),
        "consent_id": message.consent_id,
        "emergency_reason": message.emergency_reason,
        "transaction_id": message.transaction_id,
    }


async def _grant(arguments: argparse.Namespace, output: Output) -> None:
    from chaincode.core.provision import ProvisionError

    _check_options(arguments)
    mine = profile.of(arguments)
    now = datetime.now(UTC)
    end = arguments.end if arguments.days is None else now + timedelta(days=arguments.days)
    try:
        if arguments.file is not None:
            rules = read_provisions(arguments.file)
        else:
            rules = [
                provision_of(
                    organisation=arguments.organisation,
                    role=arguments.role,
                    person=arguments.person,
                    purposes=tuple(arguments.purpose),
                    data_classes=tuple(arguments.data_class),
                    models=tuple(arguments.model),
                    start=arguments.start,
                    end=end,
                    deny=arguments.deny,
                )
            ]
    except ProvisionError as error:
        raise Failure("BAD_RULES", str(error)) from None
    if any(_is_over(each, now) for each in rules):
        raise Failure("BAD_RULES", "a rule's end is not in the future", "check --until, or the period in the file")
    async with Connection(mine) as connection:
        committed = await connection.consent().grant(rules)
    output.record(vars(committed), _COMMITTED)


async def _revoke(arguments: argparse.Namespace, output: Output) -> None:
    async with Connection(profile.of(arguments)) as connection:
        committed = await connection.consent().revoke(arguments.consent_id)
    output.record(vars(committed), _COMMITTED)


async def _list(arguments: argparse.Namespace, output: Output) -> None:
    async with Connection(profile.of(arguments)) as connection:
        rows = [consent_json(each, datetime.now(UTC)) for each in await connection.consent().list()]
    if output.as_json:
        output.rows("consents", rows, {})
        return
    shown = [
        {
            **row,
            "status": "expired" if row["expired"] and row["status"] == "active" else row["status"],
            "rules": [_sentence(each) for each in row["provisions"]],
        }
        for row in rows
    ]
    output.rows("consents", shown, {"id": "ID", "status": "STATUS", "granted": "GRANTED", "rules": "RULES"})


async def _evaluate(arguments: argparse.Namespace, output: Output) -> None:
    from chaincode.core.provision import Actor

    actor = Actor(arguments.organisation, arguments.role, arguments.person)
    async with Connection(profile.of(arguments)) as connection:
        verdict = await connection.consent().evaluate(
            arguments.patient or connection.enrolment_id,
            actor,
            arguments.data_class,
            arguments.purpose,
            arguments.model,
            arguments.emergency_reason,
        )
    document = {
        "permitted": verdict.permitted,
        "basis": _basis(verdict.basis),
        "consent_id": verdict.consent_id,
        "reason": verdict.reason,
    }
    output.record(document, {"permitted": "permitted", "basis": "basis", "consent_id": "consent", "reason": "reason"})


async def _uses(arguments: argparse.Namespace, output: Output) -> None:
    async with Connection(profile.of(arguments)) as connection:
        rows = [each async for each in all_uses(connection.consent(), arguments.limit)]
    columns = {
        "time": "TIME",
        "organisation": "ORGANISATION",
        "person": "PERSON",
        "model_id": "MODEL",
        "purpose": "PURPOSE",
        "outcome": "OUTCOME",
        "basis": "BASIS",
        "emergency_reason": "EMERGENCY",
        "decision_id": "DECISION",
    }
    output.rows("uses", rows, columns)


def _check_options(arguments: argparse.Namespace) -> None:
    """Raises UsageError where the options are not one rule, or would permit more than was meant."""
    bounded = arguments.end is not None or arguments.days is not None
    who = (arguments.organisation, arguments.role, arguments.person)
    what = (arguments.purpose, arguments.data_class, arguments.model, arguments.deny)
    if arguments.file is not None:
        if any((*who, *what, bounded, arguments.without_end, arguments.start)):
            raise UsageError("--file holds whole rules: give no other option of a rule")
    elif not arguments.deny:
        if not arguments.organisation:
            raise UsageError("say whom to permit: --organisation MSP, or --file FILE")
        if not bounded and not arguments.without_end:
            raise UsageError("say how long: --days N, --until TIME, or --without-end")


def _is_over(rule: Provision, now: datetime) -> bool:
    return rule.end is not None and rule.end <= now


_COMMITTED = {"consent_id": "consent", "transaction_id": "transaction", "block_number": "block"}


def _add_actor(command: argparse.ArgumentParser) -> None:
    command.add_argument("--organisation", default="", metavar="MSP", help="who: an organisation")
    command.add_argument("--role", default="", metavar="ROLE", help="who: a role, as clinician")
    command.add_argument("--person", default="", metavar="ID", help="who: one person of the organisation")


def _with_text_times(rule: Any) -> Any:
    """YAML reads times as times; a rule has them as text."""
    if isinstance(rule, dict) and isinstance(rule.get("period"), dict):
        period = {name: _as_text(value) for name, value in rule["period"].items()}
        return {**rule, "period": period}
    return rule


def _as_text(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    utc = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return utc.isoformat().replace("+00:00", "Z")


def _when(message: Any, field: str) -> str | None:
    from chaincode.core.record import format_time

    return format_time(getattr(message, field).ToDatetime(tzinfo=UTC)) if message.HasField(field) else None


def _basis(value: int) -> str:
    from salus.consent.v1 import consent_pb2

    return consent_pb2.Basis.Name(value).removeprefix("BASIS_").lower().replace("_", "-")


def _sentence(rule: dict[str, Any]) -> str:
    """A rule in words."""
    actor = " ".join(text for text in rule["actor"].values() if text) or "anybody"
    parts = [rule["type"], actor]
    for name, key in (("for", "purposes"), ("on", "data_classes"), ("by", "models")):
        if rule[key]:
            parts += [name, "/".join(rule[key])]
    for name in ("start", "end"):
        if rule["period"][name]:
            parts += ["from" if name == "start" else "until", rule["period"][name]]
    return " ".join(parts)
