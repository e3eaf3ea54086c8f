"""What is checked of one transaction and of one decision, from their bytes. Pure.

Of a transaction, in this order: channel; id from nonce and creator; the creator's certificate, role and signature;
every endorser's certificate and signature; the contract; its endorsement policy. (That the endorsements are of this
very call is checked where it is taken apart.)

Of a decision: the private record is the one whose hash is on the ledger, under its key; it is well-formed; every public
field follows from it, commitment and id included; its path leads to the batch's root, which the creator has signed;
requester and times; its input is the one committed to, of the same patient and request.

Problems are sentences that quote nothing of the content.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from chaincode.core import batch, canonical, card, decision_checks, record
from chaincode.core.batch import Batch
from chaincode.core.card import Card
from chaincode.core.decision_checks import Claim, RefusedError
from chaincode.core.merkle import HASH_SIZE
from chaincode.core.record import Input, Record
from chaincode.runtime.executor import ExecutionError, ModelFileError, ModelRepository, OnnxExecutor
from services.audit.transaction import DECISIONS, Transaction
from services.common.msp import Identity, IdentityError, Membership
from services.ledger import policy as policies
from services.ledger.policy import Policy


@dataclass(frozen=True)
class CheckedTransaction:
    """What was found of a transaction. `creator` is None where the certificate is not accepted."""

    problems: tuple[str, ...]
    creator: Identity | None


@dataclass(frozen=True)
class CheckedDecision:
    """What was found of a decision. Record and input are None where they cannot be read, or are not there."""

    problems: tuple[str, ...]
    record: Record | None = None
    input: Input | None = None


def check_transaction(
    transaction: Transaction, channel: str, membership: Membership, policy: Policy | None
) -> CheckedTransaction:
    """Checks the transaction of `channel` under the policy that was in force, None where none is known."""
    problems: list[str] = []
    header, action = transaction.header, transaction.action
    if header.channel_id != channel:
        problems.append("the transaction is of another channel")
    if not header.id_holds:
        problems.append("the transaction's id is not that of its nonce and creator")
    creator = _signatory(
        "the creator", membership, header.creator, header.signature, header.payload, header.timestamp, problems
    )
    if creator is not None and creator.role != "inference":
        problems.append("the creator does not have role inference")
    endorsers = [
        _signatory("an endorser", membership, each.endorser, each.signature, each.message, header.timestamp, problems)
        for each in action.endorsements
    ]
    if action.contract != DECISIONS:
        problems.append(f"the transaction is not one of the contract {DECISIONS}")
    if policy is None:
        problems.append("no endorsement policy is known for the transaction")
    elif not policies.satisfied(policy, [each for each in endorsers if each is not None]):
        problems.append(f"the endorsements do not satisfy the policy {policy}")
    return CheckedTransaction(tuple(problems), creator)


def check_decision(
    transaction: Transaction,
    creator: Identity | None,
    decision_id: str,
    public: Mapping[str, Any],
    item: str | None,
) -> CheckedDecision:
    """Checks one decision that the transaction wrote. `item` is the private record, None where it was erased."""
    problems: list[str] = []
    signed = _batch(public)
    if signed is None:
        return CheckedDecision(("the public decision does not tell its batch",))
    if creator is None or not batch.is_signed(
        signed.root, signed.size, signed.signature, creator.certificate.public_key
    ):
        problems.append("the batch is not signed by the transaction's creator")
    if item is None:
        return CheckedDecision(tuple(problems))
    content, msp_id = item.encode(), creator.msp_id if creator else ""
    hashes = transaction.private.get(f"decisions_{msp_id}", {})
    if hashes.get(_sha256(f"record/{decision_id}".encode())) != _sha256(content):
        problems.append("the private record is not the one whose hash is on the ledger")
    try:
        parsed = batch.parse_item(canonical.decode(content))
        claim = Claim(parsed, record.parse(parsed.record))
    except ValueError as error:
        problems.append(f"the private record cannot be read: {error}")
        return CheckedDecision(tuple(problems))
    if claim.record.id != decision_id:
        problems.append("the decision's id is not that of its organisation and request")
    expected = decision_checks.public_part(claim, signed, transaction.header.transaction_id)
    problems += (
        f"{name} of the public decision is not that of the private record"
        for name, value in expected.items()
        if value != public.get(name)
    )
    if not expected.keys() >= public.keys():
        problems.append("the public decision has a field too many")
    if not batch.is_included(parsed, signed.root, signed.size):
        problems.append("the record's path does not lead to the root of its batch")
    given: Input | None = None
    try:
        decision_checks.check_requester(claim.record, msp_id)
        decision_checks.check_times(claim.record, transaction.header.timestamp)
        if claim.record.answer is None:
            decision_checks.check_refusal(claim)
        else:
            given = decision_checks.read_input(claim)
    except RefusedError as error:
        problems.append(error.message)
    return CheckedDecision(tuple(problems), claim.record, given)


class ModelMissingError(Exception):
    """The folder does not hold the model's file. The message names both."""


class Reexecution:
    """Gives recorded answers again, with the model files of a folder."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._executor = OnnxExecutor(ModelRepository(models))
        self._cards: dict[str, Card] = {}

    def check(self, found: Record, given: Input, cards: Mapping[str, str]) -> Sequence[str]:
        """In what the recorded answer differs from the model's. `cards` are texts of cards by their SHA-256. Raises
        ModelMissingError."""
        try:
            described = self._card(found.model.card_sha256, cards)
            if described.sha256 != found.model.sha256:
                return ["the record names another model file than its card"]
            name = f"{described.sha256}.onnx"
            if not (self._models / name).is_file():
                raise ModelMissingError(f"no file {name} in {self._models}")
            values = decision_checks.input_values(found, given, described)
            output = self._executor.run(described, values)
            decision_checks.check_output(found, values, described, output.probability, output.contributions)
        except RefusedError as error:
            return [error.message]
        except (ModelFileError, ExecutionError, card.CardError) as error:
            return [f"the model cannot be run again: {error}"]
        return []

    def _card(self, sha256: str, cards: Mapping[str, str]) -> Card:
        if sha256 not in self._cards:
            text = cards.get(sha256)
            if text is None:
                raise card.CardError("the file does not hold the model's card")
            try:
                self._cards[sha256] = card.parse(canonical.decode(text.encode()))
            except card.CardError:
                raise
            except ValueError:
                raise card.CardError("the model's card is no JSON document") from None
        return self._cards[sha256]


def _signatory(
    who: str,
    membership: Membership,
    serialized: bytes,
    signature: bytes,
    message: bytes,
    at: datetime,
    problems: list[str],
) -> Identity | None:
    """The identity that signed `message`; None, and a problem, where it did not or is not accepted."""
    try:
        identity = membership.identify_serialized(serialized, at)
    except IdentityError as error:
        problems.append(f"the certificate of {who} is not accepted: {error}")
        return None
    try:
        identity.verify(signature, message)
    except IdentityError:
        problems.append(f"the signature of {who} is wrong")
        return None
    return identity


def _batch(public: Mapping[str, Any]) -> Batch | None:
    try:
        told = public["batch"]
        root, size = bytes.fromhex(told["root"]), told["size"]
        signature = base64.b64decode(told["signature"], validate=True)
    except (KeyError, TypeError, ValueError):
        return None
    if len(root) != HASH_SIZE or not isinstance(size, int):
        return None
    return Batch(root, size, signature, ())


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
