"""The command line itself: usage, exit codes, and a start that imports little."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from services.cli.__main__ import NOUNS, run

COMMANDS = [
    *(["identities", each] for each in ("register", "list", "revoke", "reenrol", "crl")),
    *(["patients", each] for each in ("pseudonym", "enrol", "erase")),
    *(["consents", each] for each in ("grant", "revoke", "list", "evaluate", "uses")),
    *(["models", each] for each in ("propose", "validate", "deploy", "suspend", "resume", "retire")),
    *(["models", each] for each in ("list", "describe")),
    *(["diagnoses", each] for each in ("ask", "batch", "show")),
    *(["audit", each] for each in ("search", "export", "verify", "checkpoint")),
    ["organisations", "list"],
    ["ledger", "fsck"],
    ["devnet"],
    ["enrol"],
]


async def test_help_names_every_noun(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        await run(["--help"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert all(noun in printed for noun in NOUNS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_every_command_explains_itself_and_takes_json(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        await run([*command, "--help"])
    assert caught.value.code == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["consents"],
        ["consents", "revoke"],
        ["consents", "grant", "--until", "soon"],
        ["consents", "grant"],
        ["consents", "grant", "--days", "30"],
        ["consents", "grant", "--organisation", "HospitalAMSP"],
        ["consents", "grant", "--organisation", "HospitalAMSP", "--days", "0"],
        ["consents", "grant", "--organisation", "HospitalAMSP", "--days", "9999999"],
        ["consents", "grant", "--organisation", "HospitalAMSP", "--days", "1", "--without-end"],
        ["consents", "grant", "--file", "rules.yaml", "--days", "30"],
        ["identities", "revoke"],
        ["identities", "revoke", "dr-adams", "--serial", "0a"],
        ["audit", "search", "--patient", "joe"],
        ["diagnoses", "ask", "--model", "m"],
        ["identities", "register", "x", "--role", "king"],
        ["audit", "verify", "trail.jsonl"],
        ["--as", "a", "--profile", "b", "organisations", "list"],
    ],
    ids=" ".join,
)
async def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        await run(arguments)
    assert caught.value.code == 2


async def test_without_a_profile_one_line_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALUS_HOME", str(tmp_path))
    monkeypatch.delenv("SALUS_PROFILE", raising=False)
    assert await run(["organisations", "list"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("salus: NO_PROFILE: ")


async def test_a_failure_is_a_document_where_json_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALUS_HOME", str(tmp_path))
    monkeypatch.delenv("SALUS_PROFILE", raising=False)
    assert await run(["organisations", "list", "--json"]) == 1
    printed = capsys.readouterr()
    assert printed.err == ""
    error = json.loads(printed.out)["error"]
    assert (error["reason"], set(error)) == ("NO_PROFILE", {"reason", "message", "advice"})


async def test_a_time_that_is_none_is_told_its_form(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        await run(["consents", "grant", "--organisation", "HospitalAMSP", "--until", "2027-13-01"])
    assert "as 2027-01-31 or 2027-01-31T12:00:00Z" in " ".join(capsys.readouterr().err.split())


async def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        await run(["--version"])
    assert (caught.value.code, capsys.readouterr().out) == (0, f"salus {version('salus')}\n")


async def test_the_roles_that_a_registrar_gives_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        await run(["identities", "register", "--help"])
    assert "by a registrar or an administrator: clinician, patient" in " ".join(capsys.readouterr().out.split())


def test_starting_imports_neither_grpc_nor_the_runtime() -> None:
    code = (
        "import sys; from services.cli.__main__ import _parser; _parser(['consents', 'list']);"
        "print([name for name in ('grpc', 'onnxruntime', 'numpy', 'rich', 'cryptography') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert ended.stdout.strip() == "[]"
