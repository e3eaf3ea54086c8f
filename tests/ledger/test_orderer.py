"""Order in, blocks out: the limits of Fabric's batch size, and group commit instead of its timer."""

from __future__ import annotations

import threading

import pytest

from services.ledger.orderer import (
    Orderer,
    OrdererClosedError,
    OrdererFullError,
    OrdererLimits,
    TransactionTooLargeError,
)


def test_what_came_in_meanwhile_shares_one_block() -> None:
    orderer = Orderer(OrdererLimits())
    for name in (b"a", b"b", b"c"):
        orderer.order(name)
    assert orderer.cut() == [b"a", b"b", b"c"]


def test_a_lone_transaction_is_cut_as_soon_as_it_comes() -> None:
    orderer = Orderer(OrdererLimits())
    blocks: list[list[bytes]] = []
    committer = threading.Thread(target=lambda: blocks.append(orderer.cut()))
    committer.start()
    orderer.order(b"a")
    committer.join(5)
    assert blocks == [[b"a"]]


def test_a_block_takes_no_more_than_its_number_of_transactions() -> None:
    orderer = Orderer(OrdererLimits(block_transactions=2))
    for name in (b"a", b"b", b"c"):
        orderer.order(name)
    assert [orderer.cut(), orderer.cut()] == [[b"a", b"b"], [b"c"]]


def test_a_block_takes_no_more_than_its_bytes_and_a_larger_transaction_stands_alone() -> None:
    orderer = Orderer(OrdererLimits(block_bytes=4))
    for name in (b"aa", b"bb", b"c", b"ddddddd", b"e"):
        orderer.order(name)
    assert [orderer.cut() for _ in range(4)] == [[b"aa", b"bb"], [b"c"], [b"ddddddd"], [b"e"]]


def test_a_transaction_too_large_for_any_block_is_refused() -> None:
    orderer = Orderer(OrdererLimits(transaction_bytes=3))
    with pytest.raises(TransactionTooLargeError, match="4 bytes and exceeds maximum allowed 3 bytes"):
        orderer.order(b"aaaa")


@pytest.mark.parametrize("limits", [OrdererLimits(queue=2), OrdererLimits(queue_bytes=5)])
def test_a_full_queue_refuses_until_it_is_cut(limits: OrdererLimits) -> None:
    orderer = Orderer(limits)
    orderer.order(b"aa")
    orderer.order(b"bb")
    with pytest.raises(OrdererFullError):
        orderer.order(b"cc")
    orderer.cut()
    orderer.order(b"cc")
    assert orderer.cut() == [b"cc"]


def test_a_closed_orderer_hands_out_what_waits_and_then_nothing() -> None:
    orderer = Orderer(OrdererLimits())
    orderer.order(b"a")
    orderer.close()
    with pytest.raises(OrdererClosedError):
        orderer.order(b"b")
    assert [orderer.cut(), orderer.cut()] == [[b"a"], []]


def test_an_abandoned_orderer_hands_out_nothing() -> None:
    orderer = Orderer(OrdererLimits())
    orderer.order(b"a")
    orderer.abandon()
    assert orderer.cut() == []
