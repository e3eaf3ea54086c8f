"""Errors of the gateway fit into the headers that carry them."""

from __future__ import annotations

import grpc
import pytest
from fabric_protos.gateway import gateway_pb2

from services.ledger.faults import Detail, GatewayError
from tests.ledger.running import Running, refusal
from tests.ledger.test_gateway import endorse, evaluate


@pytest.mark.parametrize("endorsers", [1, 3])
def test_long_texts_are_cut_and_short_ones_kept(endorsers: int) -> None:
    details = [Detail(f"peer{number}", "MSP", "\N{SNOWMAN}" * 5_000) for number in range(endorsers)]
    long = GatewayError(grpc.StatusCode.ABORTED, "\N{SNOWMAN}" * 5_000, details).status()
    percent_encoded, base64 = 3 * len(long.message.encode()), long.ByteSize() * 4 / 3
    assert percent_encoded + base64 < 8_000
    assert len(long.details) == endorsers

    short = GatewayError(
        grpc.StatusCode.ABORTED, "no", [Detail("peer", "MSP", "chaincode response 500, NO: no")]
    ).status()
    found = gateway_pb2.ErrorDetail()
    assert short.details[0].Unpack(found)
    assert found.message == "chaincode response 500, NO: no"


async def test_a_contracts_longest_refusal_arrives(ledger: Running) -> None:
    client = ledger.client()
    proposal = client.propose("sample", "Fail", "\N{SNOWMAN}" * 3_000)
    assert (await refusal(endorse(client, proposal))).code == "ABORTED"
    assert (await refusal(evaluate(client, proposal))).code == "UNKNOWN"
