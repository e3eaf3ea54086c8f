"""The log's tree agrees with RFC 9162 as `chaincode.core.merkle` has it, whatever the sizes."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.core import merkle
from chaincode.core.merkle import Frontier
from services.audit import log
from services.audit.leaf import leaf_bytes, leaf_hash


def hashes(size: int) -> list[bytes]:
    return [merkle.leaf_hash(number.to_bytes(4)) for number in range(size)]


@given(st.lists(st.integers(0, 9), max_size=12))
def test_growing_in_steps_gives_the_tree_of_all_leaves(steps: list[int]) -> None:
    leaves = hashes(sum(steps))
    tree, at = Frontier(), 0
    for step in steps:
        tree, _ = log.grow(tree, leaves[at : at + step])
        at += step
    assert (tree.size, tree.root()) == (len(leaves), merkle.root(leaves))


@given(st.data(), st.integers(1, 70))
def test_proofs_from_nodes_are_those_of_the_whole_tree(data: st.DataObject, size: int) -> None:
    leaves = hashes(size)
    _, nodes = log.grow(Frontier(), leaves)
    earlier = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, earlier - 1))
    proof = log.prove(index, earlier, lambda level, number: nodes[level, number])
    assert proof == merkle.inclusion_proof(index, leaves[:earlier])


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (1, 1), (0, 0)])
def test_there_is_no_proof_of_a_leaf_outside(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="outside a tree"):
        log.prove(index, size, lambda level, number: b"")


def test_a_leaf_is_canonical_json_that_names_everything() -> None:
    digest = hashlib.sha256(b"envelope").hexdigest()
    expected = f'["salus.audit.leaf/1","salus",7,2,"abc","{digest}",0]'.encode()
    assert leaf_bytes("salus", 7, 2, "abc", b"envelope", 0) == expected
    assert leaf_hash("salus", 7, 2, "abc", b"envelope", 0) == hashlib.sha256(b"\x00" + expected).digest()


def test_no_two_transactions_share_a_leaf() -> None:
    leaves = {
        leaf_bytes("salus", 7, 2, "abc", b"envelope", 0),
        leaf_bytes("other", 7, 2, "abc", b"envelope", 0),
        leaf_bytes("salus", 72, 0, "abc", b"envelope", 0),
        leaf_bytes("salus", 7, 20, "abc", b"envelope", 0),
        leaf_bytes("salus", 7, 2, 'abc","x', b"envelope", 0),
        leaf_bytes("salus", 7, 2, "abc", b"envelop", 0),
        leaf_bytes("salus", 7, 2, "abc", b"envelope", 11),
    }
    assert len(leaves) == 7
