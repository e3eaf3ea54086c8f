"""An inference service that lies, and one that is overtaken: what the story shows that endorsement holds against.

Each is the service's own `Diagnoser`, with its real identity and a real ledger, in which one part is replaced by one
that misbehaves. Nothing in the services or contracts knows of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaincode.core.card import Card
from chaincode.core.provision import Use, Verdict
from chaincode.runtime.executor import ModelRepository, OnnxExecutor, Output
from services.common.signer import Signer
from services.inference.diagnosis import Diagnoser
from services.inference.ledger import GatewayLedger, Ledger, Recorded, RegisteredModel
from services.inference.registry import Registry
from services.ledger.client import LedgerClient
from services.ledger.proposal import Transaction


class Invert:
    """Runs the right model and reports the opposite of what it said."""

    def __init__(self, honest: OnnxExecutor) -> None:
        self._honest = honest

    def run(self, card: Card, values: Sequence[float]) -> Output:
        output = self._honest.run(card, values)
        probability = 1 - output.probability
        return Output(probability, card.label(probability), tuple(-each for each in output.contributions))


class Passing:
    """A ledger that passes every call on; the others change one."""

    def __init__(self, inner: Ledger) -> None:
        self.inner = inner

    async def model(self, model_id: str, version: str) -> RegisteredModel | None:
        return await self.inner.model(model_id, version)

    async def models(self) -> list[RegisteredModel]:
        return await self.inner.models()

    async def consent(self, patient: str, use: Use) -> Verdict:
        return await self.inner.consent(patient, use)

    async def recorded(self, organisation: str, decision_id: str) -> Recorded | None:
        return await self.inner.recorded(organisation, decision_id)

    async def endorse(self, records: Any) -> Transaction:
        return await self.inner.endorse(records)

    async def submit(self, transaction: Transaction) -> None:
        await self.inner.submit(transaction)

    async def outcome(self, transaction_id: str) -> tuple[str, int]:
        return await self.inner.outcome(transaction_id)


class AnotherModel(Passing):
    """Answers with a model file that nobody registered, under the registered one's name."""

    def __init__(self, inner: Ledger, sha256: str) -> None:
        super().__init__(inner)
        self._sha256 = sha256

    async def model(self, model_id: str, version: str) -> RegisteredModel | None:
        model = await self.inner.model(model_id, version)
        return replace(model, sha256=self._sha256) if model else None


class Overtaken(Passing):
    """Does something else between the first endorsement and its submission, and remembers each outcome."""

    def __init__(self, inner: Ledger, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__(inner)
        self._meanwhile: Callable[[], Awaitable[object]] | None = meanwhile
        self.outcomes: list[str] = []

    async def submit(self, transaction: Transaction) -> None:
        if self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            await meanwhile()
        await self.inner.submit(transaction)

    async def outcome(self, transaction_id: str) -> tuple[str, int]:
        code, block_number = await self.inner.outcome(transaction_id)
        self.outcomes.append(code)
        return code, block_number


class Workshop:
    """Builds such services from the real one's identity and models."""

    def __init__(self, client: LedgerClient, signer: Signer, models: Path) -> None:
        self.ledger = GatewayLedger(client, signer.msp_id)
        self._signer = signer
        self._repository = ModelRepository(models)
        self._executor = OnnxExecutor(self._repository)

    def inverting(self) -> Diagnoser:
        """Reports wrong outputs."""
        return self._diagnoser(self.ledger, Invert(self._executor))

    def with_another_model(self, folder: Path, model: Path) -> Diagnoser:
        """Names, and runs, a changed copy of the model file `model`, made in `folder`."""
        changed = folder / "another.onnx"
        changed.write_bytes(model.read_bytes() + b"\n")
        repository = ModelRepository(folder)
        ledger = AnotherModel(self.ledger, repository.install(changed))
        return self._diagnoser(ledger, self._executor, repository)

    def over(self, ledger: Ledger) -> Diagnoser:
        """An honest service over this ledger."""
        return self._diagnoser(ledger, self._executor)

    def _diagnoser(self, ledger: Ledger, executor: Any, repository: ModelRepository | None = None) -> Diagnoser:
        return Diagnoser(ledger, Registry(ledger, repository or self._repository), executor, self._signer)
