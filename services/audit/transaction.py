"""A transaction as the ledger keeps it, taken apart for the auditor. Pure; what is signed or hashed stays verbatim.

`read_header` answers for any envelope, unreadable ones included, since every transaction has a leaf in the log.
`open_transaction` takes a contract call apart: who asked, who endorsed what, and what was written in public and as
hashes of private data. Nothing here is verified.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.message import DecodeError, Message

from chaincode.api import composite
from chaincode.api.errors import StubError
from services.ledger import rwset

DECISIONS = "decisions"
RECORD = "Record"
VALID = int(transaction_pb2.TxValidationCode.Value("VALID"))


class TransactionError(ValueError):
    """The bytes are no transaction of a contract. The message says which part is wrong and quotes nothing."""


@dataclass(frozen=True)
class Header:
    """What an envelope says of itself; empty where it cannot be read. `kind` is its `common.HeaderType`."""

    kind: int
    channel_id: str
    transaction_id: str


@dataclass(frozen=True)
class Signed:
    """A message that an identity (`msp.SerializedIdentity`) is said to have signed."""

    identity: bytes
    signature: bytes
    message: bytes

    @property
    def msp_id(self) -> str:
        """The organisation that the identity claims; "" where it cannot be read."""
        try:
            return str(identities_pb2.SerializedIdentity.FromString(self.identity).mspid)
        except DecodeError:
            return ""


@dataclass(frozen=True)
class Transaction:
    """One call of one contract.

    `expected_id` and `expected_digest` are what id and proposal hash must be. `public` holds the contract's own
    writes of world state by key, `private` by collection and SHA-256 of the key the SHA-256 of the value.
    """

    channel_id: str
    transaction_id: str
    expected_id: str
    time: datetime
    contract: str
    function: str
    creator: Signed
    endorsements: tuple[Signed, ...]
    digest: bytes
    expected_digest: bytes
    status: int
    public: Mapping[str, bytes]
    private: Mapping[str, Mapping[bytes, bytes]]

    @property
    def decisions(self) -> dict[str, bytes]:
        """The public decisions written, by decision id, in the order of the write set."""
        found: dict[str, bytes] = {}
        for key, value in self.public.items():
            try:
                kind, attributes = composite.split_composite_key(key)
            except StubError:
                continue
            if kind == "decision" and len(attributes) == 1:
                found[attributes[0]] = value
        return found


def read_header(envelope: bytes) -> Header:
    """Type, channel and id of any envelope."""
    try:
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    except DecodeError:
        return Header(-1, "", "")
    return Header(int(header.type), str(header.channel_id), str(header.tx_id))


def open_transaction(envelope: bytes) -> Transaction:
    """Takes a serialised `common.Envelope` apart. Raises TransactionError."""
    outer = _decode(common_pb2.Envelope, envelope, "envelope")
    payload = _decode(common_pb2.Payload, outer.payload, "payload")
    channel_header = _decode(common_pb2.ChannelHeader, payload.header.channel_header, "channel header")
    signature_header = _decode(common_pb2.SignatureHeader, payload.header.signature_header, "signature header")
    if channel_header.type != common_pb2.HeaderType.ENDORSER_TRANSACTION:
        raise TransactionError("the envelope holds no call of a contract")
    actions = _decode(transaction_pb2.Transaction, payload.data, "transaction").actions
    if len(actions) != 1:
        raise TransactionError("the transaction has not exactly one action")
    if actions[0].header != payload.header.signature_header:
        raise TransactionError("the action's header is not the transaction's")
    action = _decode(transaction_pb2.ChaincodeActionPayload, actions[0].payload, "action")
    response = action.action.proposal_response_payload
    answered = _decode(proposal_response_pb2.ProposalResponsePayload, response, "endorsed response")
    result = _decode(proposal_pb2.ChaincodeAction, answered.extension, "endorsed result")
    call = _decode(proposal_pb2.ChaincodeProposalPayload, action.chaincode_proposal_payload, "call")
    invocation = _decode(chaincode_pb2.ChaincodeInvocationSpec, call.input, "call's arguments").chaincode_spec
    if invocation.chaincode_id.name != result.chaincode_id.name:
        raise TransactionError("the contract called is not the one endorsed")
    args = invocation.input.args
    public, private = _writes(result.results, result.chaincode_id.name)
    header = payload.header
    return Transaction(
        channel_id=channel_header.channel_id,
        transaction_id=channel_header.tx_id,
        expected_id=hashlib.sha256(signature_header.nonce + signature_header.creator).hexdigest(),
        time=_time(channel_header),
        contract=result.chaincode_id.name,
        function=args[0].decode(errors="replace").rpartition(":")[2] if args else "",
        creator=Signed(signature_header.creator, outer.signature, outer.payload),
        endorsements=tuple(
            Signed(each.endorser, each.signature, response + each.endorser) for each in action.action.endorsements
        ),
        digest=answered.proposal_hash,
        expected_digest=hashlib.sha256(
            header.channel_header + header.signature_header + action.chaincode_proposal_payload
        ).digest(),
        status=result.response.status,
        public=public,
        private=private,
    )


def _writes(results: bytes, contract: str) -> tuple[dict[str, bytes], dict[str, dict[bytes, bytes]]]:
    try:
        own = [each for each in rwset.parse(results) if each.name == contract]
    except rwset.RwsetError as error:
        raise TransactionError(str(error)) from None
    if len(own) != 1:
        raise TransactionError("the read-write set does not name the contract once")
    public = {key: value for key, value in own[0].writes.items() if value is not None}
    private = {
        collection.name: {key: value for key, value in collection.writes.items() if value is not None}
        for collection in own[0].collections
    }
    return public, private


def _time(channel_header: Any) -> datetime:
    try:
        moment: datetime = channel_header.timestamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise TransactionError("the transaction's time is out of range") from None
    return moment


def _decode(kind: type[Message], data: bytes, name: str) -> Any:
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise TransactionError(f"the {name} cannot be read") from None
    return message
