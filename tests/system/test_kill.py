"""`kill -9` of any service at any moment: what was acknowledged survives, everything else is there whole or not at all.

A whole network runs, each service a process. While a clinician asks and patients grant, one service after another is
killed and started again. Callers repeat a call with its own request id until it is answered, as clients do.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio
from salus.audit.v1 import audit_pb2
from salus.inference.v1 import inference_pb2

from chaincode.core.provision import Actor, Provision, Type
from services.audit.verify import load_roots, verify
from services.cli import audit, patients, sample
from services.cli.connection import Connection
from services.cli.launcher import Network
from services.cli.topology import HOSPITAL_A, PORTS, Layout
from services.consent.client import ConflictError, ConsentUnavailableError
from services.ledger import fsck

SEED = 20261124
KILLED = ("ledger", "inference", "ledger", "consent", "audit", "identity", "ledger")
PATIENTS = 4
PAUSE = 0.05
PROVISION = Provision(Type.PERMIT, Actor(organisation=HOSPITAL_A), purposes=frozenset({"TREAT"}))

_Result = TypeVar("_Result")


@dataclass
class Acknowledged:
    """What callers were told, and a signal for each time they were told something."""

    records: dict[str, bytes] = field(default_factory=dict)
    consents: dict[int, list[str]] = field(default_factory=dict)
    told: asyncio.Condition = field(default_factory=asyncio.Condition)
    times: int = 0
    enough: bool = False

    async def tell(self) -> None:
        async with self.told:
            self.times += 1
            self.told.notify_all()

    async def more(self, times: int) -> None:
        async with self.told:
            wanted = self.times + times
            await self.told.wait_for(lambda: self.times >= wanted)


async def test_what_was_acknowledged_survives_the_kill_of_every_service(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    async with _network(tmp_path / "network") as network:
        await sample.deploy(network)
        folders = await _enrol(network)
        acknowledged = Acknowledged()
        for number in range(PATIENTS):
            await _grant(network, folders, acknowledged, number)
        callers = [
            asyncio.create_task(_ask(network, folders, acknowledged)),
            asyncio.create_task(_grant_on(network, folders, acknowledged)),
        ]
        for name in KILLED:
            await acknowledged.more(rng.randint(1, 4))
            await asyncio.sleep(rng.random() * 0.03)  # so that it dies anywhere within a call
            service = network.supervisor[name]
            service.process.kill()
            await service.process.wait()
            await network.start(name)
        acknowledged.enough = True
        await asyncio.gather(*callers)

        await _assert_all_there(network, folders, acknowledged)
        await _assert_trail_is_whole(network, tmp_path / "trail.jsonl", set(acknowledged.records))
    assert fsck.check(network.layout.blocks) == []


@asynccontextmanager
async def _network(root: Path) -> AsyncIterator[Network]:
    """A network on ports that stay its own when a service starts again."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    ports = dict(zip(PORTS, (each.getsockname()[1] for each in sockets), strict=True))
    for each in sockets:
        each.close()
    network = Network(Layout(root), ports)
    await network.up(lambda _: None)
    try:
        yield network
    finally:
        await network.down()


async def _enrol(network: Network) -> list[tuple[str, Path]]:
    async with Connection(network.profile_named("registrar-a")) as registrar:
        return [
            await patients.enrol(registrar, f"MRN-{number}", network.layout.patient(str(number)))
            for number in range(PATIENTS)
        ]


def _until_enough(acknowledged: Acknowledged) -> Iterator[int]:
    """Numbers, for as long as services are being killed."""
    number = 0
    while not acknowledged.enough:
        yield number
        number += 1


async def _patiently(call: Callable[[], Awaitable[_Result]]) -> _Result:
    """Repeats a call for as long as a service is not there, or an answer is not known."""
    while True:
        try:
            return await call()
        except (ConsentUnavailableError, ConflictError):
            pass
        except grpc.aio.AioRpcError as error:
            # A service that dies with a call in work leaves it UNAVAILABLE, or cancelled on its way out.
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                raise
        await asyncio.sleep(PAUSE)


async def _ask(network: Network, folders: list[tuple[str, Path]], acknowledged: Acknowledged) -> None:
    rows = sample.rows()
    async with Connection(network.profile_named("dr-adams")) as clinician:
        stub = clinician.inference()
        for number in _until_enough(acknowledged):
            place = number % PATIENTS
            request = inference_pb2.DiagnoseRequest(
                request_id=f"q-{number}",
                patient=folders[place][0],
                model_id=sample.MODEL_ID,
                measurements=[
                    inference_pb2.Measurement(name=name, values=[value])
                    for name, value in rows[place].measurements.items()
                ],
                purpose="TREAT",
            )
            response = await _patiently(lambda request=request: stub.Diagnose(request, timeout=30))  # type: ignore[misc]
            acknowledged.records[response.decision.decision_id] = response.decision.record
            await acknowledged.tell()


async def _grant_on(network: Network, folders: list[tuple[str, Path]], acknowledged: Acknowledged) -> None:
    for number in _until_enough(acknowledged):
        await _grant(network, folders, acknowledged, number % PATIENTS)
        await acknowledged.tell()


async def _grant(network: Network, folders: list[tuple[str, Path]], acknowledged: Acknowledged, number: int) -> None:
    async with Connection(network.profile_of(HOSPITAL_A, folders[number][1])) as patient:
        client = patient.consent()
        committed = await _patiently(lambda: client.grant([PROVISION]))
    acknowledged.consents.setdefault(number, []).append(committed.consent_id)


async def _assert_all_there(network: Network, folders: list[tuple[str, Path]], acknowledged: Acknowledged) -> None:
    async with Connection(network.profile_named("dr-adams")) as clinician:
        stub = clinician.inference()
        for decision_id, record in acknowledged.records.items():
            request = inference_pb2.GetDecisionRequest(decision_id=decision_id)
            found = await stub.GetDecision(request, timeout=30)
            assert found.result.decision.record == record
    for number, consents in acknowledged.consents.items():
        async with Connection(network.profile_of(HOSPITAL_A, folders[number][1])) as patient:
            held = {each.id for each in await patient.consent().list()}
        assert held >= set(consents)


async def _assert_trail_is_whole(network: Network, trail: Path, decisions: set[str]) -> None:
    async with Connection(network.profile_named("inspector")) as inspector:
        stub = inspector.audit()
        async with asyncio.timeout(30):
            while True:
                found = Counter([each["decision_id"] async for each in audit.search(stub, audit_pb2.Filter())])
                if set(found) >= decisions:
                    break
                await asyncio.sleep(PAUSE)
        assert found == Counter(decisions)
        await audit.export(stub, audit_pb2.Filter(), trail)
    report = verify(trail, load_roots(network.layout.msp))
    assert report.findings == ()
    assert report.verified == len(decisions)
