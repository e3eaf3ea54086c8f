"""The file that an export makes: for its owner alone, and refused by the name that the user gave."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from salus.audit.v1 import audit_pb2

from services.audit.index import Filter
from services.cli.audit import _in_words, export
from services.cli.failures import Failure


class Stub:
    """Exports in two parts."""

    async def Export(self, request: Any) -> AsyncIterator[audit_pb2.ExportResponse]:
        yield audit_pb2.ExportResponse(data=b"a", done=1, total=2)
        yield audit_pb2.ExportResponse(data=b"b", done=2, total=2)


async def test_an_export_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "trail.jsonl"
    path.write_bytes(b"former")
    path.chmod(0o644)
    assert await export(Stub(), audit_pb2.Filter(), path) == 2
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"ab", 0o600)


async def test_a_folder_that_is_not_there_is_named_and_no_file_of_ours(tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        await export(Stub(), audit_pb2.Filter(), tmp_path / "nowhere" / "trail.jsonl")
    assert caught.value.message == f"cannot write into {tmp_path / 'nowhere'}: No such file or directory"


async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="is a folder"):
        await export(Stub(), audit_pb2.Filter(), tmp_path)


def test_a_filter_is_told_in_words() -> None:
    assert _in_words(Filter().to_json()) == "all decisions"
    told = _in_words(Filter(model_id="breast-cancer", organisation="HospitalAMSP", outcome="refused").to_json())
    assert told == "decisions that were refused, of model breast-cancer, asked for by HospitalAMSP"
