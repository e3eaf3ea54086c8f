"""`salus audit verify` and `salus ledger fsck`, as a process of their own: files in, findings and exit code out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.audit.ledger import RecordedLedger, export_all
from tests.chaincode.clinic import BEN, Question
from tests.ledger.stored import make
from tests.organisations import Organisations


def salus(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


@pytest.fixture
async def export(organisations: Organisations, tmp_path: Path) -> Path:
    """An export of an answer and a refusal."""
    ledger = RecordedLedger(organisations)
    ledger.record(Question("r1"), Question("r2", patient=BEN))
    path = tmp_path / "trail.jsonl"
    path.write_bytes(await export_all(ledger, tmp_path / "store"))
    return path


def test_an_honest_export_is_verified(export: Path, organisations: Organisations) -> None:
    ended = salus("audit", "verify", export, "--roots", organisations.msp_root, "--json")
    report = json.loads(ended.stdout)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (report["ok"], report["decisions"], report["verified"], report["answered"]) == (True, 2, 2, 1)


def test_a_flipped_byte_is_found_and_named(export: Path, organisations: Organisations) -> None:
    flip(export, export.stat().st_size // 2)
    ended = salus("audit", "verify", export, "--roots", organisations.msp_root)
    assert ended.returncode == 1
    assert ended.stdout.startswith("line ")
    assert "NOT TO BE TRUSTED" in ended.stdout


def test_findings_are_json_too(export: Path, organisations: Organisations) -> None:
    flip(export, export.stat().st_size // 2)
    ended = salus("audit", "verify", export, "--roots", organisations.msp_root, "--json")
    report = json.loads(ended.stdout)
    assert (ended.returncode, report["ok"]) == (1, False)
    assert set(report["findings"][0]) == {"line", "decision_id", "what"}


def test_roots_that_are_not_there_are_one_line(export: Path, tmp_path: Path) -> None:
    ended = salus("audit", "verify", export, "--roots", tmp_path / "nowhere")
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("salus: CONFIGURATION: ")


def test_a_sound_block_store(tmp_path: Path) -> None:
    make(tmp_path / "data" / "blocks", 3)
    ended = salus("ledger", "fsck", tmp_path / "data", "--json")
    assert (ended.returncode, json.loads(ended.stdout)) == (0, {"sound": True, "damages": []})


def test_a_damaged_block_is_named(tmp_path: Path) -> None:
    make(tmp_path / "blocks", 3)
    (segment,) = [each for each in (tmp_path / "blocks").iterdir() if each.stat().st_size]
    flip(segment, segment.stat().st_size - 1)
    ended = salus("ledger", "fsck", tmp_path / "blocks", "--json")
    (damage,) = json.loads(ended.stdout)["damages"]
    assert (ended.returncode, damage["segment"], damage["block"]) == (1, segment.name, 2)
