"""What the transparency log says about one transaction: where it stands, what it is, and how the ledger judged it.

Leaf bytes, format `salus.audit.leaf/1`: the canonical JSON array

    ["salus.audit.leaf/1", channel, block number, index in the block, transaction id, envelope SHA-256, validation code]

with the hash in lower-case hexadecimal over the envelope's bytes verbatim, and the code as Fabric numbers it
(`protos.TxValidationCode`). Every transaction has a leaf, invalid ones and configurations too. The leaf's hash is that
of RFC 9162 section 2.1.1.
"""

from __future__ import annotations

import hashlib

from chaincode.core import canonical, merkle

SCHEMA = "salus.audit.leaf/1"


def leaf_bytes(
    channel: str, block_number: int, index: int, transaction_id: str, envelope: bytes, validation_code: int
) -> bytes:
    """The leaf of one transaction. `envelope` is the serialised `common.Envelope` as it stands in the block."""
    digest = hashlib.sha256(envelope).hexdigest()
    return canonical.encode([SCHEMA, channel, block_number, index, transaction_id, digest, validation_code])


def leaf_hash(
    channel: str, block_number: int, index: int, transaction_id: str, envelope: bytes, validation_code: int
) -> bytes:
    """The leaf's hash in the tree."""
    return merkle.leaf_hash(leaf_bytes(channel, block_number, index, transaction_id, envelope, validation_code))
