"""A transaction as the auditor sees it: who asked, who endorsed, which decisions it wrote. Pure; verifies nothing.

Decisions are the public writes below `decision/` of the contract `decisions`; whatever else a transaction wrote is of
no concern. `read_id` answers for any envelope, unreadable ones included, since every transaction has a leaf in the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import transaction_pb2
from google.protobuf.message import DecodeError

from chaincode.api import composite
from chaincode.api.errors import StubError
from chaincode.core import canonical
from services.audit.index import Entry
from services.ledger import transactions
from services.ledger.transactions import Action, InvalidTransactionError, TransactionHeader

DECISIONS = "decisions"
VALID = int(transaction_pb2.TxValidationCode.Value("VALID"))


class TransactionError(ValueError):
    """The bytes are no endorsed transaction, or its decisions cannot be read. The message quotes no content."""


@dataclass(frozen=True)
class Transaction:
    """One call of a contract. `public` are the contract's own writes of world state by key; `private` by collection
    and SHA-256 of the key the SHA-256 of the value. Deletions are left out."""

    header: TransactionHeader
    action: Action
    public: Mapping[str, bytes]
    private: Mapping[str, Mapping[bytes, bytes]]

    def decisions(self) -> dict[str, Mapping[str, Any]]:
        """The public decisions written, by id, in the order of the write set. Raises TransactionError."""
        found: dict[str, Mapping[str, Any]] = {}
        for key, value in self.public.items() if self.action.contract == DECISIONS else ():
            try:
                kind, attributes = composite.split_composite_key(key)
            except StubError:
                continue
            if kind == "decision" and len(attributes) == 1:
                found[attributes[0]] = _document(value)
        return found

    def entries(self, block_number: int, index: int) -> Iterator[Entry]:
        """The decisions as the index has them. Raises TransactionError."""
        for position, (decision_id, public) in enumerate(self.decisions().items()):
            try:
                yield Entry(
                    decision_id=decision_id,
                    transaction_id=self.header.transaction_id,
                    block_number=block_number,
                    index=index,
                    position=position,
                    time=self.header.timestamp,
                    organisation=str(public["organisation"]),
                    model_id=str(public["model"]["id"]),
                    model_version=str(public["model"]["version"]),
                    purpose=str(public["purpose"]),
                    outcome=str(public["outcome"]),
                    emergency=False,
                )
            except (KeyError, TypeError):
                raise TransactionError("a public decision lacks a field") from None


def read_id(envelope: bytes) -> str:
    """The transaction id that any envelope names; "" where it cannot be read."""
    try:
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
        return str(common_pb2.ChannelHeader.FromString(payload.header.channel_header).tx_id)
    except DecodeError:
        return ""


def open_transaction(envelope: bytes) -> Transaction:
    """Takes a serialised `common.Envelope` apart. Raises TransactionError."""
    try:
        header = transactions.parse_header(envelope)
        action = transactions.parse_action(header)
    except InvalidTransactionError as error:
        raise TransactionError(f"it is no endorsed transaction: {error}") from None
    own = [each for each in action.namespaces if each.name == action.contract]
    return Transaction(
        header=header,
        action=action,
        public={key: value for each in own for key, value in each.writes.items() if value is not None},
        private={
            part.name: {key: value for key, value in part.writes.items() if value is not None}
            for each in own
            for part in each.collections
        },
    )


def _document(value: bytes) -> Mapping[str, Any]:
    try:
        document = canonical.decode(value)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise TransactionError("a public decision is no JSON object")
    return document
