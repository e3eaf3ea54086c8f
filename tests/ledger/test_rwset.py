"""Read-write sets: deterministic bytes, and what is refused."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from functools import partial

import pytest
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.rwset import (
    RangeQuery,
    RwsetBuilder,
    RwsetError,
    Version,
    encode_private,
    hash_of,
    parse,
    parse_private,
)

names = st.sampled_from(["alpha", "beta"])
keys = st.text(min_size=1, max_size=4)
versions = st.none() | st.builds(Version, st.integers(0, 2**40), st.integers(0, 500))
values = st.none() | st.binary(min_size=1, max_size=8)
places = st.tuples(names, keys)
private_places = st.tuples(names, names, keys)


def build(
    reads: dict[tuple[str, str], Version | None],
    writes: dict[tuple[str, str], bytes | None],
    private_reads: dict[tuple[str, str, str], Version | None],
    private_writes: dict[tuple[str, str, str], bytes | None],
    order: random.Random,
) -> RwsetBuilder:
    builder = RwsetBuilder()
    calls: list[Callable[[], None]] = [
        *(partial(builder.read, *at, version) for at, version in reads.items()),
        *(partial(builder.write, *at, value) for at, value in writes.items()),
        *(partial(builder.read_private, *at, version) for at, version in private_reads.items()),
        *(partial(builder.write_private, *at, value) for at, value in private_writes.items()),
    ]
    order.shuffle(calls)
    for call in calls:
        call()
    return builder


sets = (
    st.dictionaries(places, versions, max_size=5),
    st.dictionaries(places, values, max_size=5),
    st.dictionaries(private_places, versions, max_size=5),
    st.dictionaries(private_places, values, max_size=5),
)


@given(*sets, st.randoms(), st.randoms())
def test_the_order_of_calls_does_not_show(  # type: ignore[no-untyped-def]
    reads, writes, private_reads, private_writes, one: random.Random, other: random.Random
) -> None:
    first = build(reads, writes, private_reads, private_writes, one)
    second = build(reads, writes, private_reads, private_writes, other)
    assert (first.public(), first.private()) == (second.public(), second.private())


@given(*sets, st.randoms())
def test_what_was_built_is_read(  # type: ignore[no-untyped-def]
    reads, writes, private_reads, private_writes, order: random.Random
) -> None:
    builder = build(reads, writes, private_reads, private_writes, order)
    parsed = parse(builder.public())
    assert {(ns.name, key): version for ns in parsed for key, version in ns.reads.items()} == reads
    assert {(ns.name, key): value for ns in parsed for key, value in ns.writes.items()} == writes
    assert {
        (ns.name, each.name, key): version
        for ns in parsed
        for each in ns.collections
        for key, version in each.reads.items()
    } == {(ns, name, hash_of(key.encode())): version for (ns, name, key), version in private_reads.items()}
    assert {
        (ns.name, each.name, key): value
        for ns in parsed
        for each in ns.collections
        for key, value in each.writes.items()
    } == {
        (ns, name, hash_of(key.encode())): None if value is None else hash_of(value)
        for (ns, name, key), value in private_writes.items()
    }


@given(sets[3], st.randoms())
def test_the_public_set_vouches_for_the_private_one(  # type: ignore[no-untyped-def]
    private_writes, order: random.Random
) -> None:
    builder = build({}, {}, {}, private_writes, order)
    private = builder.private()
    assert (private is None) == (not private_writes)
    parts = parse_private(private or b"")
    hashes = {(ns.name, each.name): each.private_hash for ns in parse(builder.public()) for each in ns.collections}
    assert {(part.namespace, part.name): part.digest for part in parts} == hashes
    assert {(part.namespace, part.name, key): value for part in parts for key, value in part.writes.items()} == (
        private_writes
    )


@given(sets[3], st.randoms())
def test_private_parts_are_kept_verbatim(private_writes, order: random.Random) -> None:  # type: ignore[no-untyped-def]
    parts = parse_private(build({}, {}, {}, private_writes, order).private() or b"")
    assert parse_private(encode_private(parts)) == parts


@given(st.binary(max_size=60))
def test_any_bytes_are_a_set_or_refused(data: bytes) -> None:
    for read in (parse, parse_private):
        try:
            read(data)
        except RwsetError:
            continue


def test_no_cleartext_is_in_the_public_set() -> None:
    builder = RwsetBuilder()
    builder.write_private("alpha", "secrets", "patient-17", b"malignant")
    assert b"patient-17" not in builder.public()
    assert b"malignant" not in builder.public()


def test_a_set_is_fabrics_message() -> None:
    builder = RwsetBuilder()
    builder.read("cc", "absent", None)
    builder.read("cc", "k", Version(3, 1))
    builder.range("cc", RangeQuery("a", "z", True, (("k", Version(3, 1)),)))
    builder.write("cc", "gone", None)
    builder.write_private("cc", "coll", "p", b"v")
    message = rwset_pb2.TxReadWriteSet.FromString(builder.public())
    (namespace,) = message.ns_rwset
    kv = kv_rwset_pb2.KVRWSet.FromString(namespace.rwset)
    assert [(each.key, each.HasField("version")) for each in kv.reads] == [("absent", False), ("k", True)]
    assert kv.range_queries_info[0].raw_reads.kv_reads[0].version.block_num == 3
    assert [(each.key, each.is_delete) for each in kv.writes] == [("gone", True)]
    (collection,) = namespace.collection_hashed_rwset
    (write,) = kv_rwset_pb2.HashedRWSet.FromString(collection.hashed_rwset).hashed_writes
    assert (write.key_hash, write.value_hash) == (hashlib.sha256(b"p").digest(), hashlib.sha256(b"v").digest())


def test_a_contract_that_only_ran_is_there() -> None:
    builder = RwsetBuilder()
    builder.touch("cc")
    (namespace,) = parse(builder.public())
    assert (namespace.name, namespace.written) == ("cc", False)


@pytest.mark.parametrize(
    "kv",
    [
        kv_rwset_pb2.KVRWSet(metadata_writes=[kv_rwset_pb2.KVMetadataWrite(key="k")]),
        kv_rwset_pb2.KVRWSet(
            range_queries_info=[
                kv_rwset_pb2.RangeQueryInfo(reads_merkle_hashes=kv_rwset_pb2.QueryReadsMerkleSummary(max_degree=2))
            ]
        ),
        kv_rwset_pb2.KVRWSet(reads=[kv_rwset_pb2.KVRead(key="k"), kv_rwset_pb2.KVRead(key="k")]),
        kv_rwset_pb2.KVRWSet(
            range_queries_info=[
                kv_rwset_pb2.RangeQueryInfo(raw_reads=kv_rwset_pb2.QueryReads(kv_reads=[kv_rwset_pb2.KVRead(key="k")]))
            ]
        ),
    ],
)
def test_what_is_not_validated_is_refused(kv: kv_rwset_pb2.KVRWSet) -> None:
    message = rwset_pb2.TxReadWriteSet()
    message.ns_rwset.add(namespace="cc", rwset=kv.SerializeToString())
    with pytest.raises(RwsetError):
        parse(message.SerializeToString())
