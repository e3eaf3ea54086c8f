"""Errors, limits and the drain."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import urllib.request

import grpc
import grpc.aio
import pytest
from salus.identity.v1 import identity_pb2 as pb

from services.common.config import ConfigError
from services.common.errors import explain
from services.common.server import serve
from tests.organisations import Organisations

from .service import Probe, client, listener, running, stub


async def test_a_status_error_reaches_the_client_with_its_details(organisations: Organisations) -> None:
    async with (
        running(organisations, Probe()) as address,
        client(address, organisations, "HospitalAMSP", "admin") as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(channel).Register(pb.RegisterRequest())
    details = explain(caught.value)
    assert (details.code, details.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
    assert (details.message, details.metadata) == ("the queue is full", {"waiting": "7"})
    assert (details.violations, details.retry_after) == ((("role", "is unknown"),), 1.5)


async def test_an_unexpected_error_tells_and_logs_a_reference_and_no_data(
    organisations: Organisations, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        running(organisations, Probe()) as address,
        client(address, organisations, "HospitalAMSP", "admin") as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(channel).Reenrol(pb.ReenrolRequest())
    details = explain(caught.value)
    assert details.code is grpc.StatusCode.INTERNAL
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert details.message == f"internal error, reference {vars(record)['salus_fields']['reference']}"


async def test_calls_beyond_the_limit_are_told_so(organisations: Organisations) -> None:
    probe = Probe()
    async with (
        running(organisations, probe, max_concurrent=1) as address,
        client(address, organisations, "HospitalAMSP", "admin") as channel,
    ):
        first = asyncio.ensure_future(stub(channel).ListOrganisations(pb.ListOrganisationsRequest()))
        await probe.started.wait()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(channel).ListOrganisations(pb.ListOrganisationsRequest(), timeout=5)
        probe.release.set()
        await first
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def _announcement(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What a service says once it serves."""
    announced = ""
    while not announced:
        await asyncio.sleep(0.01)
        announced = capsys.readouterr().out
    line: dict[str, str] = json.loads(announced)
    return line


async def test_a_call_in_work_ends_well_after_sigterm(
    organisations: Organisations, capsys: pytest.CaptureFixture[str]
) -> None:
    probe = Probe()
    served = listener(organisations, probe)
    serving = asyncio.ensure_future(serve("probe", {"address": served}))
    line = await _announcement(capsys)
    assert (line["event"], line["service"]) == ("serving", "probe")
    async with client(line["address"], organisations, "HospitalAMSP", "admin", "clinician") as channel:
        slow = asyncio.ensure_future(stub(channel).ListOrganisations(pb.ListOrganisationsRequest()))
        await probe.started.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.05)
        assert not serving.done()
        async with client(line["address"], organisations, "HospitalAMSP", "late", "clinician") as late:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub(late).GetCrl(pb.GetCrlRequest(), timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        probe.release.set()
        await slow
    await serving


async def test_a_busy_port_is_a_clear_error(organisations: Organisations) -> None:
    async with running(organisations, Probe()) as address:
        second = listener(organisations, Probe())
        second.address = address
        with pytest.raises(ConfigError, match=f"cannot listen on {address}"):
            await serve("probe", {"address": second})


async def test_metrics_are_served_where_configured(
    organisations: Organisations, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as probe_socket:
        probe_socket.bind(("127.0.0.1", 0))
        port = probe_socket.getsockname()[1]
    ended = asyncio.Event()
    served = listener(organisations, Probe())
    serving = asyncio.ensure_future(
        serve("probe", {"address": served}, metrics_address=f"127.0.0.1:{port}", until=ended.wait())
    )

    def read() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return str(answer.read().decode())

    await _announcement(capsys)
    assert "salus_rpc_total" in await asyncio.to_thread(read)
    ended.set()
    await serving
