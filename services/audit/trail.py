"""The export file, `salus.audit.export/1`: JSON Lines that are checked offline. Pure; written and read line by line.

Every line is, byte for byte,

    {"body":BODY,"sha256":"HEX"}\\n

where BODY is a canonical JSON object and HEX is SHA-256 of its bytes: so an altered line names itself. Each body has
`type` and `line`, its number, from 1. The types, in the order in which they come:

- header, the first line: schema, channel, created (RFC 3339), filter, auditor {msp_id, certificate}, organisations
  {MSP id: [SHA-256 of a root certificate]}, policies [[first block, policy]] of the contract `decisions`, checkpoint
  (signed note, verbatim), decisions (how many follow);
- card, before the first decision of each model: card (as registered, verbatim) and its sha256;
- transaction: transaction_id, block, index, validation_code, envelope (base64, verbatim), leaf (its number in the log),
  proof (hexadecimal hashes, from the leaf up);
- decision, one or more after the transaction that wrote them: id, item (the private record as it is hashed on the
  ledger, verbatim; null where it has been erased);
- seal, the last line: decisions, transactions, sha256 of all bytes before the line, signature (base64) of the auditor.

Transactions come oldest first. The seal's signature is ECDSA P-256 over `salus.audit.seal/1`, a newline and the
canonical JSON of the seal's body without the signature. The certificates in the file are trusted for nothing: roots
come from whoever verifies.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chaincode.core import canonical, record
from services.audit.index import Filter

SCHEMA = "salus.audit.export/1"
MAX_LINE_BYTES = 64 * 1024 * 1024
_START, _MIDDLE, _END = b'{"body":', b',"sha256":"', b'"}\n'
_HEX = 64
_SEAL = b"salus.audit.seal/1\n"


class LineError(ValueError):
    """The bytes are no line of an export. The message says what is wrong with them."""


@dataclass(frozen=True)
class Line:
    """One line. `intact`: the digest is that of the body's bytes."""

    body: Mapping[str, Any]
    intact: bool


def write_line(body: Mapping[str, Any]) -> bytes:
    """The bytes of a line."""
    data = canonical.encode(body)
    return _START + data + _MIDDLE + hashlib.sha256(data).hexdigest().encode() + _END


def read_line(data: bytes) -> Line:
    """Reads a line, its newline included. Raises LineError."""
    if not data.endswith(b"\n"):
        raise LineError("the line is cut short, or has no newline")
    at = len(data) - len(_END) - _HEX - len(_MIDDLE)
    end = at + len(_MIDDLE)
    if not (data.startswith(_START) and data.endswith(_END) and at > 0 and data[at:end] == _MIDDLE):
        raise LineError("the line is not of the form of an export's lines")
    body_bytes = data[len(_START) : at]
    try:
        body = canonical.decode(body_bytes)
    except ValueError:
        raise LineError("the line is no JSON document") from None
    if not isinstance(body, dict):
        raise LineError("the line's body is no object")
    return Line(body, hashlib.sha256(body_bytes).hexdigest().encode() == data[end : end + _HEX])


def seal_statement(body: Mapping[str, Any]) -> bytes:
    """What the auditor signs of a seal's body."""
    return _SEAL + canonical.encode({key: value for key, value in body.items() if key != "signature"})


@dataclass(frozen=True)
class Header:
    """What the first line says. `roots` are SHA-256 fingerprints, lower-case hexadecimal."""

    channel: str
    created: datetime
    filter: Filter
    msp_id: str
    certificate: str
    roots: Mapping[str, Sequence[str]]
    policies: Sequence[tuple[int, str]]
    checkpoint: str
    decisions: int

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "channel": self.channel,
            "created": record.format_time(self.created),
            "filter": self.filter.to_json(),
            "auditor": {"msp_id": self.msp_id, "certificate": self.certificate},
            "organisations": {msp_id: list(each) for msp_id, each in self.roots.items()},
            "policies": [list(each) for each in self.policies],
            "checkpoint": self.checkpoint,
            "decisions": self.decisions,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Header:
        """Reads a header's body. Raises LineError naming what is missing or wrong."""
        if body.get("schema") != SCHEMA:
            raise LineError(f"the file is not of schema {SCHEMA}")
        auditor, roots = field_of(body, "auditor", dict), field_of(body, "organisations", dict)
        policies = field_of(body, "policies", list)
        try:
            return cls(
                channel=field_of(body, "channel", str),
                created=record.parse_time(body.get("created"), "created"),
                filter=Filter.from_json(field_of(body, "filter", dict)),
                msp_id=field_of(auditor, "msp_id", str),
                certificate=field_of(auditor, "certificate", str),
                roots={msp_id: [str(each) for each in prints] for msp_id, prints in roots.items()},
                policies=[_policy(number, text) for number, text in policies],
                checkpoint=field_of(body, "checkpoint", str),
                decisions=field_number(body, "decisions"),
            )
        except (ValueError, TypeError) as error:
            raise LineError(f"the header is malformed: {error}") from None


def field_of(body: Mapping[str, Any], name: str, kind: type) -> Any:
    """A field of a body. Raises LineError unless it is there and of this kind."""
    value = body.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise LineError(f"field {name} is missing or malformed")
    return value


def field_number(body: Mapping[str, Any], name: str, bits: int = 63) -> int:
    """A field that holds a whole number from 0 on, of so many bits. Raises LineError."""
    value: int = field_of(body, name, int)
    if not 0 <= value < 1 << bits:
        raise LineError(f"field {name} is out of range")
    return value


def field_bytes(body: Mapping[str, Any], name: str) -> bytes:
    """A field that holds base64. Raises LineError."""
    text = field_of(body, name, str)
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = b""
    if base64.b64encode(data).decode() != text:
        raise LineError(f"field {name} is no base64")
    return data


def field_hashes(body: Mapping[str, Any], name: str) -> list[bytes]:
    """A field that holds a list of 32-byte hashes in lower-case hexadecimal. Raises LineError."""
    values = field_of(body, name, list)
    if not all(isinstance(each, str) and re.fullmatch(r"[0-9a-f]{64}", each) for each in values):
        raise LineError(f"field {name} holds something else than hashes")
    return [bytes.fromhex(each) for each in values]


def _policy(number: object, text: object) -> tuple[int, str]:
    body = {"policies": number, "policy": text}
    return field_number(body, "policies"), field_of(body, "policy", str)


@dataclass
class Writer:
    """Writes one file: each method gives the bytes to append. Call in the file's order, `seal` last."""

    _line: int = field(default=0, init=False)
    _decisions: int = field(default=0, init=False)
    _transactions: int = field(default=0, init=False)
    _digest: Any = field(default_factory=hashlib.sha256, init=False)

    def header(self, header: Header) -> bytes:
        return self._write("header", header.to_json())

    def card(self, card: str) -> bytes:
        return self._write("card", {"card": card, "sha256": canonical.sha256_hex(card.encode())})

    def transaction(
        self,
        transaction_id: str,
        block: int,
        index: int,
        validation_code: int,
        envelope: bytes,
        leaf: int,
        proof: Sequence[bytes],
    ) -> bytes:
        self._transactions += 1
        return self._write(
            "transaction",
            {
                "transaction_id": transaction_id,
                "block": block,
                "index": index,
                "validation_code": validation_code,
                "envelope": base64.b64encode(envelope).decode(),
                "leaf": leaf,
                "proof": [each.hex() for each in proof],
            },
        )

    def decision(self, decision_id: str, item: str | None) -> bytes:
        self._decisions += 1
        return self._write("decision", {"id": decision_id, "item": item})

    def seal(self, sign: Callable[[bytes], bytes]) -> bytes:
        """`sign` gives the auditor's signature of its argument."""
        body = {
            "type": "seal",
            "line": self._line + 1,
            "decisions": self._decisions,
            "transactions": self._transactions,
            "sha256": self._digest.hexdigest(),
        }
        signature = base64.b64encode(sign(seal_statement(body))).decode()
        return self._write("seal", {**body, "signature": signature})

    def _write(self, kind: str, body: Mapping[str, Any]) -> bytes:
        self._line += 1
        data = write_line({**body, "type": kind, "line": self._line})
        self._digest.update(data)
        return data
