"""RFC 9162 section 2.1; the reference functions below are its definitions, word for word."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.core import merkle

# The leaves and roots that implementations of RFC 6962 share as test vectors.
VECTORS = [bytes.fromhex(each) for each in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

SIZES = st.integers(1, 70)


def leaves(size: int) -> list[bytes]:
    return [merkle.leaf_hash(bytes([number])) for number in range(size)]


def tree_hash(entries: Sequence[bytes]) -> bytes:
    """MTH of section 2.1.1, over leaf hashes."""
    if len(entries) <= 1:
        return entries[0] if entries else hashlib.sha256().digest()
    split = max(1 << bit for bit in range(len(entries).bit_length()) if 1 << bit < len(entries))
    return hashlib.sha256(b"\x01" + tree_hash(entries[:split]) + tree_hash(entries[split:])).digest()


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_roots_are_those_of_the_published_vectors(size: int) -> None:
    hashes = [merkle.leaf_hash(each) for each in VECTORS[:size]]
    assert merkle.root(hashes).hex() == ROOTS[size]


@given(st.integers(0, 70))
def test_list_and_frontier_give_the_root_of_the_definition(size: int) -> None:
    frontier = merkle.Frontier()
    for leaf in leaves(size):
        frontier = frontier.append(leaf)
    assert merkle.root(leaves(size)) == frontier.root() == tree_hash(leaves(size))
    assert frontier.size == size
    assert len(frontier.subtrees) == size.bit_count()


def test_proofs_are_those_of_the_rfcs_example() -> None:
    """Section 2.1.5: the tree of seven entries, its nodes named as there."""
    a, b, c, d, e, f, j = leaves(7)
    g, h, i = merkle.node_hash(a, b), merkle.node_hash(c, d), merkle.node_hash(e, f)
    k, l = merkle.node_hash(g, h), merkle.node_hash(i, j)  # noqa: E741  (the RFC's name)
    assert merkle.root(leaves(7)) == merkle.node_hash(k, l)
    assert merkle.inclusion_proof(0, leaves(7)) == [b, h, l]
    assert merkle.inclusion_proof(3, leaves(7)) == [c, g, l]
    assert merkle.inclusion_proof(4, leaves(7)) == [f, j, k]
    assert merkle.inclusion_proof(6, leaves(7)) == [i, k]
    assert merkle.consistency_proof(3, leaves(7)) == [c, d, g, l]
    assert merkle.consistency_proof(4, leaves(7)) == [l]
    assert merkle.consistency_proof(6, leaves(7)) == [i, j, k]


@given(SIZES)
def test_the_paths_of_all_leaves_are_the_paths_of_each(size: int) -> None:
    hashes = leaves(size)
    assert merkle.inclusion_proofs(hashes) == [merkle.inclusion_proof(index, hashes) for index in range(size)]


@given(st.data(), SIZES)
def test_every_leaf_is_proven_at_its_place_and_nowhere_else(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, root = merkle.inclusion_proof(index, leaves(size)), merkle.root(leaves(size))
    assert merkle.verify_inclusion(leaves(size)[index], index, size, proof, root)
    elsewhere = [place for place in range(-1, size + 1) if place != index]
    assert not any(merkle.verify_inclusion(leaves(size)[index], place, size, proof, root) for place in elsewhere)


@given(st.data(), SIZES)
def test_one_flipped_bit_breaks_an_inclusion_proof(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    hashes = [leaves(size)[index], *merkle.inclusion_proof(index, leaves(size)), merkle.root(leaves(size))]
    flipped = flip(data, hashes)
    assert not merkle.verify_inclusion(flipped[0], index, size, flipped[1:-1], flipped[-1])


@given(st.data(), SIZES)
def test_a_path_too_long_or_too_short_proves_nothing(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaf, root = leaves(size)[index], merkle.root(leaves(size))
    proof = merkle.inclusion_proof(index, leaves(size))
    assert not merkle.verify_inclusion(leaf, index, size, [*proof, root], root)
    assert not merkle.verify_inclusion(leaf, index, size, [*proof, b""], root)
    if proof:
        assert not merkle.verify_inclusion(leaf, index, size, proof[:-1], root)


@given(st.data(), SIZES)
def test_a_tree_is_consistent_with_each_that_it_grew_from(data: st.DataObject, size: int) -> None:
    first = data.draw(st.integers(1, size))
    proof = merkle.consistency_proof(first, leaves(size))
    assert merkle.verify_consistency(first, size, proof, merkle.root(leaves(first)), merkle.root(leaves(size)))


@given(st.data(), SIZES)
def test_one_flipped_bit_breaks_a_consistency_proof(data: st.DataObject, size: int) -> None:
    first = data.draw(st.integers(1, size))
    proof = merkle.consistency_proof(first, leaves(size))
    flipped = flip(data, [merkle.root(leaves(first)), *proof, merkle.root(leaves(size))])
    assert not merkle.verify_consistency(first, size, flipped[1:-1], flipped[0], flipped[-1])


@given(st.data(), st.integers(2, 70))
def test_a_tree_with_a_changed_past_is_consistent_by_no_proof_of_its_own(data: st.DataObject, size: int) -> None:
    first = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, first - 1))
    rewritten = leaves(size)
    rewritten[changed] = merkle.leaf_hash(b"rewritten")
    proof = merkle.consistency_proof(first, rewritten)
    assert not merkle.verify_consistency(first, size, proof, merkle.root(leaves(first)), merkle.root(rewritten))


@pytest.mark.parametrize("index", [-1, 3])
def test_a_place_outside_the_tree_has_no_path(index: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        merkle.inclusion_proof(index, leaves(3))


@pytest.mark.parametrize("first", [0, 4])
def test_a_size_outside_the_tree_has_no_consistency_proof(first: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        merkle.consistency_proof(first, leaves(3))


def flip(data: st.DataObject, hashes: list[bytes]) -> list[bytes]:
    """The hashes with one bit of one of them changed."""
    which, bit = data.draw(st.integers(0, len(hashes) - 1)), data.draw(st.integers(0, 255))
    changed = bytearray(hashes[which])
    changed[bit // 8] ^= 1 << bit % 8
    return [*hashes[:which], bytes(changed), *hashes[which + 1 :]]
