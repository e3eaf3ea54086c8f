"""Hashes and signatures of blocks, against protoutil/blockutils of Fabric."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.common import common_pb2

from chaincode.core import certificate
from services.ledger import blocks


def test_the_header_is_hashed_as_der() -> None:
    """SEQUENCE { INTEGER 1, OCTET STRING 'ab', OCTET STRING 'c' }."""
    header = common_pb2.BlockHeader(number=1, previous_hash=b"ab", data_hash=b"c")
    assert blocks.header_bytes(header) == bytes.fromhex("300a 020101 04026162 040163")


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(0, "020100"), (127, "02017f"), (128, "02020080"), (256, "02020100"), (2**64 - 1, "020900ffffffffffffffff")],
)
def test_the_number_is_a_positive_integer(number: int, encoded: str) -> None:
    header = common_pb2.BlockHeader(number=number)
    assert blocks.header_bytes(header)[2:-4].hex() == encoded


def test_long_content_has_a_long_length() -> None:
    header = common_pb2.BlockHeader(number=0, previous_hash=bytes(200))
    assert blocks.header_bytes(header)[:3].hex() == "3081d0"


def test_the_data_hash_is_over_the_envelopes_one_after_the_other() -> None:
    block = blocks.build(3, b"p", [b"a", b"bc"])
    assert block.header.data_hash == hashlib.sha256(b"abc").digest()


def test_the_orderer_signs_value_signature_header_and_header() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    block = blocks.build(3, b"p", [b"a"])
    blocks.sign(block, b"orderer", b"nonce", lambda message: certificate.sign(key, message), last_config=2)
    ((creator, signature, message),) = blocks.signed_parts(block)
    metadata = common_pb2.Metadata.FromString(block.metadata.metadata[common_pb2.BlockMetadataIndex.SIGNATURES])
    assert creator == b"orderer"
    assert message == metadata.value + metadata.signatures[0].signature_header + blocks.header_bytes(block.header)
    assert certificate.verify(key.public_key(), signature, message)
    assert common_pb2.OrdererBlockMetadata.FromString(metadata.value).last_config.index == 2


def test_codes_are_recorded_one_byte_each() -> None:
    block = blocks.build(0, b"", [b"a", b"b"])
    blocks.set_codes(block, [0, 254])
    assert blocks.codes(block) == [0, 254]
    assert block.metadata.metadata[common_pb2.BlockMetadataIndex.TRANSACTIONS_FILTER] == b"\x00\xfe"


def test_there_is_one_code_for_each_transaction() -> None:
    with pytest.raises(ValueError, match="one validation code"):
        blocks.set_codes(blocks.build(0, b"", [b"a"]), [])


def test_the_commit_hash_chains_codes_and_writes() -> None:
    """core/ledger/kvledger: SHA-256 over the number of codes as varint, codes, updates, former commit hash."""
    expected = hashlib.sha256(b"\x02\x00\x0b" + b"updates" + b"before").digest()
    assert blocks.commit_hash(b"before", [0, 11], b"updates") == expected


def test_codes_and_commit_hash_are_outside_the_signed_bytes() -> None:
    block = blocks.build(1, b"p", [b"a"])
    blocks.sign(block, b"orderer", b"nonce", lambda _: b"signature", last_config=0)
    before = blocks.signed_parts(block)
    blocks.set_codes(block, [11])
    blocks.set_commit_hash(block, b"hash")
    assert blocks.signed_parts(block) == before
    assert blocks.get_commit_hash(block) == b"hash"


def test_a_block_of_another_maker_may_lack_metadata() -> None:
    block = common_pb2.Block()
    assert (blocks.codes(block), blocks.get_commit_hash(block), blocks.signed_parts(block)) == ([], b"", [])
