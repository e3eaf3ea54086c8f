"""Checkpoints of the transparency log: C2SP tlog-checkpoint, a signed note.

    salus/<channel>/<MSP id of the auditor>
    <number of leaves>
    <root, base64>
    <empty line>
    — salus/<channel>/<MSP id> <base64 of key id and signature>

The signature is signed-note's type 0x02: ECDSA P-256 over SHA-256 of the text, ASN.1 DER; its key id is the first four
bytes of SHA-256 over the DER public key (SubjectPublicKeyInfo). Lines of other keys are left alone, as the
specification asks, so witnesses may add theirs. Pure: the key is a callable.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chaincode.core import certificate, merkle

MAX_SIGNATURES = 16
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_DASH = "— "


class CheckpointError(ValueError):
    """The text is no checkpoint, or not signed by the key. The message says what is wrong."""


@dataclass(frozen=True)
class Checkpoint:
    """The tree at one size. `root` is 32 bytes."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def origin(channel: str, msp_id: str) -> str:
    """The name of an organisation's log of a channel."""
    return f"salus/{channel}/{msp_id}"


def key_id(public_key: EllipticCurvePublicKey) -> bytes:
    """Four bytes that name a P-256 key in a signature line."""
    spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()[:4]


def sign(checkpoint: Checkpoint, public_key: EllipticCurvePublicKey, signer: Callable[[bytes], bytes]) -> str:
    """The signed note. `signer` gives an ECDSA P-256 signature over SHA-256 of its argument, ASN.1 DER."""
    signature = key_id(public_key) + signer(checkpoint.text.encode())
    return f"{checkpoint.text}\n{_DASH}{checkpoint.origin} {base64.b64encode(signature).decode()}\n"


def parse(note: str) -> tuple[Checkpoint, list[tuple[str, bytes]]]:
    """The checkpoint and its signature lines (key name, key id and signature), unverified. Raises CheckpointError."""
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise CheckpointError("the checkpoint is no signed note")
    if any(ord(character) < 32 and character != "\n" for character in note):
        raise CheckpointError("the checkpoint holds a control character")
    lines = text.split("\n")
    if len(lines) != 3 or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise CheckpointError("the checkpoint does not name an origin, a size and a root")
    root = _base64(lines[2])
    if len(root) != merkle.HASH_SIZE:
        raise CheckpointError("the checkpoint's root has not 32 bytes")
    found = [_signature(line) for line in signatures[:-1].split("\n")]
    if len(found) > MAX_SIGNATURES:
        raise CheckpointError("the checkpoint has too many signatures")
    return Checkpoint(lines[0], int(lines[1]), root), found


def verify(note: str, public_key: EllipticCurvePublicKey) -> Checkpoint:
    """The checkpoint of a note that its log signed with this key. Raises CheckpointError."""
    checkpoint, signatures = parse(note)
    expected = key_id(public_key)
    own = [signature[4:] for name, signature in signatures if name == checkpoint.origin and signature[:4] == expected]
    if not own:
        raise CheckpointError("the checkpoint is not signed with the log's key")
    message = checkpoint.text.encode()
    if not all(certificate.verify(public_key, each, message) for each in own):
        raise CheckpointError("the checkpoint's signature is wrong")
    return checkpoint


def _signature(line: str) -> tuple[str, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    signature = _base64(encoded)
    if not line.startswith(_DASH) or not space or not name or "+" in name or len(signature) < 5:
        raise CheckpointError("the checkpoint has a malformed signature line")
    return name, signature


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if base64.b64encode(data).decode() != text:
        raise CheckpointError("the checkpoint holds malformed base64")
    return data
