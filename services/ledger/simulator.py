"""Simulates a contract on committed state: `ChaincodeStub` over a snapshot, and the read-write set that comes of it.

The rules are those of `chaincode.api.stub`. Beside them, for private data, which organisation endorses matters:

- A member of the collection reads its cleartext, but only that whose version is the hash's: what is stale or missing is
  refused (PRIVATE_DATA_UNAVAILABLE), never taken for absent.
- Who is no member has no cleartext: it reads hashes, finds absent keys absent, and may write.
- `memberOnlyRead` and `memberOnlyWrite` concern the creator of the transaction (NOT_A_MEMBER).
- A query over private data belongs to queries, like a paged one: it cannot be checked for phantoms (PHANTOM_RISK).

A contract called by a contract shares all of this but its namespace, its arguments and its event, which is dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from fabric_protos.peer import chaincode_event_pb2

from chaincode.api import composite
from chaincode.api.errors import StubError
from chaincode.api.stub import ChaincodeStub, KeyModification, KeyValue, Page, Response
from services.common.msp import Identity
from services.ledger.definitions import Collection, Definitions
from services.ledger.policy import satisfied
from services.ledger.proposal import UnpackedProposal
from services.ledger.rwset import RangeQuery, RwsetBuilder, Version, hash_of
from services.ledger.state import Entry, Snapshot, fits

# Runs the contract of this name on this stub.
Call = Callable[[str, ChaincodeStub], Response]


@dataclass(frozen=True)
class SimulationResult:
    """`public` is the serialised `rwset.TxReadWriteSet`, `private` the `rwset.TxPvtReadWriteSet` where there is one,
    `event` the `protos.ChaincodeEvent` or b""."""

    public: bytes
    private: bytes | None
    event: bytes


@dataclass
class _RangeReads:
    """What a range gave so far."""

    namespace: str
    start: str
    end: str
    reads: list[tuple[str, Version]] = field(default_factory=list)
    exhausted: bool = False

    def record(self, builder: RwsetBuilder) -> None:
        if self.exhausted:
            builder.range(self.namespace, RangeQuery(self.start, self.end, True, tuple(self.reads)))
        elif self.reads:
            builder.range(self.namespace, RangeQuery(self.start, self.reads[-1][0], False, tuple(self.reads)))


@dataclass
class _Simulation:
    """What all contracts of one transaction share."""

    snapshot: Snapshot
    proposal: UnpackedProposal
    creator: Identity
    endorser: Identity
    definitions: Definitions
    call: Call
    builder: RwsetBuilder = field(default_factory=RwsetBuilder)
    ranges: list[_RangeReads] = field(default_factory=list)
    # Set by a query whose result cannot be checked at commit.
    unchecked: str = ""

    def before_unchecked(self, what: str) -> None:
        if self.builder.writes:
            raise StubError("PHANTOM_RISK", f"a transaction that writes cannot use {what}")
        self.unchecked = what

    def before_write(self) -> None:
        if self.unchecked:
            raise StubError("PHANTOM_RISK", f"a transaction that used {self.unchecked} cannot write")


class Simulator(ChaincodeStub):
    """The stub of the contract that a proposal calls, and of those called in turn. Used by one thread.

    The snapshot must stay open while it is used. `creator` is who signed the proposal, `endorser` the organisation's
    own identity; both are checked already.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        proposal: UnpackedProposal,
        *,
        creator: Identity,
        endorser: Identity,
        definitions: Definitions,
        call: Call,
    ) -> None:
        """Raises KeyError where the contract is not defined."""
        simulation = _Simulation(snapshot, proposal, creator, endorser, definitions, call)
        self._begin(simulation, proposal.contract, proposal.args)

    def results(self) -> SimulationResult:
        """What the transaction read and wrote, over all its contracts."""
        simulation = self._simulation
        for each in simulation.ranges:
            each.record(simulation.builder)
        return SimulationResult(simulation.builder.public(), simulation.builder.private(), self._event)

    # The transaction

    def get_args(self) -> list[bytes]:
        return list(self._args)

    def get_function_and_parameters(self) -> tuple[str, list[str]]:
        try:
            function, *parameters = [arg.decode() for arg in self._args] or [""]
        except UnicodeDecodeError:
            raise StubError("BAD_ARGUMENT", "an argument is not UTF-8") from None
        return function, parameters

    def get_tx_id(self) -> str:
        return self._simulation.proposal.transaction_id

    def get_channel_id(self) -> str:
        return self._simulation.proposal.channel_id

    def get_creator(self) -> bytes:
        return self._simulation.proposal.creator

    def get_transient(self) -> Mapping[str, bytes]:
        return dict(self._simulation.proposal.transient)

    def get_tx_timestamp(self) -> datetime:
        return self._simulation.proposal.timestamp

    def get_signed_proposal(self) -> Any:
        return self._simulation.proposal.signed

    def get_binding(self) -> bytes:
        proposal = self._simulation.proposal
        return hashlib.sha256(proposal.nonce + proposal.creator + proposal.epoch.to_bytes(8, "little")).digest()

    # World state

    def get_state(self, key: str) -> bytes:
        composite.check_key(key)
        found = self._simulation.snapshot.get(self._namespace, key)
        self._simulation.builder.read(self._namespace, key, found.version if found else None)
        return found.value if found else b""

    def put_state(self, key: str, value: bytes) -> None:
        composite.check_value(value)
        self._write(key, value)

    def del_state(self, key: str) -> None:
        self._write(key, None)

    def get_state_by_range(self, start_key: str, end_key: str) -> Iterator[KeyValue]:
        return self._range(*composite.simple_range(start_key, end_key))

    def get_state_by_range_with_pagination(
        self, start_key: str, end_key: str, page_size: int, bookmark: str = ""
    ) -> Page:
        if page_size < 1:
            raise StubError("BAD_PAGE", "a page holds at least one entry")
        self._simulation.before_unchecked("paged queries")
        start, end = composite.simple_range(bookmark or start_key, end_key)
        found = list(islice(self._range(start, end), page_size + 1))
        return Page(found[:page_size], found[page_size].key if len(found) > page_size else "")

    def get_state_by_partial_composite_key(self, object_type: str, attributes: Sequence[str]) -> Iterator[KeyValue]:
        return self._range(*composite.partial_composite_range(object_type, attributes))

    def create_composite_key(self, object_type: str, attributes: Sequence[str]) -> str:
        return composite.create_composite_key(object_type, attributes)

    def split_composite_key(self, composite_key: str) -> tuple[str, list[str]]:
        return composite.split_composite_key(composite_key)

    def get_history_for_key(self, key: str) -> Iterator[KeyModification]:
        composite.check_key(key)
        return (
            KeyModification(each.transaction_id, each.timestamp, each.value or b"", each.value is None)
            for each in self._simulation.snapshot.history(self._namespace, key)
        )

    # Private data

    def get_private_data(self, collection: str, key: str) -> bytes:
        rules = self._readable(collection)
        composite.check_key(key)
        snapshot = self._simulation.snapshot
        hashed = snapshot.get_hash(self._namespace, collection, hash_of(key.encode()))
        found = snapshot.get_private(self._namespace, collection, key) if self._holds(rules) else None
        version = hashed.version if hashed else None
        if (found.version if found else None) != version:
            raise _unavailable(collection)
        self._simulation.builder.read_private(self._namespace, collection, key, version)
        return found.value if found else b""

    def put_private_data(self, collection: str, key: str, value: bytes) -> None:
        composite.check_value(value)
        self._write_private(collection, key, value)

    def del_private_data(self, collection: str, key: str) -> None:
        self._write_private(collection, key, None)

    def get_private_data_hash(self, collection: str, key: str) -> bytes:
        self._collection(collection)
        composite.check_key(key)
        found = self._simulation.snapshot.get_hash(self._namespace, collection, hash_of(key.encode()))
        self._simulation.builder.read_private(self._namespace, collection, key, found.version if found else None)
        return found.value if found else b""

    def get_private_data_by_range(self, collection: str, start_key: str, end_key: str) -> Iterator[KeyValue]:
        return self._range_private(collection, *composite.simple_range(start_key, end_key))

    def get_private_data_by_partial_composite_key(
        self, collection: str, object_type: str, attributes: Sequence[str]
    ) -> Iterator[KeyValue]:
        return self._range_private(collection, *composite.partial_composite_range(object_type, attributes))

    # Beyond state

    def set_event(self, name: str, payload: bytes) -> None:
        if not name:
            raise StubError("BAD_EVENT", "an event needs a name")
        self._event = chaincode_event_pb2.ChaincodeEvent(
            chaincode_id=self._namespace, tx_id=self.get_tx_id(), event_name=name, payload=payload
        ).SerializeToString()

    def invoke_chaincode(self, chaincode_name: str, args: Sequence[bytes], channel: str = "") -> Response:
        if chaincode_name not in self._simulation.definitions or channel not in ("", self.get_channel_id()):
            raise StubError("UNKNOWN_CONTRACT", f"there is no contract {chaincode_name}")
        called = Simulator.__new__(Simulator)
        called._begin(self._simulation, chaincode_name, args)
        return self._simulation.call(chaincode_name, called)

    def _begin(self, simulation: _Simulation, namespace: str, args: Sequence[bytes]) -> None:
        self._simulation, self._namespace, self._args = simulation, namespace, tuple(args)
        self._collections = simulation.definitions[namespace].collections
        self._event = b""
        simulation.builder.touch(namespace)

    def _write(self, key: str, value: bytes | None) -> None:
        self._check_written(key, "")
        self._simulation.builder.write(self._namespace, key, value)

    def _write_private(self, collection: str, key: str, value: bytes | None) -> None:
        rules = self._collection(collection)
        if rules.member_only_write and not satisfied(rules.policy, [self._simulation.creator]):
            raise self._no_member(collection)
        self._check_written(key, collection)
        self._simulation.builder.write_private(self._namespace, collection, key, value)

    def _check_written(self, key: str, collection: str) -> None:
        composite.check_key(key)
        if not fits(self._namespace, collection, key):
            raise StubError("BAD_KEY", "the key is longer than this ledger can hold")
        self._simulation.before_write()

    def _range(self, start: str, end: str) -> Iterator[KeyValue]:
        reads = _RangeReads(self._namespace, start, end)
        self._simulation.ranges.append(reads)
        return _recorded(self._simulation.snapshot.range(self._namespace, start, end), reads)

    def _range_private(self, collection: str, start: str, end: str) -> Iterator[KeyValue]:
        rules = self._readable(collection)
        if not self._holds(rules):
            raise _unavailable(collection)
        self._simulation.before_unchecked("queries over private data")
        return self._current(collection, start, end)

    def _current(self, collection: str, start: str, end: str) -> Iterator[KeyValue]:
        snapshot = self._simulation.snapshot
        for entry in snapshot.range_private(self._namespace, collection, start, end):
            hashed = snapshot.get_hash(self._namespace, collection, hash_of(entry.key.encode()))
            if hashed is None or hashed.version != entry.version:
                raise _unavailable(collection)
            yield KeyValue(entry.key, entry.value)

    def _collection(self, name: str) -> Collection:
        if name not in self._collections:
            raise StubError("UNKNOWN_COLLECTION", f"contract {self._namespace} has no collection {name}")
        return self._collections[name]

    def _readable(self, name: str) -> Collection:
        rules = self._collection(name)
        if rules.member_only_read and not satisfied(rules.policy, [self._simulation.creator]):
            raise self._no_member(name)
        return rules

    def _holds(self, rules: Collection) -> bool:
        """Whether the endorsing organisation has the collection's cleartext."""
        return satisfied(rules.policy, [self._simulation.endorser])

    def _no_member(self, collection: str) -> StubError:
        return StubError("NOT_A_MEMBER", f"{self._simulation.creator.msp_id} is no member of collection {collection}")


def _recorded(entries: Iterator[Entry], reads: _RangeReads) -> Iterator[KeyValue]:
    for entry in entries:
        reads.reads.append((entry.key, entry.version))
        yield KeyValue(entry.key, entry.value)
    reads.exhausted = True


def _unavailable(collection: str) -> StubError:
    what = f"this organisation has not the private data that collection {collection} holds by its hashes"
    return StubError("PRIVATE_DATA_UNAVAILABLE", what)
