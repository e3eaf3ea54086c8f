"""Runs the services as child processes and knows when each one serves, has died, or has stopped.

A service says that it serves by one JSON line on standard output (see `services.common.server`); until then it is
starting, and what it wrote to standard error explains a failure.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0


class ServiceError(Exception):
    """A service did not start, or ended by itself. The message holds what it said last."""


@dataclass(frozen=True)
class Service:
    """One running service. `addresses`: host:port of what it announced, `address` and perhaps `enrolment_address`."""

    name: str
    process: asyncio.subprocess.Process
    addresses: dict[str, str]
    log: Path

    @property
    def end(self) -> str:
        """How it ended: by a signal, or with an exit code."""
        code = self.process.returncode or 0
        return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"

    @property
    def address(self) -> str:
        return self.addresses["address"]


class Supervisor:
    """Starts services one at a time and stops them in reverse order. Logs go to `logs/<service>.log`."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._services: dict[str, Service] = {}

    def __getitem__(self, name: str) -> Service:
        return self._services[name]

    @property
    def names(self) -> list[str]:
        """The services running, in the order started."""
        return list(self._services)

    async def start(self, name: str, config: Path) -> Service:
        """Returns once the service serves. Raises ServiceError with its last words when it ends or stays silent."""
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{name}.log"
        with log.open("ab") as errors:
            said_before = errors.tell()
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                f"services.{name}",
                "--config",
                str(config),
                "--until-eof",
                # Open for as long as the launcher lives: a service does not outlive it, however it ends.
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                # Ctrl-C reaches the launcher alone, which then drains the services in order.
                start_new_session=True,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        assert process.stdout is not None  # noqa: S101  # opened as a pipe above
        try:
            line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT)
        except BaseException as error:
            process.kill()
            await process.wait()
            if isinstance(error, TimeoutError):
                raise ServiceError(f"{name} did not serve within {START_TIMEOUT:.0f} s; see {log}") from None
            raise
        if not line:
            code = await process.wait()
            raise ServiceError(f"{name} ended with exit code {code}: {_last_line(log, said_before)}")
        announced = json.loads(line)
        addresses = {key: value for key, value in announced.items() if key.endswith("address") and value}
        service = Service(name, process, addresses, log)
        self._services[name] = service
        return service

    async def first_ended(self) -> Service:
        """Waits until any service ends by itself, and returns it."""
        waits = {asyncio.create_task(service.process.wait()): service for service in self._services.values()}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return waits[done.pop()]
        finally:
            for wait in waits:
                wait.cancel()

    async def stop(self, name: str) -> None:
        """Asks the service to drain, and kills it if it has not ended after STOP_TIMEOUT."""
        process = self._services.pop(name).process
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def stop_all(self) -> None:
        for name in reversed(list(self._services)):
            await self.stop(name)


def _last_line(log: Path, start: int) -> str:
    text = log.read_bytes()[start:].decode(errors="replace").strip()
    return text.splitlines()[-1] if text else "it said nothing"
