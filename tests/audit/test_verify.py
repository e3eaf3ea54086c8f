"""Offline verification: an honest export passes, and whatever was done to one is found and named."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_response_pb2, transaction_pb2

from chaincode.core import canonical, certificate
from services.audit import checkpoint, trail
from services.audit.index import Filter
from services.audit.report import Report
from services.audit.roots import fingerprints, load_roots
from services.audit.store import LmdbStore
from services.audit.trail import read_line, write_line
from services.audit.verify import verify
from services.common.config import ConfigError
from services.common.signer import Signer
from tests.audit.ledger import CHANNEL, ENROLLED, RecordedLedger, export, export_all, follow
from tests.chaincode.callers import HOSPITAL_A, HOSPITAL_B, REGULATOR
from tests.chaincode.clinic import ANN, BEN, Question
from tests.organisations import Organisation, Organisations

Body = dict[str, Any]


@pytest.fixture(scope="module")
def honest(
    tmp_path_factory: pytest.TempPathFactory, authorities: dict[str, Organisation]
) -> tuple[RecordedLedger, bytes]:
    """A ledger with an answer, and with an answer and a refusal in one transaction; and its export."""
    fresh = {msp_id: Organisation(msp_id, each.ca, each.tls_ca) for msp_id, each in authorities.items()}
    ledger = RecordedLedger(Organisations(tmp_path_factory.mktemp("network"), fresh))
    ledger.record(Question("r1"))
    ledger.record(Question("r2", patient=BEN), Question("r3", x=2.0))
    return ledger, asyncio.run(export_all(ledger, tmp_path_factory.mktemp("store")))


def lines_of(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def found(report: Report) -> list[str]:
    return [str(each) for each in report.findings]


def resealed(lines: list[bytes], signer: Signer, drop_seal: bool = True) -> bytes:
    """The lines' bodies written anew, in this order, and sealed by `signer`: what a forger with that key can make."""
    writer = trail.Writer()
    data = []
    for line in lines[: -1 if drop_seal else None]:
        body = dict(read_line(line).body)
        kind = body.pop("type")
        del body["line"]
        writer._decisions += kind == "decision"
        writer._transactions += kind == "transaction"
        data.append(writer._write(kind, body))
    return b"".join(data) + writer.seal(signer.sign)


def changed(data: bytes, number: int, change: Callable[[Body], object]) -> list[bytes]:
    """The lines, with one body changed and its digest made anew; `number` from 1."""
    lines = lines_of(data)
    body = dict(read_line(lines[number - 1]).body)
    change(body)
    lines[number - 1] = write_line(body)
    return lines


def auditor(ledger: RecordedLedger) -> Signer:
    return ledger.auditor.signer


def line_of(data: bytes, kind: str, nth: int = 0) -> int:
    return [n for n, line in enumerate(lines_of(data), 1) if read_line(line).body["type"] == kind][nth]


def test_an_honest_export_has_no_findings(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    progress: list[tuple[int, int]] = []
    report = verify(data, ledger.roots, lambda done, total: progress.append((done, total)))
    assert found(report) == []
    assert report.ok
    assert (report.transactions, report.decisions, report.verified, report.answered) == (2, 3, 3, 2)
    assert progress == [(1, 3), (2, 3), (3, 3)]
    assert report.checkpoint is not None
    assert (report.checkpoint.origin, report.checkpoint.size) == ("salus/salus/RegulatorMSP", 3)
    assert report.policies == ("AND('HospitalAMSP.peer','RegulatorMSP.peer')",)


def test_an_export_says_what_was_asked_for(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    report = verify(data, ledger.roots)
    assert (report.is_export, report.filter) == (True, {})


@pytest.mark.parametrize("data", [b"", b"# Salus\n\nA ledger.\n", bytes(1000)])
def test_what_is_no_export_is_told_apart(honest: tuple[RecordedLedger, bytes], data: bytes) -> None:
    report = verify(data, honest[0].roots)
    assert (report.is_export, report.ok, report.filter) == (False, False, None)


def test_bytes_a_path_and_lines_give_the_same_report(honest: tuple[RecordedLedger, bytes], tmp_path: Path) -> None:
    ledger, data = honest
    path = tmp_path / "trail.jsonl"
    path.write_bytes(data)
    assert verify(path, ledger.roots) == verify(data, ledger.roots) == verify(io.BytesIO(data), ledger.roots)


def test_every_flipped_byte_is_found_in_its_line(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    chosen = random.Random(20260302)
    seal = data.rstrip(b"\n").rfind(b"\n") + 1
    newlines = {at for at, byte in enumerate(data) if byte == 10}
    places = newlines | set(range(seal, len(data))) | set(chosen.sample(range(seal), 300))
    for at in sorted(places):
        flipped = bytearray(data)
        flipped[at] ^= 1 << chosen.randrange(8)
        report = verify(bytes(flipped), ledger.roots)
        expected = data.count(b"\n", 0, at) + 1
        assert expected in {each.line for each in report.findings}, f"byte {at}"


def test_a_flipped_byte_names_the_decision(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    number = line_of(data, "decision", 1)
    decision_id = read_line(lines_of(data)[number - 1]).body["id"]
    at = data.index(b'\\"outcome\\\\', data.index(decision_id.encode()))
    report = verify(data[: at + 4] + b"X" + data[at + 5 :], ledger.roots)
    assert (number, decision_id) in {(each.line, each.decision_id) for each in report.findings}
    assert report.verified == 2


@pytest.mark.parametrize("number", range(1, 8))
def test_a_missing_line_is_found(honest: tuple[RecordedLedger, bytes], number: int) -> None:
    ledger, data = honest
    lines = lines_of(data)
    assert len(lines) == 8
    del lines[number - 1]
    report = verify(b"".join(lines), ledger.roots)
    assert any("before this one" in each or "header" in each for each in found(report))


@pytest.mark.parametrize("number", range(1, 9))
def test_a_repeated_line_is_found(honest: tuple[RecordedLedger, bytes], number: int) -> None:
    ledger, data = honest
    lines = lines_of(data)
    lines.insert(number, lines[number - 1])
    report = verify(b"".join(lines), ledger.roots)
    assert report.findings[0].line == number + 1


@pytest.mark.parametrize("number", range(1, 8))
def test_exchanged_lines_are_found(honest: tuple[RecordedLedger, bytes], number: int) -> None:
    ledger, data = honest
    lines = lines_of(data)
    lines[number - 1 : number + 1] = reversed(lines[number - 1 : number + 1])
    report = verify(b"".join(lines), ledger.roots)
    assert any(each.line in (number, number + 1) for each in report.findings)


def test_a_truncated_file_is_found(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    for end in (0, 1, len(data) // 2, len(data) - 1, data.rstrip(b"\n").rfind(b"\n") + 1):
        assert not verify(data[:end], ledger.roots).ok, end


def test_something_after_the_seal_is_found(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    assert found(verify(data + b"\n", ledger.roots)) == ["line 9: there is something after the seal"]


def test_a_line_deleted_and_sealed_anew_without_the_auditors_key_is_found(
    honest: tuple[RecordedLedger, bytes],
) -> None:
    ledger, data = honest
    lines = lines_of(data)
    del lines[line_of(data, "decision", 2) - 1]
    forger = Signer(REGULATOR, auditor(ledger).certificate_pem, ledger.inference.sign)
    report = verify(resealed(lines, forger), ledger.roots)
    assert "line 7: the seal is not signed by the auditor" in found(report)


def test_a_line_deleted_and_sealed_anew_by_the_auditor_itself_is_found(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    lines = lines_of(data)
    number = line_of(data, "decision", 2)
    decision_id = read_line(lines[number - 1]).body["id"]
    del lines[number - 1]
    report = verify(resealed(lines, auditor(ledger)), ledger.roots)
    assert f"line 7, decision {decision_id}: the decision's line is missing" in found(report)


def test_a_line_written_anew_under_the_old_seal_is_found(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    lines = changed(data, 1, lambda body: body.update(created="2026-03-02T13:00:01.000000Z"))
    report = verify(b"".join(lines), ledger.roots)
    assert found(report) == ["line 8: what precedes the seal is not what was sealed"]


def test_transactions_out_of_order_are_found(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    header, card, transaction, decision, *others, seal = lines_of(data)
    report = verify(resealed([header, card, *others, transaction, decision, seal], auditor(ledger)), ledger.roots)
    assert found(report) == ["line 6: the transaction is repeated or out of order, or holds no decision"]


def test_decisions_of_a_transaction_out_of_order_are_found(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    *others, first, second, seal = lines_of(data)
    decision_id = read_line(first).body["id"]
    report = verify(resealed([*others, second, first, seal], auditor(ledger)), ledger.roots)
    assert found(report) == [f"line 7, decision {decision_id}: the decision is out of order"]


async def test_an_auditor_of_an_unknown_root_is_found(
    organisations: Organisations, honest: tuple[RecordedLedger, bytes]
) -> None:
    ledger, data = honest
    others = {**ledger.roots, REGULATOR: Organisation.create(REGULATOR).ca.pem}
    report = verify(data, others)
    assert any("auditor's certificate is not accepted" in each for each in found(report))
    assert any("not signed by the auditor" in each for each in found(report))
    assert report.checkpoint is None
    assert report.verified == 0


async def test_a_member_who_is_no_auditor_is_found(ledger: RecordedLedger, tmp_path: Path) -> None:
    ledger.organisations.enrol(REGULATOR, "inspector", role="inspector", now=ENROLLED)
    ledger.record(Question("r1"))
    with LmdbStore(tmp_path / "store", CHANNEL) as store:
        await follow(ledger, store)
        data = await export(ledger, store, auditor=ledger.organisations.signer(REGULATOR, "inspector"))
    assert found(verify(data, ledger.roots)) == ["line 1: the auditor's certificate does not have role audit"]


def checkpoint_of(ledger: RecordedLedger, data: bytes, change: Callable[[str], str]) -> Report:
    """The report on a file whose checkpoint was changed and which its auditor has sealed anew."""

    def set_checkpoint(body: Body) -> None:
        body["checkpoint"] = change(body["checkpoint"])

    return verify(resealed(changed(data, 1, set_checkpoint), auditor(ledger)), ledger.roots)


def test_a_forged_checkpoint_is_found(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    report = checkpoint_of(ledger, data, lambda note: note.replace("\n3\n", "\n4\n", 1))
    assert "line 1: the checkpoint's signature is wrong" in found(report)
    assert any("no checkpoint that could prove" in each for each in found(report))


def test_a_checkpoint_of_another_origin_is_found(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    tree = checkpoint.parse(read_line(lines_of(data)[0]).body["checkpoint"])[0]
    key = certificate.parse(auditor(ledger).certificate_pem).public_key
    note = checkpoint.sign(replace(tree, origin="salus/other/RegulatorMSP"), key, auditor(ledger).sign)
    report = checkpoint_of(ledger, data, lambda _: note)
    assert "line 1: the checkpoint is of another log" in found(report)
    assert report.verified == 0


async def test_a_checkpoint_of_another_log_does_not_prove_the_transactions(
    honest: tuple[RecordedLedger, bytes], organisations: Organisations, tmp_path: Path
) -> None:
    ledger, data = honest
    other = replace(ledger.auditor)
    with LmdbStore(tmp_path / "store", CHANNEL) as store:
        note = other.checkpoint(store.position())
    report = checkpoint_of(ledger, data, lambda _: note)
    unproven = [each for each in found(report) if "not proven to be in the log" in each]
    assert len(unproven) == 2


def test_exchanged_proofs_are_found(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    first, second = line_of(data, "transaction", 0), line_of(data, "transaction", 1)
    proofs = [read_line(lines_of(data)[number - 1]).body["proof"] for number in (first, second)]
    lines = changed(data, first, lambda body: body.update(proof=proofs[1]))
    lines = changed(b"".join(lines), second, lambda body: body.update(proof=proofs[0]))
    report = verify(resealed(lines, auditor(ledger)), ledger.roots)
    assert [each.line for each in report.findings] == [first, second]
    assert report.verified == 0


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("validation_code", 11, "not told to be VALID"),
        ("block", 7, "not proven to be in the log"),
        ("index", 1, "not proven to be in the log"),
        ("leaf", 2, "not proven to be in the log"),
        ("transaction_id", "0" * 64, "the envelope is of another transaction"),
        ("envelope", base64.b64encode(b"nothing").decode(), "the transaction cannot be read"),
        ("envelope", "!", "field envelope is no base64"),
        ("proof", ["zz"], "field proof holds something else than hashes"),
        ("proof", None, "field proof is missing or malformed"),
        ("block", -1, "field block is out of range"),
        ("index", 1 << 40, "field index is out of range"),
        ("leaf", True, "field leaf is missing or malformed"),
    ],
)
def test_a_false_word_about_a_transaction_is_found(
    honest: tuple[RecordedLedger, bytes], name: str, value: object, what: str
) -> None:
    ledger, data = honest
    number = line_of(data, "transaction")
    lines = changed(data, number, lambda body: body.update({name: value}))
    report = verify(resealed(lines, auditor(ledger)), ledger.roots)
    assert any(each.line == number and what in each.what for each in report.findings)


@pytest.mark.parametrize("name", [b'"channel":"', b'"certificate":"', b'"checkpoint":"', b'"transaction_id":"'])
def test_half_a_surrogate_pair_is_no_text(honest: tuple[RecordedLedger, bytes], name: bytes) -> None:
    ledger, data = honest
    lines = lines_of(data)
    number = next(n for n, line in enumerate(lines) if name in line)
    body = lines[number].split(b',"sha256":"')[0].removeprefix(b'{"body":').replace(name, name + b"\\ud800", 1)
    digest = hashlib.sha256(body).hexdigest().encode()
    lines[number] = b'{"body":' + body + b',"sha256":"' + digest + b'"}\n'
    report = verify(b"".join(lines), ledger.roots)
    assert (number + 1, "the line is no JSON document") in {(each.line, each.what) for each in report.findings}


def test_the_record_of_another_decision_is_found(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    first, third = line_of(data, "decision", 0), line_of(data, "decision", 2)
    other = read_line(lines_of(data)[third - 1]).body["item"]
    decision_id = read_line(lines_of(data)[first - 1]).body["id"]
    lines = changed(data, first, lambda body: body.update(item=other))
    report = verify(resealed(lines, auditor(ledger)), ledger.roots)
    about = [each.what for each in report.findings if (each.line, each.decision_id) == (first, decision_id)]
    assert "the private record is not the one whose hash is on the ledger" in about
    assert "the decision's id is not that of its organisation and request" in about
    assert "record_hash of the public decision is not that of the private record" in about


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("salt", "00" * 16, "record_hash of the public decision"),
        ("input_salt", "00" * 16, "the input is not the one that the record commits to"),
        ("input", "{}", "the input is not the one that the record commits to"),
        ("path", ["00" * 32], "the record's path does not lead to the root of its batch"),
    ],
)
def test_a_changed_private_record_is_found(
    honest: tuple[RecordedLedger, bytes], name: str, value: object, what: str
) -> None:
    ledger, data = honest
    number = line_of(data, "decision")

    def change(body: Body) -> None:
        body["item"] = canonical.encode({**canonical.decode(body["item"].encode()), name: value}).decode()

    report = verify(resealed(changed(data, number, change), auditor(ledger)), ledger.roots)
    about = [each.what for each in report.findings if each.line == number]
    assert any(what in each for each in about)
    assert "the private record is not the one whose hash is on the ledger" in about


async def test_an_erased_record_leaves_its_proof(ledger: RecordedLedger, tmp_path: Path) -> None:
    [decision_id] = ledger.record(Question("r1"))
    del ledger.items[HOSPITAL_A, decision_id]
    report = verify(await export_all(ledger, tmp_path / "store"), ledger.roots)
    assert report.ok
    assert (report.verified, report.erased) == (1, 1)


@pytest.mark.parametrize("endorsers", [(HOSPITAL_A,), (HOSPITAL_A, HOSPITAL_B), (HOSPITAL_A, HOSPITAL_A), ()])
async def test_too_few_endorsements_are_found(
    ledger: RecordedLedger, tmp_path: Path, endorsers: tuple[str, ...]
) -> None:
    ledger.record(Question("r1"), endorsers=endorsers)
    report = verify(await export_all(ledger, tmp_path / "store"), ledger.roots)
    assert [each.what for each in report.findings] == [
        "the endorsements do not satisfy the policy AND('HospitalAMSP.peer', 'RegulatorMSP.peer')"
    ]
    assert report.verified == 0


async def test_the_policy_in_force_at_the_block_counts(ledger: RecordedLedger, tmp_path: Path) -> None:
    ledger.record(Question("r1"))
    ledger.configure("OR('HospitalBMSP.peer')")
    ledger.record(Question("r2"))
    report = verify(await export_all(ledger, tmp_path / "store"), ledger.roots)
    assert [each.what for each in report.findings] == [
        "the endorsements do not satisfy the policy AND('HospitalBMSP.peer')"
    ]
    assert report.verified == 1


async def test_a_certificate_is_judged_at_the_transactions_time(ledger: RecordedLedger, tmp_path: Path) -> None:
    ledger.organisations.enrol(REGULATOR, "peer", node_ou="peer", role="ledger")
    ledger.record(Question("r1"))
    report = verify(await export_all(ledger, tmp_path / "store"), ledger.roots)
    assert (
        "the certificate of an endorser is not accepted: certificate of RegulatorMSP is expired or not yet valid"
        in [each.what for each in report.findings]
    )


def forged_creator(envelope: bytes) -> bytes:
    outer = common_pb2.Envelope.FromString(envelope)
    outer.signature = certificate.sign(ec.generate_private_key(ec.SECP256R1()), outer.payload)
    return bytes(outer.SerializeToString())


def forged_endorsement(envelope: bytes) -> bytes:
    """The second endorsement is replaced by the first one's signature; the creator's signature then fails too."""
    outer = common_pb2.Envelope.FromString(envelope)
    payload = common_pb2.Payload.FromString(outer.payload)
    transaction = transaction_pb2.Transaction.FromString(payload.data)
    action = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
    first, second = action.action.endorsements
    second.signature = first.signature
    transaction.actions[0].payload = action.SerializeToString()
    payload.data = transaction.SerializeToString()
    outer.payload = payload.SerializeToString()
    return bytes(outer.SerializeToString())


def forged_response(envelope: bytes) -> bytes:
    """The endorsed response is of another proposal."""
    outer = common_pb2.Envelope.FromString(envelope)
    payload = common_pb2.Payload.FromString(outer.payload)
    transaction = transaction_pb2.Transaction.FromString(payload.data)
    action = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
    response = proposal_response_pb2.ProposalResponsePayload.FromString(action.action.proposal_response_payload)
    response.proposal_hash = bytes(32)
    action.action.proposal_response_payload = response.SerializeToString()
    transaction.actions[0].payload = action.SerializeToString()
    payload.data = transaction.SerializeToString()
    outer.payload = payload.SerializeToString()
    return bytes(outer.SerializeToString())


@pytest.mark.parametrize(
    ("forge", "whats"),
    [
        (forged_creator, ["the signature of the creator is wrong"]),
        (
            forged_endorsement,
            [
                "the signature of the creator is wrong",
                "the signature of an endorser is wrong",
                "the endorsements do not satisfy the policy AND('HospitalAMSP.peer', 'RegulatorMSP.peer')",
            ],
        ),
    ],
)
async def test_a_forged_transaction_that_the_ledger_calls_valid_is_found(
    ledger: RecordedLedger, tmp_path: Path, forge: Callable[[bytes], bytes], whats: list[str]
) -> None:
    ledger.record(Question("r1"), forge=forge)
    report = verify(await export_all(ledger, tmp_path / "store"), ledger.roots)
    assert [each.what for each in report.findings if each.line == 3] == whats
    assert report.verified == 0


async def test_a_transaction_that_the_auditor_counts_twice_is_found(ledger: RecordedLedger, tmp_path: Path) -> None:
    """A ledger calls the second one DUPLICATE_TXID; here the log says that both are VALID."""
    ledger.record(Question("r1"))
    ledger.append(list(ledger.chain[-1].data.data), [0])
    report = verify(await export_all(ledger, tmp_path / "store"), ledger.roots)
    assert [each.what for each in report.findings] == [
        "the transaction is there a second time, as one of another block or place"
    ]
    assert (report.decisions, report.verified) == (2, 1)


async def test_an_endorsement_of_another_proposal_makes_no_decision(ledger: RecordedLedger, tmp_path: Path) -> None:
    ledger.record(Question("r1"), forge=forged_response)
    report = verify(await export_all(ledger, tmp_path / "store"), ledger.roots)
    assert (report.ok, report.decisions) == (True, 0)


def test_another_root_than_the_files_is_found(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    lines = changed(data, 1, lambda body: body["organisations"].update({HOSPITAL_B: ["0" * 64]}))
    report = verify(resealed(lines, auditor(ledger)), ledger.roots)
    assert found(report) == ["line 1: the file names other root certificates of HospitalBMSP than those given"]


def test_a_missing_root_is_found(honest: tuple[RecordedLedger, bytes]) -> None:
    ledger, data = honest
    roots = {msp_id: pem for msp_id, pem in ledger.roots.items() if msp_id != HOSPITAL_A}
    report = verify(data, roots)
    assert any("MSP HospitalAMSP is unknown" in each for each in found(report))
    assert report.verified == 0


async def test_a_filtered_export_is_whole_within_its_filter(ledger: RecordedLedger, tmp_path: Path) -> None:
    ledger.record(Question("r1"), Question("r2", patient=BEN), Question("r3", x=2.0))
    data = await export_all(ledger, tmp_path / "store", Filter(outcome="answered"))
    report = verify(data, ledger.roots)
    assert found(report) == []
    assert (report.decisions, report.answered) == (2, 2)
    lines = lines_of(data)
    del lines[line_of(data, "decision") - 1]
    report = verify(resealed(lines, auditor(ledger)), ledger.roots)
    assert any("the decision's line is missing" in each for each in found(report))


async def test_a_decision_outside_the_filter_is_found(ledger: RecordedLedger, tmp_path: Path) -> None:
    ledger.record(Question("r1"), Question("r2", patient=BEN))
    data = await export_all(ledger, tmp_path / "store", Filter(patient=ANN.name))
    assert verify(data, ledger.roots).ok
    lines = changed(data, 1, lambda body: body.update(filter={"patient": BEN.name}))
    report = verify(resealed(lines, auditor(ledger)), ledger.roots)
    assert any("the file's filter does not take this decision" in each for each in found(report))


@pytest.mark.parametrize("name", ["channel", "created", "auditor", "policies", "checkpoint", "schema", "decisions"])
def test_a_header_that_cannot_be_used_is_found(honest: tuple[RecordedLedger, bytes], name: str) -> None:
    ledger, data = honest
    report = verify(resealed(changed(data, 1, lambda body: body.pop(name)), auditor(ledger)), ledger.roots)
    assert report.findings[0].line == 1
    assert report.verified == 0


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"{}\n", b"\xff" * 100 + b"\n", b'{"body":1,"sha256":"' + b"0" * 64 + b'"}\n']
)
def test_a_file_that_is_no_export_is_found(honest: tuple[RecordedLedger, bytes], data: bytes) -> None:
    assert not verify(data, honest[0].roots).ok


def test_roots_are_read_from_an_msp_folder_and_from_flat_files(organisations: Organisations, tmp_path: Path) -> None:
    expected = {msp_id: (each.ca.pem,) for msp_id, each in organisations.members.items()}
    assert load_roots(organisations.msp_root) == expected
    for msp_id, pems in expected.items():
        (tmp_path / f"{msp_id}.pem").write_bytes(pems[0])
    assert load_roots(tmp_path) == expected


def test_roots_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no root certificates"):
        load_roots(tmp_path)
    (tmp_path / "HospitalAMSP.pem").write_text("nothing")
    with pytest.raises(ConfigError, match="root certificates of HospitalAMSP"):
        load_roots(tmp_path)


def test_fingerprints_are_those_of_the_certificates(organisations: Organisations) -> None:
    [fingerprint] = fingerprints([organisations.members[REGULATOR].ca.pem])
    assert len(fingerprint) == 64
