"""Configuration files: what is read, and how mistakes are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.common.config import ConfigError, ServerConfig, load


@dataclass(frozen=True)
class Limits:
    waiting: int = 10


@dataclass(frozen=True)
class Example:
    server: ServerConfig
    data: Path
    names: tuple[str, ...] = ()
    ratio: float = 0.5
    enabled: bool = True
    limits: Limits = field(default_factory=Limits)
    labels: dict[str, str] = field(default_factory=dict)
    note: str | None = None


GOOD = """
server: {address: "127.0.0.1:0", tls: tls, msp_root: ../msp}
data: data
names: [a, b]
ratio: 2
labels: {one: first}
"""


def _load(tmp_path: Path, text: str, environ: dict[str, str] | None = None, name: str = "config.yaml") -> Example:
    path = tmp_path / name
    path.write_text(text)
    return load(Example, path, "SALUS_EXAMPLE_", environ or {})


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = _load(tmp_path, GOOD)
    assert (config.data, config.server.msp_root) == (tmp_path / "data", tmp_path.parent / "msp")
    assert (config.names, config.ratio, config.labels, config.limits.waiting) == (("a", "b"), 2.0, {"one": "first"}, 10)


def test_toml_says_the_same(tmp_path: Path) -> None:
    text = 'data = "data"\n[server]\naddress = "127.0.0.1:0"\ntls = "tls"\nmsp_root = "../msp"\n'
    assert _load(tmp_path, text, name="config.toml").server == _load(tmp_path, GOOD).server


def test_the_environment_overrides_scalars(tmp_path: Path) -> None:
    environ = {
        "SALUS_EXAMPLE_RATIO": "0.25",
        "SALUS_EXAMPLE_ENABLED": "false",
        "SALUS_EXAMPLE_SERVER__ADDRESS": "0.0.0.0:7000",
        "SALUS_EXAMPLE_LIMITS__WAITING": "3",
        "SALUS_OTHER_DATA": "elsewhere",
    }
    config = _load(tmp_path, GOOD, environ)
    assert (config.ratio, config.enabled, config.server.address) == (0.25, False, "0.0.0.0:7000")
    assert (config.limits.waiting, config.data) == (3, tmp_path / "data")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "datta: x\n", "unknown key datta"),
        (GOOD.replace("tls: tls, ", ""), "key server.tls is missing"),
        (GOOD.replace("tls: tls", "tls: 7"), "server.tls must be a path"),
        (GOOD.replace("ratio: 2", "ratio: true"), "ratio must be a number"),
        (GOOD.replace("[a, b]", "[a, 7]"), r"names\[1\] must be text"),
        (GOOD.replace("[a, b]", "a"), "names must be a list"),
        (GOOD + "limits: {waiting: 1.5}\n", "limits.waiting must be a whole number"),
        (GOOD + "limits: 3\n", "limits must hold keys and values"),
        ("- a list\n", "the file must hold keys and values"),
        ("", "the file must hold keys and values"),
        ("server: [\n", "is not valid"),
        ("\x00", "is not valid"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        _load(tmp_path, text)
    assert str(tmp_path / "config.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    for value in ("many", "[", "{a: b}"):
        with pytest.raises(ConfigError, match="SALUS_EXAMPLE_RATIO"):
            _load(tmp_path, GOOD, {"SALUS_EXAMPLE_RATIO": value})


def test_text_from_the_environment_stays_text(tmp_path: Path) -> None:
    assert _load(tmp_path, GOOD, {"SALUS_EXAMPLE_NOTE": "123"}).note == "123"


def test_a_missing_file_and_one_of_bytes_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(Example, tmp_path / "none.yaml", "SALUS_EXAMPLE_", {})
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="no UTF-8"):
        load(Example, tmp_path / "bytes.yaml", "SALUS_EXAMPLE_", {})
