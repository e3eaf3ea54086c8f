"""`salus models`: the life of a model on the ledger. Each step is a transaction signed by whoever takes it.

The owner proposes a model with its card and installs the file in its organisation's repository; the regulator runs it
on labelled rows, and has the evaluation recorded; then the owner deploys it.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.cli import profile
from services.cli.command import add_command, add_noun
from services.cli.connection import Connection
from services.cli.failures import Failure
from services.cli.output import Output

if TYPE_CHECKING:
    from chaincode.core.card import Card
    from services.ledger.client import Committed, LedgerClient

CONTRACT = "models"
_TRUE, _FALSE = frozenset({"1", "true", "yes"}), frozenset({"0", "false", "no"})
_STEPS = {
    "deploy": "put a validated version to use",
    "suspend": "take a deployed version out of use",
    "resume": "put a suspended version to use again",
    "retire": "end a version's life",
}
_WITH_REASON = frozenset({"suspend"})


def add_parser(subparsers: Any) -> None:
    commands = add_noun(subparsers, "models", "the life of models on the ledger")

    propose = add_command(commands, "propose", "register a version with its card, and install its file", _propose)
    propose.add_argument("folder", type=Path, metavar="FOLDER", help="folder with card.yaml and model.onnx")

    validate = add_command(commands, "validate", "run a version on labelled rows and record how good it is", _validate)
    _add_version(validate)
    validate.add_argument("--file", type=Path, required=True, metavar="FILE", help="the model file, to be installed")
    validate.add_argument("--data", type=Path, required=True, metavar="CSV", help="rows: the card's inputs and a label")
    validate.add_argument(
        "--label", required=True, metavar="COLUMN", help="column with the truth: 1 or 0, or the classes"
    )

    for name, text in _STEPS.items():
        step = add_command(commands, name, text, _step)
        _add_version(step)
        step.set_defaults(step=name)
        if name in _WITH_REASON:
            step.add_argument("--reason", required=True, metavar="TEXT", help="why; public, nothing personal in it")

    add_command(commands, "list", "the models, and which of them the inference service answers with", _list)

    describe = add_command(commands, "describe", "one model: its inputs, status and history", _describe)
    describe.add_argument("id", metavar="ID")
    describe.add_argument("version", nargs="?", default="", metavar="VERSION", help="default: the deployed one")


async def propose(ledger: LedgerClient, repository: Path, model: Path, card_path: Path) -> Committed:
    """Installs the file in `repository` and registers the card with the ledger.

    Raises Failure where the card is not well-formed or the file is another than the card's, and LedgerError.
    """
    from chaincode.runtime.executor import ModelRepository

    card = read_card(card_path)
    check_file(model, card.sha256)
    ModelRepository(repository).install(model)
    return await ledger.submit(CONTRACT, "Propose", card.json)


async def validate(
    ledger: LedgerClient, repository: Path, model_id: str, version: str, model: Path, data: Path, label: str
) -> tuple[Committed, dict[str, Any]]:
    """Installs the file in `repository`, runs it on every row of `data` and submits the evaluation, which is returned.

    Raises Failure for a file that is not the registered one and for rows that cannot be used, and LedgerError.
    """
    from chaincode.core import canonical, card
    from chaincode.runtime.executor import ModelRepository

    registered = json.loads(await ledger.evaluate(CONTRACT, "Get", model_id, version))
    described = card.parse(json.loads(registered["card"]))
    check_file(model, described.sha256)
    store = ModelRepository(repository)
    store.install(model)
    evaluation = evaluate(store, described, data, label)
    committed = await ledger.submit(CONTRACT, "Validate", model_id, version, canonical.encode(evaluation))
    return committed, evaluation


def evaluate(repository: Any, card: Card, data: Path, label: str) -> dict[str, Any]:
    """How good the installed model is on labelled rows: {"dataset_sha256", "rows", "metrics"}. Raises Failure."""
    from chaincode.core import metrics
    from chaincode.runtime.executor import ExecutionError, ModelFileError, OnnxExecutor

    content = data.read_bytes()
    rows, truths = read_rows(content, card, label)
    try:
        answers = OnnxExecutor(repository).run_rows(card, rows)
        found = metrics.evaluate(truths, [each.probability for each in answers], card.threshold)
    except (ExecutionError, ModelFileError, ValueError) as error:
        raise Failure("BAD_EVALUATION", str(error)) from None
    return {"dataset_sha256": hashlib.sha256(content).hexdigest(), "rows": len(rows), "metrics": found}


def read_rows(content: bytes, card: Card, label: str) -> tuple[list[Sequence[float]], list[bool]]:
    """The inputs, in the card's order, and the truths of a CSV file. Raises Failure naming the row and the column."""
    from chaincode.core.card import InputError, Measurement, validate_inputs

    try:
        reader = csv.DictReader(io.StringIO(content.decode()), strict=True)
        missing = sorted({label, *(each.name for each in card.inputs)} - set(reader.fieldnames or ()))
        if missing:
            raise Failure("BAD_ROWS", f"the rows have no column {', '.join(missing)}")
        rows: list[Sequence[float]] = []
        truths: list[bool] = []
        for number, row in enumerate(reader, 1):
            measurements = [Measurement(each.name, _values(row[each.name])) for each in card.inputs]
            try:
                rows.append(validate_inputs(card, measurements))
            except InputError as error:
                raise Failure("BAD_ROWS", f"row {number}: {error}") from None
            truths.append(_truth(row[label], card, number))
    except (UnicodeDecodeError, csv.Error):
        raise Failure("BAD_ROWS", "the rows are no CSV in UTF-8") from None
    return rows, truths


def read_card(path: Path) -> Card:
    """A card's file. Raises Failure naming every fault, and ConfigError."""
    from chaincode.core import card
    from services.common.config import read

    try:
        return card.parse(read(path))
    except card.CardError as error:
        raise Failure("BAD_CARD", f"{path}: {error}") from None


def check_file(model: Path, sha256: str) -> None:
    """Raises Failure where the file is another than the registered one."""
    found = hashlib.sha256(model.read_bytes()).hexdigest()
    if found != sha256:
        raise Failure("MODEL_FILE_DIFFERS", f"{model} has SHA-256 {found}, and the card says {sha256}")


async def _propose(arguments: argparse.Namespace, output: Output) -> None:
    mine = profile.of(arguments)
    folder = arguments.folder
    async with Connection(mine) as connection:
        committed = await propose(connection.ledger(), _repository(mine), folder / "model.onnx", folder / "card.yaml")
    _show(committed, output)


async def _validate(arguments: argparse.Namespace, output: Output) -> None:
    mine = profile.of(arguments)
    async with Connection(mine) as connection:
        committed, evaluation = await validate(
            connection.ledger(),
            _repository(mine),
            arguments.id,
            arguments.version,
            arguments.file,
            arguments.data,
            arguments.label,
        )
    _show(committed, output, {"rows": evaluation["rows"], "metrics": evaluation["metrics"]})


async def _step(arguments: argparse.Namespace, output: Output) -> None:
    reason = [arguments.reason] if arguments.step in _WITH_REASON else []
    async with Connection(profile.of(arguments)) as connection:
        committed = await connection.ledger().submit(
            CONTRACT, arguments.step.capitalize(), arguments.id, arguments.version, *reason
        )
    _show(committed, output)


async def _list(arguments: argparse.Namespace, output: Output) -> None:
    from salus.inference.v1 import inference_pb2 as pb

    async with Connection(profile.of(arguments)) as connection:
        response = await connection.inference().ListModels(pb.ListModelsRequest(), timeout=60)
    rows = [_model_json(each) for each in response.models]
    columns = {
        "id": "ID",
        "version": "VERSION",
        "status": "STATUS",
        "ready": "READY",
        "title": "TITLE",
        "not_ready_reason": "WHY NOT",
    }
    output.rows("models", rows, columns)


async def _describe(arguments: argparse.Namespace, output: Output) -> None:
    from salus.inference.v1 import inference_pb2 as pb

    async with Connection(profile.of(arguments)) as connection:
        request = pb.DescribeModelRequest(id=arguments.id, version=arguments.version)
        response = await connection.inference().DescribeModel(request, timeout=60)
        version = response.model.version
        registered = json.loads(await connection.ledger().evaluate(CONTRACT, "Get", arguments.id, version))
    inputs = [
        {
            "name": each.name,
            "unit": each.unit,
            "minimum": each.minimum,
            "maximum": each.maximum,
            "integer": each.integer,
            "length": each.length,
            "description": each.description,
        }
        for each in response.inputs
    ]
    model = _model_json(response.model)
    if output.as_json:
        document = {
            **model,
            "owner": registered["owner"],
            "evaluation": registered["evaluation"],
            "history": registered["history"],
            "inputs": inputs,
            "card": json.loads(response.card),
        }
        output.record(document, {})
        return
    output.record({**model, "owner": registered["owner"]}, {**{key: key for key in model}, "owner": "owner"})
    for step in registered["history"]:
        reason = f": {step['reason']}" if step["reason"] else ""
        output.say(f"{step['time']}  {step['status']} by {step['organisation']}{reason}")
    output.say("")
    columns = {"name": "INPUT", "unit": "UNIT", "minimum": "MINIMUM", "maximum": "MAXIMUM", "description": "WHAT"}
    output.rows("inputs", inputs, columns)


def _model_json(message: Any) -> dict[str, Any]:
    from salus.inference.v1 import inference_pb2 as pb

    return {
        "id": message.id,
        "version": message.version,
        "title": message.title,
        "status": pb.ModelStatus.Name(message.status).removeprefix("MODEL_STATUS_").lower(),
        "sha256": message.sha256,
        "ready": message.ready,
        "not_ready_reason": message.not_ready_reason,
    }


def _show(committed: Committed, output: Output, more: dict[str, Any] | None = None) -> None:
    model = json.loads(committed.result)
    document = {
        "id": model["id"],
        "version": model["version"],
        "status": model["status"],
        "sha256": model["sha256"],
        "transaction_id": committed.transaction_id,
        "block_number": committed.block_number,
        **(more or {}),
    }
    output.record(document, {key: key.replace("_", " ") for key in document})


def _repository(mine: profile.Profile) -> Path:
    if mine.models is None:
        raise Failure("NO_REPOSITORY", "the profile has no folder of models", "add models: FOLDER to it")
    return mine.models


def _add_version(command: argparse.ArgumentParser) -> None:
    command.add_argument("id", metavar="ID")
    command.add_argument("version", metavar="VERSION")


def _values(cell: str | None) -> tuple[float, ...]:
    """The numbers of a cell, several being separated by spaces; one NaN where they are none, to be refused by name."""
    try:
        return tuple(float(each) for each in (cell or "").split())
    except ValueError:
        return (float("nan"),)


def _truth(cell: str | None, card: Card, number: int) -> bool:
    text = (cell or "").strip()
    if text == card.positive or text.lower() in _TRUE:
        return True
    if text == card.negative or text.lower() in _FALSE:
        return False
    raise Failure("BAD_ROWS", f"row {number}: the label is neither 1 nor 0, {card.positive} nor {card.negative}")
