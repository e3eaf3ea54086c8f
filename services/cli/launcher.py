"""Starts a network of all services on this machine: enrols everybody who is not enrolled yet, then starts what serves.

Order: identity first, since all certificates come from it; then the administrators, who register the rest; then the
ledger; then consent, inference and audit. What is on disk is not made again, so a run that was stopped, or cut
short at any point, goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from services.cli import profile
from services.cli.profile import Profile, Services
from services.cli.supervisor import Supervisor
from services.cli.topology import (
    ADMINISTRATORS,
    CHANNEL,
    MEMBERS,
    ORGANISATIONS,
    SERVERS,
    SERVICES,
    Layout,
    Member,
    identity_config,
    network_config,
    service_config,
)
from services.common.msp import MembershipFolder
from services.common.tls import connect
from services.identity import client as identity
from services.identity import folders
from services.identity.client import EnrolmentClient, IdentityClient

Step = Callable[[str], None]


class Network:
    """The network whose files are in one folder. `ports`: of each service and of enrolment; 0, or none, takes any."""

    def __init__(self, layout: Layout, ports: Mapping[str, int] | None = None) -> None:
        self.layout = layout
        self.supervisor = Supervisor(layout.logs)
        self._ports = ports or {}

    async def up(self, step: Step) -> None:
        """Returns once every service serves. Raises ServiceError; whatever was started is stopped then."""
        try:
            step("starting identity")
            await self.start("identity")
            await self._enrol(step)
            _write_yaml(self.layout.network, network_config(self.layout))
            for name in SERVICES[1:]:
                step(f"starting {name}")
                await self.start(name)
            for member in (*ADMINISTRATORS, *MEMBERS):
                if member.profile:
                    profile.write(self.profile(member), self.layout.profile(member.profile))
        except BaseException:
            await self.down()
            raise

    async def start(self, name: str) -> None:
        """Writes the service's configuration and starts it: where it was before, if it ran before."""
        path = self.layout.service(name) / "config.yaml"
        address = f"127.0.0.1:{self._port(name)}"
        if name == "identity":
            _write_yaml(path, identity_config(self.layout, address, f"127.0.0.1:{self._port('enrolment')}"))
        else:
            ledger = "" if name == "ledger" else self.address("ledger")
            _write_yaml(path, service_config(name, self.layout, address, ledger))
        await self.supervisor.start(name, path)

    async def down(self) -> None:
        """Stops every service, the last started first."""
        await self.supervisor.stop_all()

    def address(self, name: str) -> str:
        """host:port of a service, or of enrolment."""
        if name == "enrolment":
            return self.supervisor["identity"].addresses["enrolment_address"]
        return self.supervisor[name].address

    def profile(self, member: Member) -> Profile:
        """How a member uses this network from the command line."""
        return self.profile_of(member.msp_id, self.layout.identity(member.msp_id, member.name))

    def profile_named(self, name: str) -> Profile:
        """The profile of a member, by its name."""
        return self.profile(next(member for member in MEMBERS if member.profile == name))

    def profile_of(self, msp_id: str, folder: Path) -> Profile:
        """How whoever is enrolled in `folder` uses this network from the command line."""
        return Profile(
            msp_id=msp_id,
            identity=folder,
            tls_roots=self.layout.tls_roots,
            services=Services(**{name: self.address(name) for name in (*SERVICES, "enrolment")}),
            channel=CHANNEL,
            models=self.layout.models(msp_id),
        )

    async def _enrol(self, step: Step) -> None:
        """Administrators with the secrets that identity left for them, then everybody else by them."""
        roots = MembershipFolder(self.layout.msp, lambda: 0.0).tls_server_roots()
        folders.write(self.layout.tls_roots, roots)
        async with connect(self.address("enrolment"), None, roots) as newcomers:
            enrolment = EnrolmentClient(newcomers)
            for admin in ADMINISTRATORS:
                folder = self.layout.identity(admin.msp_id, admin.name)
                if not identity.is_enrolled(folder):
                    step(f"enrolling {admin.name} of {ORGANISATIONS[admin.msp_id]}")
                    secret = self.layout.service("identity") / "home" / "bootstrap" / admin.msp_id
                    await enrolment.enrol(admin.msp_id, admin.name, secret.read_text().strip(), folder)
                await self._enrol_members(admin, enrolment, roots, step)

    async def _enrol_members(self, admin: Member, enrolment: EnrolmentClient, roots: bytes, step: Step) -> None:
        tls_folders = {server: self.layout.tls(name) for name, server in SERVERS.items()}
        async with connect(self.address("identity"), self.layout.identity(admin.msp_id, admin.name), roots) as channel:
            for member in MEMBERS:
                if member.msp_id == admin.msp_id:
                    if not identity.is_enrolled(self.layout.identity(member.msp_id, member.name)):
                        step(f"enrolling {member.name} of {ORGANISATIONS[member.msp_id]}")
                    await identity.join(
                        IdentityClient(channel),
                        enrolment,
                        member.msp_id,
                        member.name,
                        self.layout.identity(member.msp_id, member.name),
                        role=member.role,
                        node_ou=member.node_ou,
                        tls_folder=tls_folders.get((member.msp_id, member.name)),
                    )

    def _port(self, name: str) -> int:
        return self._ports.get(name, 0)


def _write_yaml(path: Path, document: Mapping[str, Any]) -> None:
    folders.write(path, yaml.safe_dump(dict(document), sort_keys=False).encode())
