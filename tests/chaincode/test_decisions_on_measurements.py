"""The contract `decisions` as configured for an organisation, with the model file and rows that are committed here."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from chaincode.api.stub import Response
from chaincode.consent import ConsentContract
from chaincode.core import canonical, decision_checks
from chaincode.core.card import Card, Measurement, parse, validate_inputs
from chaincode.core.provision import Actor, Basis
from chaincode.core.record import Answer, Consented, Contribution, Input, Model, Record, commitment
from chaincode.decisions import DecisionsContract
from chaincode.models import ModelsContract
from chaincode.runtime.executor import ModelRepository, OnnxExecutor
from tests.chaincode.callers import HOSPITAL_A, REGULATOR, caller
from tests.chaincode.clinic import INFERENCE, INSPECTOR, OWNER, SALT, sign
from tests.chaincode.memory_ledger import MemoryLedger

FOLDER = Path(__file__).parents[2] / "models" / "breast_cancer"
CARD: Card = parse(yaml.safe_load((FOLDER / "card.yaml").read_text()))


def rows(count: int) -> Iterator[Input]:
    """The first rows of the test set, each of a patient of its own."""
    with (FOLDER / "test.csv").open(newline="") as file:
        for number, row in zip(range(count), csv.DictReader(file), strict=False):
            measurements = {each.name: (float(row[each.name]),) for each in CARD.inputs}
            yield Input(f"{number:032x}", f"row-{number}", CARD.id, measurements)


@pytest.fixture
def ledger(tmp_path: Path) -> MemoryLedger:
    """The model deployed through the contracts as an organisation configures them."""
    ModelRepository(tmp_path).install(FOLDER / "model.onnx")
    config = {"regulator": REGULATOR, "models": str(tmp_path), "msp_id": HOSPITAL_A}
    contracts = [each.from_config(config) for each in (ConsentContract, ModelsContract, DecisionsContract)]
    ledger = MemoryLedger(
        {each.name: each for each in contracts},
        {
            "consent": {"consents": {HOSPITAL_A, REGULATOR}},
            "decisions": {f"decisions_{HOSPITAL_A}": {HOSPITAL_A, REGULATOR}},
        },
    )
    metrics = dict.fromkeys(CARD.acceptance, 1.0)
    evaluation = json.dumps({"dataset_sha256": "0" * 64, "rows": 114, "metrics": metrics})
    submit(ledger, OWNER.creator, "models", "Propose", CARD.json.decode())
    submit(ledger, INSPECTOR.creator, "models", "Validate", CARD.id, CARD.version, evaluation)
    submit(ledger, OWNER.creator, "models", "Deploy", CARD.id, CARD.version)
    return ledger


def submit(ledger: MemoryLedger, creator: bytes, contract: str, *args: str, **transient: bytes) -> Response:
    return ledger.submit(creator, contract, *args, transient=transient, at=datetime.now(UTC))


def grant(ledger: MemoryLedger, pseudonym: str) -> Consented:
    document = {"id": f"c-{pseudonym}", "patient": pseudonym, "provisions": [{"type": "permit"}]}
    body = canonical.encode(document)
    patient = caller(HOSPITAL_A, pseudonym, "patient")
    response = submit(ledger, patient.creator, "consent", "Grant", f"c-{pseudonym}", consent=body, salt=SALT)
    assert response.ok, response.message
    return Consented(Basis.CONSENT, f"c-{pseudonym}", commitment(SALT, body))


def answer(executor: OnnxExecutor, given: Input, consent: Consented) -> Record:
    values = validate_inputs(CARD, [Measurement(name, each) for name, each in given.measurements.items()])
    output = executor.run(CARD, values)
    explanation = zip(decision_checks.value_names(CARD), values, output.contributions, strict=True)
    now = datetime.now(UTC)
    return Record(
        request_id=given.request_id,
        started=now,
        ended=now,
        model=Model(CARD.id, CARD.version, CARD.sha256, canonical.sha256_hex(CARD.json)),
        patient=given.patient,
        data_class=CARD.data_class,
        purpose="TREAT",
        requester=Actor(HOSPITAL_A, "clinician", "dr-adams"),
        consent=consent,
        answer=Answer(
            output.probability,
            output.label,
            tuple(Contribution(*each) for each in explanation),
            commitment(SALT, given.encode()),
        ),
        retain_until=decision_checks.retain_until(now, CARD.retention_years),
    )


def record(ledger: MemoryLedger, tmp_path: Path, shift: float = 0.0) -> Response:
    """Has eight rows answered one by one, adds `shift` to each probability, and records them in one batch."""
    executor = OnnxExecutor(ModelRepository(tmp_path))
    contents = []
    for given in rows(8):
        honest = answer(executor, given, grant(ledger, given.patient))
        assert honest.answer
        probability = abs(honest.answer.probability - shift)
        said = replace(honest.answer, probability=probability, label=CARD.label(probability))
        contents.append((replace(honest, answer=said).encode(), SALT, given.encode(), SALT))
    body = sign(contents).encode()
    return submit(ledger, INFERENCE.creator, "decisions", "Record", batch=body)


def test_answers_of_the_committed_model_are_endorsed(ledger: MemoryLedger, tmp_path: Path) -> None:
    response = record(ledger, tmp_path)
    assert response.ok, response.message


def test_answers_shifted_by_a_hundredth_are_not(ledger: MemoryLedger, tmp_path: Path) -> None:
    assert record(ledger, tmp_path, 0.01).message.startswith("OUTPUT_MISMATCH: ")


def test_a_model_file_that_was_changed_is_not_run(ledger: MemoryLedger, tmp_path: Path) -> None:
    executor = OnnxExecutor(ModelRepository(tmp_path))
    given = next(rows(1))
    honest = answer(executor, given, grant(ledger, given.patient))
    file = tmp_path / f"{CARD.sha256}.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    body = sign([(honest.encode(), SALT, given.encode(), SALT)]).encode()
    response = submit(ledger, INFERENCE.creator, "decisions", "Record", batch=body)
    assert response.message.startswith("MODEL_FILE: ")
