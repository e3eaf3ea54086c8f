"""A small network for the tests of `decisions`: hospital A asks the model "sum" about its patients.

`Clinic` makes honest batches; a test changes one thing, by a changed `Question`, or by what it does to the record,
item or batch, and signs again as the inference service would: whoever signs can lie.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from chaincode.api.stub import Response
from chaincode.consent import ConsentContract
from chaincode.core import batch, canonical, decision_checks
from chaincode.core.batch import Batch, Item
from chaincode.core.card import Card
from chaincode.core.card import parse as parse_card
from chaincode.core.provision import Actor, Basis
from chaincode.core.record import Answer, Consented, Contribution, Input, Model, Record, commitment
from chaincode.decisions import DecisionsContract
from chaincode.models import ModelsContract
from chaincode.runtime.executor import ExecutionError, ModelFileError, Output
from tests.chaincode.callers import HOSPITAL_A, HOSPITAL_B, REGULATOR, Caller, caller
from tests.chaincode.cards import EVALUATION, card_json
from tests.chaincode.memory_ledger import NOON, MemoryLedger, Simulation

ANN = caller(HOSPITAL_A, "a" * 32, "patient")
BEN = caller(HOSPITAL_A, "b" * 32, "patient")
INFERENCE = caller(HOSPITAL_A, "inference", "inference")
INFERENCE_B = caller(HOSPITAL_B, "inference-b", "inference")
OWNER = caller(HOSPITAL_A, "owner-a", "owner")
INSPECTOR = caller(REGULATOR, "inspector", "inspector")
DOCTOR = caller(HOSPITAL_A, "dr-adams", "clinician")

SALT = b"0123456789abcdef"
INPUT_SALT = b"fedcba9876543210"

Change = Callable[[Any], Any]


class SumExecutor:
    """The model "sum": the logit is x + y. It runs whatever file it is told that it has."""

    def __init__(self, *files: str) -> None:
        self.files = set(files)
        self.broken = False

    def run_rows(self, card: Card, rows: Sequence[Sequence[float]]) -> list[Output]:
        if card.sha256 not in self.files:
            raise ModelFileError(f"there is no model file with SHA-256 {card.sha256}")
        if self.broken:
            raise ExecutionError("the model failed: RuntimeError")
        return [_sum(card, row) for row in rows]


def _sum(card: Card, row: Sequence[float]) -> Output:
    probability = 1 / (1 + math.exp(-sum(row)))
    return Output(probability, card.label(probability), tuple(row))


@dataclass(frozen=True)
class Question:
    """What a clinician asks. `permitted` is what the service takes consent to say."""

    request_id: str = "r1"
    patient: Caller = ANN
    x: float = 1.0
    y: float = 0.5
    purpose: str = "TREAT"
    emergency_reason: str = ""
    amends: str = ""
    at: datetime = NOON
    version: str = "1"


@dataclass
class Clinic:
    """The ledger, with model "sum" 1 deployed and Ann's consent c1 granted; Ben has granted nothing."""

    ledger: MemoryLedger = field(init=False)
    executor: SumExecutor = field(default_factory=lambda: SumExecutor("5" * 64))
    now: datetime = NOON

    def __post_init__(self) -> None:
        def clock() -> datetime:
            return self.now

        everybody = {HOSPITAL_A, HOSPITAL_B, REGULATOR}
        self.ledger = MemoryLedger(
            {
                "consent": ConsentContract(clock),
                "models": ModelsContract(REGULATOR, clock),
                "decisions": DecisionsContract(self.executor, clock),
            },
            {
                "consent": {"consents": everybody},
                "decisions": {f"decisions_{each}": {each, REGULATOR} for each in (HOSPITAL_A, HOSPITAL_B)},
            },
        )
        self.deploy()
        self.grant(ANN, "c1")

    def deploy(self, version: str = "1", **card: Any) -> None:
        self.call(OWNER, "models", "Propose", card_json(version=version, **card))
        self.call(INSPECTOR, "models", "Validate", "sum", version, json.dumps(EVALUATION))
        self.call(OWNER, "models", "Deploy", "sum", version)

    def grant(self, patient: Caller, consent_id: str, **provision: Any) -> None:
        rule = {"type": "permit", "actor": {"organisation": HOSPITAL_A}, "purposes": ["TREAT"], **provision}
        body = json.dumps({"id": consent_id, "patient": patient.name, "provisions": [rule]}).encode()
        transient = {"consent": body, "salt": SALT}
        response = self.ledger.submit(patient.creator, "consent", "Grant", consent_id, transient=transient)
        assert response.ok, response.message

    def call(self, who: Caller, contract: str, *args: str) -> Any:
        response = self.ledger.submit(who.creator, contract, *args, at=self.now)
        assert response.ok, response.message
        return canonical.decode(response.payload) if response.payload else None

    def record(self, question: Question, requester: Actor | None = None) -> tuple[Record, bytes]:
        """The honest record of a question, and the input's bytes."""
        model = self.call(INFERENCE, "models", "Get", "sum", question.version)
        card = parse_card(json.loads(model["card"]))
        requester = requester or Actor(HOSPITAL_A, "clinician", "dr-adams")
        query = {
            "patient": question.patient.name,
            "actor": vars(requester),
            "data_class": card.data_class,
            "purpose": question.purpose,
            "model": "sum",
            "emergency_reason": question.emergency_reason,
        }
        verdict = self.call(INFERENCE, "consent", "Evaluate", json.dumps(query))
        given = Input(question.patient.name, question.request_id, "sum", {"x": (question.x,), "y": (question.y,)})
        answer = _answer(card, given, question) if verdict["permitted"] else None
        found = Record(
            request_id=question.request_id,
            started=question.at - timedelta(milliseconds=3),
            ended=question.at - timedelta(milliseconds=1),
            model=Model("sum", question.version, model["sha256"], model["card_sha256"]),
            patient=question.patient.name,
            data_class=card.data_class,
            purpose=question.purpose,
            requester=requester,
            consent=Consented(Basis(verdict["basis"]), verdict["consent_id"], verdict["commitment"]),
            answer=answer,
            retain_until=decision_checks.retain_until(question.at - timedelta(milliseconds=1), card.retention_years),
            reason="" if answer else verdict["reason"],
            emergency_reason=question.emergency_reason,
            amends=question.amends,
            sources=(("x", "Observation/1"),) if answer else (),
        )
        return found, given.encode() if answer else b""

    def batch(self, *questions: Question, change: Change | None = None, change_input: Change | None = None) -> Batch:
        """The questions' batch; `change` alters each record, `change_input` each input, before all is signed."""
        contents = []
        for question in questions or (Question(),):
            found, given = self.record(question)
            if change_input and found.answer:
                given = change_input(given)
                answer = replace(found.answer, input_commitment=commitment(INPUT_SALT, given))
                found = replace(found, answer=answer)
            body = (change(found) if change else found).encode()
            contents.append(
                (body, sha256(found.request_id.encode()).digest()[:16], given, INPUT_SALT if given else b"")
            )
        return sign(contents)

    def simulate(self, signed: Batch | bytes, who: Caller = INFERENCE, at: datetime = NOON) -> Simulation:
        body = signed if isinstance(signed, bytes) else signed.encode()
        return self.ledger.simulate(who.creator, "decisions", "Record", transient={"batch": body}, at=at)

    def submit(self, signed: Batch | bytes, who: Caller = INFERENCE, at: datetime = NOON) -> Response:
        body = signed if isinstance(signed, bytes) else signed.encode()
        return self.ledger.submit(who.creator, "decisions", "Record", transient={"batch": body}, at=at)


def sign(contents: Sequence[tuple[bytes, bytes, bytes, bytes]], signer: Caller = INFERENCE) -> Batch:
    """Records with their inputs as a signed batch."""
    root, items = batch.arrange(contents)
    return signed_by(signer, root, items)


def signed_by(signer: Caller, root: bytes, items: tuple[Item, ...]) -> Batch:
    return Batch(root, len(items), signer.sign(batch.statement(root, len(items))), items)


def _answer(card: Card, given: Input, question: Question) -> Answer:
    output = _sum(card, (question.x, question.y))
    explanation = (Contribution("x", question.x, question.x), Contribution("y", question.y, question.y))
    return Answer(output.probability, output.label, explanation, commitment(INPUT_SALT, given.encode()))
