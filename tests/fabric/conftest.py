"""Fabric's official Node clients, installed once from their lock into pytest's cache, where it is on."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

NODE = Path(__file__).parent / "node"
OLDEST_NODE = 20


@pytest.fixture(scope="session")
def node_clients(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with our scripts and the packages that they use."""
    if missing := _missing():
        _without(missing)
    name = f"fabric-clients-{hashlib.sha256((NODE / 'package-lock.json').read_bytes()).hexdigest()[:16]}"
    cache: pytest.Cache | None = getattr(pytestconfig, "cache", None)
    folder = cache.mkdir(name) if cache is not None else tmp_path_factory.mktemp(name)
    for path in NODE.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    installed = folder / "installed"
    if not installed.exists():
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if ended.returncode != 0:
            _without(f"npm cannot install the clients: {ended.stderr.strip()[-500:]}")
        installed.touch()
    return folder


def _missing() -> str:
    """Why the clients cannot run here; empty where they can."""
    for name in ("node", "npm"):
        if shutil.which(name) is None:
            return f"{name} is not installed"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        return f"node {version} is older than {OLDEST_NODE}"
    return ""


def _without(reason: str) -> None:
    """Skips; where everything has to be there, fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
