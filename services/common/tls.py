"""TLS for servers and clients: mutual everywhere, but for enrolment, where the caller has no certificate yet, and for
a ledger whose configuration says `client_certificates: none`.

gRPC's Python server either requires and verifies a client certificate or asks for none. So a missing, foreign or
expired certificate ends in the handshake; what the handshake lets through is judged by `services.common.access`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import grpc
import grpc.aio

from services.common.msp import Membership
from services.common.signer import load_key, read_pem

MAX_RECEIVE_BYTES = 100 * 1024 * 1024
OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
    ("grpc.max_send_message_length", MAX_RECEIVE_BYTES),
)


def server_credentials(folder: Path, client_roots: bytes | None) -> grpc.ServerCredentials:
    """Credentials of a server whose cert.pem and key.pem lie in `folder`. Clients must present a certificate of
    `client_roots`; with None they present none. Raises ConfigError."""
    load_key(folder / "key.pem")
    pair = (read_pem(folder / "key.pem"), read_pem(folder / "cert.pem"))
    return grpc.ssl_server_credentials(
        [pair], root_certificates=client_roots, require_client_auth=client_roots is not None
    )


def mutual(folder: Path, membership: Membership) -> grpc.ServerCredentials:
    """Credentials of a server that takes every organisation's members."""
    return server_credentials(folder, membership.tls_client_roots())


def channel_credentials(server_roots: bytes, folder: Path | None) -> grpc.ChannelCredentials:
    """Credentials of a client that presents cert.pem and key.pem of `folder`, or nothing. Raises ConfigError."""
    if folder is None:
        return grpc.ssl_channel_credentials(root_certificates=server_roots)
    load_key(folder / "key.pem")
    return grpc.ssl_channel_credentials(
        root_certificates=server_roots,
        private_key=read_pem(folder / "key.pem"),
        certificate_chain=read_pem(folder / "cert.pem"),
    )


def connect(address: str, folder: Path | None, tls_roots: Path | bytes) -> grpc.aio.Channel:
    """A channel to `address` as the identity in `folder`. `tls_roots`: server roots in PEM, or the file that holds
    them. Raises ConfigError. Connects at the first call."""
    roots = tls_roots if isinstance(tls_roots, bytes) else read_pem(tls_roots)
    return grpc.aio.secure_channel(address, channel_credentials(roots, folder), options=list(OPTIONS))
