"""`salus audit`: the trail of decisions, for the regulator; and its verification, for anybody, without a network."""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import Any, BinaryIO

from services.cli import profile
from services.cli.command import add_command, add_noun, moment, pseudonym
from services.cli.connection import Connection
from services.cli.failures import Failure
from services.cli.output import Output, Progress

_PAGE = 200
_OUTCOMES = ("answered", "refused")
_SHOWN = 20


def add_parser(subparsers: Any) -> None:
    commands = add_noun(subparsers, "audit", "search, export and verify decisions")

    search = add_command(commands, "search", "decisions and refusals, newest first", _search)
    _add_filter(search)
    search.add_argument("--limit", type=int, default=100, metavar="N", help="at most so many (default: 100)")

    export = add_command(commands, "export", "write the trail to a file that can be checked offline", _export)
    export.add_argument("file", type=Path, metavar="FILE")
    _add_filter(export)

    verify = add_command(commands, "verify", "check an export; exit code 1 where something is wrong", _verify)
    verify.add_argument("file", type=Path, metavar="FILE")
    verify.add_argument(
        "--roots",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the organisations' root certificates: <MSPID>/msp/cacerts/*.pem or <MSPID>.pem",
    )
    verify.add_argument(
        "--models",
        type=Path,
        metavar="FOLDER",
        help="execute every answer again with the model files of this folder, named <SHA-256>.onnx, such as an"
        " organisation's own model repository",
    )

    add_command(commands, "checkpoint", "the newest checkpoint of the transparency log", _checkpoint)


async def search(stub: Any, filter_: Any, limit: int = 0) -> AsyncIterator[dict[str, Any]]:
    """Decisions that a `salus.audit.v1.Filter` takes, newest first; all of them, or `limit`.

    Raises `grpc.aio.AioRpcError`.
    """
    from salus.audit.v1 import audit_pb2 as pb

    token, left = "", limit
    while True:
        size = min(_PAGE, left) if limit else _PAGE
        request = pb.SearchDecisionsRequest(filter=filter_, page_size=size, page_token=token)
        response = await stub.SearchDecisions(request, timeout=60)
        for each in response.decisions:
            yield summary_json(each)
        left -= len(response.decisions)
        token = response.next_page_token
        if not token or (limit and left <= 0):
            return


async def export(stub: Any, filter_: Any, path: Path, progress: Progress | None = None) -> int:
    """Writes an export to `path`, whole or not at all and for its owner alone; returns how many decisions it holds.

    Raises `grpc.aio.AioRpcError`, OSError, and Failure where there can be no such file, or where the stream ended
    before all decisions had come.
    """
    from salus.audit.v1 import audit_pb2 as pb

    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    done = total = 0
    try:
        with _open_private(path, temporary) as file:
            async for part in stub.Export(pb.ExportRequest(filter=filter_)):
                file.write(part.data)
                done, total = part.done, part.total
                if progress is not None:
                    progress(done, total)
            if done != total:
                raise Failure("EXPORT_INCOMPLETE", f"{done} of {total} decisions came", "export again")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return done


def summary_json(message: Any) -> dict[str, Any]:
    """A `salus.audit.v1.DecisionSummary` as printed."""
    from salus.audit.v1 import audit_pb2 as pb

    from chaincode.core.record import format_time

    return {
        "decision_id": message.decision_id,
        "time": format_time(message.time.ToDatetime(tzinfo=UTC)),
        "organisation": message.organisation,
        "model_id": message.model_id,
        "model_version": message.model_version,
        "purpose": message.purpose,
        "outcome": pb.Outcome.Name(message.outcome).removeprefix("OUTCOME_").lower(),
        "emergency": message.emergency,
        "transaction_id": message.transaction_id,
        "block_number": message.block_number,
    }


async def _search(arguments: argparse.Namespace, output: Output) -> None:
    async with Connection(profile.of(arguments)) as connection:
        rows = [each async for each in search(connection.audit(), _filter(arguments), arguments.limit)]
    columns = {
        "time": "TIME",
        "organisation": "ORGANISATION",
        "model_id": "MODEL",
        "purpose": "PURPOSE",
        "outcome": "OUTCOME",
        "emergency": "EMERGENCY",
        "decision_id": "DECISION",
    }
    output.rows("decisions", rows, columns)


async def _export(arguments: argparse.Namespace, output: Output) -> None:
    async with Connection(profile.of(arguments)) as connection:
        with output.progress("exporting") as progress:
            decisions = await export(connection.audit(), _filter(arguments), arguments.file, progress)
    output.record(
        {"file": str(arguments.file), "decisions": decisions}, {"file": "exported to", "decisions": "decisions"}
    )
    output.note("the file holds personal data; keep it safe")


async def _checkpoint(arguments: argparse.Namespace, output: Output) -> None:
    from salus.audit.v1 import audit_pb2 as pb

    async with Connection(profile.of(arguments)) as connection:
        response = await connection.audit().GetCheckpoint(pb.GetCheckpointRequest(), timeout=60)
    note = response.checkpoint.decode()
    if output.as_json:
        output.record({"checkpoint": note}, {})
    else:
        output.raw(note)


def _verify(arguments: argparse.Namespace, output: Output) -> int:
    from services.audit import verify

    roots = verify.load_roots(arguments.roots)
    if arguments.models is not None and not arguments.models.is_dir():
        raise Failure("FILE", f"{arguments.models} is no folder of model files", "see: salus audit verify --help")
    with output.progress("verifying") as progress:
        report = verify.verify(arguments.file, roots, progress, arguments.models)
    if not report.is_export:
        raise Failure("NOT_AN_EXPORT", f"{arguments.file}: this is no Salus export", "make one: salus audit export")
    if output.as_json:
        output.record({"ok": report.ok, **asdict(report)}, {})
        return 0 if report.ok else 1
    _say_some(report.findings, output, "" if report.findings_complete else "more than ")
    _say_some(report.notes, output)
    if report.filter is not None:
        output.say(f"exported on {report.created}: {_in_words(report.filter)}; {report.decisions} in the file")
    if report.checkpoint is not None:
        output.say(f"log: {report.checkpoint.origin}, {report.checkpoint.size} transactions")
        signed_by = f"{report.checkpoint.msp_id}, certificate {report.checkpoint.certificate_fingerprint[:16]}"
        output.say(f"checkpoint signed by {signed_by}")
    for policy in dict.fromkeys(report.policies):
        output.say(f"endorsed under {policy}")
    counts = f"{report.verified} of {report.decisions} decisions verified, {report.answered} answered"
    erased = f", {report.erased} erased" if report.erased else ""
    again = f", {report.reexecuted} executed again with the same answer" if arguments.models else ""
    output.say(f"{counts}{erased}{again}: {'nothing is wrong' if report.ok else 'NOT TO BE TRUSTED AS IT IS'}")
    return 0 if report.ok else 1


def _say_some(things: Sequence[object], output: Output, more_than: str = "") -> None:
    for each in things[:_SHOWN]:
        output.say(str(each))
    if len(things) > _SHOWN:
        output.say(f"and {more_than}{len(things) - _SHOWN} more")


def _in_words(filter_: Mapping[str, str]) -> str:
    """Which decisions a filter takes, in words."""
    words = {
        "outcome": "that were {}",
        "model_id": "of model {}",
        "organisation": "asked for by {}",
        "patient": "about patient {}",
        "start": "recorded from {} on",
        "end": "recorded before {}",
    }
    chosen = [text.format(filter_[name]) for name, text in words.items() if name in filter_]
    return f"decisions {', '.join(chosen)}" if chosen else "all decisions"


def _open_private(path: Path, temporary: Path) -> BinaryIO:
    """Opens what becomes `path`. Raises Failure naming what the user has named, the temporary file being ours."""
    if path.is_dir():
        raise Failure("FILE", f"{path} is a folder", "give a file's name")
    try:
        return os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise Failure("FILE", f"cannot write into {path.parent}: {error.strerror}") from None


def _filter(arguments: argparse.Namespace) -> Any:
    from salus.audit.v1 import audit_pb2 as pb

    found = pb.Filter(
        model_id=arguments.model,
        organisation=arguments.organisation,
        patient=arguments.patient,
        outcome=f"OUTCOME_{arguments.outcome.upper() or 'UNSPECIFIED'}",
    )
    if arguments.start is not None:
        getattr(found, "from").FromDatetime(arguments.start)
    if arguments.end is not None:
        found.to.FromDatetime(arguments.end)
    return found


def _add_filter(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", default="", metavar="ID")
    command.add_argument("--organisation", default="", metavar="MSP", help="who asked")
    command.add_argument("--patient", type=pseudonym, metavar="PSEUDONYM")
    command.add_argument("--outcome", default="", choices=_OUTCOMES)
    command.add_argument("--from", dest="start", type=moment, metavar="TIME", help="recorded at or after")
    command.add_argument("--to", dest="end", type=moment, metavar="TIME", help="recorded before")
