"""Which profile a command acts with, and what is wrong with one that cannot be used."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest

from services.cli import profile
from services.cli.failures import Failure
from services.cli.profile import Profile, Services
from services.common.config import ConfigError

MINE = Profile(
    msp_id="HospitalAMSP",
    identity=Path("organisations/HospitalAMSP/dr-adams"),
    tls_roots=Path("tls_roots.pem"),
    services=Services(identity="127.0.0.1:7101", ledger="127.0.0.1:7051"),
)


def written(folder: Path, name: str) -> Path:
    """A profile of which every path is below `folder`."""
    mine = replace(MINE, identity=folder / MINE.identity, tls_roots=folder / MINE.tls_roots, models=folder / "models")
    path = folder / "profiles" / f"{name}.yaml"
    profile.write(mine, path)
    return path


def test_what_is_written_is_read_again_wherever_the_folder_is_moved(tmp_path: Path) -> None:
    written(tmp_path / "a", "dr-adams")
    (tmp_path / "a").rename(tmp_path / "b")
    read = profile.load(tmp_path / "b" / "profiles" / "dr-adams.yaml")
    assert read.identity == tmp_path / "b" / MINE.identity
    assert read.models == tmp_path / "b" / "models"
    assert (read.services, read.channel) == (MINE.services, "salus")


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "dr-adams")
    path.write_text(path.read_text().replace("channel:", "chanel:"))
    with pytest.raises(ConfigError, match="unknown key chanel"):
        profile.load(path)


def test_an_address_that_the_profile_lacks_is_named() -> None:
    with pytest.raises(Failure, match="no address of audit"):
        MINE.address("audit")


def test_a_name_is_looked_up_in_the_home_folder(tmp_path: Path) -> None:
    path = written(tmp_path, "dr-adams")
    environ = {"SALUS_HOME": str(tmp_path), "SALUS_PROFILE": "elsewhere.yaml"}
    assert profile.find(Namespace(as_name="dr-adams"), environ) == path


def test_a_file_is_taken_over_the_environment(tmp_path: Path) -> None:
    path = written(tmp_path, "dr-adams")
    assert profile.find(Namespace(profile=path), {"SALUS_PROFILE": "elsewhere.yaml"}) == path
    assert profile.find(Namespace(), {"SALUS_PROFILE": str(path)}) == path


@pytest.mark.parametrize("name", ["nobody", "../msp", "", "/etc/passwd"])
def test_an_unknown_name_lists_the_known_ones(tmp_path: Path, name: str) -> None:
    written(tmp_path, "dr-adams")
    with pytest.raises(Failure) as caught:
        profile.find(Namespace(as_name=name), {"SALUS_HOME": str(tmp_path)})
    assert caught.value.reason == "PROFILE_NOT_FOUND"
    assert "dr-adams" in caught.value.advice


def test_without_a_profile_and_a_network_the_advice_is_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        profile.find(Namespace(), {"SALUS_HOME": str(tmp_path)})
    assert (caught.value.reason, "salus network up" in caught.value.advice) == ("NO_PROFILE", True)
    assert "SALUS_HOME" in caught.value.advice
