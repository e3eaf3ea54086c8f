"""The bound on what the service takes in."""

from __future__ import annotations

import asyncio

import pytest

from services.inference.admission import Admission
from services.inference.errors import OverloadedError


async def test_questions_beyond_the_bound_are_refused_at_once() -> None:
    admission = Admission(waiting=3, working=3)
    async with admission.admit(2):
        with pytest.raises(OverloadedError) as caught:
            async with admission.admit(2):
                pass
    assert caught.value.retry_after is not None


async def test_a_place_is_free_again_when_its_call_ends() -> None:
    admission = Admission(waiting=2, working=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="failed"):
            async with admission.admit(2):
                raise ValueError("failed")
    async with admission.admit(2):
        pass


async def test_calls_inside_take_turns() -> None:
    admission = Admission(waiting=10, working=1)
    order = []
    first_may_end = asyncio.Event()

    async def call(name: str, wait: bool) -> None:
        async with admission.admit(1):
            order.append(f"{name} starts")
            if wait:
                await first_may_end.wait()
            order.append(f"{name} ends")

    first = asyncio.create_task(call("first", True))
    await asyncio.sleep(0)
    second = asyncio.create_task(call("second", False))
    await asyncio.sleep(0)
    first_may_end.set()
    await asyncio.gather(first, second)
    assert order == ["first starts", "first ends", "second starts", "second ends"]
