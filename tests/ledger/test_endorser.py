"""What an endorser checks of a proposal before it executes it, with the texts of Fabric's (core/endorser)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2

from chaincode.core.certificate import P256_ORDER
from services.common.msp import MembershipFolder
from services.common.signer import Signer
from services.ledger import endorser, proposal
from services.ledger.endorser import ProposalRefusedError
from services.ledger.proposal import UnpackedProposal
from tests.organisations import Organisations

NOW = datetime.now(UTC)
Change = Callable[[Any, Any], None]


@pytest.fixture
def signer(organisations: Organisations) -> Signer:
    organisations.enrol("HospitalAMSP", "doctor", role="clinician")
    return organisations.signer("HospitalAMSP", "doctor")


def unpacked(signer: Signer, change: Change | None = None, signature: bytes | None = None) -> UnpackedProposal:
    """A signed proposal; `change` alters channel header and signature header before it is signed."""
    draft = proposal.draft_proposal("salus", signer.serialized, "sample", "Get", ["k"], {}, os.urandom(24), NOW)
    payload = draft.payload
    if change is not None:
        message = proposal_pb2.Proposal.FromString(payload)
        header = common_pb2.Header.FromString(message.header)
        channel = common_pb2.ChannelHeader.FromString(header.channel_header)
        sender = common_pb2.SignatureHeader.FromString(header.signature_header)
        change(channel, sender)
        header.channel_header, header.signature_header = channel.SerializeToString(), sender.SerializeToString()
        message.header = header.SerializeToString()
        payload = message.SerializeToString()
    signature = signer.sign(payload) if signature is None else signature
    return proposal.unpack(proposal_pb2.SignedProposal(proposal_bytes=payload, signature=signature))


def membership(organisations: Organisations) -> MembershipFolder:
    return MembershipFolder.load(organisations.msp_root, time.monotonic)


def test_a_sound_proposal_gives_its_creator(organisations: Organisations, signer: Signer) -> None:
    creator = endorser.check(unpacked(signer), membership(organisations), NOW)
    assert (creator.msp_id, creator.role) == ("HospitalAMSP", "clinician")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda channel, sender: setattr(channel, "type", 1), "invalid header type"),
        (lambda channel, sender: setattr(channel, "epoch", 3), "epoch is non-zero"),
        (lambda channel, sender: sender.ClearField("nonce"), "nonce is empty"),
        (lambda channel, sender: sender.ClearField("creator"), "creator is empty"),
        (lambda channel, sender: setattr(channel, "tx_id", "ab" * 32), "incorrectly computed txid 'abab"),
        (lambda channel, sender: setattr(sender, "nonce", b"another"), "incorrectly computed txid"),
    ],
)
def test_each_header_field_is_checked(organisations: Organisations, signer: Signer, change: Change, text: str) -> None:
    with pytest.raises(ProposalRefusedError, match=text):
        endorser.check(unpacked(signer, change), membership(organisations), NOW)


def _identity(serialized: bytes) -> Change:
    def change(channel: Any, sender: Any) -> None:
        sender.creator = serialized
        channel.tx_id = proposal.transaction_id(sender.nonce, serialized)

    return change


@pytest.mark.parametrize(
    "serialized",
    [b"\xff\xff", Signer("HospitalAMSP", b"no certificate", bytes).serialized, Signer("NoMSP", b"x", bytes).serialized],
    ids=["no identity", "no certificate", "unknown MSP"],
)
def test_a_creator_that_is_nobody_is_refused(organisations: Organisations, signer: Signer, serialized: bytes) -> None:
    with pytest.raises(ProposalRefusedError, match="creator org unknown, creator is malformed"):
        endorser.check(unpacked(signer, _identity(serialized)), membership(organisations), NOW)


def _denied(organisations: Organisations, candidate: UnpackedProposal) -> None:
    with pytest.raises(ProposalRefusedError) as caught:
        endorser.check(candidate, membership(organisations), NOW)
    assert str(caught.value) == "access denied: channel [salus] creator org [HospitalAMSP]"


def test_a_signature_over_other_bytes_is_refused(organisations: Organisations, signer: Signer) -> None:
    _denied(organisations, unpacked(signer, signature=signer.sign(b"other bytes")))


def test_a_high_s_signature_is_refused(organisations: Organisations, signer: Signer) -> None:
    sound = unpacked(signer)
    r, s = decode_dss_signature(sound.signed.signature)
    sound.signed.signature = encode_dss_signature(r, P256_ORDER - s)
    _denied(organisations, sound)


def test_a_missing_signature_is_refused(organisations: Organisations, signer: Signer) -> None:
    with pytest.raises(ProposalRefusedError, match="empty signature bytes"):
        endorser.check(unpacked(signer, signature=b""), membership(organisations), NOW)


def test_another_organisations_certificate_is_refused(organisations: Organisations, signer: Signer) -> None:
    organisations.enrol("HospitalBMSP", "stranger")
    stranger = organisations.signer("HospitalBMSP", "stranger")
    claimed = Signer("HospitalAMSP", stranger.certificate_pem, stranger.sign)
    _denied(organisations, unpacked(claimed))


def test_an_expired_certificate_is_refused(organisations: Organisations) -> None:
    organisations.enrol("HospitalAMSP", "former", now=NOW - timedelta(days=3650))
    _denied(organisations, unpacked(organisations.signer("HospitalAMSP", "former")))


def test_a_revoked_certificate_is_refused(organisations: Organisations) -> None:
    folder = organisations.enrol("HospitalAMSP", "dismissed")
    organisations.revoke("HospitalAMSP", folder)
    _denied(organisations, unpacked(organisations.signer("HospitalAMSP", "dismissed")))
