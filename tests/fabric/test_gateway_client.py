"""Fabric's own client library for Node, unchanged, against `salus devnet`.

`node/gateway.js` does everything once and prints what came of it; each test looks at one part.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.devnet import COLLECTIONS, SAMPLE, devnet, free_base_port

VALID, ENDORSEMENT_POLICY_FAILURE, MVCC_READ_CONFLICT = 0, 10, 11


@pytest.fixture(scope="module")
def found(node_clients: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("devnet")
    collections = folder / "collections.json"
    collections.write_text(json.dumps(COLLECTIONS))
    out = folder / "network"
    with devnet(out, free_base_port(), "--chaincode", SAMPLE, "--collections", f"basic={collections}"):
        script = ["node", "gateway.js", str(out)]
        ended = subprocess.run(script, cwd=node_clients, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    printed: dict[str, Any] = json.loads(ended.stdout)
    return printed


def test_what_is_submitted_is_evaluated_at_every_organisations_gateway(found: dict[str, Any]) -> None:
    assert (found["submitted"], found["evaluated"], found["evaluatedByOther"]) == ("value", "value", "value")
    assert found["submittedByAdmin"] == "too"


def test_a_commits_status_comes_after_its_result(found: dict[str, Any]) -> None:
    status = found["status"]
    assert status.pop("block") > 0
    assert status == {"ahead": "value", "code": VALID, "successful": True, "same": True}


def test_proposal_transaction_and_commit_are_signed_offline(found: dict[str, Any]) -> None:
    assert found["offline"] == {"result": "signed elsewhere", "successful": True}


def test_the_second_of_two_that_conflict_is_invalid(found: dict[str, Any]) -> None:
    assert found["conflict"] == [
        {"code": VALID, "successful": True},
        {"code": MVCC_READ_CONFLICT, "successful": False},
    ]


def test_transient_data_becomes_private_data_of_the_collections_members(found: dict[str, Any]) -> None:
    assert found["private"] == "secret"
    assert found["privateOfOther"]["details"][0]["message"].startswith("chaincode response 500, NOT_A_MEMBER")


def test_a_client_chooses_who_endorses(found: dict[str, Any]) -> None:
    assert found["chosen"] == "two"
    assert found["lone"] == {"code": ENDORSEMENT_POLICY_FAILURE, "successful": False}


def test_a_refused_endorsement_says_who_refused_and_why(found: dict[str, Any]) -> None:
    failed = found["failed"]
    assert len(failed.pop("transaction")) == 64
    assert failed == {
        "kind": "EndorseError",
        "code": "ABORTED",
        "message": "10 ABORTED: failed to endorse transaction, see attached details for more info",
        "details": [
            {
                "address": "peer.Org1MSP",
                "mspId": "Org1MSP",
                "message": "chaincode response 500, NOT_TODAY: the sample was asked to fail",
            }
        ],
    }


def test_organisations_that_differ_are_told(found: dict[str, Any]) -> None:
    (detail,) = found["diverged"]["details"]
    assert (detail["mspId"], detail["message"]) == ("Org2MSP", "ProposalResponsePayloads do not match")


def test_a_refused_evaluation_says_why(found: dict[str, Any]) -> None:
    failed = found["failedEvaluation"]
    assert (failed["kind"], failed["code"]) == ("GatewayError", "UNKNOWN")
    assert failed["details"][0]["message"] == "chaincode response 500, NOT_TODAY: the sample was asked to fail"


def test_a_certificate_of_another_organisation_is_refused(found: dict[str, Any]) -> None:
    assert found["impostor"]["kind"] == "EndorseError"
    assert found["impostor"]["details"][0]["message"].endswith(
        "access denied: channel [mychannel] creator org [Org2MSP]"
    )


def test_an_unknown_chaincode_or_channel_is_told(found: dict[str, Any]) -> None:
    assert found["unknownChaincode"]["code"] == "FAILED_PRECONDITION"
    assert "no peers available to evaluate chaincode nothing" in found["unknownChaincode"]["message"]
    assert "channel 'nowhere' not found" in found["unknownChannel"]["message"]


def test_events_are_replayed_and_taken_up_after_a_checkpoint(found: dict[str, Any]) -> None:
    events = found["events"]
    assert events["earliest"] == {"name": "put", "payload": "key", "contract": "basic"}
    assert events["resumed"]


def test_blocks_are_delivered_whole_and_filtered(found: dict[str, Any]) -> None:
    events = found["events"]
    assert events["blocks"] == [0, 1]
    assert events["filtered"] == {"number": 1, "transaction": events["earliestTransaction"]}
