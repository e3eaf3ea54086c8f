"""Events of contracts over gRPC and mutual TLS, as Fabric's gateway sends them (internal/pkg/gateway)."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio
import pytest
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.orderer import ab_pb2

from services.ledger.client import LedgerClient
from services.ledger.proposal import envelope
from tests.ledger.delivery import NEWEST, OLDEST, at
from tests.ledger.running import REGULATOR, A, Running, refusal

NEXT = ab_pb2.SeekPosition(next_commit=ab_pb2.SeekNextCommit())


def ask(client: LedgerClient, *, signature: bytes | None = None, request: bytes | None = None, **changes: Any) -> Any:
    """A stream of the events of `sample`, unless the fields of the request are others."""
    fields = {"channel_id": "salus", "chaincode_id": "sample", "identity": client.signer.serialized, **changes}
    inner = gateway_pb2.ChaincodeEventsRequest(**fields).SerializeToString() if request is None else request
    signed = gateway_pb2.SignedChaincodeEventsRequest(
        request=inner, signature=client.signer.sign(inner) if signature is None else signature
    )
    return gateway_pb2_grpc.GatewayStub(client.channel).ChaincodeEvents(signed, timeout=20)


def auditor(ledger: Running) -> LedgerClient:
    return ledger.client(REGULATOR, "audit")


async def read(stream: Any, count: int) -> list[tuple[int, str, str, bytes]]:
    """Block, contract, name and payload of the next events."""
    found: list[tuple[int, str, str, bytes]] = []
    while len(found) < count:
        response = await stream.read()
        assert response is not grpc.aio.EOF
        assert response.events
        found += [(response.block_number, each.chaincode_id, each.event_name, each.payload) for each in response.events]
    return found


async def silent(stream: Any, *, seconds: float = 0.3) -> Any:
    """A read that the stream leaves waiting."""
    waiting = asyncio.ensure_future(stream.read())
    await asyncio.sleep(seconds)
    assert not waiting.done()
    return waiting


def puts(*places: tuple[int, str]) -> list[tuple[int, str, str, bytes]]:
    """The events of transactions that put these keys, by block."""
    return [(block, "sample", "put", key.encode()) for block, key in places]


@pytest.mark.parametrize("position", [{}, {"start_position": NEXT}, {"start_position": ab_pb2.SeekPosition()}])
async def test_events_start_with_the_next_commit(ledger: Running, position: dict[str, Any]) -> None:
    client = ledger.client()
    await client.submit("sample", "Put", "before", "v")
    stream = ask(auditor(ledger), **position)
    await stream.initial_metadata()
    await client.submit("sample", "Put", "after", "v")
    assert await read(stream, 1) == puts((2, "after"))


async def test_events_start_with_the_block_that_is_named_and_go_on(ledger: Running) -> None:
    client = ledger.client()
    for key in "abc":
        await client.submit("sample", "Put", key, "v")
    stream = ask(auditor(ledger), start_position=at(2))
    assert await read(stream, 2) == puts((2, "b"), (3, "c"))
    await client.submit("sample", "Put", "d", "v")
    assert await read(stream, 1) == puts((4, "d"))


async def test_a_start_to_come_is_waited_for(ledger: Running) -> None:
    client = ledger.client()
    stream = ask(auditor(ledger), start_position=at(2))
    await stream.initial_metadata()
    await client.submit("sample", "Put", "a", "v")
    await client.submit("sample", "Put", "b", "v")
    assert await read(stream, 1) == puts((2, "b"))


async def test_an_event_has_the_id_of_its_transaction(ledger: Running) -> None:
    committed = await ledger.client().submit("sample", "Put", "a", "v")
    response = await ask(auditor(ledger), start_position=at(1)).read()
    assert [each.tx_id for each in response.events] == [committed.transaction_id]


async def test_only_blocks_with_the_contracts_events_are_sent(ledger: Running) -> None:
    client = ledger.client()
    await client.submit("sample", "Increment", "no-event")
    await client.submit("other", "Put", "another-contract", "v")
    await client.submit("sample", "Put", "a", "v")
    assert await read(ask(auditor(ledger), start_position=at(0)), 1) == puts((3, "a"))
    assert (await read(ask(auditor(ledger), start_position=at(0), chaincode_id="other"), 1))[0][0] == 2
    await silent(ask(auditor(ledger), start_position=at(0), chaincode_id="absent"))


async def test_invalid_transactions_have_no_events(ledger: Running) -> None:
    client = ledger.client()
    lone = await client.endorse(client.propose("sample", "Put", "lone", "v"), organisations=(A,))
    await client.submit_transaction(lone)
    assert (await client.commit_status(lone.transaction_id))[0] == "ENDORSEMENT_POLICY_FAILURE"
    await client.submit("sample", "Put", "a", "v")
    assert await read(ask(auditor(ledger), start_position=at(0)), 1) == puts((2, "a"))


# After a transaction


async def test_events_resume_after_a_transaction_whatever_the_start(ledger: Running) -> None:
    """Fabric: "uses block containing specified transaction instead of start block"."""
    client = ledger.client()
    ids = [(await client.submit("sample", "Put", key, "v")).transaction_id for key in "abc"]
    for start in ({}, {"start_position": at(0)}, {"start_position": at(3)}):
        stream = ask(auditor(ledger), after_transaction_id=ids[0], **start)
        assert await read(stream, 2) == puts((2, "b"), (3, "c"))


async def test_events_resume_within_a_block(ledger: Running) -> None:
    """Whoever has dealt with the first event of a block gets the others, and none twice."""
    client = ledger.client()
    keys = [f"k{number}" for number in range(12)]
    endorsed = [await client.endorse(client.propose("sample", "Put", key, "v")) for key in keys]
    for each in endorsed:
        # Past the gateway, so that all wait by the time that the first block is durable.
        signed = envelope(each.payload, client.signer.sign(each.payload))
        ledger.node.orderer.order(signed.SerializeToString())
    stream = ask(auditor(ledger), start_position=at(0))
    whole: list[tuple[str, bytes]] = []
    while len(whole) < len(keys):
        whole += [(each.tx_id, each.payload) for each in (await stream.read()).events]
    assert [key.decode() for _, key in whole] == keys
    assert ledger.node.height < len(keys), "every block had one transaction: nothing was tested"
    for place, (transaction_id, _) in enumerate(whole[:-1]):
        rest = whole[place + 1 :]
        resumed = await read(ask(auditor(ledger), after_transaction_id=transaction_id), len(rest))
        assert [payload for *_, payload in resumed] == [payload for _, payload in rest]


async def test_events_resume_after_a_transaction_of_another_contract(ledger: Running) -> None:
    """Fabric: "identifies specified transaction if from different chaincode"."""
    client = ledger.client()
    await client.submit("sample", "Put", "a", "v")
    other = await client.submit("other", "Put", "b", "v")
    await client.submit("sample", "Put", "c", "v")
    stream = ask(auditor(ledger), after_transaction_id=other.transaction_id)
    assert await read(stream, 1) == puts((3, "c"))


async def test_events_resume_after_a_transaction_without_event(ledger: Running) -> None:
    client = ledger.client()
    mute = await client.submit("sample", "Increment", "n")
    await client.submit("sample", "Put", "a", "v")
    assert await read(ask(auditor(ledger), after_transaction_id=mute.transaction_id), 1) == puts((2, "a"))


async def test_events_wait_for_a_transaction_that_is_not_committed(ledger: Running) -> None:
    """Fabric: "uses start block if specified transaction not found"; what comes before it is skipped."""
    client = ledger.client()
    await client.submit("sample", "Put", "a", "v")
    later = await client.endorse(client.propose("sample", "Put", "b", "v"))
    stream = ask(auditor(ledger), after_transaction_id=later.transaction_id, start_position=at(1))
    waiting = await silent(stream)
    await client.submit_transaction(later)
    await client.commit_status(later.transaction_id)
    await client.submit("sample", "Put", "c", "v")
    assert [each.payload for each in (await waiting).events] == [b"c"]


# Refusals


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"request": b""}, "INVALID_ARGUMENT", "a chaincode events request is required"),
        ({"request": b"\xff\xff"}, "INVALID_ARGUMENT", "invalid chaincode events request"),
        ({"channel_id": ""}, "PERMISSION_DENIED", "Invalid channel ID name during check policy on signed data."),
        ({"channel_id": "other"}, "PERMISSION_DENIED", "Failed to get policy manager for channel [other]"),
        ({"identity": b""}, "PERMISSION_DENIED", "access denied: MSP  is unknown"),
        ({"identity": b"\xff"}, "PERMISSION_DENIED", "access denied: this is no serialised identity"),
        ({"signature": b"no signature"}, "PERMISSION_DENIED", "access denied: invalid signature of a member of"),
        (
            {"start_position": OLDEST},
            "INVALID_ARGUMENT",
            "invalid start position type: *orderer.SeekPosition_Oldest",
        ),
        (
            {"start_position": NEWEST},
            "INVALID_ARGUMENT",
            "invalid start position type: *orderer.SeekPosition_Newest",
        ),
    ],
)
async def test_events_are_refused_as_fabric_does(
    ledger: Running, changes: dict[str, Any], code: str, text: str
) -> None:
    refused = await refusal(ask(auditor(ledger), **changes).read())
    assert refused.code == code
    assert refused.message.startswith(text)


async def test_events_go_to_those_who_audit(ledger: Running) -> None:
    assert (await refusal(ask(ledger.client()).read())).code == "PERMISSION_DENIED"


async def test_a_revocation_ends_events(ledger: Running) -> None:
    """Of who signed the request, while the connection's certificate still holds."""
    folder = ledger.organisations.enrol(REGULATOR, "trainee")
    trainee = LedgerClient(ledger.channel(REGULATOR, "audit"), ledger.organisations.signer(REGULATOR, "trainee"))
    stream = ask(trainee)
    await stream.initial_metadata()
    waiting = asyncio.ensure_future(refusal(read(stream, 10_000)))
    ledger.organisations.revoke(REGULATOR, folder)
    client = ledger.client()
    async with asyncio.timeout(15):
        while not waiting.done():
            await client.submit("sample", "Increment", "n")
    refused = await waiting
    assert refused.code == "PERMISSION_DENIED"
    assert refused.message == "access denied: certificate of RegulatorMSP is revoked"


async def test_a_ledger_that_stops_says_so(ledger: Running) -> None:
    stream = ask(auditor(ledger))
    await stream.initial_metadata()
    ledger.feed.end_tails()
    refused = await refusal(stream.read())
    assert (refused.code, refused.message) == ("UNAVAILABLE", "the ledger is stopping")
