"""Why a connection over mutual TLS fails, found by trying it once more without gRPC, which does not tell.

With TLS 1.3 a server judges the client's certificate after the client has finished its part, so a refusal arrives on
the first read: as an alert, or as the end of the connection. Then the certificate itself is looked at.
"""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from services.cli.failures import NEW_ID, Failure

TIMEOUT = 3.0
# What a server's alert says of the certificate (RFC 8446, section 6.2), as OpenSSL names it.
_ALERTS = {
    "CERTIFICATE_EXPIRED": "it has expired",
    "CERTIFICATE_REVOKED": "it is revoked",
    "UNKNOWN_CA": "no organisation of this network issued it",
    "CERTIFICATE_REQUIRED": "none was presented",
    "BAD_CERTIFICATE": "it is damaged, or no organisation of this network issued it",
    "CERTIFICATE_UNKNOWN": "it is not acceptable",
    "UNSUPPORTED_CERTIFICATE": "it is not for this use",
    "ACCESS_DENIED": "it is not acceptable",
}


def diagnose(service: str, address: str, identity: Path | None, tls_roots: Path) -> Failure | None:
    """What is wrong with the way to a service; None where there is nothing wrong."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(tls_roots))
    context.set_alpn_protocols(["h2"])
    if identity is not None:
        context.load_cert_chain(identity / "cert.pem", identity / "key.pem")
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=host.strip("[]")) as secured,
        ):
            if secured.recv(1):
                return None
            return _refused(service, identity, "")
    except ssl.SSLCertVerificationError as error:
        return Failure(
            "SERVER_NOT_TRUSTED",
            f"the certificate of {service} at {address} is not to be trusted: {error.verify_message}",
            "check tls_roots and the address in the profile",
        )
    except ssl.SSLError as error:
        return _refused(service, identity, error.reason or "")
    except TimeoutError:
        return Failure("UNREACHABLE", f"{service} at {address} does not answer", "is it running? salus network up")
    except ConnectionResetError:
        return _refused(service, identity, "")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the address is not valid"
        return Failure(
            "UNREACHABLE", f"{service} at {address} cannot be reached: {reason}", "is it running? salus network up"
        )


def _refused(service: str, identity: Path | None, alert: str) -> Failure:
    said = next((text for name, text in _ALERTS.items() if name in alert.upper()), None)
    if said is None:
        said = _looked_at(identity) if identity is not None else alert.lower().replace("_", " ") or "no reason given"
    return Failure("CERTIFICATE_REFUSED", f"the server refused this certificate: {said} ({service})", NEW_ID)


def _looked_at(identity: Path) -> str:
    """What is most likely wrong with a certificate that a server has refused without a word."""
    leaf = x509.load_pem_x509_certificate((identity / "cert.pem").read_bytes())
    now = datetime.now(UTC)
    if leaf.not_valid_after_utc < now:
        return "it has expired"
    if now < leaf.not_valid_before_utc:
        return "it is not valid yet; is this machine's clock right?"
    return _ALERTS["UNKNOWN_CA"]
