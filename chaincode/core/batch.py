"""Records signed in batches: one signature over a Merkle root, and for each record the path that leads to it. Pure.

The leaf of a record is its commitment (32 bytes); hashing is RFC 9162's. What is signed is a statement that names its
purpose, so that the signature is good for nothing else. A single record is a batch of one, with an empty path.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from chaincode.core import canonical, certificate, merkle
from chaincode.core.record import SALT_BYTES, RecordError, commitment

MAX_ITEMS = 256

_HASH = re.compile(r"[0-9a-f]{64}")
_SALT = re.compile(rf"[0-9a-f]{{{2 * SALT_BYTES}}}")


@dataclass(frozen=True)
class Item:
    """One record with its salt, its input (empty bytes for a refusal) with the input's salt, and its place."""

    record: bytes
    salt: bytes
    input: bytes
    input_salt: bytes
    index: int
    path: tuple[bytes, ...]

    @property
    def commitment(self) -> str:
        """The record's public commitment."""
        return commitment(self.salt, self.record)

    def to_json(self) -> dict[str, Any]:
        return {
            "record": self.record.decode(),
            "salt": self.salt.hex(),
            "input": self.input.decode(),
            "input_salt": self.input_salt.hex(),
            "index": self.index,
            "path": [each.hex() for each in self.path],
        }


@dataclass(frozen=True)
class Batch:
    """Root over the records' commitments, the signature over its statement, and the records."""

    root: bytes
    size: int
    signature: bytes
    items: tuple[Item, ...]

    def encode(self) -> bytes:
        """Canonical JSON, as sent to the contract `decisions`."""
        return canonical.encode(
            {
                "root": self.root.hex(),
                "size": self.size,
                "signature": base64.b64encode(self.signature).decode(),
                "items": [item.to_json() for item in self.items],
            }
        )


def statement(root: bytes, size: int) -> bytes:
    """The bytes that the inference service signs."""
    return f"salus.decisions/1\n{size}\n{root.hex()}\n".encode()


def arrange(contents: Sequence[tuple[bytes, bytes, bytes, bytes]]) -> tuple[bytes, tuple[Item, ...]]:
    """Root and items of records given as (record, salt, input, input salt)."""
    leaves = [merkle.leaf_hash(bytes.fromhex(commitment(salt, record))) for record, salt, _, _ in contents]
    paths = merkle.inclusion_proofs(leaves)
    items = tuple(
        Item(*content, index=index, path=tuple(path))
        for index, (content, path) in enumerate(zip(contents, paths, strict=True))
    )
    return merkle.root(leaves), items


def is_signed(root: bytes, size: int, signature: bytes, public_key: EllipticCurvePublicKey) -> bool:
    """Whether the key signed this root."""
    return certificate.verify(public_key, signature, statement(root, size))


def is_included(item: Item, root: bytes, size: int) -> bool:
    """Whether the item's path leads from its record to this root."""
    leaf = merkle.leaf_hash(bytes.fromhex(item.commitment))
    return merkle.verify_inclusion(leaf, item.index, size, item.path, root)


def parse(body: bytes) -> Batch:
    """Reads a batch. Raises RecordError naming the field."""
    try:
        document = canonical.decode(body)
    except ValueError:
        raise RecordError("the batch is no JSON document") from None
    if not isinstance(document, dict) or set(document) != {"root", "size", "signature", "items"}:
        raise RecordError("a batch holds root, size, signature and items")
    items = document["items"]
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        raise RecordError(f"a batch holds 1 to {MAX_ITEMS} items")
    return Batch(
        root=_bytes(document["root"], _HASH, "root"),
        size=_whole(document["size"], "size"),
        signature=_base64(document["signature"]),
        items=tuple(parse_item(each, f"items[{index}]") for index, each in enumerate(items)),
    )


def parse_item(document: object, where: str = "item") -> Item:
    """Reads an item as `Item.to_json` writes it. Raises RecordError naming the field."""
    keys = {"record", "salt", "input", "input_salt", "index", "path"}
    if not isinstance(document, dict) or set(document) != keys:
        raise RecordError(f"{where} holds {', '.join(sorted(keys))}")
    if not isinstance(document["path"], list) or len(document["path"]) > MAX_ITEMS.bit_length():
        raise RecordError(f"{where}.path takes at most {MAX_ITEMS.bit_length()} hashes")
    for name in ("record", "input"):
        if not isinstance(document[name], str):
            raise RecordError(f"{where}.{name} must be text")
    return Item(
        record=_utf8(document["record"], f"{where}.record"),
        salt=_bytes(document["salt"], _SALT, f"{where}.salt"),
        input=_utf8(document["input"], f"{where}.input"),
        input_salt=_bytes(document["input_salt"], _SALT, f"{where}.input_salt") if document["input"] else b"",
        index=_whole(document["index"], f"{where}.index"),
        path=tuple(_bytes(each, _HASH, f"{where}.path") for each in document["path"]),
    )


def _utf8(value: str, where: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise RecordError(f"{where} is not valid text") from None


def _bytes(value: object, pattern: re.Pattern[str], where: str) -> bytes:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise RecordError(f"{where} takes bytes in lower-case hexadecimal")
    return bytes.fromhex(value)


def _whole(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_ITEMS:
        raise RecordError(f"{where} takes a whole number from 0 to {MAX_ITEMS}")
    return value


def _base64(value: object) -> bytes:
    try:
        return base64.b64decode(value if isinstance(value, str) else "-", validate=True)
    except (binascii.Error, ValueError):
        raise RecordError("signature takes base64") from None
