"""Validation: each of Fabric's codes for what earns it, on real certificates and blocks."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

from chaincode.core.certificate import P256_ORDER
from services.common.msp import MembershipFolder
from services.common.signer import Signer
from services.ledger import genesis, validation
from services.ledger.definitions import Collection, ContractDefinition
from services.ledger.policy import parse
from services.ledger.rwset import RwsetBuilder
from services.ledger.simulator import SimulationResult
from services.ledger.transactions import Code, parse_action, parse_header
from tests.ledger.chain import DEFINITIONS, HOSPITAL_A, HOSPITAL_B, ORDERER, REGULATOR, Chain
from tests.organisations import Organisations


@pytest.fixture
def chain(organisations: Organisations, tmp_path: Path) -> Iterator[Chain]:
    opened = Chain(organisations, tmp_path / "ledger")
    yield opened
    opened.close()


def result(builder: RwsetBuilder | None = None, event: bytes = b"") -> SimulationResult:
    if builder is None:
        builder = RwsetBuilder()
        builder.write("notes", "a", b"1")
    return SimulationResult(builder.public(), builder.private(), event)


def good(
    chain: Chain, builder: RwsetBuilder | None = None, endorsers: tuple[str, ...] = (HOSPITAL_A, REGULATOR)
) -> bytes:
    return chain.envelope(chain.propose(), result(builder), [chain.peer(each) for each in endorsers])


def resigned(chain: Chain, envelope: bytes, change: Callable[[Any], None], creator: Signer | None = None) -> bytes:
    """The envelope with its payload changed and signed again."""
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
    change(payload)
    data = payload.SerializeToString()
    return bytes(common_pb2.Envelope(payload=data, signature=(creator or chain.alice).sign(data)).SerializeToString())


def channel_header(change: Callable[[Any], None]) -> Callable[[Any], None]:
    def apply(payload: Any) -> None:
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        change(header)
        payload.header.channel_header = header.SerializeToString()

    return apply


def action(change: Callable[[Any, Any, Any], None]) -> Callable[[Any], None]:
    """Changes the action's payload, the response payload and the chaincode action; endorsements stay as they are."""

    def apply(payload: Any) -> None:
        transaction = transaction_pb2.Transaction.FromString(payload.data)
        inner = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
        response = proposal_response_pb2.ProposalResponsePayload.FromString(inner.action.proposal_response_payload)
        chaincode = proposal_pb2.ChaincodeAction.FromString(response.extension)
        change(inner, response, chaincode)
        response.extension = chaincode.SerializeToString()
        inner.action.proposal_response_payload = response.SerializeToString()
        transaction.actions[0].payload = inner.SerializeToString()
        payload.data = transaction.SerializeToString()

    return apply


def test_a_well_endorsed_transaction_is_valid(chain: Chain) -> None:
    assert chain.cut(good(chain)) == ["VALID"]


def test_an_empty_envelope_is_nil(chain: Chain) -> None:
    assert chain.cut(b"", b"\xff") == ["NIL_ENVELOPE", "INVALID_OTHER_REASON"]


def test_a_payload_that_is_none_is_bad(chain: Chain) -> None:
    envelope = common_pb2.Envelope(payload=b"\xff").SerializeToString()
    assert chain.cut(envelope) == ["BAD_PAYLOAD"]


@pytest.mark.parametrize(
    "change",
    [
        lambda payload: payload.ClearField("header"),
        lambda payload: setattr(payload.header, "channel_header", b"\xff"),
        lambda payload: setattr(payload.header, "signature_header", b""),
        channel_header(lambda header: setattr(header, "type", common_pb2.HeaderType.MESSAGE)),
        channel_header(lambda header: setattr(header, "epoch", 1)),
    ],
)
def test_a_bad_header_is_found_before_the_signature(chain: Chain, change: Callable[[Any], None]) -> None:
    assert chain.cut(resigned(chain, good(chain), change)) == ["BAD_COMMON_HEADER"]


def test_a_signature_of_somebody_else_is_bad(chain: Chain) -> None:
    envelope = chain.envelope(
        chain.propose(), result(), [chain.peer(HOSPITAL_A), chain.peer(REGULATOR)], creator=chain.peer(HOSPITAL_A)
    )
    assert chain.cut(envelope) == ["BAD_CREATOR_SIGNATURE"]


def test_a_creator_who_was_revoked_meanwhile_is_bad(chain: Chain) -> None:
    envelope = good(chain)
    chain.organisations.revoke(HOSPITAL_A, chain.organisations.root / "organisations" / HOSPITAL_A / "alice")
    chain.membership = MembershipFolder(chain.organisations.msp_root, lambda: 0.0)
    assert chain.cut(envelope) == ["BAD_CREATOR_SIGNATURE"]


def test_an_id_that_is_not_the_hash_is_bad(chain: Chain) -> None:
    change = channel_header(lambda header: setattr(header, "tx_id", "0" * 64))
    assert chain.cut(resigned(chain, good(chain), change)) == ["BAD_PROPOSAL_TXID"]


def test_another_channel_is_not_found(chain: Chain) -> None:
    change = channel_header(lambda header: setattr(header, "channel_id", "elsewhere"))
    assert chain.cut(resigned(chain, good(chain), change)) == ["TARGET_CHAIN_NOT_FOUND"]


def test_a_configuration_update_is_no_transaction(chain: Chain) -> None:
    change = channel_header(lambda header: setattr(header, "type", common_pb2.HeaderType.CONFIG_UPDATE))
    assert chain.cut(resigned(chain, good(chain), change)) == ["UNSUPPORTED_TX_PAYLOAD"]


def test_a_transaction_committed_before_is_a_duplicate(chain: Chain) -> None:
    envelope = good(chain)
    assert chain.cut(envelope) == ["VALID"]
    assert chain.cut(envelope) == ["DUPLICATE_TXID"]


def test_a_transaction_twice_in_a_block_is_a_duplicate(chain: Chain) -> None:
    envelope = good(chain)
    assert chain.cut(envelope, envelope) == ["VALID", "DUPLICATE_TXID"]


def test_a_forged_envelope_does_not_take_the_id(chain: Chain) -> None:
    envelope = good(chain)
    forged = common_pb2.Envelope.FromString(envelope)
    forged.signature = b"forged"
    assert chain.cut(forged.SerializeToString(), envelope) == ["BAD_CREATOR_SIGNATURE", "VALID"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda inner, response, chaincode: setattr(response, "proposal_hash", b"x"), "INVALID_ENDORSER_TRANSACTION"),
        (lambda inner, response, chaincode: setattr(chaincode, "results", b"\xff"), "BAD_RWSET"),
        (lambda inner, response, chaincode: setattr(chaincode, "events", b"\xff"), "INVALID_OTHER_REASON"),
        (lambda inner, response, chaincode: chaincode.ClearField("chaincode_id"), "INVALID_OTHER_REASON"),
        (lambda inner, response, chaincode: setattr(chaincode.chaincode_id, "name", "echo"), "INVALID_CHAINCODE"),
        (lambda inner, response, chaincode: setattr(chaincode.chaincode_id, "version", ""), "INVALID_CHAINCODE"),
        (lambda inner, response, chaincode: setattr(chaincode.chaincode_id, "version", "2"), "EXPIRED_CHAINCODE"),
    ],
)
def test_a_malformed_action_has_its_code(chain: Chain, change: Callable[[Any, Any, Any], None], code: str) -> None:
    assert chain.cut(resigned(chain, good(chain), action(change))) == [code]


def test_a_response_payload_that_cannot_be_read_is_bad(chain: Chain) -> None:
    def change(payload: Any) -> None:
        transaction = transaction_pb2.Transaction.FromString(payload.data)
        inner = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
        response = proposal_response_pb2.ProposalResponsePayload.FromString(inner.action.proposal_response_payload)
        response.extension = b"\xff"
        inner.action.proposal_response_payload = response.SerializeToString()
        transaction.actions[0].payload = inner.SerializeToString()
        payload.data = transaction.SerializeToString()

    assert chain.cut(resigned(chain, good(chain), change)) == ["BAD_RESPONSE_PAYLOAD"]


def test_a_namespace_twice_is_illegal(chain: Chain) -> None:
    def change(inner: Any, response: Any, chaincode: Any) -> None:
        results = rwset_pb2.TxReadWriteSet.FromString(chaincode.results)
        results.ns_rwset.append(results.ns_rwset[0])
        chaincode.results = results.SerializeToString()

    assert chain.cut(resigned(chain, good(chain), action(change))) == ["ILLEGAL_WRITESET"]


def test_a_change_after_the_endorsement_voids_it(chain: Chain) -> None:
    def change(inner: Any, response: Any, chaincode: Any) -> None:
        builder = RwsetBuilder()
        builder.write("notes", "a", b"2")
        chaincode.results = builder.public()

    assert chain.cut(resigned(chain, good(chain), action(change))) == ["ENDORSEMENT_POLICY_FAILURE"]


@pytest.mark.parametrize(
    ("endorsers", "code"),
    [
        ((), "ENDORSEMENT_POLICY_FAILURE"),
        ((HOSPITAL_A,), "ENDORSEMENT_POLICY_FAILURE"),
        ((HOSPITAL_A, HOSPITAL_A), "ENDORSEMENT_POLICY_FAILURE"),
        ((HOSPITAL_A, HOSPITAL_B), "ENDORSEMENT_POLICY_FAILURE"),
        ((HOSPITAL_A, REGULATOR), "VALID"),
        ((REGULATOR, HOSPITAL_B, HOSPITAL_A), "VALID"),
    ],
)
def test_the_contracts_policy_must_hold(chain: Chain, endorsers: tuple[str, ...], code: str) -> None:
    assert chain.cut(good(chain, endorsers=endorsers)) == [code]


def test_one_certificate_in_two_forms_is_one_endorser(chain: Chain) -> None:
    """Of an ECDSA signature, the authority's too, both values of s are valid."""
    peer = chain.peer(HOSPITAL_B)
    certificate = x509.load_pem_x509_certificate(peer.certificate_pem)
    r, s = decode_dss_signature(certificate.signature)
    other = encode_dss_signature(r, P256_ORDER - s)
    body = certificate.tbs_certificate_bytes + bytes.fromhex("300a06082a8648ce3d040302")
    body += b"\x03" + bytes([len(other) + 1, 0]) + other
    der = b"\x30\x82" + len(body).to_bytes(2) + body
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
    twin = Signer(HOSPITAL_B, pem, peer.sign)
    chain.membership.identify(HOSPITAL_B, pem, datetime.now(UTC))
    two = parse(f"AND('{HOSPITAL_B}.peer', '{HOSPITAL_B}.peer')")
    chain.definitions = {**DEFINITIONS, "notes": ContractDefinition("notes", "1.0", two)}
    assert chain.cut(chain.envelope(chain.propose(), result(), [peer, twin])) == ["ENDORSEMENT_POLICY_FAILURE"]


def test_a_client_is_no_endorser(chain: Chain) -> None:
    envelope = chain.envelope(chain.propose(), result(), [chain.alice, chain.peer(REGULATOR)])
    assert chain.cut(envelope) == ["ENDORSEMENT_POLICY_FAILURE"]


def test_an_endorser_with_an_unreadable_certificate_does_no_harm(chain: Chain) -> None:
    """Anybody can put any bytes there; the library raises TypeError for a name that is a bit string."""
    peer = chain.peer(HOSPITAL_B)
    der = x509.load_pem_x509_certificate(peer.certificate_pem).public_bytes(Encoding.DER)
    name = der.replace(b"\x0c\x04peer", b"\x03\x04\x00eer")
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(name) + b"-----END CERTIFICATE-----\n"
    unreadable = Signer(HOSPITAL_B, pem, peer.sign)
    endorsers = [unreadable, chain.peer(HOSPITAL_A), chain.peer(REGULATOR)]
    assert chain.cut(chain.envelope(chain.propose(), result(), endorsers)) == ["VALID"]


def test_a_key_that_state_cannot_hold_is_illegal(chain: Chain) -> None:
    builder = RwsetBuilder()
    builder.write("notes", "k" * 600, b"1")
    assert chain.cut(good(chain, builder)) == ["ILLEGAL_WRITESET"]


def test_a_private_key_whose_hash_is_none_makes_a_bad_set(chain: Chain) -> None:
    hashed = kv_rwset_pb2.HashedRWSet(hashed_writes=[kv_rwset_pb2.KVWriteHash(key_hash=bytes(600))])
    public = rwset_pb2.TxReadWriteSet(
        ns_rwset=[
            rwset_pb2.NsReadWriteSet(
                namespace="notes",
                collection_hashed_rwset=[
                    rwset_pb2.CollectionHashedReadWriteSet(
                        collection_name="secrets", hashed_rwset=hashed.SerializeToString()
                    )
                ],
            )
        ]
    ).SerializeToString()
    endorsers = [chain.peer(HOSPITAL_A), chain.peer(REGULATOR)]
    envelope = chain.envelope(chain.propose(), SimulationResult(public, None, b""), endorsers)
    assert chain.cut(envelope) == ["BAD_RWSET"]


def test_an_endorsement_that_does_not_verify_does_no_harm(chain: Chain) -> None:
    stranger = replace(chain.peer(HOSPITAL_B), sign=lambda message: b"nonsense")
    endorsers = [stranger, chain.peer(HOSPITAL_A), chain.peer(REGULATOR)]
    assert chain.cut(chain.envelope(chain.propose(), result(), endorsers)) == ["VALID"]


def test_every_namespace_written_must_agree(chain: Chain) -> None:
    def writing_both() -> RwsetBuilder:
        builder = RwsetBuilder()
        builder.write("notes", "b", b"1")
        builder.write("echo", "b", b"1")
        return builder

    assert chain.cut(good(chain, writing_both())) == ["ENDORSEMENT_POLICY_FAILURE"]
    assert chain.cut(good(chain, writing_both(), (HOSPITAL_A, HOSPITAL_B, REGULATOR))) == ["VALID"]


def test_a_namespace_that_is_only_read_need_not_agree(chain: Chain) -> None:
    builder = RwsetBuilder()
    builder.read("echo", "b", None)
    assert chain.cut(good(chain, builder)) == ["VALID"]


def test_a_transaction_that_writes_nothing_needs_the_policy_of_the_contract_called(chain: Chain) -> None:
    builder = RwsetBuilder()
    builder.read("notes", "b", None)
    assert chain.cut(good(chain, builder, (HOSPITAL_A,))) == ["ENDORSEMENT_POLICY_FAILURE"]


def test_an_undefined_namespace_or_collection_is_refused(chain: Chain) -> None:
    namespace, collection = RwsetBuilder(), RwsetBuilder()
    namespace.write("nowhere", "b", b"1")
    collection.write_private("notes", "nowhere", "b", b"1")
    assert chain.cut(good(chain, namespace), good(chain, collection)) == ["INVALID_CHAINCODE", "INVALID_WRITESET"]


def test_a_collections_own_policy_stands_in_for_the_contracts(chain: Chain) -> None:
    """Fabric's v20 plugin: for writes to the collection. Where the transaction also writes publicly, both must hold."""
    own = Collection("own", parse("OR('HospitalAMSP.member')"), endorsement_policy=parse("OR('HospitalAMSP.peer')"))
    notes = DEFINITIONS["notes"]
    chain.definitions = {"notes": ContractDefinition("notes", "1.0", notes.policy, {"own": own})}
    private, both = RwsetBuilder(), RwsetBuilder()
    for builder in (private, both):
        builder.write_private("notes", "own", "k", b"v")
    both.write("notes", "k", b"v")
    assert chain.cut(good(chain, private, (HOSPITAL_A,))) == ["VALID"]
    assert chain.cut(good(chain, both, (HOSPITAL_A,))) == ["ENDORSEMENT_POLICY_FAILURE"]
    assert chain.cut(good(chain, both, (HOSPITAL_A, REGULATOR))) == ["VALID"]


def test_conflicts_are_found_after_all_else(chain: Chain) -> None:
    def reading() -> RwsetBuilder:
        builder = RwsetBuilder()
        builder.read("notes", "a", None)
        builder.write("notes", "a", b"1")
        return builder

    unendorsed = good(chain, reading(), (HOSPITAL_A,))
    assert chain.cut(unendorsed, good(chain, reading()), good(chain, reading())) == [
        "ENDORSEMENT_POLICY_FAILURE",
        "VALID",
        "MVCC_READ_CONFLICT",
    ]


def test_executor_or_not_the_codes_are_the_same(chain: Chain) -> None:
    envelopes = [good(chain, endorsers=(HOSPITAL_A, REGULATOR) if each % 3 else (HOSPITAL_A,)) for each in range(20)]
    block: Any = chain.build(envelopes)
    with chain.state.snapshot() as snapshot, ThreadPoolExecutor(2) as executor:
        now = datetime.now(UTC)
        alone = validation.validate(block, snapshot, chain.rules(), now)
        spread = validation.validate(block, snapshot, chain.rules(), now, executor=executor)
    assert alone == spread == [Code.VALID if each % 3 else Code.ENDORSEMENT_POLICY_FAILURE for each in range(20)]


def test_an_endorsement_verified_before_is_not_verified_again(chain: Chain) -> None:
    unsigned = [replace(chain.peer(each), sign=lambda message: b"nonsense") for each in (HOSPITAL_A, REGULATOR)]
    envelope = chain.envelope(chain.propose(), result(), unsigned)
    known = {validation.endorsement_digest(each) for each in parse_action(parse_header(envelope)).endorsements}
    block: Any = chain.build([envelope])
    with chain.state.snapshot() as snapshot:
        now = datetime.now(UTC)
        assert validation.validate(block, snapshot, chain.rules(), now) == [Code.ENDORSEMENT_POLICY_FAILURE]
        assert validation.validate(block, snapshot, chain.rules(), now, verified=known) == [Code.VALID]
        # The certificate is judged all the same.
        later = now + timedelta(days=36_500)
        assert validation.validate(block, snapshot, chain.rules(), later, verified=known) != [Code.VALID]


@pytest.mark.parametrize(
    ("msp_id", "name", "channel", "code"),
    [
        (ORDERER, "orderer", "salus", "VALID"),
        (ORDERER, "orderer", "elsewhere", "TARGET_CHAIN_NOT_FOUND"),
        (HOSPITAL_A, "alice", "salus", "INVALID_CONFIG_TRANSACTION"),
        (HOSPITAL_A, "orderer", "salus", "INVALID_CONFIG_TRANSACTION"),
    ],
)
def test_only_the_channels_orderer_configures(chain: Chain, msp_id: str, name: str, channel: str, code: str) -> None:
    if (msp_id, name) == (HOSPITAL_A, "orderer"):
        chain.organisations.enrol(HOSPITAL_A, "orderer", node_ou="orderer")
    signer = chain.organisations.signer(msp_id, name)
    envelope = genesis.envelope(
        channel, configtx_pb2.ConfigGroup(), 0, signer.serialized, b"nonce", datetime.now(UTC), signer.sign
    )
    assert chain.cut(envelope) == [code]
