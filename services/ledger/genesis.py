"""The channel's configuration as Fabric writes it: a CONFIG transaction, alone in a block of its own.

Block 0 holds the first one. It names every organisation with its roots, so whoever has block 0 can check what follows.
Contract definitions stand in it too; when those of `network.yaml` change, the node appends a further CONFIG block. A
channel, an organisation or a root that changed is another network: `difference` says so, and the node does not start.

Deterministic: time and nonce are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.msp import msp_config_pb2, msp_principal_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_configuration_pb2
from google.protobuf.message import DecodeError, Message

from services.ledger.proposal import transaction_id

APPLICATION = "Application"
ORDERER = "Orderer"
MSP = "MSP"
CONTRACTS = "Contracts"
_NODE_OUS = ("client", "peer", "admin", "orderer")
_ROLES = {"Readers": "MEMBER", "Writers": "MEMBER", "Admins": "ADMIN", "Endorsement": "PEER"}


@dataclass(frozen=True)
class MspRoots:
    """What vouches for an organisation's members: PEM certificates."""

    msp_id: str
    roots: tuple[bytes, ...]
    tls_roots: tuple[bytes, ...]


@dataclass(frozen=True)
class ChannelConfig:
    """The channel. `contracts` is the canonical encoding of every contract's definition."""

    channel_id: str
    orderer: MspRoots
    organisations: tuple[MspRoots, ...]
    contracts: bytes
    block_transactions: int
    block_bytes: int


def channel_group(config: ChannelConfig) -> Any:
    """The configuration's root, a `common.ConfigGroup`."""
    group = configtx_pb2.ConfigGroup(mod_policy="Admins")
    _value(group, "HashingAlgorithm", configuration_pb2.HashingAlgorithm(name="SHA256"))
    _value(group, "BlockDataHashingStructure", configuration_pb2.BlockDataHashingStructure(width=2**32 - 1))
    _value(group, "Capabilities", configuration_pb2.Capabilities(capabilities={"V2_0": configuration_pb2.Capability()}))
    _meta_policies(group)

    orderer = group.groups[ORDERER]
    orderer.mod_policy = "Admins"
    _value(orderer, "ConsensusType", orderer_configuration_pb2.ConsensusType(type="embedded"))
    batch = orderer_configuration_pb2.BatchSize(
        max_message_count=config.block_transactions, preferred_max_bytes=config.block_bytes
    )
    _value(orderer, "BatchSize", batch)
    _meta_policies(orderer)
    _organisation(orderer, config.orderer)

    application = group.groups[APPLICATION]
    application.mod_policy = "Admins"
    _value(
        application,
        "Capabilities",
        configuration_pb2.Capabilities(capabilities={"V2_5": configuration_pb2.Capability()}),
    )
    application.values[CONTRACTS].value = config.contracts
    application.values[CONTRACTS].mod_policy = "Admins"
    _meta_policies(application)
    for organisation in config.organisations:
        _organisation(application, organisation)
    return group


def envelope(
    channel_id: str,
    group: Any,
    sequence: int,
    creator: bytes,
    nonce: bytes,
    timestamp: datetime,
    sign: Callable[[bytes], bytes],
) -> bytes:
    """The serialised CONFIG transaction, signed by the orderer. `sequence` is 0 in block 0 and grows by one."""
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.HeaderType.CONFIG, version=1, channel_id=channel_id, tx_id=transaction_id(nonce, creator)
    )
    channel_header.timestamp.FromDatetime(timestamp)
    header = common_pb2.Header(
        channel_header=channel_header.SerializeToString(),
        signature_header=common_pb2.SignatureHeader(creator=creator, nonce=nonce).SerializeToString(),
    )
    config = configtx_pb2.ConfigEnvelope(config=configtx_pb2.Config(sequence=sequence, channel_group=group))
    payload = common_pb2.Payload(header=header, data=_bytes(config)).SerializeToString()
    return bytes(common_pb2.Envelope(payload=payload, signature=sign(payload)).SerializeToString())


def parse(data: bytes) -> tuple[str, Any] | None:
    """The channel and the `common.Config` of a serialised CONFIG transaction; None where it is of another type."""
    try:
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(data).payload)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        if header.type != common_pb2.HeaderType.CONFIG:
            return None
        return header.channel_id, configtx_pb2.ConfigEnvelope.FromString(payload.data).config
    except DecodeError:
        return None


def latest_number(block: Any) -> int:
    """The number of the latest configuration block, as a `common.Block`'s signed metadata has it."""
    metadata = common_pb2.Metadata.FromString(block.metadata.metadata[common_pb2.BlockMetadataIndex.SIGNATURES])
    return int(common_pb2.OrdererBlockMetadata.FromString(metadata.value).last_config.index)


def difference(channel_id: str, group: Any, expected: ChannelConfig) -> str:
    """What makes `expected` another network than the recorded one: a clause, "" where it is the same."""
    if channel_id != expected.channel_id:
        return f"it holds channel {channel_id}, not {expected.channel_id}"
    wanted = channel_group(expected)
    for section, kind in ((ORDERER, "orderer"), (APPLICATION, "organisation")):
        recorded, now = group.groups[section].groups, wanted.groups[section].groups
        for name in sorted({*recorded, *now}):
            if name not in now:
                return f"its {kind} {name} is missing"
            if name not in recorded:
                return f"it has no {kind} {name}"
            if recorded[name].values[MSP].value != now[name].values[MSP].value:
                return f"the roots of its {kind} {name} are others"
    return ""


def contracts(group: Any) -> bytes:
    """The contract definitions that a configuration records."""
    return bytes(group.groups[APPLICATION].values[CONTRACTS].value)


def _organisation(section: Any, roots: MspRoots) -> None:
    group = section.groups[roots.msp_id]
    group.mod_policy = "Admins"
    identifiers = {
        f"{name}_ou_identifier": msp_config_pb2.FabricOUIdentifier(organizational_unit_identifier=name)
        for name in _NODE_OUS
    }
    config = msp_config_pb2.FabricMSPConfig(
        name=roots.msp_id,
        root_certs=roots.roots,
        tls_root_certs=roots.tls_roots,
        crypto_config=msp_config_pb2.FabricCryptoConfig(
            signature_hash_family="SHA2", identity_identifier_hash_function="SHA256"
        ),
        fabric_node_ous=msp_config_pb2.FabricNodeOUs(enable=True, **identifiers),
    )
    _value(group, MSP, msp_config_pb2.MSPConfig(type=0, config=_bytes(config)))
    for name, role in _ROLES.items():
        principal = msp_principal_pb2.MSPRole(
            msp_identifier=roots.msp_id, role=msp_principal_pb2.MSPRole.MSPRoleType.Value(role)
        )
        rule = policies_pb2.SignaturePolicyEnvelope(
            identities=[
                msp_principal_pb2.MSPPrincipal(
                    principal_classification=msp_principal_pb2.MSPPrincipal.Classification.ROLE,
                    principal=_bytes(principal),
                )
            ],
            rule=policies_pb2.SignaturePolicy(
                n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=1, rules=[policies_pb2.SignaturePolicy(signed_by=0)])
            ),
        )
        _policy(group, name, policies_pb2.Policy.PolicyType.SIGNATURE, rule)


def _meta_policies(group: Any) -> None:
    rules: Sequence[tuple[str, int]] = (
        ("Readers", policies_pb2.ImplicitMetaPolicy.Rule.ANY),
        ("Writers", policies_pb2.ImplicitMetaPolicy.Rule.ANY),
        ("Admins", policies_pb2.ImplicitMetaPolicy.Rule.MAJORITY),
    )
    for name, rule in rules:
        value = policies_pb2.ImplicitMetaPolicy(sub_policy=name, rule=rule)
        _policy(group, name, policies_pb2.Policy.PolicyType.IMPLICIT_META, value)


def _policy(group: Any, name: str, kind: int, value: Message) -> None:
    group.policies[name].policy.CopyFrom(policies_pb2.Policy(type=kind, value=_bytes(value)))
    group.policies[name].mod_policy = "Admins"


def _value(group: Any, name: str, value: Message) -> None:
    group.values[name].value = _bytes(value)
    group.values[name].mod_policy = "Admins"


def _bytes(message: Message) -> bytes:
    # Maps have no order of their own.
    return bytes(message.SerializeToString(deterministic=True))
