"""`_lifecycle`: contracts the channel agreed on, as Fabric's system chaincode has them (core/chaincode/lifecycle).

Definitions come from `network.yaml`, under which every organisation of the node endorses: all have approved, and
nothing is installed, approved or committed through here. A definition's sequence is how often it has changed, counted
over the channel's CONFIG blocks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fabric_protos.peer import collection_pb2, policy_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2
from google.protobuf.message import DecodeError

from chaincode.api.stub import ERROR, OK, Response
from services.common.msp import Identity
from services.ledger.channel import WRITERS, AccessDeniedError, Channel, shown
from services.ledger.definitions import Collection, ContractDefinition
from services.ledger.proposal import UnpackedProposal

NOT_FOUND = 404
_ADMINS = frozenset(
    {
        "InstallChaincode",
        "QueryInstalledChaincode",
        "GetInstalledChaincodePackage",
        "QueryInstalledChaincodes",
        "ApproveChaincodeDefinitionForMyOrg",
        "QueryApprovedChaincodeDefinition",
        "QueryApprovedChaincodeDefinitions",
    }
)
_MEMBERS = frozenset(
    {"CommitChaincodeDefinition", "QueryChaincodeDefinition", "QueryChaincodeDefinitions", "CheckCommitReadiness"}
)


class _NotDefinedError(Exception):
    """There is no such contract. Fabric's text."""


def sequences(configurations: Iterable[bytes]) -> dict[str, int]:
    """How often each contract's definition was agreed on: `configurations` are `genesis.contracts`, oldest first."""
    counts: dict[str, int] = {}
    former: Mapping[str, Any] = {}
    for each in configurations:
        current = json.loads(each)
        for name, definition in current.items():
            if definition != former.get(name):
                counts[name] = counts.get(name, 0) + 1
        former = current
    return counts


def invoke(channel: Channel, proposal: UnpackedProposal, creator: Identity) -> Response:
    """Answers a checked proposal."""
    args = proposal.args
    if not args:
        return Response(ERROR, "lifecycle scc must be invoked with arguments")
    if len(args) != 2:
        return Response(ERROR, f"lifecycle scc operations require exactly two arguments but received {len(args)}")
    function = shown(args[0])
    try:
        _check(channel, function, proposal.channel_id, creator)
    except AccessDeniedError as error:
        return Response(ERROR, f"Failed to authorize invocation due to failed ACL check: {error}")
    failed = f"failed to invoke backing implementation of '{function}'"
    if function not in _QUERIES:
        return Response(ERROR, f"{failed}: the contracts of this ledger are those of its network.yaml")
    kind, answer = _QUERIES[function]
    try:
        return Response(OK, payload=answer(channel, kind.FromString(args[1])).SerializeToString(deterministic=True))
    except DecodeError:
        return Response(ERROR, f"{failed}: could not decode input arg for *lifecycle.Invocation.{function}")
    except _NotDefinedError as error:
        return Response(NOT_FOUND, str(error))


def _check(channel: Channel, function: str, channel_id: str, creator: Identity) -> None:
    during = "during channelless check policy with policy"
    if function in _ADMINS:
        if "admin" not in creator.roles:
            raise AccessDeniedError(
                f"Failed verifying that proposal's creator satisfies local MSP principal {during} [Admins]"
            )
    elif function not in _MEMBERS:
        raise AccessDeniedError(f"Unmapped policy for _lifecycle/{function}")
    elif not channel_id:
        raise AccessDeniedError(f"Failed getting local MSP principal {during} [{WRITERS}]")
    else:
        channel.check_member(channel_id, WRITERS, creator)


def _definition(channel: Channel, asked: Any) -> Any:
    definition = channel.definitions.get(asked.name)
    if definition is None:
        raise _NotDefinedError(f"namespace {asked.name[:64]} is not defined")
    return lifecycle_pb2.QueryChaincodeDefinitionResult(
        approvals=dict.fromkeys(channel.organisations, True), **_fields(channel, definition)
    )


def _definitions(channel: Channel, _: Any) -> Any:
    found = [
        lifecycle_pb2.QueryChaincodeDefinitionsResult.ChaincodeDefinition(name=name, **_fields(channel, definition))
        for name, definition in sorted(channel.definitions.items())
    ]
    return lifecycle_pb2.QueryChaincodeDefinitionsResult(chaincode_definitions=found)


def _installed(_: Channel, __: Any) -> Any:
    """No packages: contracts come with the node."""
    return lifecycle_pb2.QueryInstalledChaincodesResult()


def _fields(channel: Channel, definition: ContractDefinition) -> dict[str, Any]:
    collections = [_collection(each) for each in definition.collections.values()]
    return {
        "sequence": channel.sequences[definition.name],
        "version": definition.version,
        "endorsement_plugin": "escc",
        "validation_plugin": "vscc",
        "validation_parameter": _policy(definition.policy.envelope).SerializeToString(),
        "collections": collection_pb2.CollectionConfigPackage(config=collections),
    }


def _collection(each: Collection) -> Any:
    config = collection_pb2.StaticCollectionConfig(
        name=each.name,
        member_orgs_policy=collection_pb2.CollectionPolicyConfig(signature_policy=each.policy.envelope),
        required_peer_count=each.required_peer_count,
        maximum_peer_count=each.max_peer_count,
        block_to_live=each.block_to_live,
        member_only_read=each.member_only_read,
        member_only_write=each.member_only_write,
        endorsement_policy=None if each.endorsement_policy is None else _policy(each.endorsement_policy.envelope),
    )
    return collection_pb2.CollectionConfig(static_collection_config=config)


def _policy(envelope: Any) -> Any:
    return policy_pb2.ApplicationPolicy(signature_policy=envelope)


_QUERIES: dict[str, tuple[Any, Callable[[Channel, Any], Any]]] = {
    "QueryChaincodeDefinition": (lifecycle_pb2.QueryChaincodeDefinitionArgs, _definition),
    "QueryChaincodeDefinitions": (lifecycle_pb2.QueryChaincodeDefinitionsArgs, _definitions),
    "QueryInstalledChaincodes": (lifecycle_pb2.QueryInstalledChaincodesArgs, _installed),
}
