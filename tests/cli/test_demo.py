"""The demo holds, says so in its exit code, and leaves its trail behind."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from services.audit.verify import load_roots, verify
from services.cli.demo import MARK


async def _demo(folder: Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "demo", "--json", "--dir", str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def test_every_step_of_the_demo_holds(tmp_path: Path) -> None:
    code, output, errors = await _demo(tmp_path / "demo")
    assert code == 0, output + errors
    told = json.loads(output)
    assert told["held"]
    assert all(step["held"] for step in told["steps"])
    assert (told["asked"], told["answered"], told["refused"]) == (114, 100, 14)
    assert told["quality"]["auc"] > 0.95
    report = verify(tmp_path / "demo" / "trail.jsonl", load_roots(tmp_path / "demo" / "roots"))
    assert (report.findings, report.verified) == ((), 114)


async def test_the_demo_empties_no_folder_but_its_own(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("keep me")
    code, output, _ = await _demo(tmp_path)
    assert (code, json.loads(output)["error"]["reason"]) == (1, "FOLDER_IN_USE")
    assert not (tmp_path / MARK).exists()
    assert (tmp_path / "letter.txt").read_text() == "keep me"
