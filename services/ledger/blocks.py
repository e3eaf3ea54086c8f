"""Blocks as Fabric builds, hashes and signs them. Pure: signing is an argument.

The header is hashed as ASN.1 DER of (number, previous hash, data hash); the data hash is SHA-256 over the envelopes one
after the other (protoutil/blockutils). Validation codes are metadata: they are outside the data hash and outside the
orderer's signature. The commit hash chains them, together with every block's writes (core/ledger/kvledger).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from fabric_protos.common import common_pb2

_INDEX = common_pb2.BlockMetadataIndex
_METADATA_ENTRIES = len(_INDEX.values())


def build(number: int, previous_hash: bytes, envelopes: Sequence[bytes]) -> Any:
    """A `common.Block` of serialised envelopes, its metadata empty. Block 0 has the previous hash b""."""
    return common_pb2.Block(
        header=common_pb2.BlockHeader(number=number, previous_hash=previous_hash, data_hash=data_hash(envelopes)),
        data=common_pb2.BlockData(data=envelopes),
        metadata=common_pb2.BlockMetadata(metadata=[b""] * _METADATA_ENTRIES),
    )


def data_hash(envelopes: Sequence[bytes]) -> bytes:
    """What a header must hold as its data hash."""
    digest = hashlib.sha256()
    for envelope in envelopes:
        digest.update(envelope)
    return digest.digest()


def header_bytes(header: Any) -> bytes:
    """A `common.BlockHeader` as it is hashed and signed."""
    content = _integer(header.number) + _octets(header.previous_hash) + _octets(header.data_hash)
    return _der(0x30, content)


def header_hash(header: Any) -> bytes:
    """What the next header must hold as its previous hash."""
    return hashlib.sha256(header_bytes(header)).digest()


def sign(block: Any, creator: bytes, nonce: bytes, sign_bytes: Callable[[bytes], bytes], last_config: int) -> None:
    """Adds the orderer's signature to the block's metadata.

    `creator` is the orderer's serialised `msp.SerializedIdentity`, `nonce` fresh randomness, `last_config` the number
    of the latest configuration block. Signed are metadata value, signature header and header, in this order.
    """
    value = common_pb2.OrdererBlockMetadata(last_config=common_pb2.LastConfig(index=last_config)).SerializeToString()
    signature_header = common_pb2.SignatureHeader(creator=creator, nonce=nonce).SerializeToString()
    signature = sign_bytes(value + signature_header + header_bytes(block.header))
    block.metadata.metadata[_INDEX.SIGNATURES] = common_pb2.Metadata(
        value=value,
        signatures=[common_pb2.MetadataSignature(signature_header=signature_header, signature=signature)],
    ).SerializeToString()


def signed_parts(block: Any) -> list[tuple[bytes, bytes, bytes]]:
    """(creator, signature, message) of each orderer's signature. Raises DecodeError for unreadable metadata."""
    metadata = common_pb2.Metadata.FromString(_metadata(block, _INDEX.SIGNATURES))
    header = header_bytes(block.header)
    return [
        (
            common_pb2.SignatureHeader.FromString(each.signature_header).creator,
            each.signature,
            metadata.value + each.signature_header + header,
        )
        for each in metadata.signatures
    ]


def set_codes(block: Any, codes: Sequence[int]) -> None:
    """Records each transaction's `protos.TxValidationCode`."""
    if len(codes) != len(block.data.data):
        raise ValueError("a block has one validation code for each transaction")
    block.metadata.metadata[_INDEX.TRANSACTIONS_FILTER] = bytes(codes)


def codes(block: Any) -> list[int]:
    """The validation codes that `set_codes` recorded."""
    return list(_metadata(block, _INDEX.TRANSACTIONS_FILTER))


def commit_hash(previous: bytes, codes: Sequence[int], updates: bytes) -> bytes:
    """The hash that chains codes and writes. `updates` is `BlockUpdates.deterministic_bytes`; b"" before the first."""
    return hashlib.sha256(varint(len(codes)) + bytes(codes) + updates + previous).digest()


def set_commit_hash(block: Any, value: bytes) -> None:
    """Records `commit_hash` in the block."""
    block.metadata.metadata[_INDEX.COMMIT_HASH] = common_pb2.Metadata(value=value).SerializeToString()


def get_commit_hash(block: Any) -> bytes:
    """The commit hash that the block records; b"" where it records none. Raises DecodeError."""
    return bytes(common_pb2.Metadata.FromString(_metadata(block, _INDEX.COMMIT_HASH)).value)


def varint(number: int) -> bytes:
    """Protocol buffers' variable-length encoding of a number from 0 on."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _metadata(block: Any, index: int) -> bytes:
    entries = block.metadata.metadata
    return entries[index] if index < len(entries) else b""


def _integer(number: int) -> bytes:
    # One byte more than the bits need leaves the sign bit clear.
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _octets(data: bytes) -> bytes:
    return _der(0x04, data)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
