"""Waiting for commits: nothing is missed, nobody waits for ever after a failure."""

from __future__ import annotations

import asyncio

import pytest

from services.ledger.commits import CommitFeed, CommitStatus, LedgerStoppedError

VALID = CommitStatus(0, 7)


async def test_every_waiter_of_a_transaction_learns_its_status() -> None:
    feed = CommitFeed(asyncio.get_running_loop(), 7)
    with feed.transaction("a") as first, feed.transaction("a") as second, feed.transaction("b") as other:
        await asyncio.to_thread(feed.post, 7, [("a", VALID)])
        assert list(await asyncio.gather(first, second)) == [VALID, VALID]
        assert not other.done()


async def test_the_first_occurrence_in_a_block_counts() -> None:
    feed = CommitFeed(asyncio.get_running_loop(), 7)
    with feed.transaction("a") as waiting:
        feed.post(7, [("a", VALID), ("a", CommitStatus(9, 7))])
        assert await waiting == VALID


async def test_a_block_that_is_there_is_not_waited_for() -> None:
    feed = CommitFeed(asyncio.get_running_loop(), 3)
    await asyncio.wait_for(feed.block(2), 1)


async def test_a_block_to_come_is_waited_for() -> None:
    feed = CommitFeed(asyncio.get_running_loop(), 3)
    waiting = asyncio.create_task(feed.block(4))
    feed.post(3, [])
    feed.post(4, [])
    await asyncio.wait_for(waiting, 1)
    assert feed.height == 5


async def test_a_failure_ends_every_wait_and_those_to_come() -> None:
    feed = CommitFeed(asyncio.get_running_loop(), 3)
    block = asyncio.create_task(feed.block(3))
    with feed.transaction("a") as waiting:
        feed.post_failure(LedgerStoppedError("disk"))
        with pytest.raises(LedgerStoppedError, match="disk"):
            await waiting
    with pytest.raises(LedgerStoppedError, match="disk"):
        await block
    with feed.transaction("b") as later, pytest.raises(LedgerStoppedError, match="disk"):
        await later
