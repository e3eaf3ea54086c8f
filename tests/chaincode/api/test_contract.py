"""How a contract's functions are found, called and answered."""

from __future__ import annotations

from typing import Any

import pytest

from chaincode.api.context import Context
from chaincode.api.contract import Contract, transaction
from chaincode.api.errors import ContractError
from chaincode.api.stub import Response
from chaincode.runtime.inprocess import MAX_MESSAGE, invoke
from tests.chaincode.callers import HOSPITAL_A, caller
from tests.chaincode.memory_ledger import MemoryLedger


class SampleContract(Contract):
    name = "sample"

    @transaction(readonly=True)
    def join_words(self, ctx: Context, first: str, second: str = "nobody") -> str:
        return f"{first} {second}"

    @transaction(readonly=True)
    def typed(
        self, ctx: Context, a: int, b: float, c: bool, d: bytes, e: dict[str, Any], f: list[int]
    ) -> dict[str, Any]:
        return {"a": a, "b": b, "c": c, "d": d.hex(), "e": e, "f": f}

    @transaction
    def nothing(self, ctx: Context) -> None:
        ctx.stub.put_state("key", b"value")

    @transaction
    def break_down(self, ctx: Context, secret: str) -> None:
        raise KeyError(secret)

    @transaction
    def refuse(self, ctx: Context, what: str) -> None:
        raise ContractError("REFUSED", what)

    def hidden(self, ctx: Context) -> None: ...


def ask(*args: str | bytes) -> Response:
    stub = MemoryLedger().begin(caller(HOSPITAL_A, "alice", "clinician").creator, "sample", *args)
    return invoke(SampleContract(), stub)


def test_a_function_is_called_by_its_name_in_pascal_case() -> None:
    assert ask("JoinWords", "hello", "you").payload == b"hello you"


def test_a_function_is_called_with_the_contracts_name_before_it() -> None:
    assert ask("sample:JoinWords", "hello", "you").payload == b"hello you"


def test_an_argument_with_a_default_can_be_left_out() -> None:
    assert ask("JoinWords", "hello").payload == b"hello nobody"


def test_a_refusal_that_quotes_a_long_argument_is_cut() -> None:
    message = ask("Refuse", "x" * 1_000_000).message
    assert message.startswith("REFUSED: xxx")
    assert len(message) == MAX_MESSAGE


def test_arguments_become_what_the_annotations_say() -> None:
    answer = ask("Typed", "1", "0.5", "true", b"\xff", '{"x":1}', "[2]")
    assert answer.payload == b'{"a":1,"b":0.5,"c":true,"d":"ff","e":{"x":1},"f":[2]}'


@pytest.mark.parametrize(
    ("position", "value", "expected"),
    [
        (0, "one", "argument a of Typed must be a whole number"),
        (1, "x", "argument b of Typed must be a number"),
        (2, "yes", "argument c of Typed must be true or false"),
        (4, "[]", "argument e of Typed must be a JSON object"),
        (5, "{", "argument f of Typed must be a JSON array"),
    ],
)
def test_an_argument_of_the_wrong_type_is_named(position: int, value: str, expected: str) -> None:
    args = ["1", "0.5", "true", "d", "{}", "[]"]
    args[position] = value
    assert ask("Typed", *args).message == f"BAD_REQUEST: {expected}"


def test_an_argument_that_is_not_utf8_is_named() -> None:
    assert ask("JoinWords", b"\xff").message == "BAD_REQUEST: argument first of JoinWords must be UTF-8 text"


def test_a_wrong_number_of_arguments_is_refused_with_the_arguments_names() -> None:
    assert ask("JoinWords").message == "BAD_REQUEST: JoinWords takes the arguments (first, second) and was given 0"


def test_an_unknown_function_is_refused() -> None:
    assert ask("Unknown").message.startswith("BAD_REQUEST: contract sample has the functions")


def test_a_method_that_is_no_transaction_cannot_be_called() -> None:
    assert ask("Hidden").status == 500


def test_no_function_at_all_is_refused() -> None:
    assert ask().message == "BAD_REQUEST: no function is named"


def test_a_function_that_returns_nothing_answers_an_empty_payload() -> None:
    assert ask("Nothing") == Response(200)


def test_an_unforeseen_error_answers_nothing_of_the_input() -> None:
    assert ask("BreakDown", "secret").message == "INTERNAL: the contract failed; the endorser's log says where"


def test_an_unforeseen_error_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    ask("BreakDown", "secret")
    assert "KeyError" in caplog.text
    assert "secret" not in caplog.text


def test_which_functions_only_read_is_known() -> None:
    readonly = {name: function.readonly for name, function in SampleContract.functions.items()}
    assert readonly == {"JoinWords": True, "Typed": True, "Nothing": False, "BreakDown": False, "Refuse": False}


def test_a_refusal_is_read_back_from_its_text() -> None:
    error = ContractError.parse("NOT_FOUND: there is no such thing")
    assert (error.reason, error.message) == ("NOT_FOUND", "there is no such thing")


def test_a_text_without_a_reason_is_a_failed_contract() -> None:
    assert ContractError.parse("boom").reason == "CONTRACT_FAILED"
