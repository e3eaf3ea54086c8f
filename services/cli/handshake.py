"""Why a connection over mutual TLS fails, found by trying it once more without gRPC, which does not tell.

With TLS 1.3 a server judges the client's certificate after the client has finished its part, so a refusal arrives
as an alert on the first read.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from services.cli.failures import Failure

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
_RENEW = "ask your organisation's registrar to register you, and enrol anew: salus enrol"


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
            secured.recv(1)
    except ssl.SSLCertVerificationError as error:
        return Failure(
            "SERVER_NOT_TRUSTED",
            f"the certificate of {service} at {address} is not to be trusted: {error.verify_message}",
            "check tls_roots and the address in the profile",
        )
    except ssl.SSLError as error:
        return _refused(service, error.reason or "")
    except TimeoutError:
        return Failure("UNREACHABLE", f"{service} at {address} does not answer", "is it running? salus network up")
    except ConnectionResetError:
        return Failure(
            "CERTIFICATE_REFUSED", f"{service} at {address} ended the handshake", "check the identity in the profile"
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the address is not valid"
        return Failure(
            "UNREACHABLE", f"{service} at {address} cannot be reached: {reason}", "is it running? salus network up"
        )
    return None


def _refused(service: str, alert: str) -> Failure:
    said = next((text for name, text in _ALERTS.items() if name in alert.upper()), alert.lower().replace("_", " "))
    return Failure("CERTIFICATE_REFUSED", f"the server refused this certificate: {said} ({service})", _RENEW)
