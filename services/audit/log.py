"""The transparency log's tree, RFC 9162 section 2.1, as nodes that are written once and never change.

Node (level, n) is the root of the complete subtree over the leaves from n * 2^level to before (n + 1) * 2^level; those
of level 0 are the leaf hashes. `grow` gives the nodes that new leaves complete, `prove` reads a few of them, about as
many as log2(size) squared at most. Pure: where nodes lie is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chaincode.core import merkle
from chaincode.core.merkle import Frontier

Node = tuple[int, int]
Read = Callable[[int, int], bytes]


def grow(tree: Frontier, leaves: Iterable[bytes]) -> tuple[Frontier, dict[Node, bytes]]:
    """The tree with more leaf hashes, and every node they complete."""
    nodes: dict[Node, bytes] = {}
    size, subtrees = tree.size, list(tree.subtrees)
    for leaf in leaves:
        level, number, node = 0, size, leaf
        nodes[level, number] = node
        while number & 1:
            node = merkle.node_hash(subtrees.pop(), node)
            level, number = level + 1, number >> 1
            nodes[level, number] = node
        subtrees.append(node)
        size += 1
    return Frontier(size, tuple(subtrees)), nodes


def prove(index: int, size: int, read: Read) -> list[bytes]:
    """The inclusion proof of leaf `index` in the tree of the first `size` leaves, from the leaf up.

    `read` gives the node (level, n). Raises ValueError for an index outside.
    """
    if not 0 <= index < size:
        raise ValueError(f"index {index} is outside a tree of size {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_root(middle, end, read))
            end = middle
        else:
            path.append(_root(start, middle, read))
            start = middle
    return path[::-1]


def _root(start: int, end: int, read: Read) -> bytes:
    """Root over the leaves `start` to `end` - 1; `start` is a multiple of the largest power of two below the width."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return read(level, start >> level)
    middle = start + _split(width)
    return merkle.node_hash(_root(start, middle, read), _root(middle, end, read))


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1
