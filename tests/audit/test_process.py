"""The service as a process: it keeps what it followed through a kill, and says in one line why it cannot start."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from salus.audit.v1 import audit_pb2 as pb
from salus.audit.v1 import audit_pb2_grpc

from services.audit.verify import load_roots, verify
from services.common import tls
from tests.inference.site import ANN, request, site_of
from tests.organisations import Organisations
from tests.processes import announced, start

REGULATOR = "RegulatorMSP"


def write_config(organisations: Organisations, ledger_address: str = "127.0.0.1:1", **changes: Any) -> Path:
    organisations.enrol(REGULATOR, "audit", role="audit")
    organisations.tls(REGULATOR, "audit")
    content = {
        "server": {"address": "127.0.0.1:0", "tls": f"organisations/{REGULATOR}/tls/audit", "msp_root": "msp"},
        "msp_id": REGULATOR,
        "identity": f"organisations/{REGULATOR}/audit",
        "data": "audit",
        "ledger": {"address": ledger_address, "tls_roots": str(organisations.tls_roots)},
    }
    path = organisations.root / "audit.yaml"
    path.write_text(yaml.safe_dump({**content, **changes}))
    return path


async def followed(process: asyncio.subprocess.Process, block: int) -> str:
    """Reads the log until the block is followed; answers what was read."""
    assert process.stderr is not None
    read = ""
    async for line in process.stderr:
        read += line.decode()
        entry = json.loads(line)
        if entry["event"] == "block followed" and entry["block"] == block:
            return read
    raise AssertionError(read)


async def test_what_was_followed_survives_a_kill_and_nothing_personal_is_logged(organisations: Organisations) -> None:
    async with site_of(organisations) as site:
        await site.grant()
        await site.serve()
        first = (await site.stub().Diagnose(request("request-1"))).decision
        path = write_config(organisations, site.ledger_address)
        process = await start("audit", path)
        await announced(process, "audit")
        logged = await followed(process, first.block_number)
        process.kill()
        await process.communicate()
        second = (await site.stub().Diagnose(request("request-2", row=1))).decision

        process = await start("audit", path)
        address = await announced(process, "audit")
        again = await followed(process, second.block_number)
        assert '"block": 0,' not in again
        inspector = organisations.enrol(REGULATOR, "inspector", role="inspector")
        async with tls.connect(address, inspector, organisations.tls_roots) as channel:
            stub: Any = audit_pb2_grpc.AuditServiceStub(channel)  # type: ignore[no-untyped-call]
            found = await stub.SearchDecisions(pb.SearchDecisionsRequest(filter=pb.Filter(patient=ANN)))
            assert [each.transaction_id for each in found.decisions] == [second.transaction_id, first.transaction_id]
            data = b"".join([part.data async for part in stub.Export(pb.ExportRequest())])
        process.terminate()
        _, rest = await process.communicate()
        assert process.returncode == 0
        assert verify(data, load_roots(organisations.msp_root)).ok
        logged += again + rest.decode()
        assert not any(secret in logged for secret in (ANN, "request-1", "request-2", "dr-adams"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"identity": "nowhere"}, "nowhere/cert.pem"),
        ({"attempts": 3}, "attempts"),
        ({"data": "audit.yaml"}, "the audit store in"),
        ({"msp_id": 7}, "msp_id"),
    ],
    ids=["missing key", "unknown key", "data is a file", "wrong type"],
)
async def test_what_it_cannot_start_with_is_one_line(
    organisations: Organisations, changes: dict[str, Any], said: str
) -> None:
    process = await start("audit", write_config(organisations, **changes))
    _, error = await process.communicate()
    assert process.returncode == 2
    assert len(error.splitlines()) == 1
    assert error.startswith(b"salus-audit: ")
    assert said in error.decode()
