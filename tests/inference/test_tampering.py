"""A service that lies gets no endorsement: the organisations check every field and run the model themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from chaincode.core import batch
from chaincode.core.batch import Batch
from chaincode.core.card import Card
from chaincode.core.provision import Basis
from chaincode.core.record import Consented, Record, parse
from chaincode.runtime.executor import Output
from services.common.signer import Signer
from services.inference.diagnosis import Diagnoser
from services.inference.errors import RecordRefusedError
from services.inference.ledger import GatewayLedger, RegisteredModel
from services.inference.registry import Registry
from services.ledger.proposal import Transaction
from tests.chaincode.callers import HOSPITAL_A, caller
from tests.inference.world import ANN, BEN, CLINICIAN, SERVICE, SumExecutor, World, question


class LyingExecutor(SumExecutor):
    """Answers another probability than the model's."""

    def run(self, card: Card, values: Sequence[float]) -> Output:
        honest = super().run(card, values)
        return Output(1 - honest.probability, card.label(1 - honest.probability), honest.contributions)


class InventingExecutor(SumExecutor):
    """Answers the right probability with an explanation of its own."""

    def run(self, card: Card, values: Sequence[float]) -> Output:
        honest = super().run(card, values)
        return dataclasses.replace(honest, contributions=tuple(each + 0.5 for each in honest.contributions))


class OtherModelLedger(GatewayLedger):
    """Says that another file is registered."""

    def __init__(self, world: World, sha256: str) -> None:
        super().__init__(world.client, HOSPITAL_A)
        self._sha256 = sha256

    async def model(self, model_id: str, version: str) -> RegisteredModel | None:
        found = await super().model(model_id, version)
        return found and dataclasses.replace(found, sha256=self._sha256)


class RewritingLedger(GatewayLedger):
    """Rewrites the record before it is signed anew and sent."""

    def __init__(self, world: World, rewrite: Callable[[Record], Record]) -> None:
        super().__init__(world.client, HOSPITAL_A)
        self._rewrite = rewrite

    async def endorse(self, records: Batch) -> Transaction:
        contents = [
            (self._rewrite(parse(item.record)).encode(), item.salt, item.input, item.input_salt)
            for item in records.items
        ]
        root, items = batch.arrange(contents)
        signature = SERVICE.sign(batch.statement(root, len(items)))
        return await super().endorse(Batch(root, len(items), signature, items))


async def refusal(diagnoser: Diagnoser, world: World) -> str:
    """The reason for which a record of Ann's is not endorsed; nothing is on the ledger then."""
    with pytest.raises(RecordRefusedError) as caught:
        await diagnoser.diagnose([question()], CLINICIAN)
    assert world.client.commits == []
    return caught.value.reason


async def test_a_wrong_output_is_not_endorsed(world: World) -> None:
    world.grant()
    assert await refusal(world.diagnoser(LyingExecutor()), world) == "OUTPUT_MISMATCH"


async def test_a_wrong_explanation_is_not_endorsed(world: World) -> None:
    world.grant()
    assert await refusal(world.diagnoser(InventingExecutor()), world) == "OUTPUT_MISMATCH"


async def test_another_model_file_is_not_endorsed(world: World) -> None:
    world.grant()
    other = world.install(b"another model")
    assert await refusal(world.diagnoser(ledger=OtherModelLedger(world, other)), world) == "WRONG_MODEL"


async def test_measurements_of_another_patient_are_not_endorsed(world: World) -> None:
    world.grant(ANN)
    world.grant(BEN, "c2")
    await world.diagnoser().diagnose([question("r1", ANN, x=1.5)], CLINICIAN)
    with pytest.raises(RecordRefusedError, match="REUSED_INPUT"):
        await world.diagnoser().diagnose([question("r2", BEN, x=1.5)], CLINICIAN)
    assert world.uses(BEN) == []


@pytest.mark.parametrize(
    ("rewrite", "reason"),
    [
        (lambda record: dataclasses.replace(record, request_id="r9"), "REUSED_INPUT"),
        (lambda record: dataclasses.replace(record, patient=BEN.name), "CONSENT_MISMATCH"),
        (lambda record: dataclasses.replace(record, consent=Consented(Basis.EMERGENCY)), "CONSENT_MISMATCH"),
        (
            lambda record: dataclasses.replace(
                record, requester=dataclasses.replace(record.requester, organisation="HospitalBMSP")
            ),
            "WRONG_ORGANISATION",
        ),
        (lambda record: dataclasses.replace(record, retain_until=record.ended + timedelta(days=1)), "RETENTION"),
        (
            lambda record: dataclasses.replace(
                record, answer=None, reason="no", sources=(), consent=Consented(Basis.NO_CONSENT)
            ),
            "CONSENT_MISMATCH",
        ),
    ],
    ids=["request", "patient", "basis", "organisation", "retention", "outcome"],
)
async def test_a_rewritten_record_is_not_endorsed(
    world: World, rewrite: Callable[[Record], Record], reason: str
) -> None:
    world.grant()
    assert await refusal(world.diagnoser(ledger=RewritingLedger(world, rewrite)), world) == reason


async def test_a_record_signed_by_another_key_is_not_endorsed(world: World) -> None:
    world.grant()
    ledger = GatewayLedger(world.client, HOSPITAL_A)
    stranger = caller(HOSPITAL_A, "stranger", "inference")
    registry = Registry(ledger, world.repository)
    signer = Signer(HOSPITAL_A, b"", stranger.sign)
    diagnoser = Diagnoser(ledger, registry, SumExecutor(), signer, clock=lambda: world.now)
    assert await refusal(diagnoser, world) == "BAD_SIGNATURE"
