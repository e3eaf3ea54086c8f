"""Proposals and transactions as Fabric defines them (fabric-protos: peer/proposal.proto, peer/transaction.proto)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import (
    chaincode_pb2,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)

from services.ledger import proposal as proposals
from services.ledger.proposal import Proposal, ProposalError

NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
NONCE = bytes(range(24))


def draft(**changes: object) -> Proposal:
    given: dict[str, object] = {
        "channel_id": "salus",
        "creator": b"creator",
        "contract": "sample",
        "function": "Put",
        "args": ["key", b"\x00value"],
        "transient": {"secret": b"s"},
        "nonce": NONCE,
        "timestamp": NOW,
    }
    return proposals.draft_proposal(**{**given, **changes})  # type: ignore[arg-type]


def signed(payload: bytes) -> object:
    return proposal_pb2.SignedProposal(proposal_bytes=payload, signature=b"signature")


def test_the_transaction_id_is_sha256_of_nonce_and_creator_in_hex() -> None:
    assert draft().transaction_id == hashlib.sha256(NONCE + b"creator").hexdigest()


def test_what_was_drafted_is_found_again() -> None:
    unpacked = proposals.unpack(signed(draft().payload))
    assert (unpacked.channel_id, unpacked.contract, unpacked.creator) == ("salus", "sample", b"creator")
    assert unpacked.args == (b"Put", b"key", b"\x00value")
    assert unpacked.transient == {"secret": b"s"}
    assert unpacked.timestamp == NOW


def test_the_proposal_hash_leaves_transient_data_out() -> None:
    with_secret, without = (proposals.unpack(signed(draft(transient=t).payload)) for t in ({"secret": b"s"}, {}))
    assert with_secret.digest == without.digest
    assert proposals.unpack(signed(draft(args=["other"]).payload)).digest != without.digest


def test_a_transaction_carries_the_endorsed_bytes_and_no_transient_data() -> None:
    proposal = proposals.unpack(signed(draft().payload))
    action = proposal_pb2.ChaincodeAction(response=proposal_response_pb2.Response(status=200, payload=b"result"))
    response = proposal_response_pb2.ProposalResponsePayload(
        proposal_hash=proposal.digest, extension=action.SerializeToString()
    ).SerializeToString()
    endorsement = proposal_response_pb2.Endorsement(endorser=b"peer", signature=b"signed")
    payload = proposals.assemble(proposal, response, [endorsement])

    transaction = proposals.parse_transaction(payload)
    assert (transaction.transaction_id, transaction.result) == (proposal.transaction_id, b"result")
    outer = common_pb2.Payload.FromString(payload)
    first = transaction_pb2.Transaction.FromString(outer.data).actions[0]
    assert first.header == outer.header.signature_header
    endorsed = transaction_pb2.ChaincodeActionPayload.FromString(first.payload)
    assert endorsed.action.proposal_response_payload == response
    assert not proposal_pb2.ChaincodeProposalPayload.FromString(endorsed.chaincode_proposal_payload).TransientMap


def test_a_proposal_drafted_elsewhere_is_known_by_its_bytes() -> None:
    assert proposals.parse_proposal(draft().payload) == draft()


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"", "a signed proposal is required"),
        (b"\xff\xff", "error unmarshalling Proposal"),
        (draft(channel_id="").payload, "no channel id provided"),
        (draft(contract="").payload, r"no chaincode name is provided, channel id \[salus\]"),
    ],
)
def test_what_is_no_proposal_is_refused_by_its_part(payload: bytes, text: str) -> None:
    with pytest.raises(ProposalError, match=text):
        proposals.unpack(signed(payload))


def test_a_header_that_names_another_contract_than_the_payload_is_refused() -> None:
    proposal = proposal_pb2.Proposal.FromString(draft().payload)
    invocation = chaincode_pb2.ChaincodeInvocationSpec(
        chaincode_spec=chaincode_pb2.ChaincodeSpec(chaincode_id=chaincode_pb2.ChaincodeID(name="other"))
    )
    proposal.payload = proposal_pb2.ChaincodeProposalPayload(input=invocation.SerializeToString()).SerializeToString()
    with pytest.raises(ProposalError, match="not the one in the payload"):
        proposals.unpack(signed(proposal.SerializeToString()))
