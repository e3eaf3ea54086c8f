"""A ledger for the auditor's tests, made in process: the real contracts simulate, and real keys endorse and sign.

`RecordedLedger` implements `services.audit.ledger.Ledger` over blocks that it builds as the node does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2

from chaincode.core import canonical
from chaincode.core.batch import Batch
from services.audit.export import Auditor, Exporter
from services.audit.follower import Follower
from services.audit.index import Filter
from services.audit.store import AuditStore, LmdbStore
from services.audit.transaction import VALID
from services.common.signer import Signer
from services.ledger import blocks, genesis, proposal, rwset
from services.ledger.client import LedgerUnavailableError
from services.ledger.genesis import ChannelConfig, MspRoots
from tests.chaincode.callers import HOSPITAL_A, HOSPITAL_B, REGULATOR, Caller
from tests.chaincode.clinic import Clinic, Question, signed_by
from tests.chaincode.memory_ledger import NOON, Simulation
from tests.organisations import Organisations

CHANNEL = "salus"
POLICY = "AND('HospitalAMSP.peer','RegulatorMSP.peer')"
CREATED = NOON + timedelta(hours=1)
# Enrolment certificates must be valid at the transactions' times.
ENROLLED = NOON - timedelta(days=1)


@dataclass
class RecordedLedger:
    """Hospital A's decisions in blocks. `break_after` ends each stream with an error after so many blocks."""

    organisations: Organisations
    policy: str = POLICY
    break_after: int | None = None
    clinic: Clinic = field(default_factory=Clinic)
    chain: list[Any] = field(default_factory=list)
    items: dict[tuple[str, str], str] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    followed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        for msp_id in (HOSPITAL_A, HOSPITAL_B, REGULATOR):
            self.organisations.enrol(msp_id, "peer", node_ou="peer", role="ledger", now=ENROLLED)
        self.organisations.enrol(HOSPITAL_A, "inference", role="inference", now=ENROLLED)
        self.organisations.enrol(REGULATOR, "audit", role="audit", now=ENROLLED)
        self.configure(self.policy)

    @property
    def inference(self) -> Caller:
        return self.caller(HOSPITAL_A, "inference")

    def caller(self, msp_id: str, name: str) -> Caller:
        folder = self.organisations.root / "organisations" / msp_id / name
        key: Any = load_pem_private_key((folder / "key.pem").read_bytes(), None)
        return Caller(msp_id, name, self.organisations.signer(msp_id, name).serialized, key)

    def configure(self, policy: str) -> None:
        """Appends a configuration block."""
        roots = tuple(
            MspRoots(each.msp_id, (each.ca.pem,), (each.tls_ca.pem,)) for each in self.organisations.members.values()
        )
        contracts = canonical.encode({"decisions": {"policy": policy}})
        group = genesis.channel_group(ChannelConfig(CHANNEL, roots[-1], roots[:-1], contracts, 500, 1 << 20))
        nonce = bytes([len(self.chain)])
        self.append([genesis.envelope(CHANNEL, group, 0, b"orderer", nonce, NOON, lambda _: b"signature")])

    def record(
        self,
        *questions: Question,
        endorsers: Sequence[str] = (HOSPITAL_A, REGULATOR),
        code: int = VALID,
        at: datetime = NOON,
        forge: Callable[[bytes], bytes] = bytes,
    ) -> list[str]:
        """Commits the questions as one transaction in a block of its own; answers the decisions' ids. `forge` alters
        the envelope, as a ledger's operator could, who calls it valid all the same."""
        self.clinic.now = at
        signed = self.clinic.batch(*questions)
        signed = signed_by(self.inference, signed.root, signed.items)
        simulation = self.clinic.simulate(signed, self.inference, at)
        assert simulation.response.ok, simulation.response.message
        if code == VALID:
            assert self.clinic.ledger.commit(simulation) == "VALID"
        self.append([forge(self.envelope(simulation, endorsers))], [code])
        ids: list[str] = canonical.decode(simulation.response.payload)
        self.keep(ids, signed)
        return ids

    def keep(self, ids: Sequence[str], signed: Batch) -> None:
        for decision_id, item in zip(ids, signed.items, strict=True):
            self.items[HOSPITAL_A, decision_id] = canonical.encode(item.to_json()).decode()

    def envelope(self, simulation: Simulation, endorsers: Sequence[str], creator: str = "inference") -> bytes:
        """The simulation as an endorsed and signed transaction."""
        signer = self.organisations.signer(HOSPITAL_A, creator)
        nonce = self.clinic.ledger._nonce.to_bytes(24, "big")
        draft = proposal.draft_proposal(
            CHANNEL, simulation.creator, "decisions", "Record", (), {}, nonce, simulation.timestamp
        )
        assert draft.transaction_id == simulation.tx_id
        unpacked = proposal.unpack(proposal_pb2.SignedProposal(proposal_bytes=draft.payload))
        action = proposal_pb2.ChaincodeAction(
            results=_results(simulation),
            response=proposal_response_pb2.Response(status=200, payload=simulation.response.payload),
            chaincode_id=chaincode_pb2.ChaincodeID(name="decisions", version="1.0"),
        )
        response = proposal_response_pb2.ProposalResponsePayload(
            proposal_hash=unpacked.digest, extension=action.SerializeToString()
        ).SerializeToString()
        peers = [self.organisations.signer(msp_id, "peer") for msp_id in endorsers]
        payload = proposal.assemble(
            unpacked,
            response,
            [
                proposal_response_pb2.Endorsement(
                    endorser=peer.serialized, signature=peer.sign(response + peer.serialized)
                )
                for peer in peers
            ],
        )
        return bytes(proposal.envelope(payload, signer.sign(payload)).SerializeToString())

    def append(self, envelopes: Sequence[bytes], codes: Sequence[int] = (VALID,)) -> None:
        previous = blocks.header_hash(self.chain[-1].header) if self.chain else b""
        block = blocks.build(len(self.chain), previous, envelopes)
        blocks.set_codes(block, codes)
        self.chain.append(block)
        self.more.set()

    async def blocks(self, start: int) -> AsyncIterator[Any]:
        self.asked.append(start)
        number, sent = start, 0
        while True:
            while number < len(self.chain):
                if sent == self.break_after:
                    raise LedgerUnavailableError("the ledger cannot be reached")
                yield self.chain[number]
                number, sent = number + 1, sent + 1
            # Who asks for more has done with all that was sent.
            self.followed.set()
            self.more.clear()
            await self.more.wait()

    async def item(self, organisation: str, decision_id: str) -> str | None:
        return self.items.get((organisation, decision_id))

    async def card(self, model_id: str, version: str) -> str:
        return str(self.clinic.call(self.inference, "models", "Get", model_id, version)["card"])

    @property
    def auditor(self) -> Auditor:
        return Auditor(CHANNEL, self.organisations.signer(REGULATOR, "audit"))

    @property
    def roots(self) -> dict[str, bytes]:
        return {msp_id: each.ca.pem for msp_id, each in self.organisations.members.items()}


def _results(simulation: Simulation) -> bytes:
    built = rwset.RwsetBuilder()
    for ((namespace, collection), key), version in simulation.reads.items():
        seen = None if version is None else rwset.Version(*version)
        if collection:
            built.read_private(namespace, collection, key, seen)
        else:
            built.read(namespace, key, seen)
    for ((namespace, collection), key), value in simulation.writes.items():
        if collection:
            built.write_private(namespace, collection, key, value)
        else:
            built.write(namespace, key, value)
    return built.public()


async def follow(
    ledger: RecordedLedger, store: AuditStore, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Follows until the store has every block that there is, or the follower ends."""
    ledger.followed.clear()
    running = asyncio.create_task(Follower(CHANNEL, ledger, store, sleep).run())
    waiting = asyncio.create_task(ledger.followed.wait())
    done, pending = await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


async def export(
    ledger: RecordedLedger, store: AuditStore, wanted: Filter | None = None, auditor: Signer | None = None
) -> bytes:
    """The export file's bytes."""
    exporter = Exporter(Auditor(CHANNEL, auditor) if auditor else ledger.auditor, store, ledger)
    prints: dict[str, list[str]] = {msp_id: [] for msp_id in ledger.roots}
    return b"".join([part.data async for part in exporter.export(wanted or Filter(), CREATED, prints)])


async def export_all(ledger: RecordedLedger, folder: Path, wanted: Filter | None = None) -> bytes:
    """Follows a ledger into a new store and exports it."""
    with LmdbStore(folder, CHANNEL) as store:
        await follow(ledger, store)
        return await export(ledger, store, wanted)
