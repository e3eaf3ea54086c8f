"""`python -m services.inference --config FILE`: reads the configuration, builds the service, serves."""

from __future__ import annotations

import time
from pathlib import Path

from salus.inference.v1 import inference_pb2, inference_pb2_grpc

from chaincode.runtime.executor import ModelRepository, OnnxExecutor
from services.common import config, entry, server, tls
from services.common.msp import MembershipFolder
from services.common.signer import Signer
from services.inference.access import ACCESS
from services.inference.admission import Admission
from services.inference.config import InferenceConfig
from services.inference.diagnosis import Diagnoser
from services.inference.ledger import GatewayLedger
from services.inference.registry import Registry
from services.inference.servicer import InferenceServicer
from services.ledger.client import LedgerClient

SERVICE = inference_pb2.DESCRIPTOR.services_by_name["InferenceService"].full_name


async def main(path: Path) -> None:
    settings = config.load(InferenceConfig, path, "SALUS_INFERENCE_")
    membership = MembershipFolder.load(settings.server.msp_root, time.monotonic)
    signer = Signer.load(settings.msp_id, settings.identity)
    async with tls.connect(settings.ledger.address, settings.identity, settings.ledger.tls_roots) as channel:
        client = LedgerClient(channel, signer, settings.ledger.channel)
        ledger = GatewayLedger(client, settings.msp_id)
        repository = ModelRepository(settings.models)
        registry = Registry(ledger, repository)
        diagnoser = Diagnoser(ledger, registry, OnnxExecutor(repository), signer, attempts=settings.limits.attempts)
        admission = Admission(settings.limits.waiting, settings.limits.working)
        servicer = InferenceServicer(diagnoser, registry, admission)
        listener = server.Listener(
            settings.server.address,
            tls.mutual(settings.server.tls, membership),
            [(inference_pb2_grpc.add_InferenceServiceServicer_to_server, servicer, SERVICE)],
            server.Authentication(membership, ACCESS, settings.msp_id),
            settings.server.max_concurrent,
        )
        await server.serve(
            "inference",
            {"address": listener},
            metrics_address=settings.server.metrics_address,
            drain_seconds=settings.server.drain_seconds,
        )


if __name__ == "__main__":
    entry.run("inference", main)
