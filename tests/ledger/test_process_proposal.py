"""`protos.Endorser` over gRPC and mutual TLS, with the answers and texts of Fabric's core/endorser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, peer_pb2_grpc, proposal_pb2, proposal_response_pb2, query_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2

from services.common.msp import InvalidSignatureError
from services.common.server import utc_now
from services.ledger import proposal as proposals
from services.ledger.client import LedgerClient
from services.ledger.proposal import Proposal, Transaction, draft_proposal
from tests.ledger import sample_contract
from tests.ledger.running import CONTRACT, OPERATOR, REGULATOR, A, Running, refusal, running
from tests.ledger.running import described as network
from tests.organisations import Organisations

SOLO = {
    "solo": {
        "class": f"{CONTRACT}:SampleContract",
        "version": "1.0",
        "policy": f"OR('{A}.peer')",
        "collections": [{"name": "own", "policy": f"OR('{A}.member')"}],
    }
}


def signed(client: LedgerClient, proposal: Proposal, signature: bytes | None = None) -> Any:
    return proposal_pb2.SignedProposal(
        proposal_bytes=proposal.payload,
        signature=client.signer.sign(proposal.payload) if signature is None else signature,
    )


def process(client: LedgerClient, proposal: Proposal, signature: bytes | None = None) -> Any:
    return peer_pb2_grpc.EndorserStub(client.channel).ProcessProposal(signed(client, proposal, signature), timeout=20)


async def submit(client: LedgerClient, proposal: Proposal, response: Any) -> tuple[str, int]:
    """As `peer chaincode invoke`: what was answered becomes a transaction. Its validation code and block."""
    unpacked = proposals.unpack(signed(client, proposal))
    payload = proposals.assemble(unpacked, response.payload, [response.endorsement])
    await client.submit_transaction(Transaction(proposal.transaction_id, payload, b""))
    return await client.commit_status(proposal.transaction_id)


def drafted(client: LedgerClient, channel: str, contract: str, *args: bytes | str) -> Proposal:
    function, *rest = args
    creator, nonce = client.signer.serialized, client.entropy(24)
    return draft_proposal(channel, creator, contract, str(function), rest, {}, nonce, client.clock())


async def test_the_creators_organisation_endorses(ledger: Running) -> None:
    client = ledger.client(A)
    proposal = client.propose("sample", "Put", "k", "v")
    response = await process(client, proposal)
    assert (response.version, response.response.status, response.response.payload) == (1, 200, b"v")
    endorsement = response.endorsement
    endorser = ledger.node._committer._rules.membership.identify_serialized(endorsement.endorser, utc_now())
    assert (endorser.msp_id, "peer" in endorser.roles) == (A, True)
    endorser.verify(endorsement.signature, response.payload + endorsement.endorser)
    with pytest.raises(InvalidSignatureError):
        endorser.verify(endorsement.signature, response.payload)
    payload = proposal_response_pb2.ProposalResponsePayload.FromString(response.payload)
    assert payload.proposal_hash == proposals.unpack(signed(client, proposal)).digest


async def test_what_one_organisation_endorsed_commits_where_it_is_enough(organisations: Organisations) -> None:
    async with running(organisations, content=network(SOLO)) as ledger:
        client = ledger.client(A)
        proposal = client.propose("solo", "Put", "k", "v")
        assert (await submit(client, proposal, await process(client, proposal)))[0] == "VALID"
        assert await client.evaluate("solo", "Get", "k") == b"v"


async def test_private_data_is_kept_until_the_transaction_commits(organisations: Organisations) -> None:
    async with running(organisations, content=network(SOLO)) as ledger:
        client = ledger.client(A)
        proposal = client.propose("solo", "PutPrivate", "own", "k", transient={"value": b"secret"})
        assert (await submit(client, proposal, await process(client, proposal)))[0] == "VALID"
        assert await client.evaluate("solo", "GetPrivate", "own", "k") == b"secret"


async def test_a_creator_without_an_endorser_is_answered_by_one_of_the_policy(ledger: Running) -> None:
    ledger.organisations.enrol(OPERATOR, "someone")
    client = ledger.client(OPERATOR, "someone")
    response = await process(client, client.propose("other", "Put", "k", "v"))
    assert b"HospitalBMSP" in response.endorsement.endorser


async def test_a_query_is_answered_without_what_could_be_submitted(ledger: Running) -> None:
    client = ledger.client(A)
    await client.submit("sample", "PutPrivate", "everyone", "k", transient={"value": b"secret"})
    proposal = client.propose("sample", "GetPrivate", "everyone", "k")
    response = await process(client, proposal)
    assert response.response.payload == b"secret"
    # internal/peer/chaincode: "endorsement failure during query" where there is none.
    assert response.HasField("endorsement")
    assert (response.endorsement.signature, response.payload) == (b"", b"")
    code, number = await submit(client, proposal, response)
    assert code != "VALID"
    assert b"secret" not in ledger.node.read(number).SerializeToString()


async def test_system_chaincodes_answer_and_are_not_endorsed(ledger: Running) -> None:
    client = ledger.client(REGULATOR, "audit")
    response = await process(client, client.propose("qscc", "GetBlockByNumber", "salus", "0"))
    assert common_pb2.Block.FromString(response.response.payload) == ledger.node.read(0)
    assert (response.endorsement.signature, response.payload) == (b"", b"")
    refused = await process(client, client.propose("qscc", "GetBlockByNumber", "salus", "9"))
    assert (refused.response.status, refused.HasField("endorsement")) == (500, False)


async def test_a_proposal_without_a_channel_is_answered_by_system_chaincodes_alone(ledger: Running) -> None:
    """As `peer channel list` asks."""
    client = ledger.client(A)
    response = await process(client, drafted(client, "", "cscc", "GetChannels"))
    channels = query_pb2.ChannelQueryResponse.FromString(response.response.payload).channels
    assert [each.channel_id for each in channels] == ["salus"]
    assert not response.HasField("endorsement")

    asked = lifecycle_pb2.QueryChaincodeDefinitionsArgs().SerializeToString()
    denied = await process(client, drafted(client, "", "_lifecycle", "QueryChaincodeDefinitions", asked))
    assert denied.response.message == (
        "Failed to authorize invocation due to failed ACL check: Failed getting local MSP principal during channelless "
        "check policy with policy [/Channel/Application/Writers]"
    )
    absent = await process(client, drafted(client, "", "sample", "Put", "k", "v"))
    assert absent.response.message == (
        "make sure the chaincode sample has been successfully defined on channel  and try again: "
        "chaincode sample not found"
    )


@pytest.mark.parametrize(
    ("channel", "contract", "text"),
    [
        ("other", "sample", "channel 'other' not found"),
        (
            "salus",
            "absent",
            "make sure the chaincode absent has been successfully defined on channel salus and try again: "
            "chaincode absent not found",
        ),
    ],
)
async def test_what_is_not_there_is_status_500_of_the_peer(
    ledger: Running, channel: str, contract: str, text: str
) -> None:
    client = ledger.client(A)
    response = await process(client, drafted(client, channel, contract, "Put", "k", "v"))
    assert (response.response.status, response.response.message, response.payload) == (500, text, b"")
    assert not response.HasField("endorsement")


async def test_what_the_contract_refuses_is_status_500_with_its_word_in_the_payload(ledger: Running) -> None:
    client = ledger.client(A)
    response = await process(client, client.propose("sample", "Fail", "NO"))
    assert (response.response.status, response.response.message) == (500, "NO: the sample was asked to fail")
    assert not response.HasField("endorsement")
    payload = proposal_response_pb2.ProposalResponsePayload.FromString(response.payload)
    action = proposal_pb2.ChaincodeAction.FromString(payload.extension)
    assert (action.response, action.results) == (response.response, b"")


async def test_a_proposal_that_is_not_accepted_ends_the_call(ledger: Running) -> None:
    client = ledger.client(A)
    proposal = client.propose("sample", "Put", "k", "v")
    refused = await refusal(process(client, proposal, client.signer.sign(b"else")))
    assert (refused.code, refused.message) == (
        "UNKNOWN",
        "error validating proposal: access denied: channel [salus] creator org [HospitalAMSP]",
    )
    transaction = await client.endorse(proposal)
    await client.submit_transaction(transaction)
    await client.commit_status(transaction.transaction_id)
    refused = await refusal(process(client, proposal))
    assert (refused.code, refused.message) == (
        "UNKNOWN",
        f"duplicate transaction found [{transaction.transaction_id}]",
    )


def _header(change: Callable[[Any], None]) -> Callable[[Any], None]:
    def apply(message: Any) -> None:
        header = common_pb2.Header.FromString(message.header)
        channel = common_pb2.ChannelHeader.FromString(header.channel_header)
        change(channel)
        header.channel_header = channel.SerializeToString()
        message.header = header.SerializeToString()

    return apply


def _extension(extension: Any) -> Callable[[Any], None]:
    return _header(lambda channel: setattr(channel, "extension", extension.SerializeToString()))


def _input(specification: Any) -> Callable[[Any], None]:
    payload = proposal_pb2.ChaincodeProposalPayload(input=specification.SerializeToString())
    return lambda message: setattr(message, "payload", payload.SerializeToString())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda message: setattr(message, "header", b"\xff"), "error unmarshalling Header"),
        (_extension(proposal_pb2.ChaincodeHeaderExtension()), "ChaincodeHeaderExtension.ChaincodeId is nil"),
        (
            _extension(proposal_pb2.ChaincodeHeaderExtension(chaincode_id={})),
            "ChaincodeHeaderExtension.ChaincodeId.Name is empty",
        ),
        (
            _input(chaincode_pb2.ChaincodeInvocationSpec()),
            "chaincode invocation spec did not contain chaincode spec",
        ),
        (
            _input(chaincode_pb2.ChaincodeInvocationSpec(chaincode_spec={})),
            "chaincode input did not contain any input",
        ),
    ],
)
async def test_a_proposal_that_cannot_be_taken_apart_ends_the_call(
    ledger: Running, change: Callable[[Any], None], text: str
) -> None:
    client = ledger.client(A)
    proposal = client.propose("sample", "Put", "k", "v")
    message = proposal_pb2.Proposal.FromString(proposal.payload)
    change(message)
    altered = Proposal(proposal.transaction_id, proposal.channel_id, message.SerializeToString())
    refused = await refusal(process(client, altered))
    assert (refused.code, refused.message) == ("UNKNOWN", text)


async def test_a_contract_that_takes_too_long_is_status_500(organisations: Organisations) -> None:
    sample_contract.released.clear()
    try:
        async with running(organisations, seconds=0.5) as ledger:
            client = ledger.client(A)
            response = await process(client, client.propose("sample", "Stall"))
            sample_contract.released.set()
    finally:
        sample_contract.released.set()
    assert (response.response.status, response.response.message) == (
        500,
        "error in simulation: timeout expired while executing transaction",
    )


async def test_a_busy_ledger_says_when_to_come_back(organisations: Organisations) -> None:
    async with running(organisations, executions=0) as ledger:
        client = ledger.client(A)
        refused = await refusal(process(client, client.propose("sample", "Put", "k", "v")))
    assert (refused.code, refused.retry_after) == ("RESOURCE_EXHAUSTED", 1.0)
