"""What every `ChaincodeStub` does, whichever ledger it stands on.

A ledger takes part by subclassing `StubSuite` in a test module and giving the fixture `ledger`: something with
`begin(creator, *args, transient) -> stub` for a new transaction of contract "notes" (which has the collection
"secrets" of hospital A and the regulator, both `memberOnlyRead` and `memberOnlyWrite`, and may call the contract
"echo"), and `commit(stub) -> str`, the validation code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

import pytest

from chaincode.api.context import Context
from chaincode.api.contract import Contract, transaction
from chaincode.api.errors import ContractError, StubError
from chaincode.api.stub import ChaincodeStub
from tests.chaincode.callers import HOSPITAL_A, HOSPITAL_B, Caller, caller


class EchoContract(Contract):
    """Answers, writes and refuses on demand."""

    name = "echo"

    @transaction
    def write(self, ctx: Context, key: str, value: str) -> str:
        ctx.stub.put_state(key, value.encode())
        return value

    @transaction(readonly=True)
    def caller(self, ctx: Context) -> str:
        return f"{ctx.client_identity.msp_id} called {ctx.called_contract()}"

    @transaction(readonly=True)
    def refuse(self, ctx: Context) -> None:
        raise ContractError("NOT_NOW", "ask again")


class Ledger(Protocol):
    def begin(
        self, creator: bytes, *args: str | bytes, transient: Mapping[str, bytes] | None = None
    ) -> ChaincodeStub: ...

    def commit(self, stub: ChaincodeStub) -> str: ...


def put(ledger: Ledger, creator: Caller, **values: str) -> None:
    stub = ledger.begin(creator.creator)
    for key, value in values.items():
        stub.put_state(key, value.encode())
    assert ledger.commit(stub) == "VALID"


class StubSuite:
    """Subclass and give the fixture `ledger`."""

    @pytest.fixture
    def alice(self) -> Caller:
        return caller(HOSPITAL_A, "alice", "clinician")

    def test_the_arguments_are_those_sent(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator, "Put", "a", b"\xff")
        assert stub.get_args() == [b"Put", b"a", b"\xff"]

    def test_the_function_and_its_parameters_are_text(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator, "Put", "ä")
        assert stub.get_function_and_parameters() == ("Put", ["ä"])

    def test_transient_data_reach_the_contract(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator, "Put", transient={"note": b"x"})
        assert dict(stub.get_transient()) == {"note": b"x"}

    def test_the_creator_is_the_caller(self, ledger: Ledger, alice: Caller) -> None:
        assert ledger.begin(alice.creator).get_creator() == alice.creator

    def test_transactions_have_distinct_ids(self, ledger: Ledger, alice: Caller) -> None:
        assert ledger.begin(alice.creator).get_tx_id() != ledger.begin(alice.creator).get_tx_id()

    def test_an_absent_key_reads_as_empty(self, ledger: Ledger, alice: Caller) -> None:
        assert ledger.begin(alice.creator).get_state("absent") == b""

    def test_a_committed_value_is_read(self, ledger: Ledger, alice: Caller) -> None:
        put(ledger, alice, a="1")
        assert ledger.begin(alice.creator).get_state("a") == b"1"

    def test_a_transaction_does_not_read_its_own_write(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator)
        stub.put_state("a", b"1")
        assert stub.get_state("a") == b""

    def test_the_last_write_of_a_key_counts(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator)
        stub.put_state("a", b"1")
        stub.put_state("a", b"2")
        ledger.commit(stub)
        assert ledger.begin(alice.creator).get_state("a") == b"2"

    def test_a_deleted_key_is_absent(self, ledger: Ledger, alice: Caller) -> None:
        put(ledger, alice, a="1")
        stub = ledger.begin(alice.creator)
        stub.del_state("a")
        ledger.commit(stub)
        assert ledger.begin(alice.creator).get_state("a") == b""

    @pytest.mark.parametrize("key", ["", "\ud800"])
    def test_a_key_must_be_text(self, ledger: Ledger, alice: Caller, key: str) -> None:
        with pytest.raises(StubError, match="BAD_KEY"):
            ledger.begin(alice.creator).put_state(key, b"1")

    def test_an_empty_value_is_refused(self, ledger: Ledger, alice: Caller) -> None:
        with pytest.raises(StubError, match="EMPTY_VALUE"):
            ledger.begin(alice.creator).put_state("a", b"")

    def test_a_range_is_half_open_and_in_order_of_utf8_bytes(self, ledger: Ledger, alice: Caller) -> None:
        put(ledger, alice, **{"b": "1", "a": "2", "\uffff": "3", "\U00010000": "4", "z": "5"})
        found = ledger.begin(alice.creator).get_state_by_range("b", "\U00010000")
        assert [each.key for each in found] == ["b", "z", "\uffff"]

    def test_an_open_range_holds_every_simple_key_and_no_composite_key(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator)
        stub.put_state("a", b"1")
        stub.put_state(stub.create_composite_key("t", ["x"]), b"2")
        ledger.commit(stub)
        assert [each.key for each in ledger.begin(alice.creator).get_state_by_range("", "")] == ["a"]

    def test_a_range_of_simple_keys_cannot_start_at_a_composite_key(self, ledger: Ledger, alice: Caller) -> None:
        with pytest.raises(StubError, match="BAD_KEY"):
            ledger.begin(alice.creator).get_state_by_range("\x00t\x00", "")

    def test_a_partial_composite_key_finds_what_starts_with_its_attributes(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator)
        for attributes in (["x", "1"], ["x", "2"], ["xy", "1"]):
            stub.put_state(stub.create_composite_key("t", attributes), b"v")
        ledger.commit(stub)
        later = ledger.begin(alice.creator)
        found = later.get_state_by_partial_composite_key("t", ["x"])
        assert [later.split_composite_key(each.key) for each in found] == [("t", ["x", "1"]), ("t", ["x", "2"])]

    def test_pages_follow_one_another_to_the_end(self, ledger: Ledger, alice: Caller) -> None:
        put(ledger, alice, a="1", b="2", c="3")
        stub = ledger.begin(alice.creator)
        first = stub.get_state_by_range_with_pagination("", "", 2)
        second = stub.get_state_by_range_with_pagination("", "", 2, first.bookmark)
        assert ([each.key for each in first.items + second.items], second.bookmark) == (["a", "b", "c"], "")

    def test_a_transaction_that_pages_cannot_write(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator)
        stub.get_state_by_range_with_pagination("", "", 2)
        with pytest.raises(StubError, match="PHANTOM_RISK"):
            stub.put_state("a", b"1")

    def test_a_transaction_that_writes_cannot_page(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator)
        stub.put_state("a", b"1")
        with pytest.raises(StubError, match="PHANTOM_RISK"):
            stub.get_state_by_range_with_pagination("", "", 2)

    def test_a_transaction_that_walks_through_private_data_cannot_write(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator)
        list(stub.get_private_data_by_range("secrets", "", ""))
        with pytest.raises(StubError, match="PHANTOM_RISK"):
            stub.put_state("a", b"1")

    def test_the_history_of_a_key_is_newest_first_and_keeps_deletions(self, ledger: Ledger, alice: Caller) -> None:
        put(ledger, alice, a="1")
        stub = ledger.begin(alice.creator)
        stub.del_state("a")
        ledger.commit(stub)
        history = list(ledger.begin(alice.creator).get_history_for_key("a"))
        assert [(each.value, each.is_delete) for each in history] == [(b"", True), (b"1", False)]

    def test_private_data_are_apart_from_world_state(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator)
        stub.put_private_data("secrets", "a", b"1")
        ledger.commit(stub)
        later = ledger.begin(alice.creator)
        assert (later.get_state("a"), later.get_private_data("secrets", "a")) == (b"", b"1")

    def test_private_data_are_found_by_range(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator)
        stub.put_private_data("secrets", "a/2", b"2")
        stub.put_private_data("secrets", "a/1", b"1")
        ledger.commit(stub)
        found = ledger.begin(alice.creator).get_private_data_by_range("secrets", "a/", "a0")
        assert [each.value for each in found] == [b"1", b"2"]

    def test_private_data_are_found_by_partial_composite_key(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator)
        stub.put_private_data("secrets", stub.create_composite_key("t", ["x"]), b"1")
        ledger.commit(stub)
        found = ledger.begin(alice.creator).get_private_data_by_partial_composite_key("secrets", "t", [])
        assert [each.value for each in found] == [b"1"]

    def test_who_is_no_member_of_a_collection_cannot_read_it(self, ledger: Ledger) -> None:
        bob = caller(HOSPITAL_B, "bob", "clinician")
        with pytest.raises(StubError, match="NOT_A_MEMBER"):
            ledger.begin(bob.creator).get_private_data("secrets", "a")

    def test_who_is_no_member_of_a_collection_cannot_write_it(self, ledger: Ledger) -> None:
        bob = caller(HOSPITAL_B, "bob", "clinician")
        with pytest.raises(StubError, match="NOT_A_MEMBER"):
            ledger.begin(bob.creator).put_private_data("secrets", "a", b"1")

    def test_who_is_no_member_of_a_collection_sees_the_hash(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator)
        stub.put_private_data("secrets", "a", b"1")
        ledger.commit(stub)
        bob = caller(HOSPITAL_B, "bob", "clinician")
        found = ledger.begin(bob.creator).get_private_data_hash("secrets", "a")
        assert found == hashlib.sha256(b"1").digest()

    def test_an_unknown_collection_is_named(self, ledger: Ledger, alice: Caller) -> None:
        with pytest.raises(StubError, match="UNKNOWN_COLLECTION"):
            ledger.begin(alice.creator).get_private_data("elsewhere", "a")

    def test_the_later_of_two_writers_who_read_the_same_version_is_invalid(self, ledger: Ledger, alice: Caller) -> None:
        put(ledger, alice, a="1")
        first, second = ledger.begin(alice.creator), ledger.begin(alice.creator)
        for stub in (first, second):
            stub.put_state("a", stub.get_state("a") + b"1")
        assert [ledger.commit(first), ledger.commit(second)] == ["VALID", "MVCC_READ_CONFLICT"]

    def test_two_creators_of_an_absent_key_conflict(self, ledger: Ledger, alice: Caller) -> None:
        first, second = ledger.begin(alice.creator), ledger.begin(alice.creator)
        for stub in (first, second):
            stub.get_private_data("secrets", "a")
            stub.put_private_data("secrets", "a", b"1")
        assert [ledger.commit(first), ledger.commit(second)] == ["VALID", "MVCC_READ_CONFLICT"]

    def test_a_key_that_appears_in_a_range_read_is_a_phantom(self, ledger: Ledger, alice: Caller) -> None:
        reader = ledger.begin(alice.creator)
        reader.put_state("count", str(len(list(reader.get_state_by_range("a", "b")))).encode())
        put(ledger, alice, a1="1")
        assert ledger.commit(reader) == "PHANTOM_READ_CONFLICT"

    def test_a_called_contract_writes_in_its_own_namespace(self, ledger: Ledger, alice: Caller) -> None:
        stub = ledger.begin(alice.creator)
        assert stub.invoke_chaincode("echo", [b"Write", b"a", b"1"]).payload == b"1"
        ledger.commit(stub)
        assert ledger.begin(alice.creator).get_state("a") == b""

    def test_a_called_contract_sees_the_clients_identity_and_the_contract_it_called(
        self, ledger: Ledger, alice: Caller
    ) -> None:
        response = ledger.begin(alice.creator).invoke_chaincode("echo", [b"Caller"])
        assert response.payload == b"HospitalAMSP called notes"

    def test_a_called_contracts_refusal_is_a_response(self, ledger: Ledger, alice: Caller) -> None:
        response = ledger.begin(alice.creator).invoke_chaincode("echo", [b"Refuse"])
        assert (response.status, response.message) == (500, "NOT_NOW: ask again")

    def test_an_unknown_contract_cannot_be_called(self, ledger: Ledger, alice: Caller) -> None:
        with pytest.raises(StubError, match="UNKNOWN_CONTRACT"):
            ledger.begin(alice.creator).invoke_chaincode("nowhere", [b"Write"])

    def test_an_event_needs_a_name(self, ledger: Ledger, alice: Caller) -> None:
        with pytest.raises(StubError, match="BAD_EVENT"):
            ledger.begin(alice.creator).set_event("", b"1")
