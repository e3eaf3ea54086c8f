"""The channel's configuration: written once, compared at each start."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.msp import msp_config_pb2

from services.ledger import genesis
from services.ledger.genesis import ChannelConfig, MspRoots

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOSPITAL = MspRoots("HospitalAMSP", (b"root a",), (b"tls a",))
REGULATOR = MspRoots("RegulatorMSP", (b"root r",), (b"tls r",))
CONFIG = ChannelConfig(
    channel_id="salus",
    orderer=MspRoots("OrdererMSP", (b"root o",), (b"tls o",)),
    organisations=(HOSPITAL, REGULATOR),
    contracts=b'{"sample":{}}',
    block_transactions=500,
    block_bytes=1024,
)


def written(config: ChannelConfig = CONFIG) -> bytes:
    group = genesis.channel_group(config)
    return genesis.envelope("salus", group, 0, b"orderer", b"nonce", NOW, lambda data: b"signature")


def test_the_configuration_names_every_organisation_with_its_roots_and_node_units() -> None:
    parsed = genesis.parse(written())
    assert parsed is not None
    groups = parsed[1].channel_group.groups
    assert set(groups["Application"].groups) == {"HospitalAMSP", "RegulatorMSP"}
    value = msp_config_pb2.MSPConfig.FromString(groups["Orderer"].groups["OrdererMSP"].values["MSP"].value)
    msp = msp_config_pb2.FabricMSPConfig.FromString(value.config)
    assert (msp.name, list(msp.root_certs), list(msp.tls_root_certs)) == ("OrdererMSP", [b"root o"], [b"tls o"])
    assert msp.fabric_node_ous.peer_ou_identifier.organizational_unit_identifier == "peer"


def test_the_same_configuration_is_the_same_bytes() -> None:
    assert written() == written(replace(CONFIG))


@pytest.mark.parametrize(
    ("changed", "clause"),
    [
        (replace(CONFIG, channel_id="other"), "it holds channel salus, not other"),
        (replace(CONFIG, organisations=(HOSPITAL,)), "its organisation RegulatorMSP is missing"),
        (
            replace(CONFIG, organisations=(HOSPITAL, REGULATOR, MspRoots("NewMSP", (b"n",), (b"n",)))),
            "it has no organisation NewMSP",
        ),
        (
            replace(CONFIG, organisations=(HOSPITAL, replace(REGULATOR, roots=(b"forged",)))),
            "the roots of its organisation RegulatorMSP are others",
        ),
        (replace(CONFIG, contracts=b"{}"), ""),
        (CONFIG, ""),
    ],
)
def test_another_network_is_told_by_what_differs(changed: ChannelConfig, clause: str) -> None:
    parsed = genesis.parse(written())
    assert parsed is not None
    assert genesis.difference(parsed[0], parsed[1].channel_group, changed) == clause


def test_contract_definitions_are_recorded() -> None:
    parsed = genesis.parse(written())
    assert parsed is not None
    assert genesis.contracts(parsed[1].channel_group) == CONFIG.contracts


def test_other_transactions_are_no_configuration() -> None:
    header = common_pb2.ChannelHeader(type=common_pb2.HeaderType.ENDORSER_TRANSACTION).SerializeToString()
    payload = common_pb2.Payload(header=common_pb2.Header(channel_header=header)).SerializeToString()
    assert genesis.parse(common_pb2.Envelope(payload=payload).SerializeToString()) is None
    assert genesis.parse(b"\xff") is None
