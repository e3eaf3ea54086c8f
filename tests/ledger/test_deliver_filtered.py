"""Filtered blocks as Fabric's peers deliver them (core/peer/deliverevents.go)."""

from __future__ import annotations

import asyncio
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_event_pb2, events_pb2, transaction_pb2

from services.ledger.client import LedgerClient
from services.ledger.proposal import Transaction
from services.ledger.transactions import Code
from tests.ledger.delivery import UNTIL_READY, Stream, at, seek
from tests.ledger.running import A, Running, refusal

HEADERS = ab_pb2.SeekInfo.SeekContentType.HEADER_WITH_SIG


def stream(ledger: Running) -> Stream:
    return Stream(ledger, method="DeliverFiltered")


async def filtered(ledger: Running, number: int) -> Any:
    return (await stream(ledger).get(number)).filtered_block


async def commit(client: LedgerClient, transaction: Transaction) -> str:
    """The name of its code."""
    await client.submit_transaction(transaction)
    return (await client.commit_status(transaction.transaction_id))[0]


def told(transaction_id: str, code: int, *events: Any) -> Any:
    actions = [events_pb2.FilteredChaincodeAction(chaincode_event=each) for each in events]
    return events_pb2.FilteredTransaction(
        txid=transaction_id,
        type=common_pb2.HeaderType.ENDORSER_TRANSACTION,
        tx_validation_code=code,
        transaction_actions=events_pb2.FilteredTransactionActions(chaincode_actions=actions),
    )


async def test_a_filtered_block_has_ids_codes_and_events_without_payload(ledger: Running) -> None:
    committed = await ledger.client().submit("sample", "Put", "k", "v")
    event = chaincode_event_pb2.ChaincodeEvent(chaincode_id="sample", tx_id=committed.transaction_id, event_name="put")
    assert await filtered(ledger, 1) == events_pb2.FilteredBlock(
        channel_id="salus", number=1, filtered_transactions=[told(committed.transaction_id, Code.VALID, event)]
    )


async def test_a_transaction_without_event_has_no_action(ledger: Running) -> None:
    committed = await ledger.client().submit("sample", "Increment", "n")
    assert list((await filtered(ledger, 1)).filtered_transactions) == [told(committed.transaction_id, Code.VALID)]


async def test_an_invalid_transaction_is_there_with_its_code_and_event(ledger: Running) -> None:
    client = ledger.client()
    lone = await client.endorse(client.propose("sample", "Put", "k", "v"), organisations=(A,))
    assert await commit(client, lone) == "ENDORSEMENT_POLICY_FAILURE"
    (found,) = (await filtered(ledger, 1)).filtered_transactions
    event = chaincode_event_pb2.ChaincodeEvent(chaincode_id="sample", tx_id=lone.transaction_id, event_name="put")
    assert found == told(lone.transaction_id, Code.ENDORSEMENT_POLICY_FAILURE, event)


async def test_the_configuration_is_a_transaction_without_actions(ledger: Running) -> None:
    found = await filtered(ledger, 0)
    assert (found.channel_id, found.number) == ("salus", 0)
    (config,) = found.filtered_transactions
    assert (config.type, config.tx_validation_code) == (common_pb2.HeaderType.CONFIG, Code.VALID)
    assert config.WhichOneof("Data") is None


async def test_a_transaction_that_cannot_be_read_does_not_end_the_stream(ledger: Running) -> None:
    """Fabric answers BAD_REQUEST for such a block: anybody could end everybody's stream for good."""
    client = ledger.client()
    endorsed = await client.endorse(client.propose("sample", "Put", "k", "v"))
    payload = common_pb2.Payload.FromString(endorsed.payload)
    hollow = transaction_pb2.Transaction(actions=[transaction_pb2.TransactionAction(payload=b"\xff")])
    for data in (b"\xff\xff", hollow.SerializeToString()):
        payload.data = data
        broken = Transaction(endorsed.transaction_id, payload.SerializeToString(), b"")
        assert await commit(client, broken) != "VALID"
    for number in (1, 2):
        (found,) = (await filtered(ledger, number)).filtered_transactions
        assert found == told(endorsed.transaction_id, Code.INVALID_ENDORSER_TRANSACTION)


async def test_headers_alone_have_no_transactions(ledger: Running) -> None:
    await ledger.client().submit("sample", "Put", "k", "v")
    opened = stream(ledger)
    await opened.call.write(seek(opened.signer, at(1), at(1), content_type=HEADERS))
    assert (await opened.call.read()).filtered_block == events_pb2.FilteredBlock(number=1)


async def test_filtered_blocks_to_come_are_delivered_as_they_are_committed(ledger: Running) -> None:
    opened = stream(ledger)
    await opened.call.write(seek(opened.signer, at(1), at(2), behavior=UNTIL_READY))
    waiting = asyncio.ensure_future(opened.call.read())
    client = ledger.client()
    await client.submit("sample", "Put", "a", "v")
    assert (await waiting).filtered_block.number == 1
    await client.submit("sample", "Put", "b", "v")
    assert (await opened.call.read()).filtered_block.number == 2
    assert (await opened.call.read()).status == common_pb2.Status.SUCCESS


async def test_requests_for_filtered_blocks_are_checked(ledger: Running) -> None:
    opened = stream(ledger)
    assert await opened.ask(seek(opened.signer, at(0), at(0), signature=b"none")) == ["FORBIDDEN"]


async def test_filtered_blocks_go_to_those_who_audit(ledger: Running) -> None:
    refused = await refusal(Stream(ledger, A, "member", "DeliverFiltered").call.read())
    assert refused.code == "PERMISSION_DENIED"
