"""Configuration: one dataclass a service, read from a YAML or TOML file and from environment variables.

Fields without a default are required. Paths are relative to the file's folder. A scalar is overridden by
`SALUS_<SERVICE>_<FIELD>`, nested fields joined by `__`. Secrets are never values, only paths of files.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

_Config = TypeVar("_Config")


class ConfigError(Exception):
    """The configuration cannot be used. The message names the file and the key."""


@dataclasses.dataclass(frozen=True)
class ServerConfig:
    """What every service needs to listen.

    address: host:port; port 0 takes any free one. tls: folder with cert.pem and key.pem. msp_root: folder of the
    organisations' membership. metrics_address: host:port of the Prometheus endpoint; off when empty.
    max_concurrent: requests in work at once; beyond that callers get RESOURCE_EXHAUSTED. drain_seconds: how long
    requests in work may take to end after SIGTERM.
    """

    address: str
    tls: Path
    msp_root: Path
    metrics_address: str = ""
    max_concurrent: int = 512
    drain_seconds: float = 10.0


@dataclasses.dataclass(frozen=True)
class LedgerConfig:
    """How a service reaches the ledger.

    address: host:port of the gateway. tls_roots: PEM file with the root of the ledger's TLS certificate. channel: the
    ledger's channel.
    """

    address: str
    tls_roots: Path
    channel: str = "salus"


def load(cls: type[_Config], path: Path, env_prefix: str, environ: Mapping[str, str] = os.environ) -> _Config:
    """Reads `path` into the dataclass. Raises ConfigError for a file that cannot be read, and for an unknown key, a
    missing key or a value of the wrong type, naming it."""
    return build(cls, read(path), path, env_prefix, environ)


def read(path: Path) -> Any:
    """The content of a YAML or TOML file, by its suffix. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(f"cannot read {path}: {reason}") from None
    try:
        return tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except (yaml.YAMLError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not valid: {' '.join(str(error).split())}") from None


def build(
    cls: type[_Config], content: Any, path: Path, env_prefix: str = "", environ: Mapping[str, str] | None = None
) -> _Config:
    """Builds the dataclass from a file's content; `path` names the file in errors and anchors relative paths."""
    return _build(cls, content, path, "", env_prefix, environ or {})


def _build(
    cls: type[_Config], content: Any, path: Path, where: str, env_prefix: str, environ: Mapping[str, str]
) -> _Config:
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: {where or 'the file'} must hold keys and values")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(str(key) for key in content if key not in fields)
    if unknown:
        raise ConfigError(f"{path}: unknown key {_join(where, unknown[0])}")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        key, variable = _join(where, name), f"{env_prefix}{name.upper()}"
        nested = env_prefix and any(each.startswith(f"{variable}__") for each in environ)
        if dataclasses.is_dataclass(hints[name]) and (name in content or nested):
            inner = f"{variable}__" if env_prefix else ""
            values[name] = _build(hints[name], content.get(name, {}), path, key, inner, environ)
        elif env_prefix and variable in environ:
            values[name] = _override(environ[variable], hints[name], path, f"{key} (from {variable})")
        elif name in content:
            values[name] = _convert(content[name], hints[name], path, key)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{path}: key {key} is missing")
    return cls(**values)


def _override(text: str, kind: Any, path: Path, key: str) -> Any:
    """The value of an environment variable. Text and paths are taken as they stand."""
    if {kind, *typing.get_args(kind)} & {str, Path} and typing.get_origin(kind) in (
        None,
        typing.Union,
        types.UnionType,
    ):
        return _convert(text, kind, path, key)
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"{path}: {key} cannot be read") from None
    return _convert(value, kind, path, key)


def _convert(value: Any, kind: Any, path: Path, key: str) -> Any:
    """The value as `kind`: a scalar, Path, dataclass, optional, or a list, tuple or mapping of those."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(value, next(each for each in arguments if each is not type(None)), path, key)
    if dataclasses.is_dataclass(kind):
        return _build(typing.cast(Any, kind), value, path, key, "", {})
    if origin in (list, tuple) and isinstance(value, list):
        return origin(_convert(each, arguments[0], path, f"{key}[{n}]") for n, each in enumerate(value))
    if origin in (dict, Mapping, typing.get_origin(Mapping[str, str])) and isinstance(value, dict):
        return {str(name): _convert(each, arguments[1], path, _join(key, str(name))) for name, each in value.items()}
    if kind is Path and isinstance(value, str):
        return Path(os.path.normpath(path.parent / value))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"{path}: {key} must be {_NAMES.get(kind, 'a list' if origin in (list, tuple) else 'a mapping')}")


_NAMES: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
}


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
