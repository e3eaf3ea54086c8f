"""`salus audit verify` and `salus ledger fsck`, as a process of their own: files in, findings and exit code out."""

from __future__ import annotations

import json
import re
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


def test_what_was_exported_is_told_in_words(export: Path, organisations: Organisations) -> None:
    ended = salus("audit", "verify", export, "--roots", organisations.msp_root)
    assert "all decisions; 2 in the file\n" in ended.stdout
    assert ended.stdout.count("endorsed under") == 1


def test_what_is_no_export_is_one_line(organisations: Organisations, tmp_path: Path) -> None:
    text = tmp_path / "README.md"
    text.write_text("# Salus\n" * 2000)
    ended = salus("audit", "verify", text, "--roots", organisations.msp_root)
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert "this is no Salus export" in line


def test_many_findings_are_counted_after_the_first(export: Path, organisations: Organisations) -> None:
    export.write_bytes(export.read_bytes().replace(b"\n", b"\n" + b"nothing\n" * 30, 1))
    ended = salus("audit", "verify", export, "--roots", organisations.msp_root)
    lines = [line for line in ended.stdout.splitlines() if line.startswith("line ")]
    assert len(lines) == 20
    assert re.search(r"^and \d+ more$", ended.stdout, re.MULTILINE)


def test_a_model_file_that_is_not_there_is_a_note(export: Path, organisations: Organisations, tmp_path: Path) -> None:
    ended = salus("audit", "verify", export, "--roots", organisations.msp_root, "--models", tmp_path)
    assert ended.returncode == 0
    assert re.search(r"^1 of the answers could not be executed again: no file [0-9a-f]{64}\.onnx in ", ended.stdout)
    assert "nothing is wrong" in ended.stdout


def test_a_model_file_that_differs_is_a_finding(export: Path, organisations: Organisations, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    report = salus("audit", "verify", export, "--roots", organisations.msp_root, "--models", models, "--json")
    (note,) = json.loads(report.stdout)["notes"]
    (models / note.split()[-3]).write_bytes(b"another")
    ended = salus("audit", "verify", export, "--roots", organisations.msp_root, "--models", models)
    assert ended.returncode == 1
    assert "the model cannot be run again" in ended.stdout


def test_roots_that_are_not_there_are_one_line(export: Path, tmp_path: Path) -> None:
    ended = salus("audit", "verify", export, "--roots", tmp_path / "nowhere")
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("salus: CONFIGURATION: ")


def test_a_sound_block_store(tmp_path: Path) -> None:
    make(tmp_path / "data" / "blocks", 3)
    ended = salus("ledger", "fsck", tmp_path / "data", "--json")
    assert (ended.returncode, json.loads(ended.stdout)) == (0, {"sound": True, "blocks": 3, "damages": []})
    assert salus("ledger", "fsck", tmp_path / "data").stdout == "3 blocks are sound\n"


def test_a_folder_without_blocks_is_not_sound(tmp_path: Path) -> None:
    ended = salus("ledger", "fsck", tmp_path)
    assert ended.returncode == 1
    assert "there are no blocks here" in ended.stdout


def test_a_damaged_block_is_named(tmp_path: Path) -> None:
    make(tmp_path / "blocks", 3)
    (segment,) = [each for each in (tmp_path / "blocks").iterdir() if each.stat().st_size]
    flip(segment, segment.stat().st_size - 1)
    ended = salus("ledger", "fsck", tmp_path / "blocks", "--json")
    (damage,) = json.loads(ended.stdout)["damages"]
    assert (ended.returncode, damage["segment"], damage["block"]) == (1, segment.name, 2)
