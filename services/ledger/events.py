"""What blocks tell those who follow them: the events of contracts, and blocks without their content. Pure.

A block may hold transactions that cannot be read: they are invalid, and tell nothing but their code. Here Fabric's
peers end the stream instead, so that one malformed transaction would deafen everybody who follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import (
    chaincode_event_pb2,
    events_pb2,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)
from google.protobuf.message import DecodeError

from services.ledger import blocks
from services.ledger.transactions import Code

_ENDORSED = common_pb2.HeaderType.ENDORSER_TRANSACTION


@dataclass(frozen=True)
class Told:
    """What one transaction of a block tells, valid or not: `events` are `protos.ChaincodeEvent`s, one an action."""

    channel_id: str
    transaction_id: str
    type: int
    code: int
    events: tuple[Any, ...]


class EventFilter:
    """The events of `contract` in VALID transactions, block after block; only behind transaction `after`, where one is
    named: it and what stands before it are passed over (internal/pkg/gateway/chaincodeevents.go).

    `after` is passed whether or not it was valid and had an event; where it had none, Fabric's gateway stays silent.
    """

    def __init__(self, contract: str, after: str = "") -> None:
        self._contract = contract
        self._after = after

    def of(self, block: Any) -> list[Any]:
        """The next block's `protos.ChaincodeEvent`s, in the order of the transactions."""
        found: list[Any] = []
        for each in told(block):
            if self._after:
                if each.transaction_id == self._after:
                    self._after = ""
            elif each.code == Code.VALID:
                found.extend(
                    event
                    for event in each.events
                    if event.chaincode_id == self._contract and event.event_name and event.tx_id
                )
        return found


def filtered(block: Any) -> Any:
    """The `protos.FilteredBlock` of a block (core/peer/deliverevents.go): ids, types, codes, events without payload."""
    result = events_pb2.FilteredBlock(number=block.header.number)
    for each in told(block):
        result.channel_id = each.channel_id
        transaction = result.filtered_transactions.add(
            txid=each.transaction_id, type=each.type, tx_validation_code=each.code
        )
        if each.type == _ENDORSED:
            transaction.transaction_actions.SetInParent()
        for event in each.events:
            transaction.transaction_actions.chaincode_actions.add().chaincode_event.MergeFrom(
                chaincode_event_pb2.ChaincodeEvent(
                    chaincode_id=event.chaincode_id, tx_id=event.tx_id, event_name=event.event_name
                )
            )
    return result


def told(block: Any) -> Iterator[Told]:
    """What each transaction tells whose header can be read."""
    # A block of headers alone has codes, and no transactions.
    for envelope, code in zip(block.data.data, blocks.codes(block), strict=False):
        try:
            payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
            header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        except DecodeError:
            continue
        events = tuple(_events(payload.data)) if header.type == _ENDORSED else ()
        yield Told(header.channel_id, header.tx_id, header.type, code, events)


def _events(transaction: bytes) -> Iterator[Any]:
    try:
        actions = transaction_pb2.Transaction.FromString(transaction).actions
    except DecodeError:
        return
    for action in actions:
        try:
            endorsed = transaction_pb2.ChaincodeActionPayload.FromString(action.payload).action
            response = proposal_response_pb2.ProposalResponsePayload.FromString(endorsed.proposal_response_payload)
            result = proposal_pb2.ChaincodeAction.FromString(response.extension)
            event = chaincode_event_pb2.ChaincodeEvent.FromString(result.events)
        except DecodeError:
            continue
        if event.chaincode_id:
            yield event
