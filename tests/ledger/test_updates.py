"""What a block changes, and the bytes that its commit hash is over."""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.rwset import Version
from services.ledger.updates import BlockUpdates, Write

_TYPES = descriptor_pb2.FieldDescriptorProto


def _batch_message() -> type:
    """`KVWritesBatchProto` of core/ledger/kvledger/txmgmt/privacyenabledstate."""
    file = descriptor_pb2.FileDescriptorProto(name="batch.proto", package="privacyenabledstate", syntax="proto3")
    write = file.message_type.add(name="KVWriteProto")
    kinds = (
        ("namespace", _TYPES.TYPE_STRING),
        ("collection", _TYPES.TYPE_STRING),
        ("key", _TYPES.TYPE_BYTES),
        ("isDelete", _TYPES.TYPE_BOOL),
        ("value", _TYPES.TYPE_BYTES),
        ("version_bytes", _TYPES.TYPE_BYTES),
    )
    for number, (name, kind) in enumerate(kinds, start=1):
        write.field.add(name=name, number=number, type=kind, label=_TYPES.LABEL_OPTIONAL)
    batch = file.message_type.add(name="KVWritesBatchProto")
    batch.field.add(
        name="kvwrites",
        number=1,
        type=_TYPES.TYPE_MESSAGE,
        label=_TYPES.LABEL_REPEATED,
        type_name=".privacyenabledstate.KVWriteProto",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("privacyenabledstate.KVWritesBatchProto"))


BATCH = _batch_message()
names = st.sampled_from(["a", "b", "c"])
writes = st.builds(
    Write,
    st.none() | st.binary(min_size=1, max_size=200),
    st.builds(Version, st.integers(0, 2**40), st.integers(0, 300)),
)


@given(
    st.dictionaries(names, st.dictionaries(st.text(min_size=1, max_size=3), writes, min_size=1, max_size=3)),
    st.dictionaries(
        st.tuples(names, names), st.dictionaries(st.binary(min_size=32, max_size=32), writes, min_size=1, max_size=3)
    ),
)
def test_the_bytes_are_fabrics_message(
    public: dict[str, dict[str, Write]], hashes: dict[tuple[str, str], dict[bytes, Write]]
) -> None:
    expected = BATCH()
    for namespace in sorted({*public, *(name for name, _ in hashes)}):
        entries = [("", key.encode(), write) for key, write in public.get(namespace, {}).items()]
        for (name, collection), content in hashes.items():
            entries += [(collection, key, write) for key, write in content.items() if name == namespace]
        former = [None, ""]
        for collection, key, write in sorted(entries, key=lambda each: each[:2]):
            expected.kvwrites.add(
                namespace=namespace if former[0] is None else "",
                collection=collection if collection != former[1] else "",
                key=key,
                isDelete=write.value is None,
                value=write.value or b"",
                version_bytes=height(write.version.block) + height(write.version.tx),
            )
            former = [namespace, collection]
    assert BlockUpdates(1, public, hashes).deterministic_bytes() == expected.SerializeToString()


def height(number: int) -> bytes:
    """EncodeOrderPreservingVarUint64 of common/ledger/util."""
    trimmed = number.to_bytes(8, "big").lstrip(b"\x00")
    return bytes([len(trimmed)]) + trimmed


def test_an_empty_block_has_no_bytes() -> None:
    assert BlockUpdates(1).deterministic_bytes() == b""
