"""How a contract is written: a class whose methods marked `@transaction` are its functions.

    class Greetings(Contract):
        name = "greetings"

        @transaction
        def put(self, ctx: Context, key: str, text: str) -> None: ...

        @transaction(readonly=True)
        def get_all(self, ctx: Context) -> list[str]: ...

Clients call `Put` and `GetAll`. Arguments arrive as bytes and become what the annotation says: str (UTF-8), bytes,
int, float, bool ("true" or "false"), dict or list (JSON). A result of type dict or list is sent as canonical JSON, str
as UTF-8, bytes as they are, None as nothing.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar, overload

from chaincode.api.context import Context
from chaincode.api.errors import ContractError
from chaincode.core import canonical

_Method = TypeVar("_Method", bound=Callable[..., Any])


@overload
def transaction(method: _Method) -> _Method: ...


@overload
def transaction(*, readonly: bool = False) -> Callable[[_Method], _Method]: ...


def transaction(method: _Method | None = None, *, readonly: bool = False) -> _Method | Callable[[_Method], _Method]:
    """Marks a method as a function of its contract; `readonly` says that it is only to be evaluated."""

    def mark(target: _Method) -> _Method:
        target.__transaction__ = readonly  # type: ignore[attr-defined]
        return target

    return mark if method is None else mark(method)


@dataclass(frozen=True)
class Function:
    """One callable function of a contract."""

    name: str
    attribute: str
    readonly: bool
    parameters: tuple[tuple[str, type], ...]
    required: int


class Contract:
    """A set of functions over one namespace of the ledger. Stateless: what it remembers is on the ledger."""

    name: ClassVar[str]
    functions: ClassVar[Mapping[str, Function]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        found = (
            _function(attribute, method)
            for attribute, method in inspect.getmembers(cls, inspect.isfunction)
            if hasattr(method, "__transaction__")
        )
        cls.functions = {function.name: function for function in found}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Builds the contract for one organisation; `config` holds the contract's and the organisation's settings,
        and `msp_id`. Raises ValueError naming a setting that is missing or wrong."""
        return cls()

    def is_query(self, args: Sequence[bytes]) -> bool:
        """Whether the arguments call a function that is only to be evaluated.

        A query's answer may be private; were it endorsed, it would be in a block for good.
        """
        function = self._function(args)
        return function is not None and function.readonly

    def dispatch(self, ctx: Context, args: Sequence[bytes]) -> bytes:
        """Calls the function named by the first argument, alone or as `contract:Function`.

        Raises `ContractError` (BAD_REQUEST: no such function, or arguments of the wrong number or type), or what
        the function raises.
        """
        if not args:
            raise ContractError("BAD_REQUEST", "no function is named")
        function = self._function(args)
        if function is None:
            raise ContractError("BAD_REQUEST", f"contract {self.name} has the functions {', '.join(self.functions)}")
        given = args[1:]
        if not function.required <= len(given) <= len(function.parameters):
            raise ContractError(
                "BAD_REQUEST", f"{function.name} takes {_arguments(function)} and was given {len(given)}"
            )
        values = [_convert(function, *each) for each in zip(function.parameters, given, strict=False)]
        return _payload(getattr(self, function.attribute)(ctx, *values))

    def _function(self, args: Sequence[bytes]) -> Function | None:
        return self.functions.get(args[0].decode(errors="replace").removeprefix(f"{self.name}:")) if args else None


def _function(attribute: str, method: Callable[..., Any]) -> Function:
    types = typing.get_type_hints(method)
    parameters = list(inspect.signature(method).parameters.values())[2:]
    return Function(
        name="".join(word.capitalize() for word in attribute.split("_")),
        attribute=attribute,
        readonly=method.__transaction__,  # type: ignore[attr-defined]
        parameters=tuple((p.name, typing.get_origin(types[p.name]) or types[p.name]) for p in parameters),
        required=sum(p.default is inspect.Parameter.empty for p in parameters),
    )


def _arguments(function: Function) -> str:
    names = [name for name, _ in function.parameters]
    return f"the arguments ({', '.join(names)})" if names else "no arguments"


def _convert(function: Function, parameter: tuple[str, type], value: bytes) -> Any:
    name, kind = parameter
    try:
        converted = _CONVERSIONS[kind](value)
    except ValueError:
        converted = None
    if not isinstance(converted, kind):
        raise ContractError("BAD_REQUEST", f"argument {name} of {function.name} must be {_NAMES[kind]}")
    return converted


def _boolean(value: bytes) -> bool:
    return {b"true": True, b"false": False}[value] if value in (b"true", b"false") else _refuse()


def _refuse() -> typing.NoReturn:
    raise ValueError


_CONVERSIONS: Mapping[type, Callable[[bytes], Any]] = {
    bytes: bytes,
    str: bytes.decode,
    int: lambda value: int(value.decode()),
    float: lambda value: float(value.decode()),
    bool: _boolean,
    dict: canonical.decode,
    list: canonical.decode,
}
_NAMES: Mapping[type, str] = {
    bytes: "bytes",
    str: "UTF-8 text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a JSON object",
    list: "a JSON array",
}


def _payload(result: Any) -> bytes:
    if result is None:
        return b""
    if isinstance(result, bytes):
        return result
    if isinstance(result, str):
        return result.encode()
    return canonical.encode(result)
