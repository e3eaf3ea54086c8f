"""The simulator: the rules of every stub, and those of private data, ranges and calls that are the ledger's own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from fabric_protos.peer import chaincode_event_pb2

from chaincode.api.errors import StubError
from services.ledger import rwset
from services.ledger.simulator import Simulator
from tests.chaincode.callers import HOSPITAL_A, HOSPITAL_B, REGULATOR, caller
from tests.chaincode.memory_ledger import NOON
from tests.chaincode.stub_suite import StubSuite
from tests.ledger.stubs import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def alice() -> bytes:
    return caller(HOSPITAL_A, "alice", "clinician").creator


class TestStub(StubSuite):
    """On state in LMDB."""


def put(ledger: Ledger, creator: bytes, **values: bytes) -> None:
    stub = ledger.begin(creator)
    for key, value in values.items():
        stub.put_state(key, value)
    assert ledger.commit(stub) == "VALID"


def ranges(stub: Simulator) -> list[rwset.RangeQuery]:
    return [query for each in rwset.parse(stub.results().public) for query in each.ranges]


def test_a_range_read_to_its_end_is_recorded_with_its_end(ledger: Ledger, alice: bytes) -> None:
    put(ledger, alice, a=b"1", b=b"2", c=b"3")
    stub = ledger.begin(alice)
    list(stub.get_state_by_range("a", "c"))
    (query,) = ranges(stub)
    assert (query.start, query.end, query.exhausted, [key for key, _ in query.reads]) == ("a", "c", True, ["a", "b"])


def test_a_range_left_early_is_recorded_to_the_last_key_seen(ledger: Ledger, alice: bytes) -> None:
    """Fabric's resultsItr: the end is then the last key, inclusive."""
    put(ledger, alice, a=b"1", b=b"2", c=b"3")
    stub = ledger.begin(alice)
    assert len(list(islice(stub.get_state_by_range("", ""), 2))) == 2
    (query,) = ranges(stub)
    assert (query.end, query.exhausted, [key for key, _ in query.reads]) == ("b", False, ["a", "b"])


def test_a_key_beyond_what_was_taken_of_a_range_is_no_phantom(ledger: Ledger, alice: bytes) -> None:
    put(ledger, alice, a=b"1", c=b"3")
    reader = ledger.begin(alice)
    next(reader.get_state_by_range("", ""))
    reader.put_state("z", b"1")
    put(ledger, alice, b=b"2")
    assert ledger.commit(reader) == "VALID"


def test_a_range_never_looked_at_is_not_recorded(ledger: Ledger, alice: bytes) -> None:
    stub = ledger.begin(alice)
    stub.get_state_by_range("", "")
    assert ranges(stub) == []


def test_a_key_longer_than_state_can_hold_is_refused(ledger: Ledger, alice: bytes) -> None:
    stub = ledger.begin(alice)
    assert stub.get_state("k" * 5_000) == b""
    with pytest.raises(StubError, match="BAD_KEY"):
        stub.put_state("k" * 5_000, b"1")


def test_organisations_simulate_to_the_same_bytes(ledger: Ledger, alice: bytes) -> None:
    put(ledger, alice, a=b"1")
    results = []
    proposal = ledger.propose(alice)
    for msp_id in (HOSPITAL_A, REGULATOR):
        stub = ledger.begin(alice, endorser=msp_id, proposal=proposal)
        stub.put_state("b", stub.get_state("a"))
        stub.put_private_data("secrets", "p", b"v")
        results.append(stub.results())
    assert results[0] == results[1]


def test_an_organisation_that_is_no_member_reads_what_is_absent_as_absent(ledger: Ledger, alice: bytes) -> None:
    assert ledger.begin(alice, endorser=HOSPITAL_B).get_private_data("secrets", "a") == b""


def test_an_organisation_that_is_no_member_cannot_read_what_is_there(ledger: Ledger, alice: bytes) -> None:
    writer = ledger.begin(alice)
    writer.put_private_data("secrets", "a", b"1")
    ledger.commit(writer)
    stub = ledger.begin(alice, endorser=HOSPITAL_B)
    with pytest.raises(StubError, match="PRIVATE_DATA_UNAVAILABLE"):
        stub.get_private_data("secrets", "a")
    with pytest.raises(StubError, match="PRIVATE_DATA_UNAVAILABLE"):
        stub.get_private_data_by_range("secrets", "", "")
    stub.put_private_data("secrets", "a", b"2")


def test_cleartext_that_is_missing_is_not_taken_for_absent(ledger: Ledger, alice: bytes) -> None:
    writer = ledger.begin(alice)
    writer.put_private_data("secrets", "a", b"1")
    ledger.commit(writer, private=False)
    with pytest.raises(StubError, match="PRIVATE_DATA_UNAVAILABLE"):
        ledger.begin(alice).get_private_data("secrets", "a")


def test_cleartext_older_than_its_hash_is_not_taken_for_current(ledger: Ledger, alice: bytes) -> None:
    for value, private in ((b"1", True), (b"2", False)):
        writer = ledger.begin(alice)
        writer.put_private_data("secrets", "a", value)
        ledger.commit(writer, private=private)
    with pytest.raises(StubError, match="PRIVATE_DATA_UNAVAILABLE"):
        ledger.begin(alice).get_private_data("secrets", "a")
    with pytest.raises(StubError, match="PRIVATE_DATA_UNAVAILABLE"):
        list(ledger.begin(alice).get_private_data_by_range("secrets", "", ""))


def test_reading_a_private_hash_is_a_read(ledger: Ledger, alice: bytes) -> None:
    reader = ledger.begin(alice)
    assert reader.get_private_data_hash("secrets", "a") == b""
    reader.put_state("seen", b"1")
    writer = ledger.begin(alice)
    writer.put_private_data("secrets", "a", b"1")
    assert [ledger.commit(writer), ledger.commit(reader)] == ["VALID", "MVCC_READ_CONFLICT"]


def test_a_deleted_private_key_is_absent(ledger: Ledger, alice: bytes) -> None:
    writer = ledger.begin(alice)
    writer.put_private_data("secrets", "a", b"1")
    ledger.commit(writer)
    deleter = ledger.begin(alice)
    deleter.del_private_data("secrets", "a")
    ledger.commit(deleter)
    reader = ledger.begin(alice)
    assert (reader.get_private_data("secrets", "a"), reader.get_private_data_hash("secrets", "a")) == (b"", b"")


def test_a_transaction_that_queries_private_data_cannot_write(ledger: Ledger, alice: bytes) -> None:
    """core/ledger txmgr: such a query cannot be checked for phantoms."""
    stub = ledger.begin(alice)
    list(stub.get_private_data_by_range("secrets", "", ""))
    with pytest.raises(StubError, match="PHANTOM_RISK"):
        stub.put_state("a", b"1")


def test_a_transaction_that_writes_cannot_query_private_data(ledger: Ledger, alice: bytes) -> None:
    stub = ledger.begin(alice)
    stub.put_private_data("secrets", "a", b"1")
    with pytest.raises(StubError, match="PHANTOM_RISK"):
        stub.get_private_data_by_range("secrets", "", "")


def test_the_event_is_that_of_the_contract_called_by_the_client(ledger: Ledger, alice: bytes) -> None:
    stub = ledger.begin(alice)
    assert stub.results().event == b""
    stub.set_event("first", b"")
    stub.set_event("second", b"x")
    event = chaincode_event_pb2.ChaincodeEvent.FromString(stub.results().event)
    assert (event.chaincode_id, event.tx_id, event.event_name, event.payload) == (
        "notes",
        stub.get_tx_id(),
        "second",
        b"x",
    )


def test_a_called_contract_joins_the_read_write_set(ledger: Ledger, alice: bytes) -> None:
    stub = ledger.begin(alice)
    stub.invoke_chaincode("echo", [b"Write", b"k", b"v"])
    parts = {each.name: each for each in rwset.parse(stub.results().public)}
    assert parts["echo"].writes == {"k": b"v"}
    assert not parts["notes"].written


def test_another_channel_cannot_be_called(ledger: Ledger, alice: bytes) -> None:
    with pytest.raises(StubError, match="UNKNOWN_CONTRACT"):
        ledger.begin(alice).invoke_chaincode("echo", [b"Write"], "elsewhere")


def test_the_binding_is_over_nonce_creator_and_epoch(ledger: Ledger, alice: bytes) -> None:
    proposal = ledger.propose(alice)
    stub = ledger.begin(alice, proposal=proposal)
    assert stub.get_binding() == rwset.hash_of(proposal.nonce + alice + bytes(8))
    assert (stub.get_channel_id(), stub.get_tx_timestamp()) == ("salus", NOON)
