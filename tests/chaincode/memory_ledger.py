"""A ledger in memory that keeps every rule of `chaincode.api.stub`: the contracts' tests run on it.

A transaction is simulated on committed state, leaves its read and write sets, and is validated at commit: versions of
the keys read (MVCC), then ranges (phantoms). So two transactions can be interleaved: simulate both, commit both.
There is no consensus, no signature and no endorsement policy here; what signs and endorses is tested with the ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import proposal_pb2

from chaincode.api import composite
from chaincode.api.contract import Contract
from chaincode.api.errors import StubError
from chaincode.api.stub import ChaincodeStub, KeyModification, KeyValue, Page, Response
from chaincode.runtime.inprocess import invoke

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CHANNEL = "salus"

Space = tuple[str, str]  # namespace, collection ("" for world state)
Version = tuple[int, int]  # block, transaction


@dataclass(frozen=True)
class Range:
    """A range read from world state, and the keys with versions that it gave."""

    space: Space
    start: str
    end: str
    seen: tuple[tuple[str, Version], ...]


@dataclass
class Simulation:
    """One transaction: what it was asked, read and wrote, and what it answered."""

    tx_id: str
    timestamp: datetime
    creator: bytes
    transient: Mapping[str, bytes]
    signed_proposal: Any
    binding: bytes
    reads: dict[tuple[Space, str], Version | None] = field(default_factory=dict)
    ranges: list[Range] = field(default_factory=list)
    writes: dict[tuple[Space, str], bytes | None] = field(default_factory=dict)
    event: tuple[str, bytes] | None = None
    # A query that cannot be re-checked at commit.
    unchecked: bool = False
    response: Response = field(default_factory=lambda: Response(200))


class MemoryLedger:
    """Contracts by name, collections by contract: `{"consent": {"consents": {"HospitalAMSP"}}}`.

    A collection's members alone may read and write it (`memberOnlyRead`, `memberOnlyWrite`).
    """

    def __init__(
        self,
        contracts: Mapping[str, Contract] | None = None,
        collections: Mapping[str, Mapping[str, set[str]]] | None = None,
    ) -> None:
        self.contracts = dict(contracts or {})
        self.collections = collections or {}
        self.state: dict[tuple[Space, str], tuple[bytes, Version]] = {}
        self.history: dict[tuple[Space, str], list[KeyModification]] = {}
        self.height = 0
        self._nonce = 0

    def begin(
        self,
        creator: bytes,
        contract: str,
        *args: str | bytes,
        transient: Mapping[str, bytes] | None = None,
        at: datetime = NOON,
    ) -> MemoryStub:
        """The stub of a new transaction of `contract`."""
        self._nonce += 1
        nonce = self._nonce.to_bytes(24, "big")
        simulation = Simulation(
            tx_id=hashlib.sha256(nonce + creator).hexdigest(),
            timestamp=at,
            creator=creator,
            transient=dict(transient or {}),
            signed_proposal=_signed_proposal(contract, creator, nonce),
            binding=hashlib.sha256(nonce + creator + bytes(8)).digest(),
        )
        encoded = [arg.encode() if isinstance(arg, str) else arg for arg in args]
        return MemoryStub(self, simulation, contract, encoded)

    def simulate(
        self,
        creator: bytes,
        contract: str,
        *args: str | bytes,
        transient: Mapping[str, bytes] | None = None,
        at: datetime = NOON,
    ) -> Simulation:
        """Runs a contract on committed state, and changes nothing."""
        stub = self.begin(creator, contract, *args, transient=transient, at=at)
        stub.simulation.response = invoke(self.contracts[contract], stub)
        return stub.simulation

    def commit(self, simulation: Simulation) -> str:
        """Validates and applies one transaction as a block of its own; answers Fabric's validation code."""
        self.height += 1
        for key, version in simulation.reads.items():
            if self.version(key) != version:
                return "MVCC_READ_CONFLICT"
        for queried in simulation.ranges:
            if tuple(self.scan(queried.space, queried.start, queried.end)) != queried.seen:
                return "PHANTOM_READ_CONFLICT"
        for key, value in simulation.writes.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = (value, (self.height, 0))
            modification = KeyModification(simulation.tx_id, simulation.timestamp, value or b"", value is None)
            self.history.setdefault(key, []).insert(0, modification)
        return "VALID"

    def submit(
        self,
        creator: bytes,
        contract: str,
        *args: str | bytes,
        transient: Mapping[str, bytes] | None = None,
        at: datetime = NOON,
    ) -> Response:
        """Simulates, and commits where the contract agreed."""
        simulation = self.simulate(creator, contract, *args, transient=transient, at=at)
        if simulation.response.ok:
            assert self.commit(simulation) == "VALID"
        return simulation.response

    def version(self, key: tuple[Space, str]) -> Version | None:
        return self.state[key][1] if key in self.state else None

    def scan(self, space: Space, start: str, end: str) -> Iterator[tuple[str, Version]]:
        keys = sorted(key for (where, key) in self.state if where == space and start <= key and (not end or key < end))
        return ((key, self.state[space, key][1]) for key in keys)


class MemoryStub(ChaincodeStub):
    """`ChaincodeStub` over a `MemoryLedger`."""

    def __init__(self, ledger: MemoryLedger, simulation: Simulation, namespace: str, args: Sequence[bytes]) -> None:
        self.simulation = simulation
        self._ledger = ledger
        self._namespace = namespace
        self._args = list(args)

    def get_args(self) -> list[bytes]:
        return list(self._args)

    def get_function_and_parameters(self) -> tuple[str, list[str]]:
        try:
            function, *parameters = [arg.decode() for arg in self._args] or [""]
        except UnicodeDecodeError:
            raise StubError("BAD_ARGUMENT", "an argument is not UTF-8") from None
        return function, parameters

    def get_tx_id(self) -> str:
        return self.simulation.tx_id

    def get_channel_id(self) -> str:
        return CHANNEL

    def get_creator(self) -> bytes:
        return self.simulation.creator

    def get_transient(self) -> Mapping[str, bytes]:
        return self.simulation.transient

    def get_tx_timestamp(self) -> datetime:
        return self.simulation.timestamp

    def get_signed_proposal(self) -> Any:
        return self.simulation.signed_proposal

    def get_binding(self) -> bytes:
        return self.simulation.binding

    def get_state(self, key: str) -> bytes:
        return self._read((self._namespace, ""), key)

    def put_state(self, key: str, value: bytes) -> None:
        self._write((self._namespace, ""), key, value)

    def del_state(self, key: str) -> None:
        self._delete((self._namespace, ""), key)

    def get_state_by_range(self, start_key: str, end_key: str) -> Iterator[KeyValue]:
        return iter(self._range((self._namespace, ""), *composite.simple_range(start_key, end_key)))

    def get_state_by_range_with_pagination(
        self, start_key: str, end_key: str, page_size: int, bookmark: str = ""
    ) -> Page:
        if page_size < 1:
            raise StubError("BAD_PAGE", "a page holds at least one entry")
        self._before_unchecked()
        start, end = composite.simple_range(bookmark or start_key, end_key)
        found = self._range((self._namespace, ""), start, end)
        return Page(found[:page_size], found[page_size].key if len(found) > page_size else "")

    def get_state_by_partial_composite_key(self, object_type: str, attributes: Sequence[str]) -> Iterator[KeyValue]:
        return iter(self._range((self._namespace, ""), *composite.partial_composite_range(object_type, attributes)))

    def create_composite_key(self, object_type: str, attributes: Sequence[str]) -> str:
        return composite.create_composite_key(object_type, attributes)

    def split_composite_key(self, composite_key: str) -> tuple[str, list[str]]:
        return composite.split_composite_key(composite_key)

    def get_history_for_key(self, key: str) -> Iterator[KeyModification]:
        return iter(self._ledger.history.get(((self._namespace, ""), key), []))

    def get_private_data(self, collection: str, key: str) -> bytes:
        return self._read(self._private(collection, members=True), key)

    def put_private_data(self, collection: str, key: str, value: bytes) -> None:
        self._write(self._private(collection, members=True), key, value)

    def del_private_data(self, collection: str, key: str) -> None:
        self._delete(self._private(collection, members=True), key)

    def get_private_data_hash(self, collection: str, key: str) -> bytes:
        value = self._read(self._private(collection, members=False), key)
        return hashlib.sha256(value).digest() if value else b""

    def get_private_data_by_range(self, collection: str, start_key: str, end_key: str) -> Iterator[KeyValue]:
        space = self._private(collection, members=True)
        self._before_unchecked()
        return iter(self._range(space, *composite.simple_range(start_key, end_key)))

    def get_private_data_by_partial_composite_key(
        self, collection: str, object_type: str, attributes: Sequence[str]
    ) -> Iterator[KeyValue]:
        space = self._private(collection, members=True)
        self._before_unchecked()
        return iter(self._range(space, *composite.partial_composite_range(object_type, attributes)))

    def set_event(self, name: str, payload: bytes) -> None:
        if not name:
            raise StubError("BAD_EVENT", "an event needs a name")
        self.simulation.event = (name, payload)

    def invoke_chaincode(self, chaincode_name: str, args: Sequence[bytes], channel: str = "") -> Response:
        called = self._ledger.contracts.get(chaincode_name)
        if called is None or channel not in ("", CHANNEL):
            raise StubError("UNKNOWN_CONTRACT", f"there is no contract {chaincode_name}")
        return invoke(called, MemoryStub(self._ledger, self.simulation, chaincode_name, args))

    def _private(self, collection: str, members: bool) -> Space:
        allowed = self._ledger.collections.get(self._namespace, {}).get(collection)
        if allowed is None or not collection:
            raise StubError("UNKNOWN_COLLECTION", f"contract {self._namespace} has no collection {collection}")
        identity = identities_pb2.SerializedIdentity.FromString(self.simulation.creator)
        if members and identity.mspid not in allowed:
            raise StubError("NOT_A_MEMBER", f"{identity.mspid} is no member of collection {collection}")
        return self._namespace, collection

    def _before_unchecked(self) -> None:
        if self.simulation.writes:
            raise StubError("PHANTOM_RISK", "a transaction that writes cannot use a query that cannot be re-checked")
        self.simulation.unchecked = True

    def _read(self, space: Space, key: str) -> bytes:
        composite.check_key(key)
        self.simulation.reads.setdefault((space, key), self._ledger.version((space, key)))
        return self._ledger.state.get((space, key), (b"", (0, 0)))[0]

    def _write(self, space: Space, key: str, value: bytes) -> None:
        composite.check_key(key)
        composite.check_value(value)
        self._change(space, key, value)

    def _delete(self, space: Space, key: str) -> None:
        composite.check_key(key)
        self._change(space, key, None)

    def _change(self, space: Space, key: str, value: bytes | None) -> None:
        if self.simulation.unchecked:
            raise StubError("PHANTOM_RISK", "a transaction with a query that cannot be re-checked cannot write")
        self.simulation.writes[space, key] = value

    def _range(self, space: Space, start: str, end: str) -> list[KeyValue]:
        seen = tuple(self._ledger.scan(space, start, end))
        if not space[1]:
            self.simulation.ranges.append(Range(space, start, end, seen))
        return [KeyValue(key, self._ledger.state[space, key][0]) for key, _ in seen]


def _signed_proposal(contract: str, creator: bytes, nonce: bytes) -> Any:
    extension = proposal_pb2.ChaincodeHeaderExtension()
    extension.chaincode_id.name = contract
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.ENDORSER_TRANSACTION, channel_id=CHANNEL, extension=extension.SerializeToString()
    )
    signature_header = common_pb2.SignatureHeader(creator=creator, nonce=nonce)
    header = common_pb2.Header(
        channel_header=channel_header.SerializeToString(), signature_header=signature_header.SerializeToString()
    )
    proposal = proposal_pb2.Proposal(header=header.SerializeToString())
    return proposal_pb2.SignedProposal(proposal_bytes=proposal.SerializeToString())
