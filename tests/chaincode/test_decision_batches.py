"""What a service gets that lies about who it is, or about what it signed. See `lies`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chaincode.core import batch, canonical
from tests.chaincode.callers import HOSPITAL_A, Caller, caller
from tests.chaincode.clinic import (
    ANN,
    DOCTOR,
    INFERENCE,
    INFERENCE_B,
    INSPECTOR,
    OWNER,
    Clinic,
    Question,
    signed_by,
)
from tests.chaincode.lies import reason, refusal
from tests.chaincode.memory_ledger import NOON


@pytest.fixture
def clinic() -> Clinic:
    return Clinic()


@pytest.mark.parametrize("who", [DOCTOR, ANN, INSPECTOR, OWNER, caller(HOSPITAL_A, "admin", "admin")])
def test_only_an_inference_service_records(clinic: Clinic, who: Caller) -> None:
    assert refusal(clinic, clinic.batch(), who=who) == "NOT_INFERENCE_SERVICE"


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_time_far_from_the_endorsers_clock_is_stale(clinic: Clinic, minutes: int) -> None:
    at = NOON + timedelta(minutes=minutes)
    assert refusal(clinic, clinic.batch(Question(at=at)), at=at) == "STALE_TIMESTAMP"


# The batch


def test_a_call_without_a_batch_is_refused(clinic: Clinic) -> None:
    assert reason(clinic.ledger.submit(INFERENCE.creator, "decisions", "Record")) == "BAD_REQUEST"


Tamper = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "tamper",
    [
        lambda document: document.pop("root"),
        lambda document: document.update(note="x"),
        lambda document: document.update(root="00"),
        lambda document: document.update(signature="%"),
        lambda document: document.update(items=[]),
        lambda document: document["items"].append(document["items"][0]),
        lambda document: document["items"].pop(),
        lambda document: document["items"].reverse(),
        lambda document: document.update(size=3),
        lambda document: document.update(size=2.0),
        lambda document: document["items"][0].update(index=-1),
        lambda document: document["items"][0].update(index=1),
        lambda document: document["items"][0].update(salt="00"),
        lambda document: document["items"][0].update(path=["zz"]),
        lambda document: document["items"][0].update(record=None),
    ],
)
def test_a_batch_that_is_not_whole_and_in_order_is_refused(clinic: Clinic, tamper: Tamper) -> None:
    document = json.loads(clinic.batch(Question(), Question("r2", x=2.0)).encode())
    tamper(document)
    assert refusal(clinic, canonical.encode(document)) == "BAD_BATCH"


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'{"root":NaN}', b'{"size":1e999}'])
def test_a_batch_that_is_no_json_object_is_refused(clinic: Clinic, body: bytes) -> None:
    assert refusal(clinic, body) == "BAD_BATCH"


def test_a_batch_of_257_is_refused(clinic: Clinic) -> None:
    item = clinic.batch().items[0]
    many = tuple(replace(item, index=n) for n in range(257))
    assert refusal(clinic, signed_by(INFERENCE, bytes(32), many)) == "BAD_BATCH"


def test_a_signed_record_cannot_be_held_back(clinic: Clinic) -> None:
    whole = clinic.batch(Question(), Question("r2", x=2.0))
    assert refusal(clinic, replace(whole, items=whole.items[:1])) == "BAD_BATCH"


@pytest.mark.parametrize("signer", [INFERENCE_B, DOCTOR])
def test_a_signature_of_somebody_else_is_refused(clinic: Clinic, signer: Caller) -> None:
    honest = clinic.batch()
    assert refusal(clinic, signed_by(signer, honest.root, honest.items)) == "BAD_SIGNATURE"


def test_another_service_cannot_hand_in_a_batch_as_its_own(clinic: Clinic) -> None:
    assert refusal(clinic, clinic.batch(), who=INFERENCE_B) == "BAD_SIGNATURE"


def test_a_signature_over_another_root_is_refused(clinic: Clinic) -> None:
    honest, other = clinic.batch(), clinic.batch(Question(x=2.0))
    assert refusal(clinic, replace(honest, signature=other.signature)) == "BAD_SIGNATURE"


def test_a_signature_for_another_size_is_refused(clinic: Clinic) -> None:
    honest = clinic.batch()
    signature = INFERENCE.sign(batch.statement(honest.root, 2))
    assert refusal(clinic, replace(honest, signature=signature)) == "BAD_SIGNATURE"


def test_a_signature_over_the_bare_root_is_refused(clinic: Clinic) -> None:
    honest = clinic.batch()
    assert refusal(clinic, replace(honest, signature=INFERENCE.sign(honest.root))) == "BAD_SIGNATURE"


def test_paths_swapped_between_records_are_refused(clinic: Clinic) -> None:
    honest = clinic.batch(Question(), Question("r2", x=2.0))
    first, second = honest.items
    swapped = (replace(first, path=second.path), replace(second, path=first.path))
    assert refusal(clinic, replace(honest, items=swapped)) == "BAD_PROOF"


def test_records_swapped_between_places_are_refused(clinic: Clinic) -> None:
    honest = clinic.batch(Question(), Question("r2", x=2.0))
    first, second = honest.items
    swapped = (replace(second, index=0, path=first.path), replace(first, index=1, path=second.path))
    assert refusal(clinic, replace(honest, items=swapped)) == "BAD_PROOF"


def test_a_record_changed_after_signing_is_refused(clinic: Clinic) -> None:
    honest = clinic.batch()
    item = replace(honest.items[0], record=honest.items[0].record.replace(b"malignant", b"benign"))
    assert refusal(clinic, replace(honest, items=(item,))) == "BAD_PROOF"


def test_a_salt_changed_after_signing_is_refused(clinic: Clinic) -> None:
    honest = clinic.batch()
    assert refusal(clinic, replace(honest, items=(replace(honest.items[0], salt=bytes(16)),))) == "BAD_PROOF"
