"""Delivery of blocks as Fabric's peers deliver them (common/deliver)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.orderer import ab_pb2

from services.ledger import blocks
from services.ledger.proposal import envelope
from tests.ledger.delivery import NEWEST, OLDEST, UNTIL_READY, Stream, at, seek
from tests.ledger.running import REGULATOR, A, Running, refusal


@pytest.fixture
async def stream(ledger: Running) -> AsyncIterator[Stream]:
    """Of a ledger with blocks 0 (CONFIG) to 3."""
    client = ledger.client()
    for number in range(3):
        await client.submit("sample", "Put", f"k{number}", "v")
    opened = Stream(ledger)
    yield opened
    opened.call.cancel()


@pytest.mark.parametrize(
    ("start", "stop", "answers"),
    [
        (OLDEST, NEWEST, [0, 1, 2, 3, "SUCCESS"]),
        (OLDEST, OLDEST, [0, "SUCCESS"]),
        (NEWEST, NEWEST, [3, "SUCCESS"]),
        (at(1), at(2), [1, 2, "SUCCESS"]),
        (at(2), at(2), [2, "SUCCESS"]),
        (at(2), at(9), [2, 3, "NOT_FOUND"]),
        (at(9), at(9), ["NOT_FOUND"]),
        (at(3), at(1), ["BAD_REQUEST"]),
        (None, NEWEST, ["BAD_REQUEST"]),
        (OLDEST, None, ["BAD_REQUEST"]),
    ],
)
async def test_blocks_from_start_to_stop(stream: Stream, start: Any, stop: Any, answers: list[Any]) -> None:
    assert await stream.ask(seek(stream.signer, start, stop)) == answers


async def test_a_stream_takes_one_request_after_another(stream: Stream) -> None:
    requests = [seek(stream.signer, at(number), at(number)) for number in (3, 0)]
    assert await stream.ask(*requests) == [3, "SUCCESS", 0, "SUCCESS"]


async def test_blocks_to_come_are_delivered_as_they_are_committed(ledger: Running, stream: Stream) -> None:
    waiting = asyncio.create_task(stream.ask(seek(stream.signer, at(3), at(5), behavior=UNTIL_READY)))
    client = ledger.client()
    await client.submit("sample", "Put", "k4", "v")
    assert not waiting.done()
    await client.submit("sample", "Put", "k5", "v")
    assert await waiting == [3, 4, 5, "SUCCESS"]


async def test_delivered_blocks_are_the_stored_ones_chained_and_with_their_codes(ledger: Running) -> None:
    client, auditor = ledger.client(), ledger.client(REGULATOR, "audit")
    await client.submit("sample", "Put", "k", "v")
    delivered = [block async for block in auditor.blocks(0, 1)]
    assert [each.SerializeToString() for each in delivered] == [
        ledger.node.read(number).SerializeToString() for number in (0, 1)
    ]
    assert delivered[1].header.previous_hash == blocks.header_hash(delivered[0].header)
    assert blocks.codes(delivered[1]) == [0]


async def test_headers_alone_leave_the_data_out_but_for_the_configuration(ledger: Running, stream: Stream) -> None:
    content = ab_pb2.SeekInfo.SeekContentType.HEADER_WITH_SIG
    await stream.call.write(seek(stream.signer, OLDEST, at(1), content_type=content))
    config, first = [(await stream.call.read()).block for _ in range(2)]
    assert config.data.data
    assert not first.data.data
    assert first.header == ledger.node.read(1).header


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"channel": "other"}, "NOT_FOUND"),
        ({"signature": b"none"}, "FORBIDDEN"),
        ({"sent": datetime.now(UTC) - timedelta(minutes=16)}, "BAD_REQUEST"),
        ({"tls_cert_hash": b"another certificate"}, "BAD_REQUEST"),
    ],
)
async def test_a_request_that_does_not_hold_ends_the_stream(
    stream: Stream, changes: dict[str, Any], status: str
) -> None:
    assert await stream.ask(seek(stream.signer, OLDEST, NEWEST, **changes)) == [status]
    assert await stream.call.read() is grpc.aio.EOF


async def test_a_request_may_be_bound_to_the_tls_certificate(stream: Stream) -> None:
    leaf = x509.load_pem_x509_certificate(stream.signer.certificate_pem)
    digest = hashlib.sha256(leaf.public_bytes(Encoding.DER)).digest()
    assert await stream.ask(seek(stream.signer, at(0), at(0), tls_cert_hash=digest)) == [0, "SUCCESS"]


async def test_bytes_that_are_no_request_end_the_stream(stream: Stream) -> None:
    assert await stream.ask(envelope(b"\xff\xff", b"s")) == ["BAD_REQUEST"]


async def test_a_revocation_ends_a_stream_that_runs(ledger: Running) -> None:
    folder = ledger.organisations.enrol(REGULATOR, "trainee", role="audit")
    stream = Stream(ledger, REGULATOR, "trainee")
    waiting = asyncio.create_task(stream.ask(seek(stream.signer, at(1), at(10_000), behavior=UNTIL_READY)))
    ledger.organisations.revoke(REGULATOR, folder)
    client = ledger.client()
    async with asyncio.timeout(15):
        while not waiting.done():
            await client.submit("sample", "Increment", "n")
    assert (await waiting)[-1] == "FORBIDDEN"


async def test_blocks_go_to_those_who_audit(ledger: Running) -> None:
    stream = Stream(ledger, A, "member")
    assert (await refusal(stream.call.read())).code == "PERMISSION_DENIED"
