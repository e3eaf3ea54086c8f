"""What services use of the ledger: one error a phase, reasons of contracts, keys that are held elsewhere."""

from __future__ import annotations

import asyncio

import pytest

from services.common import tls
from services.common.signer import Signer
from services.ledger import proposal as proposals
from services.ledger.client import (
    ChaincodeEvent,
    CommitError,
    CommitStatusError,
    Deadlines,
    EndorseError,
    EvaluateError,
    LedgerClient,
    LedgerError,
    LedgerUnavailableError,
    SubmitError,
)
from services.ledger.orderer import OrdererLimits
from tests.ledger.running import REGULATOR, A, Running, running
from tests.organisations import Organisations


def _no_key(message: bytes) -> bytes:
    raise AssertionError("the client must not sign with this identity")


async def test_submit_returns_when_the_transaction_is_committed(ledger: Running) -> None:
    client = ledger.client()
    committed = await client.submit("sample", "Increment", "n")
    assert (committed.result, committed.block_number) == (b"1", 1)
    assert await client.commit_status(committed.transaction_id) == ("VALID", 1)
    assert await client.evaluate("sample", "Get", "n") == b"1"


async def test_a_contracts_refusal_has_reason_and_message(ledger: Running) -> None:
    client = ledger.client()
    await client.submit("sample", "Create", "k", "v")
    with pytest.raises(EndorseError) as endorsing:
        await client.submit("sample", "Create", "k", "v")
    assert (endorsing.value.reason, endorsing.value.message) == ("ALREADY_EXISTS", "the key is taken")
    with pytest.raises(EvaluateError) as evaluating:
        await client.evaluate("sample", "Create", "k", "v")
    assert (evaluating.value.reason, evaluating.value.message) == ("ALREADY_EXISTS", "the key is taken")


async def test_a_ledgers_refusal_has_no_reason(ledger: Running) -> None:
    with pytest.raises(EndorseError, match="no metadata was found for chaincode absent") as caught:
        await ledger.client().submit("absent", "Get")
    assert caught.value.reason == ""


async def test_somebody_elses_transaction_is_signed_elsewhere(ledger: Running) -> None:
    """A service drafts and forwards; the holder of the key signs twice; the service never could."""
    holder = ledger.organisations.signer(A, "member")
    service = ledger.client(REGULATOR, "audit")
    draft = proposals.draft_proposal(
        "salus",
        holder.serialized,
        "sample",
        "PutPrivate",
        ["everyone", "k"],
        {"value": b"mine"},
        service.entropy(proposals.NONCE_BYTES),
        service.clock(),
    )
    signed_elsewhere = holder.sign(draft.payload)
    transaction = await service.endorse(proposals.parse_proposal(draft.payload), signed_elsewhere)
    assert transaction.transaction_id == draft.transaction_id
    await service.submit_transaction(transaction, holder.sign(transaction.payload))
    assert (await service.commit_status(transaction.transaction_id))[0] == "VALID"
    assert await service.evaluate("sample", "GetPrivate", "everyone", "k") == b"mine"


async def test_the_signer_signs_only_where_no_signature_is_given(ledger: Running) -> None:
    holder = ledger.organisations.signer(A, "member")
    keyless = LedgerClient(ledger.channel(A, "member"), Signer(A, holder.certificate_pem, _no_key))
    proposal = keyless.propose("sample", "Put", "k", "v")
    transaction = await keyless.endorse(proposal, holder.sign(proposal.payload))
    await keyless.submit_transaction(transaction, holder.sign(transaction.payload))
    assert (await ledger.client().commit_status(transaction.transaction_id))[0] == "VALID"


async def test_an_invalid_transaction_is_a_commit_error_with_fabrics_code(ledger: Running) -> None:
    with pytest.raises(CommitError) as caught:
        await ledger.client().submit("sample", "Put", "k", "v", organisations=[A])
    assert (caught.value.code, caught.value.block_number) == ("ENDORSEMENT_POLICY_FAILURE", 1)
    assert caught.value.transaction_id in str(caught.value)


async def test_a_refused_submission_is_a_submit_error(ledger: Running) -> None:
    client = ledger.client()
    transaction = await client.endorse(client.propose("sample", "Put", "k", "v"))
    with pytest.raises(SubmitError, match="permission denied"):
        await client.submit_transaction(transaction, b"no signature")


async def test_an_outcome_that_is_not_known_in_time_is_a_commit_status_error(ledger: Running) -> None:
    with pytest.raises(CommitStatusError):
        await ledger.client().commit_status("ab" * 32, deadline=0.1)


async def test_a_ledger_that_is_not_there_is_unavailable(organisations: Organisations) -> None:
    async with running(organisations) as ledger:
        address = ledger.address
    folder = organisations.root / "organisations" / A / "member"
    async with tls.connect(address, folder, organisations.tls_roots) as channel:
        client = LedgerClient(channel, organisations.signer(A, "member"))
        with pytest.raises(LedgerUnavailableError):
            await client.submit("sample", "Put", "k", "v")
        with pytest.raises(LedgerUnavailableError):
            await client.commit_status("ab" * 32)
        with pytest.raises(LedgerUnavailableError):
            async for _ in client.blocks():
                pass


async def test_a_ledger_at_its_limits_is_unavailable_for_a_while(organisations: Organisations) -> None:
    async with running(organisations, limits=OrdererLimits(queue=0)) as ledger:
        with pytest.raises(LedgerUnavailableError) as caught:
            await ledger.client().submit("sample", "Put", "k", "v")
        assert caught.value.retry_after == 1.0


async def test_a_ledger_that_does_not_answer_in_time_is_unavailable(ledger: Running) -> None:
    client = ledger.client()
    hurried = LedgerClient(client.channel, client.signer, deadlines=Deadlines(evaluate=0.0))
    with pytest.raises(LedgerUnavailableError, match="did not answer in time"):
        await hurried.evaluate("sample", "Get", "k")


async def test_blocks_are_followed_to_a_stop(ledger: Running) -> None:
    client, auditor = ledger.client(), ledger.client(REGULATOR, "audit")
    for number in range(3):
        await client.submit("sample", "Put", f"k{number}", "v")
    assert [block.header.number async for block in auditor.blocks(1, 2)] == [1, 2]


async def test_blocks_need_a_role(ledger: Running) -> None:
    with pytest.raises(LedgerError, match="role"):
        async for _ in ledger.client().blocks():
            pass


async def test_events_are_followed_and_taken_up_where_one_has_stopped(ledger: Running) -> None:
    client, auditor = ledger.client(), ledger.client(REGULATOR, "audit")
    ids = [(await client.submit("sample", "Put", key, "v")).transaction_id for key in "abc"]
    events = auditor.chaincode_events("sample", start=1)
    first = await anext(events)
    assert first == ChaincodeEvent(1, ids[0], "sample", "put", b"a")
    resumed = auditor.chaincode_events("sample", after=first.transaction_id)
    async with asyncio.timeout(15):
        assert [await anext(resumed) for _ in range(2)] == [
            ChaincodeEvent(2, ids[1], "sample", "put", b"b"),
            ChaincodeEvent(3, ids[2], "sample", "put", b"c"),
        ]


async def test_events_start_with_what_is_to_come(ledger: Running) -> None:
    client = ledger.client()
    await client.submit("sample", "Put", "before", "v")
    waiting = asyncio.ensure_future(anext(ledger.client(REGULATOR, "audit").chaincode_events("sample")))
    async with asyncio.timeout(15):
        while not waiting.done():
            await client.submit("sample", "Put", "after", "v")
    assert (await waiting).payload == b"after"


async def test_events_need_a_role(ledger: Running) -> None:
    with pytest.raises(LedgerError, match="role"):
        await anext(ledger.client().chaincode_events("sample"))


async def test_events_of_a_ledger_that_stops_end_as_unavailable(ledger: Running) -> None:
    waiting = asyncio.ensure_future(anext(ledger.client(REGULATOR, "audit").chaincode_events("sample", start=9)))
    await asyncio.sleep(0.1)
    ledger.feed.end_tails()
    with pytest.raises(LedgerUnavailableError, match="the ledger is stopping"):
        await waiting
