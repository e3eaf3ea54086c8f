"""What a contract sees of the ledger: `ChaincodeStub`, with the names and meanings of Fabric's shim.

Rules every implementation keeps:

1. A transaction reads committed state: it never sees its own writes, nor those of a contract it called.
2. An absent key reads as b"". Writing b"" is refused (EMPTY_VALUE).
3. Keys and values are checked by `chaincode.api.composite`.
4. Ranges are half-open, in the order of the keys' UTF-8 bytes. They should be lazy: whoever takes ten, reads ten.
5. Every key read is in the read set; a range over world state is re-checked for phantoms at commit.
6. A paged query and a range over private data cannot be re-checked, so they belong to queries: a transaction that
   has one and also writes is refused (PHANTOM_RISK).
7. Private data is read and written by members of the collection where it says so (NOT_A_MEMBER), and read at an
   organisation that holds it (PRIVATE_DATA_UNAVAILABLE); its hashes are read by everybody, everywhere.
8. Two puts of one key in one transaction: the last one counts.

Refusals are `StubError`s; a contract lets them pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

OK = 200
ERROR = 500
# Fabric endorses a response below this status.
ERROR_THRESHOLD = 400


@dataclass(frozen=True)
class Response:
    """What an invocation answered: Fabric's `protos.Response`."""

    status: int
    message: str = ""
    payload: bytes = b""

    @property
    def ok(self) -> bool:
        return self.status < ERROR_THRESHOLD


@dataclass(frozen=True)
class KeyValue:
    """One entry of world state or of a private collection."""

    key: str
    value: bytes


@dataclass(frozen=True)
class Page:
    """One page of a query. An empty bookmark says that it is the last."""

    items: list[KeyValue]
    bookmark: str

    @property
    def fetched_records_count(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class KeyModification:
    """One committed write of a key. `timestamp` is the transaction's, UTC."""

    tx_id: str
    timestamp: datetime
    value: bytes
    is_delete: bool


class ChaincodeStub(Protocol):
    """One transaction's view of the ledger. Synchronous; used by one thread."""

    # The transaction

    def get_args(self) -> list[bytes]:
        """The arguments as sent; the first is the function's name."""

    def get_function_and_parameters(self) -> tuple[str, list[str]]:
        """The arguments as text. Raises `StubError` (BAD_ARGUMENT) where one is not UTF-8."""

    def get_tx_id(self) -> str: ...

    def get_channel_id(self) -> str: ...

    def get_creator(self) -> bytes:
        """The caller: a serialised `msp.SerializedIdentity`, already checked by the endorser."""

    def get_transient(self) -> Mapping[str, bytes]:
        """What the caller sent to the endorsers alone; it is in no block."""

    def get_tx_timestamp(self) -> datetime:
        """The client's time of the proposal, UTC. The client chose it: check it before relying on it."""

    def get_signed_proposal(self) -> Any:
        """The `protos.SignedProposal` being executed: the client's, also in a contract called by another."""

    def get_binding(self) -> bytes:
        """SHA-256 of nonce, creator and epoch (8 bytes, little-endian)."""

    # World state

    def get_state(self, key: str) -> bytes: ...

    def put_state(self, key: str, value: bytes) -> None: ...

    def del_state(self, key: str) -> None: ...

    def get_state_by_range(self, start_key: str, end_key: str) -> Iterator[KeyValue]: ...

    def get_state_by_range_with_pagination(
        self, start_key: str, end_key: str, page_size: int, bookmark: str = ""
    ) -> Page: ...

    def get_state_by_partial_composite_key(self, object_type: str, attributes: Sequence[str]) -> Iterator[KeyValue]: ...

    def create_composite_key(self, object_type: str, attributes: Sequence[str]) -> str: ...

    def split_composite_key(self, composite_key: str) -> tuple[str, list[str]]: ...

    def get_history_for_key(self, key: str) -> Iterator[KeyModification]:
        """Every committed write of the key, newest first. For queries: it is not in the read set."""

    # Private data

    def get_private_data(self, collection: str, key: str) -> bytes: ...

    def put_private_data(self, collection: str, key: str, value: bytes) -> None: ...

    def del_private_data(self, collection: str, key: str) -> None: ...

    def get_private_data_hash(self, collection: str, key: str) -> bytes:
        """SHA-256 of the value, as every organisation holds it; b"" where the key is absent."""

    def get_private_data_by_range(self, collection: str, start_key: str, end_key: str) -> Iterator[KeyValue]: ...

    def get_private_data_by_partial_composite_key(
        self, collection: str, object_type: str, attributes: Sequence[str]
    ) -> Iterator[KeyValue]: ...

    # Beyond state

    def set_event(self, name: str, payload: bytes) -> None:
        """The transaction's one event; a second call replaces it. An empty name is refused (BAD_EVENT)."""

    def invoke_chaincode(self, chaincode_name: str, args: Sequence[bytes], channel: str = "") -> Response:
        """Calls another contract in the same transaction: same creator, transient data and timestamp. Its reads and
        writes join this transaction's, in its own namespace. On another channel it may only read."""
