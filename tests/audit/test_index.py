"""Places, filters and page tokens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.audit import index
from services.audit.index import Entry, Filter, PageTokenError

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ENTRY = Entry("d" * 32, "t" * 64, 7, 2, 1, NOON, "HospitalAMSP", "sum", "1", "TREAT", "answered", False)
FULL = Filter("sum", "HospitalAMSP", "a" * 32, "refused", NOON, NOON + timedelta(days=1))


def test_places_sort_by_time_then_block_index_and_position() -> None:
    later = [
        replace(ENTRY, position=2),
        replace(ENTRY, index=3, position=0),
        replace(ENTRY, block_number=300, index=0),
        replace(ENTRY, time=NOON + timedelta(microseconds=1), block_number=0),
    ]
    places = [each.place for each in (ENTRY, *later)]
    assert places == sorted(places)
    assert {len(place) for place in places} == {index.PLACE_BYTES}


def test_an_entry_is_read_back() -> None:
    assert Entry.from_bytes(ENTRY.to_bytes()) == ENTRY


def test_an_entry_does_not_name_the_patient() -> None:
    patient = "a" * 32
    assert patient.encode() not in ENTRY.to_bytes() + b"".join(ENTRY.facets(patient))


def test_a_filter_is_read_back() -> None:
    assert Filter.from_json(FULL.to_json()) == FULL
    assert Filter.from_json({}) == Filter()


@pytest.mark.parametrize("document", [{"x": "y"}, {"model_id": 1}, {"start": "today"}])
def test_what_is_no_filter_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Filter.from_json(document)


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (Filter(), True),
        (Filter(model_id="sum"), True),
        (Filter(model_id="su"), False),
        (Filter(organisation="HospitalBMSP"), False),
        (Filter(outcome="answered"), True),
        (Filter(outcome="refused"), False),
        (Filter(start=NOON), True),
        (Filter(start=NOON + timedelta(microseconds=1)), False),
        (Filter(end=NOON), False),
        (Filter(end=NOON + timedelta(microseconds=1)), True),
        (Filter(model_id="sum", outcome="refused"), False),
    ],
)
def test_all_fields_set_must_match(wanted: Filter, matches: bool) -> None:
    assert wanted.matches(ENTRY) is matches


def test_a_token_gives_its_place_back() -> None:
    assert index.read_page_token(FULL, index.page_token(FULL, ENTRY.place)) == ENTRY.place


@pytest.mark.parametrize("token", ["", "x", "é", "A" * 43 + "=", index.page_token(Filter(), ENTRY.place)])
def test_a_token_of_another_search_is_refused(token: str) -> None:
    with pytest.raises(PageTokenError):
        index.read_page_token(FULL, token)
