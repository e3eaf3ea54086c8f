"""What the consent service passes on to the ledger for a patient, and nothing else. Pure.

A proposal or a transaction goes through when, in this order: it can be taken apart, it is for the service's channel, it
calls Grant or Revoke of the contract `consent`, its creator is the caller, and the caller's signature over the bytes
received holds. The ledger checks it all again; what is checked here is that nobody uses the service as a way to another
contract or with another's signature.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, transaction_pb2
from google.protobuf.message import DecodeError

from services.common.msp import Identity, InvalidSignatureError
from services.ledger import proposal as proposals
from services.ledger.proposal import Proposal, ProposalError, Transaction

CONTRACT = "consent"
GRANT = "Grant"
REVOKE = "Revoke"
_FUNCTIONS = frozenset({GRANT.encode(), REVOKE.encode()})


class ForwardingError(Exception):
    """The bytes are not passed on. `reason` is MALFORMED, NOT_A_CONSENT, WRONG_CREATOR or BAD_SIGNATURE."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def check_proposal(payload: bytes, signature: bytes, channel_id: str, caller: Identity) -> Proposal:
    """The proposal to endorse. Raises ForwardingError."""
    try:
        unpacked = proposals.unpack(proposal_pb2.SignedProposal(proposal_bytes=payload))
    except ProposalError:
        raise ForwardingError("MALFORMED", "these bytes are no proposal") from None
    _check_call(unpacked.channel_id, channel_id, unpacked.contract, unpacked.args)
    _check_signed(unpacked.creator, caller, signature, payload)
    return Proposal(unpacked.transaction_id, unpacked.channel_id, payload)


def check_transaction(payload: bytes, signature: bytes, channel_id: str, caller: Identity) -> Transaction:
    """The transaction to submit. Raises ForwardingError."""
    try:
        transaction = proposals.parse_transaction(payload)
        header = common_pb2.Payload.FromString(payload).header
        channel_header = common_pb2.ChannelHeader.FromString(header.channel_header)
        signature_header = common_pb2.SignatureHeader.FromString(header.signature_header)
        specification = _specification(payload)
    except (ProposalError, DecodeError):
        raise ForwardingError("MALFORMED", "these bytes are no endorsed transaction") from None
    _check_call(channel_header.channel_id, channel_id, specification.chaincode_id.name, tuple(specification.input.args))
    _check_signed(signature_header.creator, caller, signature, payload)
    return transaction


def same_identity(serialized: bytes, msp_id: str, certificate_pem: bytes) -> bool:
    """Whether a serialised `msp.SerializedIdentity` holds this certificate, however its PEM is laid out."""
    try:
        message = identities_pb2.SerializedIdentity.FromString(serialized)
        return message.mspid == msp_id and _der(message.id_bytes) == _der(certificate_pem)
    except (DecodeError, ValueError):
        return False


def _der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def _specification(payload: bytes) -> Any:
    """The one call in a transaction's payload. Raises DecodeError; what has several calls is no transaction of ours."""
    transaction = transaction_pb2.Transaction.FromString(common_pb2.Payload.FromString(payload).data)
    if len(transaction.actions) != 1:
        raise DecodeError
    action = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
    proposal = proposal_pb2.ChaincodeProposalPayload.FromString(action.chaincode_proposal_payload)
    return chaincode_pb2.ChaincodeInvocationSpec.FromString(proposal.input).chaincode_spec


def _check_call(channel_given: str, channel_id: str, contract: str, args: tuple[bytes, ...]) -> None:
    if channel_given != channel_id or contract != CONTRACT or not args or args[0] not in _FUNCTIONS:
        raise ForwardingError("NOT_A_CONSENT", f"only {GRANT} and {REVOKE} of contract {CONTRACT} pass through here")


def _check_signed(creator: bytes, caller: Identity, signature: bytes, message: bytes) -> None:
    pem = caller.certificate.certificate.public_bytes(Encoding.PEM)
    if not same_identity(creator, caller.msp_id, pem):
        raise ForwardingError("WRONG_CREATOR", "the transaction was drafted for another certificate than the caller's")
    try:
        caller.verify(signature, message)
    except InvalidSignatureError:
        raise ForwardingError(
            "BAD_SIGNATURE", "the signature is not the caller's over these bytes, or not in low-S form"
        ) from None
