"""A small contract that touches everything a ledger offers, for the tests of the ledger."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Self

from chaincode.api.context import Context
from chaincode.api.contract import Contract, transaction
from chaincode.api.errors import ContractError

# A contract in `stall` sets the first, and waits until a test sets the second.
entered = threading.Event()
released = threading.Event()


class SampleContract(Contract):
    name = "sample"

    def __init__(self, msp_id: str) -> None:
        self._msp_id = msp_id

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        if config.get("broken"):
            raise ValueError("setting broken must not be set")
        return cls(config["msp_id"])

    @transaction
    def put(self, ctx: Context, key: str, value: str) -> str:
        ctx.stub.put_state(key, value.encode())
        ctx.stub.set_event("put", key.encode())
        return value

    @transaction
    def create(self, ctx: Context, key: str, value: str) -> None:
        if ctx.stub.get_state(key):
            raise ContractError("ALREADY_EXISTS", "the key is taken")
        ctx.stub.put_state(key, value.encode())

    @transaction
    def increment(self, ctx: Context, key: str) -> int:
        count = int(ctx.stub.get_state(key) or b"0") + 1
        ctx.stub.put_state(key, str(count).encode())
        return count

    @transaction(readonly=True)
    def get(self, ctx: Context, key: str) -> bytes:
        return ctx.stub.get_state(key)

    @transaction(readonly=True)
    def get_range(self, ctx: Context, start: str, end: str) -> dict[str, str]:
        return {entry.key: entry.value.decode() for entry in ctx.stub.get_state_by_range(start, end)}

    @transaction
    def count(self, ctx: Context, start: str, end: str, target: str) -> None:
        size = len(list(ctx.stub.get_state_by_range(start, end)))
        ctx.stub.put_state(target, str(size).encode())

    @transaction
    def put_private(self, ctx: Context, collection: str, key: str) -> None:
        ctx.stub.put_private_data(collection, key, ctx.transient("value"))

    @transaction
    def put_both(self, ctx: Context, collection: str, key: str) -> None:
        ctx.stub.put_state(key, ctx.transient("value"))
        ctx.stub.put_private_data(collection, key, ctx.transient("value"))

    @transaction(readonly=True)
    def get_private(self, ctx: Context, collection: str, key: str) -> bytes:
        return ctx.stub.get_private_data(collection, key)

    @transaction(readonly=True)
    def get_private_hash(self, ctx: Context, collection: str, key: str) -> bytes:
        return ctx.stub.get_private_data_hash(collection, key)

    @transaction
    def call(self, ctx: Context, contract: str, function: str, key: str, value: str) -> bytes:
        response = ctx.stub.invoke_chaincode(contract, [function.encode(), key.encode(), value.encode()])
        if not response.ok:
            raise ContractError.parse(response.message)
        return response.payload

    @transaction
    def fail(self, ctx: Context, reason: str) -> None:
        raise ContractError(reason, "the sample was asked to fail")

    @transaction
    def crash(self, ctx: Context, secret: str) -> None:
        raise RuntimeError(secret)

    @transaction
    def diverge(self, ctx: Context, key: str) -> None:
        ctx.stub.put_state(key, self._msp_id.encode())

    @transaction
    def stall(self, ctx: Context) -> None:
        entered.set()
        released.wait(30)


class OtherContract(SampleContract):
    """The same functions in a namespace of another name and policy."""

    name = "other"
