"""A network over mutual TLS on this machine: a real ledger node, and the inference service of hospital A before it.

Everything runs in the test's process. The model is the one in `models/breast_cancer`, deployed; nobody has consented.
"""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from salus.inference.v1 import inference_pb2 as pb
from salus.inference.v1 import inference_pb2_grpc

from chaincode.core import canonical
from chaincode.core import card as cards
from chaincode.runtime.executor import ModelExecutor, ModelRepository, OnnxExecutor
from services.cli import topology
from services.cli.topology import HOSPITAL_A, OPERATOR, PEERS, REGULATOR, Layout
from services.common import tls
from services.common.config import ServerConfig
from services.common.msp import MembershipFolder
from services.common.server import Authentication, Listener, utc_now
from services.inference.access import ACCESS
from services.inference.admission import Admission
from services.inference.diagnosis import Diagnoser
from services.inference.ledger import GatewayLedger, Ledger
from services.inference.registry import Registry
from services.inference.servicer import InferenceServicer
from services.ledger import network as networks
from services.ledger import service as ledger_service
from services.ledger.client import LedgerClient
from services.ledger.node import Node
from services.ledger.orderer import OrdererLimits
from services.ledger.workers import Workers
from tests.organisations import Organisations

MODEL = Path(__file__).parents[2] / "models" / "breast_cancer"
ANN = "a" * 32
BEN = "b" * 32
PERMIT: dict[str, Any] = {"type": "permit", "actor": {"organisation": HOSPITAL_A}, "purposes": ["TREAT"]}


def rows() -> list[dict[str, float]]:
    """The measurements of the model's held-out patients."""
    with (MODEL / "test.csv").open(newline="") as file:
        return [
            {name: float(value) for name, value in row.items() if name != "diagnosis"} for row in csv.DictReader(file)
        ]


class Site:
    """The network. `ledger_address` and, once `serve` was called, `address`."""

    def __init__(self, organisations: Organisations, stack: AsyncExitStack) -> None:
        self.organisations = organisations
        self.layout = Layout(organisations.root)
        self.membership = MembershipFolder.load(organisations.msp_root, time.monotonic)
        self.stack = stack
        self.ledger_address = ""
        self.address = ""
        self.node: Listener | None = None
        self.admission = Admission(1024, 32)
        self.repository = ModelRepository(self.layout.models(HOSPITAL_A))

    async def start_ledger(self) -> None:
        """Enrols the peers, installs the model at each organisation, and starts the node."""
        self.organisations.enrol(OPERATOR, "orderer", role="ledger", node_ou="orderer")
        for msp_id in PEERS:
            self.organisations.enrol(msp_id, "peer", role="ledger", node_ou="peer")
            ModelRepository(self.layout.models(msp_id)).install(MODEL / "model.onnx")
        self.layout.network.write_text(yaml.safe_dump(topology.network_config(self.layout)))
        limits = OrdererLimits(queue=1000, block_transactions=500, block_bytes=1 << 21, transaction_bytes=10 << 20)
        network = networks.load(self.layout.network)
        node = Node(network, self.layout.root / "ledger", self.membership, utc_now, os.urandom, limits)
        self.stack.push_async_callback(node.close)
        workers = Workers(2, 256, 30.0)
        self.stack.callback(workers.close)
        settings = ServerConfig("127.0.0.1:0", self.organisations.tls(OPERATOR, "ledger"), self.organisations.msp_root)
        self.node = ledger_service.listener(settings, node, node.start(), workers, self.membership, utc_now)
        self.ledger_address = await self.node.start("salus.ledger")
        self.stack.push_async_callback(self.node.stop, 0)

    async def deploy_model(self) -> None:
        """The owner proposes, the regulator validates, the owner deploys."""
        card = cards.parse(yaml.safe_load((MODEL / "card.yaml").read_text()))
        evaluation = {"dataset_sha256": "d" * 64, "rows": 114, "metrics": dict.fromkeys(card.acceptance, 1.0)}
        owner = self.client("owner-a", "owner")
        inspector = self.client("inspector", "inspector", REGULATOR)
        await owner.submit("models", "Propose", card.json)
        await inspector.submit("models", "Validate", card.id, card.version, json.dumps(evaluation))
        await owner.submit("models", "Deploy", card.id, card.version)

    def client(self, name: str, role: str, msp_id: str = HOSPITAL_A) -> LedgerClient:
        """The ledger, for somebody who enrols."""
        folder = self.organisations.enrol(msp_id, name, role=role)
        channel = tls.connect(self.ledger_address, folder, self.organisations.tls_roots)
        self.stack.push_async_exit(channel)
        return LedgerClient(channel, self.organisations.signer(msp_id, name))

    def stub(self, name: str = "dr-adams", role: str = "clinician", msp_id: str = HOSPITAL_A) -> Any:
        """The service's generated stub, for somebody who enrols."""
        folder = self.organisations.enrol(msp_id, name, role=role)
        channel = tls.connect(self.address, folder, self.organisations.tls_roots)
        self.stack.push_async_exit(channel)
        return inference_pb2_grpc.InferenceServiceStub(channel)  # type: ignore[no-untyped-call]

    async def grant(self, patient: str = ANN) -> LedgerClient:
        """The patient enrols and consents to treatment by hospital A; answers the patient's client."""
        client = self.client(patient, "patient")
        body = canonical.encode({"id": f"consent-{patient[:8]}", "patient": patient, "provisions": [PERMIT]})
        transient = {"consent": body, "salt": os.urandom(16)}
        await client.submit("consent", "Grant", f"consent-{patient[:8]}", transient=transient)
        return client

    def ledger(self) -> GatewayLedger:
        """The ledger, as the inference service has it."""
        return GatewayLedger(self.client("inference", "inference"), HOSPITAL_A)

    def diagnoser(self, ledger: Ledger | None = None, executor: ModelExecutor | None = None) -> Diagnoser:
        ledger = ledger or self.ledger()
        signer = self.organisations.signer(HOSPITAL_A, "inference")
        registry = Registry(ledger, self.repository)
        return Diagnoser(ledger, registry, executor or OnnxExecutor(self.repository), signer)

    async def serve(self, ledger: Ledger | None = None, executor: ModelExecutor | None = None) -> None:
        """Starts the service, over this ledger and executor where they are given."""
        ledger = ledger or self.ledger()
        registry = Registry(ledger, self.repository)
        servicer = InferenceServicer(self.diagnoser(ledger, executor), registry, self.admission)
        service = Listener(
            "127.0.0.1:0",
            tls.mutual(self.organisations.tls(HOSPITAL_A, "inference"), self.membership),
            [
                (
                    inference_pb2_grpc.add_InferenceServiceServicer_to_server,
                    servicer,
                    "salus.inference.v1.InferenceService",
                )
            ],
            Authentication(self.membership, ACCESS, HOSPITAL_A),
        )
        self.address = await service.start("salus.inference")
        self.stack.push_async_callback(service.stop, 0)


@asynccontextmanager
async def site_of(organisations: Organisations) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        site = Site(organisations, stack)
        await site.start_ledger()
        await site.deploy_model()
        yield site


def request(request_id: str = "r1", patient: str = ANN, row: int = 0, **changes: Any) -> pb.DiagnoseRequest:
    measurements = [pb.Measurement(name=name, values=[value]) for name, value in rows()[row].items()]
    fields: dict[str, Any] = {
        "request_id": request_id,
        "patient": patient,
        "model_id": "breast-cancer",
        "measurements": measurements,
        "purpose": "TREAT",
    }
    return pb.DiagnoseRequest(**{**fields, **changes})
