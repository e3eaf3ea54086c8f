"""`cscc` over gRPC and mutual TLS, with the answers and texts of Fabric's core/scc/cscc/configure.go."""

from __future__ import annotations

import pytest
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.peer import query_pb2

from services.ledger import genesis
from tests.ledger.running import A, Running, described, refusal, running
from tests.ledger.test_gateway import evaluate
from tests.organisations import Organisations


async def test_the_channel_of_the_ledger_is_listed(ledger: Running) -> None:
    answer = query_pb2.ChannelQueryResponse.FromString(await ledger.client(A).evaluate("cscc", "GetChannels"))
    assert [each.channel_id for each in answer.channels] == ["salus"]


async def test_the_latest_configuration_is_given_with_and_without_its_block(organisations: Organisations) -> None:
    content = described()
    async with running(organisations, content=content) as ledger:
        await ledger.client(A).submit("sample", "Put", "k", "v")
    content["contracts"]["sample"]["version"] = "1.1"
    async with running(organisations, content=content) as ledger:
        client = ledger.client(A)
        await client.submit("sample", "Put", "k", "w")
        block = common_pb2.Block.FromString(await client.evaluate("cscc", "GetConfigBlock", "salus"))
        assert (block.header.number, ledger.node.height) == (2, 4)
        parsed = genesis.parse(block.data.data[0])
        assert parsed is not None
        config = configtx_pb2.Config.FromString(await client.evaluate("cscc", "GetChannelConfig", "salus"))
        assert config == parsed[1]
        assert config.sequence == 1


@pytest.mark.parametrize(
    ("function", "args", "text"),
    [
        ("GetConfigBlock", (), "Incorrect number of arguments, 1"),
        ("Nothing", (), "Incorrect number of arguments, 1"),
        ("Nothing", ("salus",), "Requested function Nothing not found."),
        (
            "GetConfigBlock",
            ("other",),
            "access denied for [GetConfigBlock][other]: Failed to get policy manager for channel [other]",
        ),
        ("GetChannelConfig", ("",), "empty channel name provided"),
        ("JoinChain", (b"block",), "access denied for [JoinChain]: this ledger has one channel and joins no other"),
        (
            "JoinChainBySnapshot",
            ("snapshot",),
            "access denied for [JoinChainBySnapshot]: this ledger has one channel and joins no other",
        ),
        (
            "JoinBySnapshotStatus",
            (),
            "access denied for [JoinBySnapshotStatus]: this ledger has one channel and joins no other",
        ),
    ],
)
async def test_what_is_wrong_is_said_as_fabric_says_it(
    ledger: Running, function: str, args: tuple[str | bytes, ...], text: str
) -> None:
    client = ledger.client(A)
    answer = await refusal(evaluate(client, client.propose("cscc", function, *args)))
    assert (answer.code, answer.said) == ("UNKNOWN", (f"chaincode response 500, {text}",))
