"""Validates the transactions of a block: one `protos.TxValidationCode` each, in Fabric's order of checks.

1. Form: envelope, payload, headers (`transactions.parse_header`).
2. The creator's certificate and signature: BAD_CREATOR_SIGNATURE.
3. The id is the hash of nonce and creator: BAD_PROPOSAL_TXID. The channel is this one: TARGET_CHAIN_NOT_FOUND.
4. The proposal hash: INVALID_ENDORSER_TRANSACTION. The id is not in an earlier block: DUPLICATE_TXID.
5. Form of the action, the contract named (`transactions.parse_action`), keys that state can hold (ILLEGAL_WRITESET).
6. Every namespace written, and the contract called in any case, is defined (INVALID_CHAINCODE), in the version endorsed
   (EXPIRED_CHAINCODE), and every collection written is its own (INVALID_WRITESET).
7. Its endorsement policy holds over the valid endorsements: ENDORSEMENT_POLICY_FAILURE. Writes to a collection with a
   policy of its own need that instead. Endorsements that do not verify count for nothing; they do no harm.
8. The id is not with an earlier transaction of this block that came this far: DUPLICATE_TXID.
9. What was read is still so: `mvcc`.

A configuration is valid if an orderer of this network sent it. Certificates are judged at the time given: a
revocation stops what is not committed yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fabric_protos.common import common_pb2

from services.common.msp import Identity, IdentityError, Membership
from services.ledger import mvcc
from services.ledger.definitions import ContractDefinition, Definitions
from services.ledger.policy import Policy, satisfied
from services.ledger.rwset import NamespaceSet
from services.ledger.state import Snapshot, fits
from services.ledger.transactions import (
    Action,
    Code,
    Endorsement,
    InvalidTransactionError,
    TransactionHeader,
    parse_action,
    parse_header,
)
from services.ledger.updates import UNPROVEN

# Signatures verified by one task of the executor: enough that handing over costs little.
_CHUNK = 8


@dataclass(frozen=True)
class Rules:
    """What a channel's transactions are judged by. `orderer_msp` is whose orderers may send configurations."""

    channel_id: str
    membership: Membership
    definitions: Definitions
    orderer_msp: str


@dataclass(frozen=True)
class _Checked:
    """A transaction after the checks that concern it alone. No id: it is not to be compared with others'."""

    code: int
    transaction_id: str = ""
    action: Action | None = None


def validate(
    block: Any,
    snapshot: Snapshot,
    rules: Rules,
    at: datetime,
    *,
    executor: Executor | None = None,
    verified: Collection[bytes] = (),
) -> list[int]:
    """The codes of a `common.Block`'s transactions, on committed state.

    `verified` holds the `endorsement_digest`s of endorsements that need not be verified again: this node's own.
    Signatures are verified in `executor`'s threads where one is given.
    """
    envelopes = list(block.data.data)
    checked = _map(lambda envelope: _check(envelope, rules, at, verified), envelopes, executor)
    codes = [each.code for each in checked]
    seen: set[str] = set()
    for place, each in enumerate(checked):
        if not each.transaction_id:
            continue
        if each.transaction_id in seen or _committed(snapshot, each.transaction_id):
            codes[place] = int(Code.DUPLICATE_TXID)
        if each.code == Code.VALID:
            seen.add(each.transaction_id)
    reading = [
        each.action.namespaces if each.action is not None and code == Code.VALID else None
        for each, code in zip(checked, codes, strict=True)
    ]
    conflicts = mvcc.check(block.header.number, reading, snapshot)
    return [conflict if code == Code.VALID else code for code, conflict in zip(codes, conflicts, strict=True)]


def endorsement_digest(endorsement: Endorsement) -> bytes:
    """Names an endorsement, signature included."""
    digest = hashlib.sha256()
    for part in (endorsement.message, endorsement.endorser, endorsement.signature):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def policies(contract: str, namespaces: Iterable[NamespaceSet], definitions: Definitions) -> list[Policy]:
    """What a transaction that called `contract` has to satisfy, each once. Raises InvalidTransactionError."""
    needed: dict[Policy, None] = {}
    called = True
    written = {each.name: each for each in namespaces if each.written}
    for name in (contract, *(each for each in written if each != contract)):
        definition = definitions.get(name)
        if definition is None:
            what = "the contract called" if called else "a namespace written"
            raise InvalidTransactionError(Code.INVALID_CHAINCODE, f"{what} is not defined")
        needed.update(dict.fromkeys(_namespace_policies(written.get(name), definition)))
        called = False
    return list(needed)


def _check(envelope: bytes, rules: Rules, at: datetime, verified: Collection[bytes]) -> _Checked:
    try:
        header = parse_header(envelope)
        creator = _creator(header, rules.membership, at)
        if header.type == common_pb2.HeaderType.CONFIG:
            return _Checked(_check_config(header, creator, rules), header.transaction_id)
        if header.type != common_pb2.HeaderType.ENDORSER_TRANSACTION:
            return _Checked(int(Code.UNSUPPORTED_TX_PAYLOAD))
        if not header.id_holds:
            return _Checked(int(Code.BAD_PROPOSAL_TXID))
        if header.channel_id != rules.channel_id:
            return _Checked(int(Code.TARGET_CHAIN_NOT_FOUND))
    except InvalidTransactionError as error:
        return _Checked(error.code)
    try:
        action = parse_action(header)
        if not all(fits(each.name, "", key) for each in action.namespaces for key in each.writes):
            # Endorsed by whom it may be: in a block that state cannot take, it would stop the ledger for good.
            return _Checked(int(Code.ILLEGAL_WRITESET), header.transaction_id)
        needed = policies(action.contract, action.namespaces, rules.definitions)
        if action.version != rules.definitions[action.contract].version:
            return _Checked(int(Code.EXPIRED_CHAINCODE), header.transaction_id)
        endorsers = _endorsers(action, rules.membership, at, verified)
    except InvalidTransactionError as error:
        compared = error.code != Code.INVALID_ENDORSER_TRANSACTION
        return _Checked(error.code, header.transaction_id if compared else "")
    if not all(satisfied(policy, endorsers) for policy in needed):
        return _Checked(int(Code.ENDORSEMENT_POLICY_FAILURE), header.transaction_id)
    return _Checked(int(Code.VALID), header.transaction_id, action)


def _creator(header: TransactionHeader, membership: Membership, at: datetime) -> Identity:
    try:
        creator = membership.identify_serialized(header.creator, at)
        creator.verify(header.signature, header.payload)
    except IdentityError as error:
        raise InvalidTransactionError(Code.BAD_CREATOR_SIGNATURE, str(error)) from None
    return creator


def _check_config(header: TransactionHeader, creator: Identity, rules: Rules) -> int:
    if creator.msp_id != rules.orderer_msp or "orderer" not in creator.roles:
        return int(Code.INVALID_CONFIG_TRANSACTION)
    return int(Code.VALID if header.channel_id == rules.channel_id else Code.TARGET_CHAIN_NOT_FOUND)


def _endorsers(action: Action, membership: Membership, at: datetime, verified: Collection[bytes]) -> list[Identity]:
    """Those whose endorsements verify, in the order of the endorsements."""
    endorsers = []
    for endorsement in action.endorsements:
        try:
            endorser = membership.identify_serialized(endorsement.endorser, at)
            if endorsement_digest(endorsement) not in verified:
                endorser.verify(endorsement.signature, endorsement.message)
        except IdentityError:
            continue
        endorsers.append(endorser)
    return endorsers


def _namespace_policies(namespace: NamespaceSet | None, definition: ContractDefinition) -> Iterable[Policy]:
    if namespace is None:
        return [definition.policy]
    needed = [definition.policy] if namespace.writes else []
    for each in namespace.collections:
        collection = definition.collections.get(each.name)
        if collection is None:
            raise InvalidTransactionError(Code.INVALID_WRITESET, "a collection is not defined")
        if each.writes:
            needed.append(collection.endorsement_policy or definition.policy)
    return needed


def _committed(snapshot: Snapshot, transaction_id: str) -> bool:
    found = snapshot.transaction(transaction_id)
    return found is not None and found.code not in UNPROVEN


def _map(work: Callable[[bytes], _Checked], items: Sequence[bytes], executor: Executor | None) -> list[_Checked]:
    if executor is None or len(items) <= _CHUNK:
        return [work(item) for item in items]
    chunks = [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
    done = executor.map(lambda chunk: [work(item) for item in chunk], chunks)
    return [each for chunk in done for each in chunk]
