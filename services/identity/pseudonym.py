"""Pseudonyms: under which name the ledger knows a patient. Pure.

A pseudonym is the keyed hash of the organisation's identifier of the patient and a random value that is thrown away,
so nobody can compute it again, not even with the key. What links the two is one stored row: a locator, which is the
identifier's keyed hash, and the pseudonym. Once the row is gone the pseudonym names nobody, and the same patient gets
another.
"""

from __future__ import annotations

import hmac
import unicodedata

KEY_BYTES = 32
SALT_BYTES = 32
MAX_IDENTIFIER = 256


def normalise(identifier: str) -> str:
    """One spelling of an identifier. Raises ValueError for an empty or too long one."""
    normal = unicodedata.normalize("NFC", identifier).strip()
    if not 1 <= len(normal) <= MAX_IDENTIFIER:
        raise ValueError(f"must be 1 to {MAX_IDENTIFIER} characters")
    return normal


def locator(key: bytes, identifier: str) -> bytes:
    """Under what the row of a normalised identifier is found."""
    return _keyed(key, b"locator", identifier.encode())


def make(key: bytes, identifier: str, salt: bytes) -> str:
    """A new pseudonym of a normalised identifier: 32 lower-case hexadecimal characters."""
    return _keyed(key, b"pseudonym", salt, identifier.encode())[:16].hex()


def _keyed(key: bytes, purpose: bytes, *parts: bytes) -> bytes:
    return hmac.digest(
        key, b"\0".join((b"salus", purpose, *(len(part).to_bytes(4) + part for part in parts))), "sha256"
    )
