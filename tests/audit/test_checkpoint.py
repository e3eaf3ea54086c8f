"""Checkpoints: C2SP tlog-checkpoint and signed-note, signature type 0x02."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chaincode.core import certificate
from services.audit import checkpoint
from services.audit.checkpoint import Checkpoint, CheckpointError

KEY = ec.generate_private_key(ec.SECP256R1())
LOG = Checkpoint("salus/salus/RegulatorMSP", 20852163, hashlib.sha256(b"root").digest())


def note(log: Checkpoint = LOG, key: ec.EllipticCurvePrivateKey = KEY) -> str:
    return checkpoint.sign(log, key.public_key(), lambda message: certificate.sign(key, message))


def test_the_text_is_origin_size_and_root() -> None:
    root = base64.b64encode(LOG.root).decode()
    assert note().startswith(f"salus/salus/RegulatorMSP\n20852163\n{root}\n\n— salus/salus/RegulatorMSP ")
    assert note().count("\n") == 5


def test_the_key_id_is_the_hash_of_the_der_public_key() -> None:
    line = note().splitlines()[-1]
    spki = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert base64.b64decode(line.rpartition(" ")[2])[:4] == hashlib.sha256(spki).digest()[:4]


def test_a_signed_checkpoint_is_read_back() -> None:
    assert checkpoint.verify(note(), KEY.public_key()) == LOG


def test_an_empty_log_has_a_checkpoint() -> None:
    empty = Checkpoint("salus/salus/RegulatorMSP", 0, hashlib.sha256(b"").digest())
    assert checkpoint.verify(note(empty), KEY.public_key()) == empty


def test_lines_of_unknown_keys_are_left_alone() -> None:
    """signed-note: verifiers MUST ignore signatures from unknown keys."""
    witnessed = note() + "— witness.example/w1 " + base64.b64encode(bytes(80)).decode() + "\n"
    assert checkpoint.verify(witnessed, KEY.public_key()) == LOG


def test_a_note_of_another_key_is_refused() -> None:
    with pytest.raises(CheckpointError, match="not signed with the log's key"):
        checkpoint.verify(note(key=ec.generate_private_key(ec.SECP256R1())), KEY.public_key())


def test_a_wrong_signature_of_the_logs_key_is_refused_even_beside_a_good_one() -> None:
    """signed-note: if a signature from a known key fails to verify, clients SHOULD reject the whole note."""
    other = note(Checkpoint(LOG.origin, 1, LOG.root)).splitlines()[-1] + "\n"
    with pytest.raises(CheckpointError, match="signature is wrong"):
        checkpoint.verify(note() + other, KEY.public_key())


@pytest.mark.parametrize(
    "changed",
    [
        "",
        note().replace("\n\n", "\n"),
        note()[:-1],
        note().replace("20852163", "020852163"),
        note().replace("20852163", "-1"),
        note().replace("20852163", "²"),
        note().replace("20852163\n", "20852163\nextension\n"),
        note().replace("\n2", "\r\n2"),
        note().replace("— ", "- "),
        note().replace("= ", " ", 1) + "— name\n",
        note() + "— na+me AAAAAAAA\n",
        note() + "— name AAAA\n",
        note() + "— name AAAAAAAB=\n",
        note() + "— name AAAAAAAAAA==\n" * 16,
    ],
)
def test_what_is_no_checkpoint_is_refused(changed: str) -> None:
    with pytest.raises(CheckpointError):
        checkpoint.verify(changed, KEY.public_key())
