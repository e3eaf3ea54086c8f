"""Who one is on the command line: a small YAML file, chosen by `--profile FILE`, `--as NAME` or SALUS_PROFILE.

    msp_id: HospitalAMSP
    identity: ../organisations/HospitalAMSP/dr-adams      # cert.pem and key.pem
    tls_roots: ../tls_roots.pem                           # against which to verify servers
    services: {identity: 127.0.0.1:7101, enrolment: 127.0.0.1:7102}    # and consent, ledger, inference, audit
    channel: salus
    models: ../organisations/HospitalAMSP/models          # where models are installed; for owners and regulators

Paths are relative to the file's folder. `--as NAME` is SALUS_HOME/profiles/NAME.yaml; SALUS_HOME is `var` by default.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from services.cli.failures import Failure
from services.common.config import build, read

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
_NAMES_SHOWN = 12


@dataclass(frozen=True)
class Services:
    """host:port of each service; empty where it is not used."""

    identity: str = ""
    enrolment: str = ""
    consent: str = ""
    ledger: str = ""
    inference: str = ""
    audit: str = ""


@dataclass(frozen=True)
class Profile:
    """See the module."""

    msp_id: str
    identity: Path
    tls_roots: Path
    services: Services
    channel: str = "salus"
    models: Path | None = None

    def address(self, service: str) -> str:
        """host:port of a service. Raises Failure where the profile has none."""
        found: str = getattr(self.services, service)
        if not found:
            raise Failure("NO_ADDRESS", f"the profile has no address of {service}", f"add services.{service} to it")
        return found


def load(path: Path) -> Profile:
    """Reads a profile. Raises ConfigError naming the key."""
    return build(Profile, read(path), path)


def write(profile: Profile, path: Path) -> None:
    """Writes a profile, with paths relative to its folder."""
    folder = path.parent.resolve()
    folder.mkdir(parents=True, exist_ok=True)

    def relative(target: Path) -> str:
        return os.path.relpath(target.resolve(), folder)

    document: dict[str, Any] = {
        "msp_id": profile.msp_id,
        "identity": relative(profile.identity),
        "tls_roots": relative(profile.tls_roots),
        "services": {name: address for name, address in vars(profile.services).items() if address},
        "channel": profile.channel,
    }
    if profile.models is not None:
        document["models"] = relative(profile.models)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    temporary.replace(path)


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of a local network's files."""
    return Path(environ.get("SALUS_HOME") or "var")


def find(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Path:
    """The profile's file. Raises Failure where none is chosen, or the one chosen is not there."""
    chosen: Path | None = getattr(arguments, "profile", None)
    name: str | None = getattr(arguments, "as_name", None)
    if name is not None:
        if not _NAME.fullmatch(name):
            raise Failure("PROFILE_NOT_FOUND", "--as takes a profile's name", _known(environ))
        chosen = home(environ) / "profiles" / f"{name}.yaml"
    elif chosen is None and environ.get("SALUS_PROFILE"):
        chosen = Path(environ["SALUS_PROFILE"])
    if chosen is None:
        raise Failure("NO_PROFILE", "no profile is chosen", f"give --as NAME or --profile FILE; {_known(environ)}")
    if not chosen.is_file():
        raise Failure("PROFILE_NOT_FOUND", f"there is no profile {chosen}", _known(environ))
    return chosen


def of(arguments: argparse.Namespace) -> Profile:
    """The profile that the command line chooses. Raises Failure, ConfigError."""
    return load(find(arguments))


def _known(environ: Mapping[str, str]) -> str:
    folder = home(environ) / "profiles"
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    if not names:
        return (
            f"start a network first: salus network up; or name one's folder in SALUS_HOME, which is {home(environ)} now"
        )
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"{folder} has {', '.join(names[:_NAMES_SHOWN])}{more}"
