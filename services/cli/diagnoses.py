"""`salus diagnoses`: questions of a clinician to a model about a patient, and their recorded answers."""

from __future__ import annotations

import argparse
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

from services.cli import profile
from services.cli.command import add_command, add_noun
from services.cli.connection import Connection
from services.cli.failures import Failure
from services.cli.output import Output, Progress

BATCH = 256
_TIMEOUT = 180.0
_SHOWN_CONTRIBUTIONS = 5


def add_parser(subparsers: Any) -> None:
    commands = add_noun(subparsers, "diagnoses", "ask a model about a patient")

    ask = add_command(commands, "ask", "one question about one patient", _ask)
    who = ask.add_mutually_exclusive_group(required=True)
    who.add_argument("--patient", default="", metavar="PSEUDONYM")
    who.add_argument("--identifier-file", metavar="FILE", help="the patient's identifier at your organisation")
    ask.add_argument("--file", type=Path, metavar="FILE", help="measurements: JSON, or CSV with one row")
    ask.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one measurement, over the file")
    ask.add_argument("--request-id", default="", metavar="ID", help="your own id; asking again with it records nothing")
    ask.add_argument("--amends", default="", metavar="DECISION", help="the decision that this one amends")
    _add_question(ask)

    batch = add_command(commands, "batch", "many questions, one transaction for each 256", _batch)
    batch.add_argument("file", type=Path, metavar="FILE", help="CSV or JSON Lines; column patient, and the inputs")
    batch.add_argument("--request-prefix", default="", metavar="TEXT", help="request ids are TEXT-1, TEXT-2, ...")
    batch.add_argument("--output", type=Path, metavar="FILE", help="write every result as JSON Lines")
    _add_question(batch)

    show = add_command(commands, "show", "a recorded decision", _show)
    show.add_argument("decision_id", metavar="ID")
    show.add_argument("--record", action="store_true", help="print the record's bytes, as signed and committed")


async def batch(stub: Any, requests: Sequence[Any], progress: Progress | None = None, size: int = BATCH) -> list[Any]:
    """Asks all `DiagnoseRequest`s of an `InferenceServiceStub`, `size` a transaction; one `DiagnoseResult` for each, in
    order. `progress` is told (done, total). Raises `grpc.aio.AioRpcError`."""
    from salus.inference.v1 import inference_pb2 as pb

    results: list[Any] = []
    if progress is not None:
        progress(0, len(requests))
    for start in range(0, len(requests), size):
        request = pb.DiagnoseBatchRequest(requests=requests[start : start + size])
        response = await stub.DiagnoseBatch(request, timeout=_TIMEOUT)
        results += response.results
        if progress is not None:
            progress(len(results), len(requests))
    return results


def decision_json(decision: Any) -> dict[str, Any]:
    """A `salus.inference.v1.Decision` as printed, without its record."""
    return {
        "outcome": "answered",
        "decision_id": decision.decision_id,
        "label": decision.label,
        "probability": decision.probability,
        "model_id": decision.model_id,
        "model_version": decision.model_version,
        "model_sha256": decision.model_sha256,
        "explanation": [
            {"name": each.name, "value": each.value, "contribution": each.contribution} for each in decision.explanation
        ],
        "transaction_id": decision.transaction_id,
        "block_number": decision.block_number,
        "started": _when(decision.started),
        "ended": _when(decision.ended),
        "timing": {name: getattr(decision.timing, name) for name in ("consent", "inference", "endorse", "commit")},
    }


def result_json(result: Any) -> dict[str, Any]:
    """A `salus.inference.v1.DiagnoseResult` as printed."""
    if result.WhichOneof("outcome") == "decision":
        return {"request_id": result.request_id, **decision_json(result.decision)}
    refusal = result.refusal
    return {
        "request_id": result.request_id,
        "outcome": "refused",
        "decision_id": refusal.decision_id,
        "reason": refusal.reason,
        "message": refusal.message,
        "transaction_id": refusal.transaction_id,
        "block_number": refusal.block_number,
    }


async def _ask(arguments: argparse.Namespace, output: Output) -> None:
    from salus.inference.v1 import inference_pb2 as pb

    from services.cli import prompt, questions

    measured = {}
    if arguments.file is not None:
        read = questions.read_one(_read(arguments.file), arguments.file.suffix.lower(), arguments.ignore)
        measured = {each.name: each for each in read}
    measured |= {each.name: each for each in questions.measurements_set(arguments.set)}
    if not measured:
        raise Failure("NO_MEASUREMENTS", "there is nothing to ask about", "give --file FILE or --set NAME=VALUE")
    identifier = "" if arguments.patient else prompt.take("Patient identifier", arguments.identifier_file)
    async with Connection(profile.of(arguments)) as connection:
        patient = arguments.patient or await connection.identity().pseudonym(identifier)
        request = pb.DiagnoseRequest(
            request_id=arguments.request_id or secrets.token_hex(12),
            patient=patient,
            model_id=arguments.model,
            model_version=arguments.version,
            measurements=measured.values(),
            purpose=arguments.purpose,
            emergency_reason=arguments.emergency_reason,
            amends=arguments.amends,
        )
        response = await connection.inference().Diagnose(request, timeout=_TIMEOUT)
    _print({"request_id": request.request_id, **decision_json(response.decision)}, output)


async def _batch(arguments: argparse.Namespace, output: Output) -> None:
    from services.cli import questions

    content = _read(arguments.file)
    defaults = {
        "model_id": arguments.model,
        "model_version": arguments.version,
        "purpose": arguments.purpose,
        "emergency_reason": arguments.emergency_reason,
    }
    prefix = arguments.request_prefix or hashlib.sha256(content).hexdigest()[:16]
    requests = questions.read_batch(content, arguments.file.suffix.lower(), defaults, prefix, arguments.ignore)
    async with Connection(profile.of(arguments)) as connection:
        with output.progress("asking") as progress:
            results = await batch(connection.inference(), requests, progress)
    rows = [result_json(each) for each in results]
    if arguments.output is not None:
        _write_lines(arguments.output, rows)
    columns = {
        "request_id": "REQUEST",
        "outcome": "OUTCOME",
        "label": "LABEL",
        "probability": "PROBABILITY",
        "reason": "REASON",
        "decision_id": "DECISION",
    }
    output.rows("results", rows, columns)


async def _show(arguments: argparse.Namespace, output: Output) -> None:
    from salus.inference.v1 import inference_pb2 as pb

    request = pb.GetDecisionRequest(decision_id=arguments.decision_id)
    async with Connection(profile.of(arguments)) as connection:
        response = await connection.inference().GetDecision(request, timeout=_TIMEOUT)
    result = response.result
    if arguments.record and result.WhichOneof("outcome") == "decision":
        output.raw(result.decision.record.decode())
        return
    _print(result_json(result), output)


def _print(document: Mapping[str, Any], output: Output) -> None:
    if output.as_json:
        output.record(document, {})
        return
    shown = ("outcome", "label", "probability", "reason", "message", "decision_id", "transaction_id", "block_number")
    output.record({**document, "request": document["request_id"]}, {"request": "request", **_headings(shown)})
    contributions = document.get("explanation", ())[:_SHOWN_CONTRIBUTIONS]
    if contributions:
        output.say("")
        columns = {"name": "MEASUREMENT", "value": "VALUE", "contribution": "CONTRIBUTION (LOGIT)"}
        output.rows("explanation", contributions, columns)


def _headings(keys: Sequence[str]) -> dict[str, str]:
    return {key: key.removesuffix("_id").replace("_number", "") for key in keys}


def _when(timestamp: Any) -> str:
    from chaincode.core.record import format_time

    return format_time(timestamp.ToDatetime(tzinfo=UTC))


def _read(path: Path) -> bytes:
    return path.read_bytes()


def _write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import json

    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _add_question(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", required=True, metavar="ID", help="the model")
    command.add_argument("--version", default="", metavar="VERSION", help="its version (default: the deployed one)")
    command.add_argument("--purpose", default="TREAT", metavar="CODE", help="HL7 purpose of use (default: TREAT)")
    command.add_argument("--emergency-reason", default="", metavar="TEXT", help="needed with purpose ETREAT")
    command.add_argument(
        "--ignore", action="append", default=[], metavar="COLUMN", help="a column that is no input; may be repeated"
    )
