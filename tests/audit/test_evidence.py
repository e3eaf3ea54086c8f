"""What is checked of one decision, each check failing alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.audit.evidence import check_decision, check_transaction
from services.audit.transaction import Transaction, open_transaction
from services.common.msp import Identity, Membership, Msp
from services.ledger import policy
from tests.audit.ledger import CHANNEL, ENROLLED, POLICY, RecordedLedger
from tests.chaincode.callers import HOSPITAL_A
from tests.chaincode.clinic import Question
from tests.chaincode.memory_ledger import NOON

Case = tuple[Transaction, Identity, str, Mapping[str, Any], str]


def membership(ledger: RecordedLedger) -> Membership:
    return Membership([Msp(msp_id, [pem]) for msp_id, pem in ledger.roots.items()])


@pytest.fixture
def case(ledger: RecordedLedger) -> Case:
    [decision_id] = ledger.record(Question("r1"))
    transaction = open_transaction(ledger.chain[-1].data.data[0])
    creator = membership(ledger).identify_serialized(transaction.header.creator, NOON)
    public = transaction.decisions()[decision_id]
    return transaction, creator, decision_id, public, ledger.items[HOSPITAL_A, decision_id]


def test_an_honest_decision_has_no_problems(case: Case) -> None:
    checked = check_decision(*case)
    assert checked.problems == ()
    assert checked.record is not None
    assert checked.input is not None


def test_a_batch_that_somebody_else_signed_is_found(case: Case, ledger: RecordedLedger) -> None:
    transaction, _, decision_id, public, item = case
    other = membership(ledger).identify_serialized(ledger.caller(HOSPITAL_A, "peer").creator, NOON)
    assert check_decision(transaction, other, decision_id, public, item).problems == (
        "the batch is not signed by the transaction's creator",
    )


@pytest.mark.parametrize(
    "told",
    [{}, {"root": "zz"}, {"root": "00"}, {"root": 1}, {"size": "1"}, {"signature": "!"}, {"signature": 1}, None],
)
def test_a_batch_that_cannot_be_read_is_found(case: Case, told: dict[str, Any] | None) -> None:
    transaction, creator, decision_id, public, item = case
    batch = {**public["batch"], **told} if told else told
    checked = check_decision(transaction, creator, decision_id, {**public, "batch": batch}, item)
    assert checked.problems == ("the public decision does not tell its batch",)


@pytest.mark.parametrize("name", ["outcome", "model", "organisation", "purpose", "started", "consent_commitment"])
def test_a_public_field_that_is_not_the_records_is_found(case: Case, name: str) -> None:
    transaction, creator, decision_id, public, item = case
    checked = check_decision(transaction, creator, decision_id, {**public, name: "x"}, item)
    assert checked.problems == (f"{name} of the public decision is not that of the private record",)


def test_a_public_field_too_many_is_found(case: Case) -> None:
    transaction, creator, decision_id, public, item = case
    checked = check_decision(transaction, creator, decision_id, {**public, "more": 1}, item)
    assert checked.problems == ("the public decision has a field too many",)


def test_a_record_of_another_time_is_found(case: Case) -> None:
    transaction, creator, decision_id, public, item = case
    late = replace(transaction, header=replace(transaction.header, timestamp=NOON + timedelta(hours=1)))
    assert check_decision(late, creator, decision_id, public, item).problems == (
        "the record's times are more than 5 minutes from the transaction's",
    )


def test_a_private_record_under_another_key_is_found(case: Case) -> None:
    transaction, creator, decision_id, public, item = case
    [collection] = transaction.private
    moved = {bytes(32): value for value in transaction.private[collection].values()}
    checked = check_decision(replace(transaction, private={collection: moved}), creator, decision_id, public, item)
    assert checked.problems == ("the private record is not the one whose hash is on the ledger",)


def problems_of(ledger: RecordedLedger, transaction: Transaction) -> tuple[str, ...]:
    return check_transaction(transaction, CHANNEL, membership(ledger), policy.parse(POLICY)).problems


def test_an_honest_transaction_has_no_problems(case: Case, ledger: RecordedLedger) -> None:
    assert problems_of(ledger, case[0]) == ()


def test_a_creator_who_is_no_inference_service_is_found(case: Case, ledger: RecordedLedger) -> None:
    ledger.organisations.enrol(HOSPITAL_A, "dr-adams", role="clinician", now=ENROLLED)
    header, doctor = case[0].header, ledger.caller(HOSPITAL_A, "dr-adams")
    changed = replace(header, creator=doctor.creator, signature=doctor.sign(header.payload))
    assert problems_of(ledger, replace(case[0], header=changed)) == (
        "the transaction's id is not that of its nonce and creator",
        "the creator does not have role inference",
    )


def test_a_transaction_of_another_channel_is_found(case: Case, ledger: RecordedLedger) -> None:
    changed = replace(case[0], header=replace(case[0].header, channel_id="other"))
    assert problems_of(ledger, changed) == ("the transaction is of another channel",)


def test_a_transaction_of_another_contract_is_found(case: Case, ledger: RecordedLedger) -> None:
    changed = replace(case[0], action=replace(case[0].action, contract="models"))
    assert problems_of(ledger, changed) == ("the transaction is not one of the contract decisions",)


def test_a_transaction_without_a_policy_is_found(case: Case, ledger: RecordedLedger) -> None:
    found = check_transaction(case[0], CHANNEL, membership(ledger), None)
    assert found.problems == ("no endorsement policy is known for the transaction",)
