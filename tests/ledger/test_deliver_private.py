"""Blocks with private data (core/peer/deliverevents.go): to whom a collection is open, and to nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from services.ledger.rwset import hash_of
from services.ledger.transactions import parse_action, parse_header
from tests.ledger.delivery import Stream, at, seek
from tests.ledger.running import OPERATOR, REGULATOR, A, B, Running, described, refusal, running
from tests.organisations import Organisations

METHOD = "DeliverWithPrivateData"


async def delivered(ledger: Running, number: int, msp_id: str, name: str = "peer") -> Any:
    """The `protos.BlockAndPrivateData` that this identity gets of a block."""
    return (await Stream(ledger, msp_id, name, METHOD).get(number)).block_and_private_data


async def seen(ledger: Running, number: int, msp_id: str, name: str = "peer") -> dict[str, dict[str, bytes]]:
    """Collections and their writes, of the only transaction of a block."""
    private = (await delivered(ledger, number, msp_id, name)).private_data_map
    assert set(private) <= {0}
    return {
        collection.collection_name: {
            write.key: write.value for write in kv_rwset_pb2.KVRWSet.FromString(collection.rwset).writes
        }
        for each in private.values()
        for namespace in each.ns_pvt_rwset
        for collection in namespace.collection_pvt_rwset
    }


async def put(ledger: Running, collection: str, *organisations: str) -> int:
    """The block of a transaction that puts k = secret."""
    committed = await ledger.client().submit(
        "sample", "PutPrivate", collection, "k", transient={"value": b"secret"}, organisations=organisations
    )
    return committed.block_number


@pytest.mark.parametrize(
    ("collection", "members"),
    [("everyone", {A, B, REGULATOR}), ("a_and_regulator", {A, REGULATOR}), ("only_b", {B})],
)
async def test_private_data_goes_to_the_members_of_its_collection(
    ledger: Running, collection: str, members: set[str]
) -> None:
    """Also where the collection is not `memberOnlyRead`: a Fabric peer that is no member does not have the data."""
    number = await put(ledger, collection, *((A, B) if collection == "only_b" else (A, REGULATOR)))
    for msp_id, name in ((A, "peer"), (B, "peer"), (REGULATOR, "peer"), (OPERATOR, "orderer")):
        expected = {collection: {"k": b"secret"}} if msp_id in members else {}
        assert await seen(ledger, number, msp_id, name) == expected


async def test_private_data_is_what_the_block_holds_the_hash_of(ledger: Running) -> None:
    number = await put(ledger, "a_and_regulator", A, REGULATOR)
    found = await delivered(ledger, number, A)
    assert found.block == ledger.node.read(number)
    (namespace,) = found.private_data_map[0].ns_pvt_rwset
    (collection,) = namespace.collection_pvt_rwset
    (public,) = parse_action(parse_header(found.block.data.data[0])).namespaces
    assert namespace.namespace == public.name == "sample"
    assert hash_of(collection.rwset) == public.collections[0].private_hash


async def test_a_block_without_private_data_comes_alone(ledger: Running) -> None:
    await ledger.client().submit("sample", "Put", "k", "v")
    found = await delivered(ledger, 1, A)
    assert found.block == ledger.node.read(1)
    assert not found.private_data_map


async def test_private_data_of_an_invalid_transaction_stays(ledger: Running) -> None:
    client = ledger.client()
    proposal = client.propose("sample", "PutPrivate", "a_and_regulator", "k", transient={"value": b"secret"})
    lone = await client.endorse(proposal, organisations=(A,))
    await client.submit_transaction(lone)
    assert await client.commit_status(lone.transaction_id) == ("ENDORSEMENT_POLICY_FAILURE", 1)
    assert await seen(ledger, 1, A) == {}


async def test_the_policy_is_that_of_the_configuration_which_the_block_was_made_under(
    organisations: Organisations,
) -> None:
    """Fabric: `MostRecentCollectionConfigBelow` the block. Who joins a collection does not get what was before."""
    async with running(organisations) as ledger:
        before = await put(ledger, "only_b", A, B)
    content = described()
    (widened,) = (each for each in content["contracts"]["sample"]["collections"] if each["name"] == "only_b")
    widened["policy"] = f"OR('{A}.member','{B}.member')"
    async with running(organisations, content=content) as ledger:
        after = await put(ledger, "only_b", A, B)
        assert await seen(ledger, before, B) == {"only_b": {"k": b"secret"}}
        for _ in range(2):
            assert await seen(ledger, before, A) == {}
            assert await seen(ledger, after, A) == {"only_b": {"k": b"secret"}}


async def test_requests_for_private_data_are_checked(ledger: Running) -> None:
    stream = Stream(ledger, A, "peer", METHOD)
    assert await stream.ask(seek(stream.signer, at(0), at(0), signature=b"none")) == ["FORBIDDEN"]


async def test_who_signs_the_request_is_who_must_be_a_member(ledger: Running) -> None:
    """Not who holds the connection, as for everything that is signed."""
    number = await put(ledger, "a_and_regulator", A, REGULATOR)
    stream = Stream(ledger, A, "peer", METHOD)
    stream.signer = ledger.organisations.signer(B, "peer")
    assert not (await stream.get(number)).block_and_private_data.private_data_map


@pytest.mark.parametrize(("msp_id", "name"), [(A, "member"), (REGULATOR, "audit")])
async def test_private_data_goes_to_nodes_alone(ledger: Running, msp_id: str, name: str) -> None:
    """A contract decides who of an organisation reads what; delivery would go past it."""
    refused = await refusal(Stream(ledger, msp_id, name, METHOD).call.read())
    assert refused.code == "PERMISSION_DENIED"
