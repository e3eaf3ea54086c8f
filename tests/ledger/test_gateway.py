"""The gateway over gRPC and mutual TLS: Fabric's codes, texts and details (internal/pkg/gateway), call by call."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.peer import proposal_pb2, transaction_pb2

from chaincode.core.certificate import P256_ORDER
from services.ledger.client import LedgerClient
from services.ledger.orderer import OrdererLimits
from services.ledger.proposal import Proposal, Transaction, draft_proposal, envelope
from services.ledger.state import LmdbState
from tests.ledger import sample_contract
from tests.ledger.running import OPERATOR, REGULATOR, A, B, Running, refusal, running
from tests.organisations import Organisations


def gateway(client: LedgerClient) -> Any:
    return gateway_pb2_grpc.GatewayStub(client.channel)


def evaluate(
    client: LedgerClient, proposal: Proposal, signature: bytes | None = None, targets: tuple[str, ...] = ()
) -> Any:
    signed = proposal_pb2.SignedProposal(
        proposal_bytes=proposal.payload, signature=signature or client.signer.sign(proposal.payload)
    )
    request = gateway_pb2.EvaluateRequest(proposed_transaction=signed, target_organizations=targets)
    return gateway(client).Evaluate(request, timeout=20)


def endorse(
    client: LedgerClient, proposal: Proposal, signature: bytes | None = None, organisations: tuple[str, ...] = ()
) -> Any:
    signed = proposal_pb2.SignedProposal(
        proposal_bytes=proposal.payload, signature=signature or client.signer.sign(proposal.payload)
    )
    request = gateway_pb2.EndorseRequest(proposed_transaction=signed, endorsing_organizations=organisations)
    return gateway(client).Endorse(request, timeout=20)


def submit(
    client: LedgerClient, transaction: Transaction, signature: bytes | None = None, channel: str = "salus"
) -> Any:
    signature = client.signer.sign(transaction.payload) if signature is None else signature
    request = gateway_pb2.SubmitRequest(
        channel_id=channel, prepared_transaction=envelope(transaction.payload, signature)
    )
    return gateway(client).Submit(request, timeout=20)


def endorsers_of(payload: bytes) -> set[str]:
    transaction = transaction_pb2.Transaction.FromString(common_pb2.Payload.FromString(payload).data)
    action = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
    return {each.endorser.split(b"\n")[1][1:].split(b"\x12")[0].decode() for each in action.action.endorsements}


def high_s(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, P256_ORDER - s)


# Evaluate


async def test_evaluate_answers_from_committed_state(ledger: Running) -> None:
    client = ledger.client()
    await client.submit("sample", "Put", "k", "v")
    assert await client.evaluate("sample", "Get", "k") == b"v"
    assert await client.evaluate("sample", "GetRange", "a", "z") == b'{"k":"v"}'


async def test_evaluate_passes_on_what_the_contract_refuses(ledger: Running) -> None:
    client = ledger.client()
    refused = await refusal(evaluate(client, client.propose("sample", "Fail", "NOT_TODAY")))
    said = "chaincode response 500, NOT_TODAY: the sample was asked to fail"
    assert (refused.code, refused.message) == ("UNKNOWN", f"evaluate call to endorser returned error: {said}")
    assert (refused.said, refused.endorsers) == ((said,), (A,))


async def test_evaluate_asks_the_organisation_that_is_named(ledger: Running) -> None:
    client = ledger.client()
    refused = await refusal(evaluate(client, client.propose("sample", "Fail", "X"), targets=(REGULATOR,)))
    assert refused.endorsers == (REGULATOR,)


@pytest.mark.parametrize(
    ("channel", "contract", "code", "text"),
    [
        ("other", "sample", "UNAVAILABLE", "failed to get config for channel [other]"),
        ("salus", "absent", "FAILED_PRECONDITION", "no peers available to evaluate chaincode absent in channel salus"),
        ("", "sample", "INVALID_ARGUMENT", "failed to unpack transaction proposal: no channel id provided"),
        (
            "salus",
            "",
            "INVALID_ARGUMENT",
            "failed to unpack transaction proposal: no chaincode name is provided, channel id [salus]",
        ),
    ],
)
async def test_evaluate_of_what_is_not_there(
    ledger: Running, channel: str, contract: str, code: str, text: str
) -> None:
    client = ledger.client()
    proposal = draft_proposal(
        channel, client.signer.serialized, contract, "Get", ["k"], {}, client.entropy(24), client.clock()
    )
    refused = await refusal(evaluate(client, proposal))
    assert (refused.code, refused.message) == (code, text)


async def test_evaluate_refuses_bytes_that_are_no_proposal(ledger: Running) -> None:
    client = ledger.client()
    refused = await refusal(evaluate(client, Proposal("", "salus", b"\xff\xff")))
    assert (refused.code, refused.message) == (
        "INVALID_ARGUMENT",
        "failed to unpack transaction proposal: error unmarshalling Proposal",
    )


async def test_evaluate_refuses_a_bad_signature(ledger: Running) -> None:
    client = ledger.client()
    proposal = client.propose("sample", "Get", "k")
    for signature in (client.signer.sign(b"else"), high_s(client.signer.sign(proposal.payload))):
        refused = await refusal(evaluate(client, proposal, signature))
        assert refused.code == "FAILED_PRECONDITION"
        assert refused.message == (
            "evaluate call to endorser returned error: error validating proposal: "
            "access denied: channel [salus] creator org [HospitalAMSP]"
        )


# Endorse


async def test_a_query_is_not_endorsed_since_its_answer_would_be_in_a_block(ledger: Running) -> None:
    client = ledger.client()
    for organisations in ((), (A,)):
        refused = await refusal(endorse(client, client.propose("sample", "Get", "k"), organisations=organisations))
        assert refused.code == "ABORTED"
        assert "READ_ONLY: this function is a query: evaluate it, do not submit it" in refused.said[0]


async def test_the_smallest_set_with_the_callers_organisation_endorses(ledger: Running) -> None:
    client = ledger.client(B)
    response = await endorse(client, client.propose("sample", "Put", "k", "v"))
    endorsers = endorsers_of(response.prepared_transaction.payload)
    assert len(endorsers) == 2
    assert B in endorsers


async def test_a_contract_called_by_another_adds_its_own_policy(ledger: Running) -> None:
    client = ledger.client(A)
    response = await endorse(client, client.propose("sample", "Call", "other", "Put", "k", "v"))
    assert endorsers_of(response.prepared_transaction.payload) == {B, REGULATOR}
    committed = await client.submit("sample", "Call", "other", "Put", "k", "v")
    assert committed.result == b"v"
    assert await client.evaluate("other", "Get", "k") == b"v"
    assert await client.evaluate("sample", "Get", "k") == b""


async def test_organisations_that_the_client_names_endorse(ledger: Running) -> None:
    client = ledger.client()
    proposal = client.propose("sample", "Put", "k", "v")
    response = await endorse(client, proposal, organisations=(A, B, REGULATOR))
    assert endorsers_of(response.prepared_transaction.payload) == {A, B, REGULATOR}


async def test_endorsements_that_do_not_satisfy_the_policy_end_as_invalid(ledger: Running) -> None:
    client = ledger.client()
    transaction = await client.endorse(client.propose("sample", "Put", "k", "v"), organisations=(A,))
    await client.submit_transaction(transaction)
    assert (await client.commit_status(transaction.transaction_id))[0] == "ENDORSEMENT_POLICY_FAILURE"
    assert await client.evaluate("sample", "Get", "k") == b""


async def test_what_the_contract_refuses_is_aborted_with_its_words(ledger: Running) -> None:
    client = ledger.client()
    refused = await refusal(endorse(client, client.propose("sample", "Fail", "NO")))
    assert (refused.code, refused.message) == (
        "ABORTED",
        "failed to endorse transaction, see attached details for more info",
    )
    assert refused.said == ("chaincode response 500, NO: the sample was asked to fail",)


async def test_a_contract_that_crashes_says_nothing_of_its_input(
    ledger: Running, caplog: pytest.LogCaptureFixture
) -> None:
    client = ledger.client()
    refused = await refusal(endorse(client, client.propose("sample", "Crash", "patient Miller")))
    assert refused.said[0].startswith("chaincode response 500, INTERNAL: ")
    assert "Miller" not in str(refused)
    assert "Traceback" not in str(refused)
    assert "Miller" not in caplog.text


async def test_organisations_that_come_to_different_results_do_not_endorse(ledger: Running) -> None:
    client = ledger.client()
    refused = await refusal(endorse(client, client.propose("sample", "Diverge", "k")))
    assert (refused.code, refused.message) == (
        "ABORTED",
        "failed to collect enough transaction endorsements, see attached details for more info",
    )
    assert set(refused.said) == {"ProposalResponsePayloads do not match"}
    assert set(refused.endorsers) == {B, REGULATOR}


@pytest.mark.parametrize(
    ("channel", "contract", "named", "code", "text"),
    [
        ("salus", "sample", ("NoMSP",), "UNAVAILABLE", "failed to find any endorsing peers for org(s): NoMSP"),
        ("other", "sample", (), "FAILED_PRECONDITION", "channel 'other' not found"),
        ("salus", "absent", (), "FAILED_PRECONDITION", "no metadata was found for chaincode absent"),
    ],
)
async def test_endorse_of_what_is_not_there(
    ledger: Running, channel: str, contract: str, named: tuple[str, ...], code: str, text: str
) -> None:
    client = ledger.client()
    proposal = draft_proposal(
        channel, client.signer.serialized, contract, "Put", ["k", "v"], {}, client.entropy(24), client.clock()
    )
    refused = await refusal(endorse(client, proposal, organisations=named))
    assert refused.code == code
    assert text in refused.message


async def test_endorse_refuses_a_bad_signature_and_a_wrong_id(ledger: Running) -> None:
    client = ledger.client()
    proposal = client.propose("sample", "Put", "k", "v")
    denied = "error validating proposal: access denied: channel [salus] creator org [HospitalAMSP]"
    for signature in (client.signer.sign(b"else"), high_s(client.signer.sign(proposal.payload))):
        refused = await refusal(endorse(client, proposal, signature))
        assert (refused.code, refused.said) == ("ABORTED", (denied,))

    wrong = proposal.payload.replace(proposal.transaction_id.encode(), b"ab" * 32)
    refused = await refusal(endorse(client, Proposal("ab" * 32, "salus", wrong)))
    assert refused.code == "ABORTED"
    assert refused.said[0].startswith("error validating proposal: incorrectly computed txid 'abab")


async def test_a_proposal_of_a_committed_transaction_is_a_duplicate(ledger: Running) -> None:
    client = ledger.client()
    proposal = client.propose("sample", "Put", "k", "v")
    transaction = await client.endorse(proposal)
    await client.submit_transaction(transaction)
    await client.commit_status(transaction.transaction_id)
    refused = await refusal(endorse(client, proposal))
    assert refused.said == (f"duplicate transaction found [{transaction.transaction_id}]",)


# Private data


async def test_private_data_reaches_members_and_its_hash_everybody(ledger: Running) -> None:
    mine, regulator, other = ledger.client(A), ledger.client(REGULATOR), ledger.client(B)
    await mine.submit("sample", "PutPrivate", "a_and_regulator", "k", transient={"value": b"secret"})
    assert await mine.evaluate("sample", "GetPrivate", "a_and_regulator", "k") == b"secret"
    assert await regulator.evaluate("sample", "GetPrivate", "a_and_regulator", "k") == b"secret"
    refused = await refusal(evaluate(other, other.propose("sample", "GetPrivate", "a_and_regulator", "k")))
    assert "NOT_A_MEMBER" in refused.message
    assert len(await other.evaluate("sample", "GetPrivateHash", "a_and_regulator", "k")) == 32
    newest = ledger.node.read(ledger.node.height - 1)
    assert b"secret" not in newest.SerializeToString()


async def test_transient_data_goes_to_members_of_the_collection_alone(ledger: Running) -> None:
    client = ledger.client(A)
    proposal = client.propose("sample", "PutPrivate", "a_and_regulator", "k", transient={"value": b"s"})
    response = await endorse(client, proposal)
    assert endorsers_of(response.prepared_transaction.payload) == {A, REGULATOR}


async def test_transient_data_is_not_spread_to_satisfy_a_policy(ledger: Running) -> None:
    client = ledger.client(B)
    proposal = client.propose("sample", "PutPrivate", "only_b", "k", transient={"value": b"s"})
    refused = await refusal(endorse(client, proposal))
    assert refused.code == "FAILED_PRECONDITION"
    assert "not in the distribution policy of the private data collection(s): [only_b]" in refused.message


async def test_transient_data_of_an_organisation_without_endorser_needs_a_named_one(ledger: Running) -> None:
    ledger.organisations.enrol(OPERATOR, "someone")
    client = ledger.client(OPERATOR, "someone")
    proposal = client.propose("sample", "PutPrivate", "everyone", "k", transient={"value": b"s"})
    refused = await refusal(endorse(client, proposal))
    assert refused.code == "FAILED_PRECONDITION"
    assert refused.message.startswith("no endorsers found in the gateway's organization")


# Submit


async def test_of_two_transactions_that_read_the_same_key_the_second_is_invalid(ledger: Running) -> None:
    client = ledger.client()
    first, second = [await client.endorse(client.propose("sample", "Increment", "n")) for _ in range(2)]
    await client.submit_transaction(first)
    await client.submit_transaction(second)
    codes = [(await client.commit_status(each.transaction_id))[0] for each in (first, second)]
    assert codes == ["VALID", "MVCC_READ_CONFLICT"]
    assert await client.evaluate("sample", "Get", "n") == b"1"


async def test_a_key_that_appears_in_a_range_meanwhile_is_a_phantom(ledger: Running) -> None:
    client = ledger.client()
    counted = await client.endorse(client.propose("sample", "Count", "a", "b", "total"))
    await client.submit("sample", "Put", "a1", "v")
    await client.submit_transaction(counted)
    assert (await client.commit_status(counted.transaction_id))[0] == "PHANTOM_READ_CONFLICT"


async def test_an_envelope_submitted_twice_commits_once(ledger: Running) -> None:
    client = ledger.client()
    transaction = await client.endorse(client.propose("sample", "Put", "k", "v"))
    await asyncio.gather(submit(client, transaction), submit(client, transaction))
    code, number = await client.commit_status(transaction.transaction_id)
    await submit(client, transaction)
    await client.submit("sample", "Put", "after", "v")
    assert (await client.commit_status(transaction.transaction_id)) == (code, number) == ("VALID", number)
    found = [
        code
        for block in map(ledger.node.read, range(1, ledger.node.height))
        for data, code in zip(block.data.data, block.metadata.metadata[2], strict=True)
        if transaction.payload in data
    ]
    assert found == [
        0,
        transaction_pb2.TxValidationCode.DUPLICATE_TXID,
        transaction_pb2.TxValidationCode.DUPLICATE_TXID,
    ]


async def test_submit_refuses_what_is_unsigned_or_missing(ledger: Running) -> None:
    client = ledger.client()
    transaction = await client.endorse(client.propose("sample", "Put", "k", "v"))
    refused = await refusal(submit(client, transaction, b""))
    assert (refused.code, refused.message) == ("INVALID_ARGUMENT", "prepared transaction must be signed")
    refused = await refusal(gateway(client).Submit(gateway_pb2.SubmitRequest(channel_id="salus")))
    assert (refused.code, refused.message) == ("INVALID_ARGUMENT", "a prepared transaction is required")


async def test_submit_refuses_a_bad_signature(ledger: Running) -> None:
    client = ledger.client()
    transaction = await client.endorse(client.propose("sample", "Put", "k", "v"))
    for signature in (client.signer.sign(b"else"), high_s(client.signer.sign(transaction.payload))):
        refused = await refusal(submit(client, transaction, signature))
        assert (refused.code, refused.message) == (
            "ABORTED",
            "received unsuccessful response from orderer: status=FORBIDDEN, info=permission denied",
        )


async def test_submit_refuses_another_channel(ledger: Running) -> None:
    client = ledger.client()
    transaction = await client.endorse(client.propose("sample", "Put", "k", "v"))
    refused = await refusal(submit(client, transaction, channel="other"))
    assert (refused.code, refused.message) == ("FAILED_PRECONDITION", "failed to get config for channel [other]")
    inner = Transaction(transaction.transaction_id, transaction.payload.replace(b"salus", b"other"), b"")
    refused = await refusal(submit(client, inner))
    assert refused.message.endswith("status=BAD_REQUEST, info=channel other doesn't exist")


async def test_submit_refuses_what_is_no_endorsed_transaction(ledger: Running) -> None:
    client = ledger.client()
    refused = await refusal(submit(client, Transaction("", b"\xff\xff", b"")))
    assert refused.message.endswith("status=BAD_REQUEST, info=the envelope is malformed")

    payload = common_pb2.Payload.FromString((await client.endorse(client.propose("sample", "Put", "k", "v"))).payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    header.type = common_pb2.HeaderType.CONFIG
    payload.header.channel_header = header.SerializeToString()
    refused = await refusal(submit(client, Transaction("", payload.SerializeToString(), b"")))
    assert refused.message.endswith("info=message is of type that cannot be processed directly")


async def test_nobody_can_submit_under_the_id_of_another(ledger: Running) -> None:
    mine, thief = ledger.client(A), ledger.client(B)
    payload = common_pb2.Payload.FromString((await mine.endorse(mine.propose("sample", "Put", "k", "v"))).payload)
    sender = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
    sender.creator = thief.signer.serialized
    payload.header.signature_header = sender.SerializeToString()
    refused = await refusal(submit(thief, Transaction("", payload.SerializeToString(), b"")))
    assert refused.message.endswith("info=the transaction id is not that of its nonce and creator")


async def test_an_oversized_transaction_is_refused(organisations: Organisations) -> None:
    async with running(organisations, limits=OrdererLimits(transaction_bytes=20_000)) as ledger:
        client = ledger.client()
        transaction = await client.endorse(client.propose("sample", "Put", "k", "v" * 20_000))
        refused = await refusal(submit(client, transaction))
        assert refused.code == "ABORTED"
        assert "status=BAD_REQUEST, info=message payload is" in refused.message
        assert "exceeds maximum allowed 20000 bytes" in refused.message


async def test_a_full_queue_says_when_to_come_back(organisations: Organisations) -> None:
    async with running(organisations, limits=OrdererLimits(queue=0)) as ledger:
        client = ledger.client()
        transaction = await client.endorse(client.propose("sample", "Put", "k", "v"))
        refused = await refusal(submit(client, transaction))
        assert (refused.code, refused.retry_after) == ("RESOURCE_EXHAUSTED", 1.0)


# CommitStatus


def commit_status(client: LedgerClient, signature: bytes | None = None, **changes: Any) -> Any:
    fields = {"transaction_id": "ab", "channel_id": "salus", "identity": client.signer.serialized} | changes
    inner = gateway_pb2.CommitStatusRequest(**fields).SerializeToString()
    signature = client.signer.sign(inner) if signature is None else signature
    request = gateway_pb2.SignedCommitStatusRequest(request=inner, signature=signature)
    return gateway(client).CommitStatus(request, timeout=20)


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"identity": b""}, "INVALID_ARGUMENT", "no identity provided"),
        ({"channel_id": ""}, "INVALID_ARGUMENT", "no channel ID provided"),
        ({"transaction_id": ""}, "INVALID_ARGUMENT", "transaction ID should not be empty"),
        ({"channel_id": "other"}, "PERMISSION_DENIED", "Failed to get policy manager for channel [other]"),
        ({"signature": b"no signature"}, "PERMISSION_DENIED", "access denied: invalid signature of a member of"),
        ({"identity": b"\xff"}, "PERMISSION_DENIED", "access denied: this is no serialised identity"),
    ],
)
async def test_commit_status_refuses_what_is_incomplete_or_unsigned(
    ledger: Running, changes: dict[str, Any], code: str, text: str
) -> None:
    refused = await refusal(commit_status(ledger.client(), **changes))
    assert refused.code == code
    assert refused.message.startswith(text)


async def test_commit_status_waits_for_the_commit_and_no_longer_than_the_client(ledger: Running) -> None:
    client = ledger.client()
    transaction = await client.endorse(client.propose("sample", "Put", "k", "v"))
    waiting = asyncio.create_task(client.commit_status(transaction.transaction_id))
    refused = await refusal(
        gateway(client).CommitStatus(_status_request(client, transaction.transaction_id), timeout=0.2)
    )
    assert refused.code == "DEADLINE_EXCEEDED"
    assert not waiting.done()
    await client.submit_transaction(transaction)
    assert (await waiting)[0] == "VALID"
    # Committed: answered at once, within any deadline.
    again = await gateway(client).CommitStatus(_status_request(client, transaction.transaction_id), timeout=5)
    assert again.result == transaction_pb2.TxValidationCode.VALID


def _status_request(client: LedgerClient, transaction_id: str) -> Any:
    inner = gateway_pb2.CommitStatusRequest(
        transaction_id=transaction_id, channel_id="salus", identity=client.signer.serialized
    ).SerializeToString()
    return gateway_pb2.SignedCommitStatusRequest(request=inner, signature=client.signer.sign(inner))


# Limits and access


@pytest.fixture
def stalled() -> Any:
    sample_contract.entered.clear()
    sample_contract.released.clear()
    yield sample_contract.released
    sample_contract.released.set()


async def test_the_event_loop_waits_for_no_reader_of_state(ledger: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers wait while state's map grows, and that waits for contracts."""
    threads: list[threading.Thread] = []
    snapshot = LmdbState.snapshot

    def watched(state: LmdbState) -> Any:
        threads.append(threading.current_thread())
        return snapshot(state)

    monkeypatch.setattr(LmdbState, "snapshot", watched)
    await ledger.client().submit("sample", "Put", "k", "v")
    await ledger.client().evaluate("sample", "Get", "k")
    assert threads
    assert threading.current_thread() not in threads


async def test_a_contract_that_takes_too_long_is_answered_for(organisations: Organisations, stalled: Any) -> None:
    async with running(organisations, seconds=0.3) as ledger:
        client = ledger.client()
        refused = await refusal(endorse(client, client.propose("sample", "Stall")))
        assert (refused.code, refused.message) == (
            "ABORTED",
            "error in simulation: timeout expired while executing transaction",
        )
        # The other thread serves on.
        assert await client.evaluate("sample", "Get", "k") == b""
        stalled.set()


async def test_beyond_its_limit_the_gateway_says_when_to_come_back(organisations: Organisations, stalled: Any) -> None:
    async with running(organisations, executions=1) as ledger:
        client = ledger.client()
        first = asyncio.ensure_future(evaluate(client, client.propose("sample", "Stall")))
        assert await asyncio.to_thread(sample_contract.entered.wait, 10)
        refused = await refusal(evaluate(client, client.propose("sample", "Get", "k")))
        assert (refused.code, refused.retry_after) == ("RESOURCE_EXHAUSTED", 1.0)
        stalled.set()
        await first
        assert await client.evaluate("sample", "Get", "k") == b""


async def test_a_revoked_member_is_turned_away(ledger: Running) -> None:
    folder = ledger.organisations.enrol(A, "dismissed")
    client = ledger.client(A, "dismissed")
    assert await client.evaluate("sample", "Get", "k") == b""
    ledger.organisations.revoke(A, folder)
    codes = set()
    async with asyncio.timeout(10):
        # The list may come into force within a call: then the endorser turns the creator away.
        while grpc.StatusCode.UNAUTHENTICATED not in codes:
            try:
                await evaluate(client, client.propose("sample", "Get", "k"))
            except grpc.aio.AioRpcError as error:
                codes.add(error.code())
    assert codes <= {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.FAILED_PRECONDITION}
