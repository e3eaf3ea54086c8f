"""Fabric's proposals and transactions as values: drafted, taken apart, put together. Pure.

Bytes that somebody signs are kept as they are: a proposal is drafted once and then only carried; a transaction's
payload takes the proposal's header bytes, input bytes and the endorsed response verbatim.

1. `draft_proposal` gives the bytes that the creator signs; the transaction's id is SHA-256 of nonce and creator.
2. The gateway answers the signed proposal with an unsigned envelope, whose payload `assemble` made.
3. The creator signs that payload.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.message import DecodeError, Message

NONCE_BYTES = 24


class ProposalError(ValueError):
    """The bytes are no proposal, or no transaction. The message says which part; it quotes nothing of the content."""


@dataclass(frozen=True)
class Proposal:
    """A drafted proposal. `payload` is the serialised `protos.Proposal`, with transient data: the creator signs it."""

    transaction_id: str
    channel_id: str
    payload: bytes


@dataclass(frozen=True)
class Transaction:
    """An endorsed transaction. `payload` is the serialised `common.Payload`: what the creator signs to submit it."""

    transaction_id: str
    payload: bytes
    result: bytes


@dataclass(frozen=True)
class UnpackedProposal:
    """What an endorser needs of a signed proposal. `digest` is the proposal hash that the endorsement binds."""

    signed: Any
    channel_id: str
    transaction_id: str
    header_type: int
    epoch: int
    timestamp: datetime
    nonce: bytes
    creator: bytes
    contract: str
    args: tuple[bytes, ...]
    transient: Mapping[str, bytes]
    digest: bytes
    header: Any
    input: bytes


def transaction_id(nonce: bytes, creator: bytes) -> str:
    return hashlib.sha256(nonce + creator).hexdigest()


def draft_proposal(
    channel_id: str,
    creator: bytes,
    contract: str,
    function: str,
    args: Sequence[bytes | str],
    transient: Mapping[str, bytes],
    nonce: bytes,
    timestamp: datetime,
) -> Proposal:
    """The proposal to call `function` of `contract`.

    `creator` is the serialised `msp.SerializedIdentity` of whoever will sign; `nonce` is NONCE_BYTES of fresh
    randomness; `timestamp` is aware.
    """
    name = transaction_id(nonce, creator)
    identifier = chaincode_pb2.ChaincodeID(name=contract)
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.HeaderType.ENDORSER_TRANSACTION,
        tx_id=name,
        channel_id=channel_id,
        extension=proposal_pb2.ChaincodeHeaderExtension(chaincode_id=identifier).SerializeToString(),
    )
    channel_header.timestamp.FromDatetime(timestamp)
    header = common_pb2.Header(
        channel_header=channel_header.SerializeToString(),
        signature_header=common_pb2.SignatureHeader(creator=creator, nonce=nonce).SerializeToString(),
    )
    encoded = [function.encode(), *(arg.encode() if isinstance(arg, str) else arg for arg in args)]
    specification = chaincode_pb2.ChaincodeSpec(
        chaincode_id=identifier, input=chaincode_pb2.ChaincodeInput(args=encoded)
    )
    invocation = chaincode_pb2.ChaincodeInvocationSpec(chaincode_spec=specification)
    payload = proposal_pb2.ChaincodeProposalPayload(input=invocation.SerializeToString(), TransientMap=dict(transient))
    proposal = proposal_pb2.Proposal(header=header.SerializeToString(), payload=payload.SerializeToString())
    return Proposal(name, channel_id, proposal.SerializeToString())


def parse_proposal(payload: bytes) -> Proposal:
    """A proposal drafted elsewhere. Raises ProposalError."""
    unpacked = unpack(proposal_pb2.SignedProposal(proposal_bytes=payload))
    return Proposal(unpacked.transaction_id, unpacked.channel_id, payload)


def unpack(signed: Any) -> UnpackedProposal:
    """Takes a `protos.SignedProposal` apart as Fabric's gateway does; nothing is verified. Raises ProposalError."""
    if not signed.proposal_bytes:
        raise ProposalError("a signed proposal is required")
    return _unpack(signed, _check_at_gateway)


def unpack_at_endorser(signed: Any) -> UnpackedProposal:
    """As `unpack`, with the texts of Fabric's endorser, which takes proposals without a channel, for system chaincodes.
    Raises ProposalError."""
    return _unpack(signed, _check_at_endorser)


def _check_at_gateway(channel_header: Any, _: Any, invocation: Any) -> None:
    channel_id = channel_header.channel_id
    if not channel_id:
        raise ProposalError("no channel id provided")
    if not invocation.HasField("chaincode_spec"):
        raise ProposalError(f"no chaincode spec is provided, channel id [{channel_id}]")
    if not invocation.chaincode_spec.chaincode_id.name:
        raise ProposalError(f"no chaincode name is provided, channel id [{channel_id}]")


def _check_at_endorser(_: Any, extension: Any, invocation: Any) -> None:
    if not extension.HasField("chaincode_id"):
        raise ProposalError("ChaincodeHeaderExtension.ChaincodeId is nil")
    if not extension.chaincode_id.name:
        raise ProposalError("ChaincodeHeaderExtension.ChaincodeId.Name is empty")
    if not invocation.HasField("chaincode_spec"):
        raise ProposalError("chaincode invocation spec did not contain chaincode spec")
    if not invocation.chaincode_spec.HasField("input"):
        raise ProposalError("chaincode input did not contain any input")


def _unpack(signed: Any, check: Callable[[Any, Any, Any], None]) -> UnpackedProposal:
    proposal = _decode(proposal_pb2.Proposal, signed.proposal_bytes, "Proposal")
    header = _decode(common_pb2.Header, proposal.header, "Header")
    channel_header = _decode(common_pb2.ChannelHeader, header.channel_header, "ChannelHeader")
    signature_header = _decode(common_pb2.SignatureHeader, header.signature_header, "SignatureHeader")
    payload = _decode(proposal_pb2.ChaincodeProposalPayload, proposal.payload, "ChaincodeProposalPayload")
    invocation = _decode(chaincode_pb2.ChaincodeInvocationSpec, payload.input, "ChaincodeInvocationSpec")
    extension = _decode(proposal_pb2.ChaincodeHeaderExtension, channel_header.extension, "ChaincodeHeaderExtension")
    check(channel_header, extension, invocation)
    name = invocation.chaincode_spec.chaincode_id.name
    if extension.chaincode_id.name != name:
        raise ProposalError("the chaincode named in the header is not the one in the payload")
    return UnpackedProposal(
        signed=signed,
        channel_id=channel_header.channel_id,
        transaction_id=channel_header.tx_id,
        header_type=channel_header.type,
        epoch=channel_header.epoch,
        timestamp=_timestamp(channel_header),
        nonce=signature_header.nonce,
        creator=signature_header.creator,
        contract=name,
        args=tuple(invocation.chaincode_spec.input.args),
        transient=dict(payload.TransientMap),
        digest=_digest(header, payload.input),
        header=header,
        input=payload.input,
    )


def assemble(proposal: UnpackedProposal, response_payload: bytes, endorsements: Sequence[Any]) -> bytes:
    """The transaction's payload: `endorsements` (`protos.Endorsement`) all sign `response_payload`, as it is."""
    action = transaction_pb2.ChaincodeActionPayload(
        chaincode_proposal_payload=_without_transient(proposal.input),
        action=transaction_pb2.ChaincodeEndorsedAction(
            proposal_response_payload=response_payload, endorsements=endorsements
        ),
    )
    transaction = transaction_pb2.Transaction(
        actions=[
            transaction_pb2.TransactionAction(
                header=proposal.header.signature_header, payload=action.SerializeToString()
            )
        ]
    )
    payload = common_pb2.Payload(header=proposal.header, data=transaction.SerializeToString())
    return bytes(payload.SerializeToString())


def envelope(payload: bytes, signature: bytes) -> Any:
    """A `common.Envelope` around bytes and the creator's signature of them."""
    return common_pb2.Envelope(payload=payload, signature=signature)


def parse_transaction(payload: bytes) -> Transaction:
    """What a client reads in an endorsed transaction. Raises ProposalError."""
    outer = _decode(common_pb2.Payload, payload, "Payload")
    channel_header = _decode(common_pb2.ChannelHeader, outer.header.channel_header, "ChannelHeader")
    transaction = _decode(transaction_pb2.Transaction, outer.data, "Transaction")
    if not transaction.actions:
        raise ProposalError("the transaction has no action")
    action = _decode(transaction_pb2.ChaincodeActionPayload, transaction.actions[0].payload, "ChaincodeActionPayload")
    response = _decode(
        proposal_response_pb2.ProposalResponsePayload,
        action.action.proposal_response_payload,
        "ProposalResponsePayload",
    )
    result = _decode(proposal_pb2.ChaincodeAction, response.extension, "ChaincodeAction").response.payload
    return Transaction(channel_header.tx_id, payload, result)


def _digest(header: Any, invocation: bytes) -> bytes:
    """Fabric's proposal hash: over both headers and the payload without transient data."""
    return hashlib.sha256(header.channel_header + header.signature_header + _without_transient(invocation)).digest()


def _without_transient(invocation: bytes) -> bytes:
    return bytes(proposal_pb2.ChaincodeProposalPayload(input=invocation).SerializeToString())


def _timestamp(channel_header: Any) -> datetime:
    try:
        moment: datetime = channel_header.timestamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ProposalError("the timestamp of the channel header is out of range") from None
    return moment


def _decode(kind: type[Message], data: bytes, name: str) -> Any:
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise ProposalError(f"error unmarshalling {name}") from None
    return message
