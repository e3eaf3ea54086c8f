"""`qscc` over gRPC and mutual TLS, with the answers and texts of Fabric's core/scc/qscc/query.go."""

from __future__ import annotations

import threading

import pytest
from fabric_protos.common import common_pb2, ledger_pb2
from fabric_protos.peer import transaction_pb2

from services.ledger import blocks
from services.ledger.client import LedgerClient
from services.ledger.proposal import Proposal
from services.ledger.transactions import Code
from tests.ledger.running import REGULATOR, A, Running, refusal, running
from tests.ledger.test_gateway import endorse, evaluate
from tests.organisations import Organisation, Organisations


def auditor(ledger: Running) -> LedgerClient:
    return ledger.client(REGULATOR, "audit")


async def refused(client: LedgerClient, function: str, *args: str | bytes) -> str:
    """What `qscc` says when it answers with status 500."""
    answer = await refusal(evaluate(client, client.propose("qscc", function, *args)))
    assert answer.code == "UNKNOWN"
    (said,) = answer.said
    # Cut to what headers hold.
    assert f"evaluate call to endorser returned error: {said}".startswith(answer.message.rstrip("\ufffd"))
    return said.removeprefix("chaincode response 500, ")


async def test_chain_info_is_height_and_last_hashes_for_every_member(ledger: Running) -> None:
    client = ledger.client(A)
    await client.submit("sample", "Put", "k", "v")
    info = ledger_pb2.BlockchainInfo.FromString(await client.evaluate("qscc", "GetChainInfo", "salus"))
    first, last = ledger.node.read(0), ledger.node.read(1)
    assert info.height == 2
    assert info.previousBlockHash == blocks.header_hash(first.header)
    assert info.currentBlockHash == blocks.header_hash(last.header)


async def test_a_block_is_found_by_number_hash_and_transaction(ledger: Running) -> None:
    client = auditor(ledger)
    committed = await ledger.client(A).submit("sample", "Put", "k", "v")
    await ledger.client(A).submit("sample", "Put", "k", "w")
    block = ledger.node.read(committed.block_number)
    ways: tuple[tuple[str, str | bytes], ...] = (
        ("GetBlockByNumber", str(committed.block_number)),
        ("GetBlockByHash", blocks.header_hash(block.header)),
        ("GetBlockByTxID", committed.transaction_id),
    )
    for function, key in ways:
        found = common_pb2.Block.FromString(await client.evaluate("qscc", function, "salus", key))
        assert found == block, function


async def test_the_largest_number_is_the_last_block(ledger: Running) -> None:
    """core/ledger/kvledger: math.MaxUint64."""
    await ledger.client(A).submit("sample", "Put", "k", "v")
    found = await auditor(ledger).evaluate("qscc", "GetBlockByNumber", "salus", str(2**64 - 1))
    assert common_pb2.Block.FromString(found).header.number == 1


async def test_blocks_are_found_by_hash_when_state_is_rebuilt(organisations: Organisations) -> None:
    async with running(organisations) as ledger:
        await ledger.client(A).submit("sample", "Put", "k", "v")
        header_hash = blocks.header_hash(ledger.node.read(1).header)
    for path in (organisations.root / "ledger" / "state").iterdir():
        path.unlink()
    async with running(organisations) as ledger:
        found = await auditor(ledger).evaluate("qscc", "GetBlockByHash", "salus", header_hash)
        assert common_pb2.Block.FromString(found).header.number == 1


async def test_a_transaction_is_found_with_its_validation_code(ledger: Running) -> None:
    client = ledger.client(A)
    invalid = await client.endorse(client.propose("sample", "Put", "k", "v"), organisations=(A,))
    await client.submit_transaction(invalid)
    _, number = await client.commit_status(invalid.transaction_id)
    found = transaction_pb2.ProcessedTransaction.FromString(
        await auditor(ledger).evaluate("qscc", "GetTransactionByID", "salus", invalid.transaction_id)
    )
    assert found.validationCode == Code.ENDORSEMENT_POLICY_FAILURE
    assert found.transactionEnvelope.SerializeToString() in ledger.node.read(number).data.data
    assert found.transactionEnvelope.payload == invalid.payload


async def test_a_transaction_is_found_among_others_of_its_block(
    ledger: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, ordered = ledger.client(A), threading.Event()
    validate = ledger.node._committer._validate
    monkeypatch.setattr(ledger.node._committer, "_validate", lambda block: validate(block) if ordered.wait(20) else [])
    transactions = [await client.endorse(client.propose("sample", "Put", f"k{n}", "v")) for n in range(4)]
    for each in transactions:
        await client.submit_transaction(each)
    ordered.set()
    placed = [(await client.commit_status(each.transaction_id))[1] for each in transactions]
    assert len(set(placed)) < len(placed)
    for each in transactions:
        found = await auditor(ledger).evaluate("qscc", "GetTransactionByID", "salus", each.transaction_id)
        envelope = transaction_pb2.ProcessedTransaction.FromString(found).transactionEnvelope
        assert envelope.payload == each.payload


@pytest.mark.parametrize(
    ("function", "args", "text"),
    [
        ("GetChainInfo", (), "Incorrect number of arguments, 1"),
        ("GetBlockByNumber", ("salus",), "missing 3rd argument for GetBlockByNumber"),
        ("Nothing", ("salus",), "missing 3rd argument for Nothing"),
        ("GetChainInfo", ("other",), "Invalid chain ID, other"),
        ("GetBlockByNumber", ("other", "0"), "Invalid chain ID, other"),
        ("Nothing", ("salus", "x"), "access denied for [Nothing][salus]: [Unmapped policy for qscc/Nothing]"),
        (
            "GetBlockByNumber",
            ("salus", "-1"),
            'Failed to parse block number with error strconv.ParseUint: parsing "-1": invalid syntax',
        ),
        (
            "GetBlockByNumber",
            ("salus", "18446744073709551616"),
            'Failed to parse block number with error strconv.ParseUint: parsing "18446744073709551616": '
            "value out of range",
        ),
        (
            "GetBlockByNumber",
            ("salus", "007"),
            "Failed to get block number 007, error no such block number [7] in index",
        ),
        (
            "GetBlockByHash",
            ("salus", b"hash"),
            "Failed to get block hash hash, error no such block hash [68617368] in index",
        ),
        ("GetBlockByHash", ("salus", b""), "Failed to get block hash , error no such block hash [] in index"),
        (
            "GetTransactionByID",
            ("salus", "ab"),
            "Failed to get transaction with id ab, error no such transaction ID [ab] in index",
        ),
        (
            "GetBlockByTxID",
            ("salus", "ab"),
            "Failed to get block for txID ab, error no such transaction ID [ab] in index",
        ),
    ],
)
async def test_what_is_wrong_is_said_as_fabric_says_it(
    ledger: Running, function: str, args: tuple[str | bytes, ...], text: str
) -> None:
    assert await refused(auditor(ledger), function, *args) == text


async def test_a_key_that_no_index_can_hold_is_not_there(ledger: Running) -> None:
    client = auditor(ledger)
    assert "value out of range" in await refused(client, "GetBlockByNumber", "salus", "9" * 10_000)
    for function in ("GetBlockByHash", "GetTransactionByID", "GetBlockByTxID"):
        for key in (b"\xff" * 10_000, b"\x00"):
            assert "no such" in await refused(client, function, "salus", key)


async def test_blocks_are_for_those_who_may_have_them_delivered(ledger: Running) -> None:
    client = ledger.client(A)
    committed = await client.submit("sample", "Put", "k", "v")
    lookups: tuple[tuple[str, str | bytes], ...] = (
        ("GetBlockByNumber", "1"),
        ("GetBlockByHash", blocks.header_hash(ledger.node.read(1).header)),
        ("GetBlockByTxID", committed.transaction_id),
        ("GetTransactionByID", committed.transaction_id),
    )
    for function, key in lookups:
        assert await refused(client, function, "salus", key) == (
            f"access denied for [{function}][salus]: [blocks are for role admin or audit or inspector or ledger]"
        )


async def test_an_organisation_outside_the_channel_reads_nothing(organisations: Organisations) -> None:
    members = organisations.members | {"StrangerMSP": Organisation.create("StrangerMSP")}
    widened = Organisations(organisations.root, members)
    widened.enrol("StrangerMSP", "audit", role="audit")
    async with running(widened) as ledger:
        said = await refused(ledger.client("StrangerMSP", "audit"), "GetChainInfo", "salus")
    assert said.startswith(
        "access denied for [GetChainInfo][salus]: [Failed evaluating policy on signed data during check policy on "
        "channel [salus] with policy [/Channel/Application/Readers]: "
    )


async def test_a_proposal_that_its_creator_did_not_sign_is_refused(ledger: Running) -> None:
    client = auditor(ledger)
    proposal = client.propose("qscc", "GetChainInfo", "salus")
    answer = await refusal(evaluate(client, proposal, client.signer.sign(b"else")))
    assert (answer.code, "access denied: channel [salus] creator org" in answer.message) == (
        "FAILED_PRECONDITION",
        True,
    )


@pytest.mark.parametrize("name", ["qscc", "cscc", "_lifecycle"])
async def test_a_system_chaincode_is_never_endorsed(ledger: Running, name: str) -> None:
    client = auditor(ledger)
    proposals: list[tuple[Proposal, tuple[str, ...]]] = [
        (client.propose(name, "GetChainInfo", "salus"), organisations) for organisations in ((), (A,))
    ]
    answers = [await refusal(endorse(client, each, organisations=named)) for each, named in proposals]
    assert [each.code for each in answers] == ["FAILED_PRECONDITION", "UNAVAILABLE"]
    assert f"no metadata was found for chaincode {name}" in answers[0].message


async def test_a_contract_cannot_call_a_system_chaincode(ledger: Running) -> None:
    client = auditor(ledger)
    answer = await refusal(endorse(client, client.propose("sample", "Call", "qscc", "GetChainInfo", "salus", "")))
    assert "there is no contract qscc" in answer.said[0]
