"""`_lifecycle` over gRPC and mutual TLS, with the answers and texts of Fabric's core/chaincode/lifecycle/scc.go."""

from __future__ import annotations

import pytest
from fabric_protos.peer import policy_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2

from services.ledger.lifecycle import sequences
from services.ledger.policy import Policy
from tests.ledger.running import PEERS, A, B, Running, described, refusal, running
from tests.ledger.test_gateway import evaluate
from tests.organisations import Organisations

SAMPLE = lifecycle_pb2.QueryChaincodeDefinitionArgs(name="sample").SerializeToString()


async def definition(ledger: Running) -> lifecycle_pb2.QueryChaincodeDefinitionResult:
    payload = await ledger.client(A).evaluate("_lifecycle", "QueryChaincodeDefinition", SAMPLE)
    return lifecycle_pb2.QueryChaincodeDefinitionResult.FromString(payload)


async def test_a_definition_has_policy_collections_and_approvals(ledger: Running) -> None:
    found = await definition(ledger)
    assert (found.version, found.sequence, found.init_required) == ("1.0", 1, False)
    assert (found.endorsement_plugin, found.validation_plugin) == ("escc", "vscc")
    agreed = ledger.node.network.definitions["sample"]
    policy = policy_pb2.ApplicationPolicy.FromString(found.validation_parameter).signature_policy
    assert Policy.from_envelope(policy) == agreed.policy
    collections = {
        each.static_collection_config.name: each.static_collection_config for each in found.collections.config
    }
    assert list(collections) == ["everyone", "a_and_regulator", "only_b"]
    assert collections["a_and_regulator"].member_only_read
    assert not collections["everyone"].member_only_read
    members = Policy.from_envelope(collections["only_b"].member_orgs_policy.signature_policy)
    assert [str(each) for each in members.principals] == [f"{B}.member"]
    assert not collections["only_b"].HasField("endorsement_policy")
    assert dict(found.approvals) == dict.fromkeys(PEERS, True)


async def test_every_definition_is_listed(ledger: Running) -> None:
    payload = await ledger.client(A).evaluate("_lifecycle", "QueryChaincodeDefinitions", b"")
    found = lifecycle_pb2.QueryChaincodeDefinitionsResult.FromString(payload).chaincode_definitions
    assert [(each.name, each.version, each.sequence) for each in found] == [("other", "2.0", 1), ("sample", "1.0", 1)]


async def test_a_changed_definition_has_the_next_sequence(organisations: Organisations) -> None:
    content = described()
    for version, sequence in (("1.0", 1), ("1.1", 2), ("1.1", 2), ("1.2", 3)):
        content["contracts"]["sample"]["version"] = version
        async with running(organisations, content=content) as ledger:
            found = await definition(ledger)
        assert (found.version, found.sequence) == (version, sequence)


def test_a_sequence_counts_the_changes_of_its_contract_alone() -> None:
    recorded = (b'{"a":1,"b":1}', b'{"a":2,"b":1}', b'{"a":2}', b'{"a":2,"b":1}')
    assert sequences(recorded) == {"a": 2, "b": 2}


async def test_a_contract_that_is_not_defined_is_404(ledger: Running) -> None:
    client = ledger.client(A)
    asked = lifecycle_pb2.QueryChaincodeDefinitionArgs(name="absent").SerializeToString()
    answer = await refusal(evaluate(client, client.propose("_lifecycle", "QueryChaincodeDefinition", asked)))
    assert answer.said == ("chaincode response 404, namespace absent is not defined",)


@pytest.mark.parametrize(
    ("function", "args", "text"),
    [
        (
            "QueryChaincodeDefinitions",
            (),
            "lifecycle scc operations require exactly two arguments but received 1",
        ),
        (
            "Nothing",
            (b"",),
            "Failed to authorize invocation due to failed ACL check: Unmapped policy for _lifecycle/Nothing",
        ),
        (
            "QueryInstalledChaincodes",
            (b"",),
            "Failed to authorize invocation due to failed ACL check: Failed verifying that proposal's creator "
            "satisfies local MSP principal during channelless check policy with policy [Admins]",
        ),
        (
            "QueryChaincodeDefinition",
            (b"\xff",),
            "failed to invoke backing implementation of 'QueryChaincodeDefinition': could not decode input arg for "
            "*lifecycle.Invocation.QueryChaincodeDefinition",
        ),
        (
            "CommitChaincodeDefinition",
            (b"",),
            "failed to invoke backing implementation of 'CommitChaincodeDefinition': the contracts of this ledger are "
            "those of its network.yaml",
        ),
    ],
)
async def test_what_is_wrong_is_said_as_fabric_says_it(
    ledger: Running, function: str, args: tuple[bytes, ...], text: str
) -> None:
    client = ledger.client(A)
    answer = await refusal(evaluate(client, client.propose("_lifecycle", function, *args)))
    assert answer.said == (f"chaincode response 500, {text}",)


async def test_nothing_is_installed_as_an_administrator_sees(ledger: Running) -> None:
    ledger.organisations.enrol(A, "administrator", node_ou="admin", role="admin")
    client = ledger.client(A, "administrator")
    payload = await client.evaluate("_lifecycle", "QueryInstalledChaincodes", b"")
    assert lifecycle_pb2.QueryInstalledChaincodesResult.FromString(payload).installed_chaincodes == []
