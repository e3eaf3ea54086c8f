"""What happens between the steps, and a service that lies, before a ledger whose organisations each endorse."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import grpc

from chaincode.core.card import Card
from chaincode.runtime.executor import OnnxExecutor, Output
from services.inference.errors import OutcomeUnknownError
from services.inference.ledger import GatewayLedger, RegisteredModel
from tests.chaincode.callers import HOSPITAL_A
from tests.inference.site import ANN, BEN, Site, request
from tests.inference.test_service import failure, uses
from tests.inference.world import RacedLedger

Code = grpc.StatusCode


class LyingExecutor(OnnxExecutor):
    """Answers the opposite."""

    def run(self, card: Card, values: Sequence[float]) -> Output:
        honest = super().run(card, values)
        return dataclasses.replace(honest, probability=1 - honest.probability, label=card.label(1 - honest.probability))


class OtherModelLedger(GatewayLedger):
    """Says that the file of another card is registered."""

    async def model(self, model_id: str, version: str) -> RegisteredModel | None:
        found = await super().model(model_id, version)
        return found and dataclasses.replace(found, card_sha256="0" * 64)


class DeafLedger(GatewayLedger):
    """Submits, and does not hear of the outcome."""

    async def outcome(self, transaction_id: str) -> tuple[str, int]:
        await super().outcome(transaction_id)
        raise OutcomeUnknownError(transaction_id, 1.0)


async def test_a_consent_revoked_between_endorsement_and_commit_ends_as_a_recorded_refusal(site: Site) -> None:
    patient = await site.grant()
    raced = RacedLedger(
        site.client("inference", "inference"), lambda: patient.submit("consent", "Revoke", f"consent-{ANN[:8]}")
    )
    await site.serve(raced)
    denied = await failure(site.stub().Diagnose(request()))
    assert (denied.code, denied.reason) == (Code.PERMISSION_DENIED, "NO_CONSENT")
    assert [use["answered"] for use in await uses(patient)] == [False]


async def test_a_model_suspended_between_endorsement_and_commit_is_not_answered_with(site: Site) -> None:
    patient = await site.grant()
    owner = site.client("owner-c", "owner")
    raced = RacedLedger(
        site.client("inference", "inference"),
        lambda: owner.submit("models", "Suspend", "breast-cancer", "1.0.0", "drift"),
    )
    await site.serve(raced)
    refused = await failure(site.stub().Diagnose(request()))
    assert (refused.code, refused.reason) == (Code.FAILED_PRECONDITION, "MODEL_NOT_DEPLOYED")
    assert await uses(patient) == []


async def test_an_unknown_outcome_hands_nothing_out_and_the_retry_finds_the_record(site: Site) -> None:
    patient = await site.grant()
    await site.serve(DeafLedger(site.client("inference", "inference"), HOSPITAL_A))
    failed = await failure(site.stub().Diagnose(request()))
    assert (failed.code, failed.reason) == (Code.UNAVAILABLE, "OUTCOME_UNKNOWN")
    assert failed.retry_after is not None
    await site.serve()
    decision = (await site.stub().Diagnose(request())).decision
    assert [use["transaction_id"] for use in await uses(patient)] == [decision.transaction_id]


async def test_a_wrong_output_is_not_endorsed(site: Site) -> None:
    patient = await site.grant()
    await site.serve(executor=LyingExecutor(site.repository))
    refused = await failure(site.stub().Diagnose(request()))
    assert (refused.code, refused.reason) == (Code.ABORTED, "OUTPUT_MISMATCH")
    assert await uses(patient) == []


async def test_another_model_is_not_endorsed(site: Site) -> None:
    patient = await site.grant()
    await site.serve(OtherModelLedger(site.client("inference", "inference"), HOSPITAL_A))
    refused = await failure(site.stub().Diagnose(request()))
    assert (refused.code, refused.reason) == (Code.ABORTED, "WRONG_MODEL")
    assert await uses(patient) == []


async def test_measurements_of_another_patient_are_not_endorsed(site: Site) -> None:
    await site.grant(ANN)
    await site.grant(BEN)
    await site.serve()
    stub = site.stub()
    await stub.Diagnose(request("r1", ANN, row=0))
    refused = await failure(stub.Diagnose(request("r2", BEN, row=0)))
    assert (refused.code, refused.reason) == (Code.ABORTED, "REUSED_INPUT")


async def test_a_refused_record_tells_nothing_of_the_patient(site: Site) -> None:
    await site.grant()
    await site.serve(executor=LyingExecutor(site.repository))
    refused = await failure(site.stub().Diagnose(request("request-7")))
    said = f"{refused.message} {refused.metadata} {refused.violations}"
    assert not any(secret in said for secret in (ANN, "request-7", "13.87"))


async def test_emergency_access_is_answered_and_shown_to_the_patient_with_its_reason(site: Site) -> None:
    patient = site.client(ANN, "patient")
    await site.serve()
    asked = request(purpose="ETREAT", emergency_reason="unconscious on arrival")
    assert (await site.stub().Diagnose(asked)).decision.label
    assert [(use["basis"], use["emergency_reason"]) for use in await uses(patient)] == [
        ("emergency", "unconscious on arrival")
    ]
