"""`salus organisations`: who takes part in the network."""

from __future__ import annotations

import argparse
from typing import Any

from services.cli import profile
from services.cli.command import add_command, add_noun
from services.cli.connection import Connection
from services.cli.output import Output


def add_parser(subparsers: Any) -> None:
    commands = add_noun(subparsers, "organisations", "who takes part")
    add_command(commands, "list", "the organisations, with the fingerprints of their root certificates", _list)


async def _list(arguments: argparse.Namespace, output: Output) -> None:
    async with Connection(profile.of(arguments)) as connection:
        rows = [
            {
                "msp_id": each.msp_id,
                "name": each.name,
                "root_sha256": _fingerprint(each.root),
                "tls_root_sha256": _fingerprint(each.tls_root),
            }
            for each in await connection.identity().organisations()
        ]
    output.rows("organisations", rows, {"msp_id": "MSP", "name": "NAME", "root_sha256": "ROOT (SHA-256)"})


def _fingerprint(pem: bytes) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    return x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex()
