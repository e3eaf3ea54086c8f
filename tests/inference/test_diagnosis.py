"""From a question to a committed answer, with the real contracts on a ledger in memory."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import pytest

from chaincode.core import batch, record
from chaincode.core.provision import Basis
from services.inference.errors import (
    DecisionNotFoundError,
    LedgerUnreachableError,
    OutcomeUnknownError,
    RecordInvalidError,
    RequestIdUsedError,
)
from services.inference.ledger import GatewayLedger
from services.inference.question import MAX_BATCH, Requester
from tests.chaincode.callers import HOSPITAL_A
from tests.chaincode.memory_ledger import NOON
from tests.inference.world import ANN, BEN, CLINICIAN, RacedLedger, World, question


async def test_an_answer_comes_with_its_explanation_and_its_committed_record(world: World) -> None:
    world.grant()
    (decision,) = await world.diagnoser().diagnose([question(x=1, y=2)], CLINICIAN)
    answer = decision.record.answer
    assert answer is not None
    assert answer.probability == pytest.approx(1 / (1 + math.exp(-3)))
    assert answer.label == "malignant"
    assert [(each.name, each.contribution) for each in answer.explanation] == [("x", 1), ("y", 2)]
    assert (decision.transaction_id, decision.block_number) == (world.uses()[0]["transaction_id"], world.ledger.height)
    assert record.parse(decision.body) == decision.record
    assert decision.record.sources == (("y", "Observation/7"),)


async def test_the_record_names_who_asked_and_the_consent_it_rests_on(world: World) -> None:
    world.grant()
    (decision,) = await world.diagnoser().diagnose([question()], CLINICIAN)
    asked = decision.record.requester
    assert (asked.organisation, asked.role, asked.person) == (HOSPITAL_A, "clinician", "dr-adams")
    assert (decision.record.consent.basis, decision.record.consent.id) == (Basis.CONSENT, "c1")


async def test_a_refusal_is_recorded_and_the_model_is_not_run(world: World) -> None:
    class Untouched:
        def run(self, *_: object) -> None:
            raise AssertionError

    (decision,) = await world.diagnoser(Untouched()).diagnose([question()], CLINICIAN)  # type: ignore[arg-type]
    assert decision.record.answer is None
    assert decision.record.consent.basis is Basis.NO_CONSENT
    assert "ask the patient for consent" in decision.record.reason
    assert [use["answered"] for use in world.uses()] == [False]


async def test_a_denial_is_told_apart_from_no_consent(world: World) -> None:
    world.grant(type="deny")
    (decision,) = await world.diagnoser().diagnose([question()], CLINICIAN)
    assert decision.record.answer is None
    assert decision.record.consent.basis is Basis.DENIED


async def test_emergency_access_is_answered_without_consent_and_recorded_with_its_reason(world: World) -> None:
    asked = question(purpose="ETREAT", emergency_reason="unconscious on arrival")
    (decision,) = await world.diagnoser().diagnose([asked], CLINICIAN)
    assert decision.record.answer is not None
    assert decision.record.consent.basis is Basis.EMERGENCY
    assert [use["emergency_reason"] for use in world.uses()] == ["unconscious on arrival"]


async def test_a_batch_is_one_transaction_with_refusals_among_its_results(world: World) -> None:
    world.grant(ANN)
    questions = [question("r1", ANN), question("r2", BEN, x=3), question("r3", ANN, x=4)]
    decisions = await world.diagnoser().diagnose(questions, CLINICIAN)
    assert [decision.record.request_id for decision in decisions] == ["r1", "r2", "r3"]
    assert [decision.record.outcome for decision in decisions] == ["answered", "refused", "answered"]
    assert len({decision.transaction_id for decision in decisions}) == 1
    assert world.client.commits == ["VALID"]


async def test_every_record_of_a_batch_leads_to_the_signed_root(world: World) -> None:
    world.grant()
    ledger = GatewayLedger(world.client, HOSPITAL_A)
    decisions = await world.diagnoser().diagnose([question(f"r{n}", x=n) for n in range(5)], CLINICIAN)
    found = [await ledger.recorded(HOSPITAL_A, decision.record.id) for decision in decisions]
    items = [each.item for each in found if each is not None]
    root, _ = batch.arrange([(item.record, item.salt, item.input, item.input_salt) for item in items])
    assert all(batch.is_included(item, root, 5) for item in items)


async def test_a_retry_returns_the_recorded_decision_and_records_nothing(world: World) -> None:
    world.grant()
    (first,) = await world.diagnoser().diagnose([question()], CLINICIAN)
    height = world.ledger.height
    (second,) = await world.diagnoser().diagnose([question()], CLINICIAN)
    assert (second.body, second.salt, second.transaction_id, second.block_number) == (
        first.body,
        first.salt,
        first.transaction_id,
        first.block_number,
    )
    assert world.ledger.height == height
    assert second.timing.inference == 0


async def test_a_retried_refusal_stays_a_refusal_after_consent_is_given(world: World) -> None:
    await world.diagnoser().diagnose([question()], CLINICIAN)
    world.grant()
    (again,) = await world.diagnoser().diagnose([question()], CLINICIAN)
    assert again.record.answer is None


async def test_a_retry_is_answered_although_the_model_is_suspended_meanwhile(world: World) -> None:
    world.grant()
    (first,) = await world.diagnoser().diagnose([question()], CLINICIAN)
    world.suspend()
    (again,) = await world.diagnoser().diagnose([question()], CLINICIAN)
    assert again.body == first.body


@pytest.mark.parametrize(
    "other",
    [
        question(x=5),
        question(x=math.nan),
        question(patient=BEN),
        question(model_id="other"),
        question(model_version="2"),
        question(purpose="HRESCH"),
        question(amends="0" * 32),
    ],
    ids=["input", "no number", "patient", "model", "version", "purpose", "amends"],
)
async def test_a_request_id_used_for_another_request_is_refused(world: World, other: object) -> None:
    world.grant()
    await world.diagnoser().diagnose([question()], CLINICIAN)
    with pytest.raises(RequestIdUsedError):
        await world.diagnoser().diagnose([other], CLINICIAN)  # type: ignore[list-item]


async def test_a_recorded_answer_is_not_another_clinicians(world: World) -> None:
    world.grant(actor={"organisation": HOSPITAL_A, "role": "clinician", "person": CLINICIAN.person})
    await world.diagnoser().diagnose([question()], CLINICIAN)
    with pytest.raises(RequestIdUsedError):
        await world.diagnoser().diagnose([question()], Requester(HOSPITAL_A, "clinician", "dr-brown"))


async def test_what_is_recorded_of_a_batch_is_looked_up_and_the_rest_is_made(world: World) -> None:
    world.grant()
    (first,) = await world.diagnoser().diagnose([question("r2", x=2)], CLINICIAN)
    decisions = await world.diagnoser().diagnose([question(f"r{n}", x=n) for n in (1, 2, 3)], CLINICIAN)
    assert [decision.record.request_id for decision in decisions] == ["r1", "r2", "r3"]
    assert decisions[1].body == first.body
    assert decisions[0].transaction_id == decisions[2].transaction_id != first.transaction_id


async def test_concurrent_calls_with_one_request_id_end_with_one_record_that_both_get(world: World) -> None:
    world.grant()
    calls = [world.diagnoser().diagnose([question()], CLINICIAN) for _ in range(4)]
    results = await asyncio.gather(*calls)
    assert len({decision.body for (decision,) in results}) == 1
    assert len(world.uses()) == 1


async def test_a_rival_that_commits_first_is_answered_from_its_record(world: World) -> None:
    world.grant()
    rival = world.diagnoser()
    raced = RacedLedger(world.client, lambda: rival.diagnose([question()], CLINICIAN))
    diagnoser = world.diagnoser(ledger=raced)
    (decision,) = await diagnoser.diagnose([question()], CLINICIAN)
    assert world.client.commits == ["VALID", "MVCC_READ_CONFLICT"]
    assert len(world.uses()) == 1
    assert world.uses()[0]["transaction_id"] == decision.transaction_id


async def test_a_consent_revoked_between_endorsement_and_commit_ends_as_a_recorded_refusal(world: World) -> None:
    world.grant()
    world.client.before["submit"] = world.revoke
    (decision,) = await world.diagnoser().diagnose([question()], CLINICIAN)
    assert decision.record.answer is None
    assert world.client.commits == ["MVCC_READ_CONFLICT", "VALID"]
    assert [use["answered"] for use in world.uses()] == [False]


async def test_a_consent_revoked_before_endorsement_ends_as_a_recorded_refusal(world: World) -> None:
    world.grant()
    world.client.before["endorse"] = world.revoke
    (decision,) = await world.diagnoser().diagnose([question()], CLINICIAN)
    assert decision.record.answer is None
    assert world.client.commits == ["VALID"]


async def test_a_consent_given_before_endorsement_ends_as_an_answer(world: World) -> None:
    world.client.before["endorse"] = world.grant
    (decision,) = await world.diagnoser().diagnose([question()], CLINICIAN)
    assert decision.record.answer is not None


async def test_conflicts_are_retried_with_growing_pauses_and_not_for_ever(world: World) -> None:
    world.grant()
    changes = iter(range(100))

    def conflict() -> None:
        world.grant(consent_id=f"other-{next(changes)}", purposes=["HRESCH"])
        world.client.before["submit"] = conflict

    world.client.before["submit"] = conflict
    with pytest.raises(RecordInvalidError, match="MVCC_READ_CONFLICT"):
        await world.diagnoser().diagnose([question()], CLINICIAN)
    assert world.client.commits == ["MVCC_READ_CONFLICT"] * 5
    assert len(world.pauses) == 4
    assert world.pauses == sorted(world.pauses)
    assert world.uses() == []


@pytest.mark.parametrize("step", ["evaluate", "endorse"])
async def test_an_unreachable_ledger_hands_nothing_out_and_a_retry_makes_one_record(world: World, step: str) -> None:
    world.grant()
    world.client.down.add(step)
    with pytest.raises(LedgerUnreachableError) as caught:
        await world.diagnoser().diagnose([question()], CLINICIAN)
    assert caught.value.retry_after == 0.5
    world.client.down.clear()
    await world.diagnoser().diagnose([question()], CLINICIAN)
    assert len(world.uses()) == 1


async def test_an_unknown_outcome_hands_nothing_out_and_the_retry_finds_the_record(world: World) -> None:
    world.grant()
    world.client.silent = True
    with pytest.raises(OutcomeUnknownError) as caught:
        await world.diagnoser().diagnose([question()], CLINICIAN)
    world.client.silent = False
    (decision,) = await world.diagnoser().diagnose([question()], CLINICIAN)
    assert decision.transaction_id == caught.value.metadata["transaction_id"]
    assert world.client.commits == ["VALID"]


async def test_a_transaction_that_may_not_have_been_taken_is_an_unknown_outcome(world: World) -> None:
    world.grant()
    world.client.down.add("submit")
    with pytest.raises(OutcomeUnknownError):
        await world.diagnoser().diagnose([question()], CLINICIAN)


async def test_a_recorded_decision_is_found_by_its_id(world: World) -> None:
    world.grant()
    (made,) = await world.diagnoser().diagnose([question()], CLINICIAN)
    found = await world.diagnoser().decision(made.record.id, CLINICIAN)
    assert (found.body, found.transaction_id) == (made.body, made.transaction_id)


async def test_a_decision_that_another_clinician_asked_for_is_not_found(world: World) -> None:
    world.grant()
    (made,) = await world.diagnoser().diagnose([question()], CLINICIAN)
    with pytest.raises(DecisionNotFoundError):
        await world.diagnoser().decision(made.record.id, replace(CLINICIAN, person="dr-else"))


async def test_a_decision_that_nobody_recorded_is_not_found(world: World) -> None:
    with pytest.raises(DecisionNotFoundError):
        await world.diagnoser().decision("0" * 32, CLINICIAN)


async def test_a_decision_amends_an_earlier_one_of_the_patient(world: World) -> None:
    world.grant()
    (first,) = await world.diagnoser().diagnose([question("r1")], CLINICIAN)
    (second,) = await world.diagnoser().diagnose([question("r2", x=2, amends=first.record.id)], CLINICIAN)
    assert second.record.amends == first.record.id


async def test_the_record_is_kept_as_long_as_the_card_says(world: World) -> None:
    world.grant()
    (decision,) = await world.diagnoser().diagnose([question()], CLINICIAN)
    assert decision.record.retain_until == NOON.replace(year=NOON.year + 10)


async def test_a_full_batch_is_one_transaction(world: World) -> None:
    world.grant()
    questions = [question(f"r{n}", x=n / 100) for n in range(MAX_BATCH)]
    decisions = await world.diagnoser().diagnose(questions, CLINICIAN)
    assert [decision.record.request_id for decision in decisions] == [each.request_id for each in questions]
    assert world.client.commits == ["VALID"]
