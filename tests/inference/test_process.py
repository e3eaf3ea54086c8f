"""The service as a process: what it says when it starts, and when it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import yaml
from salus.inference.v1 import inference_pb2 as pb
from salus.inference.v1 import inference_pb2_grpc

from services.common import tls
from tests.inference.site import ANN, Site, request
from tests.organisations import Organisations
from tests.processes import announced, start


def write_config(organisations: Organisations, ledger_address: str = "127.0.0.1:1", **changes: Any) -> Path:
    organisations.enrol("HospitalAMSP", "inference", role="inference")
    organisations.tls("HospitalAMSP", "inference")
    content = {
        "server": {"address": "127.0.0.1:0", "tls": "organisations/HospitalAMSP/tls/inference", "msp_root": "msp"},
        "msp_id": "HospitalAMSP",
        "identity": "organisations/HospitalAMSP/inference",
        "models": "organisations/HospitalAMSP/models",
        "ledger": {"address": ledger_address, "tls_roots": str(organisations.tls_roots)},
    }
    path = organisations.root / "inference.yaml"
    path.write_text(yaml.safe_dump({**content, **changes}))
    return path


async def test_it_announces_its_address_serves_ends_when_asked_to_and_logs_nothing_personal(site: Site) -> None:
    process = await start("inference", write_config(site.organisations, site.ledger_address))
    address = await announced(process, "inference")
    clinician = site.organisations.enrol("HospitalAMSP", "dr-adams", role="clinician")
    async with tls.connect(address, clinician, site.organisations.tls_roots) as channel:
        stub: Any = inference_pb2_grpc.InferenceServiceStub(channel)  # type: ignore[no-untyped-call]
        assert [each.ready for each in (await stub.ListModels(pb.ListModelsRequest())).models] == [True]
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Diagnose(request("request-7", ANN))
    process.terminate()
    _, logged = await process.communicate()
    assert process.returncode == 0
    assert b"NO_CONSENT" in logged
    assert not any(secret in logged for secret in (ANN.encode(), b"request-7", b"dr-adams"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"identity": "nowhere"}, "nowhere/cert.pem"),
        ({"attempts": 3}, "attempts"),
        ({"models": 7}, "models"),
        ({"limits": {"waiting": 9}}, "limits.waiting"),
    ],
    ids=["missing key", "unknown key", "wrong type", "limit"],
)
async def test_what_it_cannot_start_with_is_one_line(
    organisations: Organisations, changes: dict[str, Any], said: str
) -> None:
    process = await start("inference", write_config(organisations, **changes))
    out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    (line,) = err.decode().splitlines()
    assert line.startswith("salus-inference: ")
    assert said in line
