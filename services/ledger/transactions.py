"""Takes the transactions of a block apart, with Fabric's validation code for what is malformed. Pure.

Two steps, since the creator's signature is checked between them: `parse_header`, then `parse_action`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_event_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.message import DecodeError, Message

from services.ledger import rwset
from services.ledger.rwset import NamespaceSet, RwsetError

Code = transaction_pb2.TxValidationCode
_TYPES = common_pb2.HeaderType


class InvalidTransactionError(Exception):
    """The transaction is invalid. `code` is its `protos.TxValidationCode`, the text is for logs: no content."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(f"{Code.Name(code)}: {what}")
        self.code = code


@dataclass(frozen=True)
class TransactionHeader:
    """Who sent what kind of transaction. `payload` are the bytes that `signature` signs."""

    type: int
    channel_id: str
    transaction_id: str
    timestamp: datetime
    creator: bytes
    nonce: bytes
    extension: bytes
    channel_header: bytes
    payload: bytes
    signature: bytes
    data: bytes

    @property
    def id_holds(self) -> bool:
        """Whether the id is the hash of nonce and creator, as it must be."""
        return self.transaction_id == hashlib.sha256(self.nonce + self.creator).hexdigest()


@dataclass(frozen=True)
class Endorsement:
    """An endorser's serialised identity, its signature, and the bytes that it signs."""

    endorser: bytes
    signature: bytes
    message: bytes


@dataclass(frozen=True)
class Action:
    """What an endorsed transaction does."""

    contract: str
    version: str
    namespaces: tuple[NamespaceSet, ...]
    endorsements: tuple[Endorsement, ...]
    event: bytes


def parse_header(envelope: bytes) -> TransactionHeader:
    """The first step, of a serialised `common.Envelope`. Raises InvalidTransactionError."""
    if not envelope:
        raise InvalidTransactionError(Code.NIL_ENVELOPE, "the envelope is empty")
    outer = _message(common_pb2.Envelope, envelope, Code.INVALID_OTHER_REASON, "Envelope")
    payload = _message(common_pb2.Payload, outer.payload, Code.BAD_PAYLOAD, "Payload")
    bad = Code.BAD_COMMON_HEADER
    if not payload.HasField("header"):
        raise InvalidTransactionError(bad, "there is no header")
    channel = _message(common_pb2.ChannelHeader, payload.header.channel_header, bad, "ChannelHeader")
    signature = _message(common_pb2.SignatureHeader, payload.header.signature_header, bad, "SignatureHeader")
    if channel.type not in (_TYPES.ENDORSER_TRANSACTION, _TYPES.CONFIG_UPDATE, _TYPES.CONFIG):
        raise InvalidTransactionError(bad, "the header's type is invalid")
    if channel.epoch != 0:
        raise InvalidTransactionError(bad, "the epoch is not 0")
    if not signature.nonce or not signature.creator:
        raise InvalidTransactionError(bad, "nonce or creator is missing")
    try:
        timestamp = channel.timestamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidTransactionError(bad, "the timestamp is out of range") from None
    return TransactionHeader(
        type=channel.type,
        channel_id=channel.channel_id,
        transaction_id=channel.tx_id,
        timestamp=timestamp,
        creator=signature.creator,
        nonce=signature.nonce,
        extension=channel.extension,
        channel_header=payload.header.channel_header,
        payload=outer.payload,
        signature=outer.signature,
        data=payload.data,
    )


def parse_action(header: TransactionHeader) -> Action:
    """The second step, of an endorsed transaction. Raises InvalidTransactionError."""
    action, signature_header = _endorsed_action(header)
    endorsed = action.action
    response = _message(
        proposal_response_pb2.ProposalResponsePayload,
        endorsed.proposal_response_payload,
        Code.INVALID_ENDORSER_TRANSACTION,
        "ProposalResponsePayload",
    )
    proposal = header.channel_header + signature_header + action.chaincode_proposal_payload
    if response.proposal_hash != hashlib.sha256(proposal).digest():
        raise InvalidTransactionError(Code.INVALID_ENDORSER_TRANSACTION, "the proposal hash does not match")

    extension = _message(
        proposal_pb2.ChaincodeHeaderExtension, header.extension, Code.BAD_HEADER_EXTENSION, "ChaincodeHeaderExtension"
    )
    result = _message(proposal_pb2.ChaincodeAction, response.extension, Code.BAD_RESPONSE_PAYLOAD, "ChaincodeAction")
    try:
        namespaces = rwset.parse(result.results)
    except RwsetError as error:
        raise InvalidTransactionError(Code.BAD_RWSET, str(error)) from None
    _check_contract(extension, result)
    if len({each.name for each in namespaces}) != len(namespaces):
        raise InvalidTransactionError(Code.ILLEGAL_WRITESET, "a namespace is there twice")
    return Action(
        contract=result.chaincode_id.name,
        version=result.chaincode_id.version,
        namespaces=namespaces,
        endorsements=tuple(
            Endorsement(each.endorser, each.signature, endorsed.proposal_response_payload + each.endorser)
            for each in endorsed.endorsements
        ),
        event=result.events,
    )


def _endorsed_action(header: TransactionHeader) -> tuple[Any, bytes]:
    bad = Code.INVALID_ENDORSER_TRANSACTION
    transaction = _message(transaction_pb2.Transaction, header.data, bad, "Transaction")
    if len(transaction.actions) != 1:
        raise InvalidTransactionError(bad, "a transaction has one action")
    action = transaction.actions[0]
    signature = _message(common_pb2.SignatureHeader, action.header, bad, "SignatureHeader")
    if not signature.nonce or not signature.creator:
        raise InvalidTransactionError(bad, "nonce or creator of the action is missing")
    payload = _message(transaction_pb2.ChaincodeActionPayload, action.payload, bad, "ChaincodeActionPayload")
    if not payload.HasField("action"):
        raise InvalidTransactionError(bad, "the action is empty")
    return payload, action.header


def _check_contract(extension: Any, result: Any) -> None:
    if not extension.HasField("chaincode_id") or not result.HasField("chaincode_id"):
        raise InvalidTransactionError(Code.INVALID_OTHER_REASON, "no contract is named")
    name, version = result.chaincode_id.name, result.chaincode_id.version
    if not extension.chaincode_id.name or extension.chaincode_id.name != name or not version:
        raise InvalidTransactionError(Code.INVALID_CHAINCODE, "name or version of the contract is not consistent")
    if result.events:
        event = _message(chaincode_event_pb2.ChaincodeEvent, result.events, Code.INVALID_OTHER_REASON, "ChaincodeEvent")
        if event.chaincode_id != name:
            raise InvalidTransactionError(Code.INVALID_OTHER_REASON, "the event is of another contract")


def _message(kind: type[Message], data: bytes, code: int, name: str) -> Any:
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise InvalidTransactionError(code, f"{name} cannot be read") from None
    return message
