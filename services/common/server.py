"""Runs a service: listeners with TLS, access control, error mapping, logs, metrics, health, reflection and drain.

Order for each call: authenticate the certificate, authorise by the table, handle, map the error, log, count. When all
listeners are bound one JSON line on standard output announces their addresses. SIGTERM or SIGINT ends it: health says
NOT_SERVING, no new call is taken, calls in work may end within `drain_seconds`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from prometheus_client import Counter, Histogram, start_http_server

from services.common import access as access_control
from services.common import errors
from services.common.access import Access
from services.common.config import ConfigError
from services.common.errors import StatusError
from services.common.logs import log
from services.common.msp import Identity, Membership
from services.common.tls import MAX_RECEIVE_BYTES, OPTIONS

_logger = logging.getLogger(__name__)
_CALLS = Counter("salus_rpc_total", "Calls answered, by method and status code.", ["method", "code"])
_SECONDS = Histogram("salus_rpc_seconds", "Time to answer a call, in seconds.", ["method"])

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Authentication:
    """How callers are told apart: the network's membership, the service's table, and whose service it is."""

    membership: Membership
    access: Access
    own_msp: str
    clock: Clock = utc_now


@dataclass
class Listener:
    """One port. `services`: (add function of the generated code, servicer, full name). Without `authentication`
    everybody is let in and there is no caller: so it is for enrolment, and for a ledger without client certificates.
    `max_receive_bytes`: of one message, which is held in memory before anybody is asked who they are."""

    address: str
    credentials: grpc.ServerCredentials
    services: Sequence[tuple[Callable[[Any, Any], None], object, str]]
    authentication: Authentication | None
    max_concurrent: int = 512
    max_receive_bytes: int = MAX_RECEIVE_BYTES
    server: grpc.aio.Server | None = field(default=None, init=False)
    health: HealthServicer | None = field(default=None, init=False)

    async def start(self, domain: str) -> str:
        """Binds and serves; returns host:port. Raises ConfigError for an address that cannot be bound."""
        interceptor = _Interceptor(domain, self.authentication)
        self.server = grpc.aio.server(
            interceptors=[interceptor],
            options=[
                *(dict(OPTIONS) | {"grpc.max_receive_message_length": self.max_receive_bytes}).items(),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=self.max_concurrent,
        )
        names = [reflection.SERVICE_NAME, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name]
        for add, servicer, name in self.services:
            add(servicer, self.server)
            names.append(name)
        self.health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        reflection.enable_server_reflection(names, self.server)
        host = self.address.rpartition(":")[0]
        try:
            _check_free(self.address)
            port = self.server.add_secure_port(self.address, self.credentials)
        except (RuntimeError, OSError, ValueError):
            raise ConfigError(
                f"cannot listen on {self.address}: the port is in use or the address is not of this host"
            ) from None
        await self.server.start()
        for name in ("", *names):
            await self.health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return f"{host}:{port}"

    async def stop(self, grace: float) -> None:
        """Takes no new call and lets those in work end within `grace` seconds."""
        if self.server is not None and self.health is not None:
            await self.health.enter_graceful_shutdown()
            await self.server.stop(grace)


async def serve(
    service: str,
    listeners: Mapping[str, Listener],
    *,
    metrics_address: str = "",
    drain_seconds: float = 10.0,
    until: Awaitable[object] | None = None,
    draining: Callable[[], None] | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, or until `until` ends (whose exception is raised, after the drain).

    `draining` is called when the drain begins: a service ends there the streams that would never end by themselves.

    `listeners` by the name under which each address is announced; "address" is the main one. Raises ConfigError for an
    address that cannot be bound.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    announced = {"event": "serving", "service": service}
    waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(stopping.wait())}
    if until is not None:
        waits.add(asyncio.ensure_future(until))
    try:
        if metrics_address:
            _serve_metrics(metrics_address)
        for name, listener in listeners.items():
            announced[name] = await listener.start(f"salus.{service}")
        print(json.dumps(announced), flush=True)
        log(_logger, logging.INFO, "serving", **{k: v for k, v in announced.items() if k.endswith("address")})
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if draining is not None:
            draining()
        await asyncio.gather(*(listener.stop(drain_seconds) for listener in listeners.values()))
        for wait in waits:
            wait.cancel()
    log(_logger, logging.INFO, "stopped")
    for each in done:
        each.result()


def _check_free(address: str) -> None:
    """Raises OSError or ValueError for an address that cannot be bound: gRPC would write lines of its own about it."""
    host, _, port = address.rpartition(":")
    family, kind, protocol, _, where = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(where)


def _serve_metrics(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        start_http_server(int(port), addr=host)
    except (OSError, ValueError):
        raise ConfigError(f"cannot serve metrics on {address}") from None


class _Interceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler; see the module's docstring for the order."""

    def __init__(self, domain: str, authentication: Authentication | None) -> None:
        self._domain, self._authentication = domain, authentication

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        method = str(handler_call_details.method)
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler
        if handler.response_streaming:
            inner_stream = handler.stream_stream if handler.request_streaming else handler.unary_stream

            async def stream(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
                call = _Call(self._domain, method, context)
                try:
                    call.enter(self._authentication)
                    responses = inner_stream(request, context)
                    if hasattr(responses, "__aiter__"):
                        async for response in responses:
                            yield response
                    else:
                        await responses
                except BaseException as error:
                    await call.fail(error)
                finally:
                    call.end()

            make = grpc.stream_stream_rpc_method_handler if handler.request_streaming else None
            return (make or grpc.unary_stream_rpc_method_handler)(
                stream, handler.request_deserializer, handler.response_serializer
            )
        inner = handler.stream_unary if handler.request_streaming else handler.unary_unary

        async def unary(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            call = _Call(self._domain, method, context)
            try:
                call.enter(self._authentication)
                return await inner(request, context)
            except BaseException as error:
                await call.fail(error)
                raise
            finally:
                call.end()

        wrap = (
            grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
        )
        return wrap(unary, handler.request_deserializer, handler.response_serializer)


class _Call:
    """One call in work: who makes it, how it ended, how long it took."""

    def __init__(self, domain: str, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._domain, self._method, self._context = domain, method, context
        self._started = time.perf_counter()
        self._identity: Identity | None = None
        self._code, self._reason = "OK", ""

    def enter(self, authentication: Authentication | None) -> None:
        if authentication is None:
            return
        pem = next(iter(self._context.auth_context().get("x509_pem_cert", ())), None)
        self._identity = access_control.authenticate(authentication.membership, pem, authentication.clock())
        access_control.authorise(authentication.access, self._method, self._identity, authentication.own_msp)
        access_control.enter(self._identity)

    async def fail(self, error: BaseException) -> None:
        """Ends the call with what the client may know of `error`. Always raises."""
        if isinstance(error, StatusError):
            self._code, self._reason = error.code.name, error.reason
            await self._context.abort_with_status(rpc_status.to_status(errors.status(error, self._domain)))
        if isinstance(error, grpc.aio.AbortError):
            code = self._context.code()
            self._code = code.name if isinstance(code, grpc.StatusCode) else _CODES.get(code, "UNKNOWN")
        elif isinstance(error, asyncio.CancelledError):
            self._code = "CANCELLED"
        elif isinstance(error, Exception):
            self._code, reference = "INTERNAL", secrets.token_hex(6)
            log_exception(reference, self._method, error)
            await self._context.abort(grpc.StatusCode.INTERNAL, f"internal error, reference {reference}")
        raise error

    def end(self) -> None:
        seconds = time.perf_counter() - self._started
        _CALLS.labels(self._method, self._code).inc()
        _SECONDS.labels(self._method).observe(seconds)
        fields: dict[str, object] = {"method": self._method, "code": self._code, "ms": round(seconds * 1000, 2)}
        if self._reason:
            fields["reason"] = self._reason
        if self._identity is not None:
            fields |= {
                "caller_msp": self._identity.msp_id,
                "caller_role": self._identity.role,
                "caller_certificate": self._identity.fingerprint[:16],
            }
        log(_logger, logging.INFO, "call", **fields)


_CODES: Mapping[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}


def log_exception(reference: str, method: str, error: BaseException) -> None:
    """Logs where an unexpected exception came from, without its text, which may quote data."""
    _logger.error(
        "internal error",
        exc_info=(type(error), error, error.__traceback__),
        extra={"salus_fields": {"reference": reference, "method": method}},
    )
