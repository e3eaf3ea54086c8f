"""The identity service's process: reads its configuration, opens its home, serves on two ports."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from salus.identity.v1.identity_pb2_grpc import (
    add_EnrolmentServiceServicer_to_server,
    add_IdentityServiceServicer_to_server,
)

from services.common.entry import run
from services.common.msp import MembershipFolder
from services.common.server import Authentication, Listener, serve, utc_now
from services.common.tls import mutual, server_credentials
from services.identity.access import ACCESS
from services.identity.config import load_config
from services.identity.home import open_home
from services.identity.servicer import EnrolmentServicer, IdentityServicer

# A certificate signing request and a secret: what callers without a certificate send.
MAX_ENROLMENT_BYTES = 65_536
# Revocation lists are good for a week (`authority.CRL_LIFETIME`).
REPUBLISH_SECONDS = 24 * 3600


async def main(path: Path) -> None:
    config = load_config(path)
    server = config.server
    home = open_home(config, utc_now, os.urandom)
    membership = MembershipFolder(server.msp_root, time.monotonic)
    with ThreadPoolExecutor(1, "registry") as thread:

        async def work(task: Callable[[], Any]) -> Any:
            return await asyncio.get_running_loop().run_in_executor(thread, task)

        async def republish() -> None:
            while True:
                await asyncio.sleep(REPUBLISH_SECONDS)
                await work(home.registry.publish_all)

        members = Listener(
            server.address,
            mutual(server.tls, membership),
            [
                (
                    add_IdentityServiceServicer_to_server,
                    IdentityServicer(home.registry, work, membership, utc_now),
                    "salus.identity.v1.IdentityService",
                )
            ],
            Authentication(membership, ACCESS, config.operator),
            server.max_concurrent,
        )
        newcomers = Listener(
            config.enrolment_address,
            server_credentials(server.tls, None),
            [
                (
                    add_EnrolmentServiceServicer_to_server,
                    EnrolmentServicer(home.registry, work),
                    "salus.identity.v1.EnrolmentService",
                )
            ],
            None,
            server.max_concurrent,
            MAX_ENROLMENT_BYTES,
        )
        await serve(
            "identity",
            {"address": members, "enrolment_address": newcomers},
            metrics_address=server.metrics_address,
            drain_seconds=server.drain_seconds,
            until=republish(),
        )
    home.close()


if __name__ == "__main__":
    run("identity", main)
