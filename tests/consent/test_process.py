"""The consent service as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.organisations import Organisations


@pytest.fixture
def config(organisations: Organisations) -> Path:
    path = organisations.root / "consent" / "config.yaml"
    path.parent.mkdir()
    content = {
        "server": {
            "address": "127.0.0.1:0",
            "tls": str(organisations.tls("HospitalAMSP", "consent")),
            "msp_root": str(organisations.msp_root),
        },
        "msp_id": "HospitalAMSP",
        "identity": str(organisations.enrol("HospitalAMSP", "consent", role="consent")),
        "ledger": {"address": "127.0.0.1:1", "tls_roots": str(organisations.tls_roots)},
    }
    path.write_text(yaml.safe_dump(content))
    return path


def command(config: Path) -> list[str]:
    return [sys.executable, "-m", "services.consent", "--config", str(config)]


def test_it_serves_until_it_is_asked_to_stop(config: Path) -> None:
    with subprocess.Popen(command(config), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        announced = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(20) == 0
    assert announced["service"] == "consent"
    assert announced["address"].startswith("127.0.0.1:")


def test_a_missing_key_of_the_configuration_is_one_clear_line(config: Path) -> None:
    content = yaml.safe_load(config.read_text())
    del content["ledger"]["tls_roots"]
    config.write_text(yaml.safe_dump(content))
    ended = subprocess.run(command(config), capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [f"salus-consent: {config}: key ledger.tls_roots is missing"]
