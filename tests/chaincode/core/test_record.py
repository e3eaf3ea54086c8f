from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.core import canonical, record
from chaincode.core.provision import EMERGENCY_PURPOSES, PURPOSES, Actor, Basis
from chaincode.core.record import Answer, Consented, Contribution, Input, Model, Record, RecordError

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ANSWER = Answer(0.75, "malignant", (Contribution("x", 1.5, 0.25), Contribution("y", -2.0, 0.5)), "1" * 64)
ANSWERED = Record(
    request_id="request-1",
    started=NOON,
    ended=NOON + timedelta(microseconds=1500),
    model=Model("breast-cancer", "1.0.0", "5" * 64, "c" * 64),
    patient="0123456789abcdef0123456789abcdef",
    data_class="cytology",
    purpose="TREAT",
    requester=Actor("HospitalAMSP", "clinician", "dr-a"),
    consent=Consented(Basis.CONSENT, "consent-1", "d" * 64),
    answer=ANSWER,
    retain_until=NOON.replace(year=2036),
    sources=(("x", "Observation/7"),),
)
REFUSED = replace(
    ANSWERED, answer=None, consent=Consented(Basis.NO_CONSENT), reason="Ask the patient for consent.", sources=()
)

WORDS = st.from_regex(r"[0-9A-Za-z._-]{1,64}", fullmatch=True)
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=50)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.integers(-(2**40), 2**40).map(
    lambda milliseconds: NOON + timedelta(milliseconds=milliseconds, microseconds=7)
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    answered, purpose, started = draw(st.booleans()), draw(st.sampled_from(sorted(PURPOSES))), draw(TIMES)
    bases = (Basis.CONSENT, Basis.EMERGENCY) if answered else (Basis.DENIED, Basis.NO_CONSENT)
    ended = started + draw(st.timedeltas(timedelta(0), timedelta(minutes=1)))
    return Record(
        request_id=draw(WORDS),
        started=started,
        ended=ended,
        model=Model(draw(WORDS), draw(WORDS), draw(HASHES), draw(HASHES)),
        patient=draw(IDS),
        data_class=draw(WORDS),
        purpose=purpose,
        requester=Actor(draw(WORDS), draw(WORDS), draw(TEXT)),
        consent=Consented(draw(st.sampled_from(bases)), draw(st.just("") | WORDS), draw(st.just("") | HASHES)),
        answer=draw(
            st.builds(
                Answer,
                st.floats(0, 1),
                TEXT,
                st.lists(st.builds(Contribution, WORDS, NUMBERS, NUMBERS), max_size=3).map(tuple),
                HASHES,
            )
        )
        if answered
        else None,
        retain_until=ended + timedelta(days=1),
        reason="" if answered else draw(TEXT),
        emergency_reason=draw(TEXT) if purpose in EMERGENCY_PURPOSES else "",
        amends=draw(st.just("") | IDS),
        sources=draw(st.lists(st.tuples(WORDS, TEXT), max_size=2).map(tuple)),
    )


@given(records())
def test_a_record_reads_back_as_itself(written: Record) -> None:
    assert record.parse(written.encode()) == written


@given(st.data(), records())
def test_a_record_with_a_changed_byte_is_another_record_or_none(data: st.DataObject, written: Record) -> None:
    body = bytearray(written.encode())
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(RecordError):
        assert record.parse(bytes(body)) != written


def changed(changes: dict[str, Any], of: Record = ANSWERED) -> bytes:
    """The record's JSON with members replaced; None removes one. A double underscore leads into an object."""
    document = canonical.decode(of.encode())
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = document
        for parent in parents:
            place = place[parent]
        place[name] = value
        if value is None:
            del place[name]
    return canonical.encode(document)


@pytest.mark.parametrize("name", sorted(canonical.decode(ANSWERED.encode())))
def test_a_record_that_lacks_a_member_is_refused(name: str) -> None:
    with pytest.raises(RecordError):
        record.parse(changed({name: None}))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"schema": "salus.decision/2"}, "contradicts"),
        ({"id": "0" * 32}, "contradicts"),
        ({"request_id": "a b"}, "request_id"),
        ({"outcome": "refused"}, "reason"),
        ({"outcome": "maybe"}, "reason"),
        ({"started": "2026-11-24T12:00:00Z"}, "started"),
        ({"started": "2026-11-24T13:00:00.000000Z"}, "out of order"),
        ({"ended": "2026-02-30T12:00:00.000000Z"}, "ended"),
        ({"retain_until": "2026-11-24T12:00:00.000000Z"}, "out of order"),
        ({"model__sha256": "5" * 63}, "model.sha256"),
        ({"model__version": 1}, "model.version"),
        ({"model": []}, "model"),
        ({"patient": "Jane"}, "patient"),
        ({"purpose": "CURIOSITY"}, "purpose"),
        ({"emergency_reason": "Just because."}, "emergency_reason"),
        ({"requester__role": ""}, "requester.role"),
        ({"consent__basis": "wish"}, "consent.basis"),
        ({"consent__basis": "denied"}, "consent.basis"),
        ({"reason": "No."}, "reason"),
        ({"amends": "x"}, "amends"),
        ({"sources": {}}, "sources"),
        ({"input_commitment": ""}, "input_commitment"),
        ({"output__probability": "0.75"}, "output.probability"),
        ({"output__probability": True}, "output.probability"),
        ({"output__probability": 1.5}, "output.probability"),
        ({"output__probability": 1}, "contradicts"),
        ({"output__confidence": 0.75}, "too many"),
        ({"explanation": [7]}, r"explanation\[0\]"),
        ({"note": "hello"}, "too many"),
    ],
)
def test_a_faulty_record_is_refused_by_the_name_of_its_field(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(RecordError, match=named):
        record.parse(changed(changes))


def test_a_refusal_keeps_no_output_explanation_or_commitment_to_an_input() -> None:
    document = canonical.decode(REFUSED.encode())
    assert (document["output"], document["explanation"], document["input_commitment"]) == (None, [], "")
    with pytest.raises(RecordError):
        record.parse(changed({"explanation": [{"name": "x", "value": 1.0, "contribution": 0.1}]}, REFUSED))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"schema":"salus.decision/1"}', b"\xff", b"null"])
def test_what_is_no_record_is_refused(body: bytes) -> None:
    with pytest.raises(RecordError):
        record.parse(body)
    with pytest.raises(RecordError):
        record.parse_input(body)


def test_no_fault_tells_a_value() -> None:
    with pytest.raises(RecordError) as caught:
        record.parse(changed({"patient": "Jane Doe"}))
    assert "Jane" not in str(caught.value)


def test_a_decisions_id_follows_from_organisation_and_request() -> None:
    expected = hashlib.sha256(b"salus.decision\x00HospitalAMSP\x00request-1").hexdigest()[:32]
    assert ANSWERED.id == record.decision_id("HospitalAMSP", "request-1") == expected


def test_where_organisation_and_request_meet_makes_a_difference() -> None:
    assert record.decision_id("A", "B1") != record.decision_id("AB", "1")


def test_a_commitment_is_the_hash_of_salt_and_bytes() -> None:
    assert record.commitment(b"s" * 16, b"body") == hashlib.sha256(b"s" * 16 + b"body").hexdigest()


@given(TIMES)
def test_a_time_reads_back_as_itself(time: datetime) -> None:
    assert record.parse_time(record.format_time(time)) == time


def test_a_time_is_written_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    assert record.format_time(datetime(2026, 11, 24, 14, tzinfo=zone)) == "2026-11-24T12:00:00.000000Z"


INPUT = Input("0123456789abcdef0123456789abcdef", "request-1", "breast-cancer", {"x": (1.5,), "lead": (0.0, -0.5)})


@given(
    st.builds(Input, IDS, WORDS, WORDS, st.dictionaries(WORDS, st.lists(NUMBERS, max_size=3).map(tuple), max_size=4))
)
def test_an_input_reads_back_as_itself(given_input: Input) -> None:
    assert record.parse_input(given_input.encode()) == given_input


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"patient": "Jane"}, "patient"),
        ({"model": ""}, "model"),
        ({"measurements": []}, "measurements"),
        ({"measurements": {"x": 1.5}}, "measurements.x"),
        ({"measurements": {"x": [True]}}, "measurements.x"),
        ({"measurements": {"x": [1]}}, "not canonical"),
        ({"unit": "mm"}, "too many"),
    ],
)
def test_a_faulty_input_is_refused_by_the_name_of_its_field(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(RecordError, match=named):
        record.parse_input(canonical.encode(canonical.decode(INPUT.encode()) | changes))


def test_the_digest_is_of_the_measurements_alone() -> None:
    elsewhere = replace(INPUT, patient="f" * 32, request_id="request-2", model_id="news2")
    reordered = replace(INPUT, measurements={"lead": (0.0, -0.5), "x": (1.5,)})
    unsigned = replace(INPUT, measurements={"x": (1.5,), "lead": (-0.0, -0.5)})
    assert elsewhere.digest == reordered.digest == unsigned.digest == INPUT.digest
    assert replace(INPUT, measurements={"x": (1.5,), "lead": (0.0, 0.5)}).digest != INPUT.digest


def test_an_answer_within_tolerance_does_not_differ() -> None:
    assert record.differences(ANSWER, "malignant", 0.75 + 1e-9, [0.25 - 1e-9, 0.5], 1e-8) == []


@pytest.mark.parametrize(
    ("label", "probability", "contributions", "found"),
    [
        ("benign", 0.75, [0.25, 0.5], ["label"]),
        ("malignant", 0.76, [0.25, 0.5], ["probability"]),
        ("malignant", float("nan"), [0.25, 0.5], ["probability"]),
        ("malignant", 0.75, [0.25, 0.6], ["contribution of y"]),
        ("malignant", 0.75, [float("nan"), 0.5], ["contribution of x"]),
        ("malignant", 0.75, [0.25], ["explanation"]),
        ("benign", 0.1, [0.0, 0.0], ["probability", "label", "contribution of x", "contribution of y"]),
    ],
)
def test_an_answer_that_differs_is_told_in_what(
    label: str, probability: float, contributions: list[float], found: list[str]
) -> None:
    assert record.differences(ANSWER, label, probability, contributions, 1e-8) == found
