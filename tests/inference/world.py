"""A hospital with a ledger in memory, the real contracts, one model, patients and a clinician: what a diagnosis needs.

The model's logit is the sum of its two inputs. The contracts execute it honestly; the service may be given another
executor. Nothing sleeps: pauses are kept in `pauses`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from chaincode.api.stub import Response
from chaincode.consent import ConsentContract
from chaincode.core import canonical
from chaincode.core.card import Card
from chaincode.decisions import DecisionsContract
from chaincode.models import ModelsContract
from chaincode.runtime.executor import ModelExecutor, ModelRepository, Output
from services.common.signer import Signer
from services.inference.diagnosis import Diagnoser
from services.inference.ledger import Client, GatewayLedger, Ledger
from services.inference.question import Measurement, Question, Requester
from services.inference.registry import Registry
from services.ledger.proposal import Transaction
from tests.chaincode.callers import HOSPITAL_A, HOSPITAL_B, REGULATOR, Caller, caller
from tests.chaincode.cards import EVALUATION, card_json
from tests.chaincode.memory_ledger import NOON, MemoryLedger
from tests.inference.memory_client import MemoryClient

ANN = caller(HOSPITAL_A, "a" * 32, "patient")
BEN = caller(HOSPITAL_A, "b" * 32, "patient")
OWNER = caller(HOSPITAL_A, "owner-a", "owner")
INSPECTOR = caller(REGULATOR, "inspector", "inspector")
SERVICE = caller(HOSPITAL_A, "inference", "inference")
CLINICIAN = Requester(HOSPITAL_A, "clinician", "dr-adams")

MODEL_FILE = b"the bytes of a model"
PERMIT: dict[str, Any] = {"type": "permit", "actor": {"organisation": HOSPITAL_A}, "purposes": ["TREAT"]}


class SumExecutor:
    """Runs the test model: honest."""

    def run(self, card: Card, values: Sequence[float]) -> Output:
        probability = 1 / (1 + math.exp(-sum(values)))
        return Output(probability, card.label(probability), tuple(values))

    def run_rows(self, card: Card, rows: Sequence[Sequence[float]]) -> list[Output]:
        return [self.run(card, row) for row in rows]


class RacedLedger(GatewayLedger):
    """Lets `race` happen once, between endorsement and commit."""

    def __init__(self, client: Client, race: Callable[[], Awaitable[object]]) -> None:
        super().__init__(client, HOSPITAL_A)
        self._race: Callable[[], Awaitable[object]] | None = race

    async def submit(self, transaction: Transaction) -> None:
        race, self._race = self._race, None
        if race is not None:
            await race()
        await super().submit(transaction)


class World:
    """Version 1 of model `sum` is deployed; nobody has consented."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = ModelRepository(folder / "models")
        self.sha256 = self.install(MODEL_FILE)
        self.ledger = MemoryLedger(
            {
                "consent": ConsentContract(lambda: NOON),
                "models": ModelsContract(REGULATOR, lambda: NOON),
                "decisions": DecisionsContract(SumExecutor(), lambda: NOON),
            },
            {
                "consent": {"consents": {HOSPITAL_A, HOSPITAL_B, REGULATOR}},
                "decisions": {f"decisions_{HOSPITAL_A}": {HOSPITAL_A, REGULATOR}},
            },
        )
        self.client = MemoryClient(self.ledger, SERVICE)
        self.now = self.proposed = NOON
        self.pauses: list[float] = []
        self.deploy("1")

    def install(self, data: bytes) -> str:
        source = self.folder / "model.onnx"
        source.write_bytes(data)
        return self.repository.install(source)

    @property
    def model_file(self) -> Path:
        return self.folder / "models" / f"{self.sha256}.onnx"

    def propose(self, version: str) -> None:
        self.proposed += timedelta(seconds=1)
        card = card_json(sha256=self.sha256, version=version)
        self.submit(OWNER, "models", "Propose", card, at=self.proposed)

    def deploy(self, version: str) -> None:
        self.propose(version)
        self.submit(INSPECTOR, "models", "Validate", "sum", version, json.dumps(EVALUATION))
        self.submit(OWNER, "models", "Deploy", "sum", version)

    def submit(
        self, who: Caller, contract: str, *args: str, transient: dict[str, bytes] | None = None, at: datetime = NOON
    ) -> Response:
        response = self.ledger.submit(who.creator, contract, *args, transient=transient, at=at)
        assert response.ok, response.message
        return response

    def grant(self, patient: Caller = ANN, consent_id: str = "c1", **changes: Any) -> None:
        provision = {**PERMIT, **changes}
        body = canonical.encode({"id": consent_id, "patient": patient.name, "provisions": [provision]})
        self.submit(patient, "consent", "Grant", consent_id, transient={"consent": body, "salt": bytes(16)})

    def revoke(self, patient: Caller = ANN, consent_id: str = "c1") -> None:
        self.submit(patient, "consent", "Revoke", consent_id)

    def suspend(self) -> None:
        self.submit(OWNER, "models", "Suspend", "sum", "1", "drift")

    def uses(self, patient: Caller = ANN) -> list[dict[str, Any]]:
        """What the patient sees of the uses of their data, newest first."""
        listed = self.ledger.simulate(patient.creator, "consent", "ListUses", patient.name, "100").response
        found: list[dict[str, Any]] = json.loads(listed.payload)["uses"]
        return found

    def registry(self, ledger: Ledger | None = None) -> Registry:
        return Registry(ledger or GatewayLedger(self.client, HOSPITAL_A), self.repository)

    def diagnoser(self, executor: ModelExecutor | None = None, ledger: Ledger | None = None) -> Diagnoser:
        """A service of its own over this world's ledger, or over `ledger`."""
        ledger = ledger or GatewayLedger(self.client, HOSPITAL_A)
        return Diagnoser(
            ledger,
            self.registry(ledger),
            executor or SumExecutor(),
            Signer(HOSPITAL_A, b"", SERVICE.sign),
            clock=lambda: self.now,
            entropy=counting(),
            pause=self._pause,
            attempts=5,
        )

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


def counting() -> Callable[[int], bytes]:
    """Different bytes at each call."""
    calls = iter(range(1, 1 << 30))
    return lambda size: next(calls).to_bytes(4, "big").rjust(size, b"\x00")[-size:]


def question(request_id: str = "r1", patient: Caller = ANN, x: float = 1.0, y: float = 2.0, **changes: Any) -> Question:
    fields: dict[str, Any] = {
        "request_id": request_id,
        "patient": patient.name,
        "model_id": "sum",
        "model_version": "",
        "measurements": (Measurement("x", (x,)), Measurement("y", (y,), "mm", "Observation/7")),
        "purpose": "TREAT",
    }
    return Question(**{**fields, **changes})
