"""What happens in which order when a block is committed, and what makes up for a crash in between.

1. The block's private cleartext, synchronised (`PrivateStore.put`). After a crash here it is dropped: no such block.
2. The block, synchronised (`BlockStore.append`). From here on the transactions are committed.
3. State (`StateStore.apply`), not synchronised. A crash before or in it: `catch_up` applies the block.

A failure in step 2 or 3 ends the process: the store is poisoned, or state is behind. Opening all again mends both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.ledger import blocks
from services.ledger.blockstore import BlockStore
from services.ledger.private import BlockPrivate, PrivateStore
from services.ledger.state import StateStore
from services.ledger.transactions import Code, InvalidTransactionError, parse_action, parse_header
from services.ledger.updates import BlockUpdates, collect, match_private, seal


class RecoveryError(Exception):
    """Blocks and state contradict each other. Names the block."""


def commit(
    block: Any, codes: Sequence[int], *, block_store: BlockStore, private_store: PrivateStore, state: StateStore
) -> BlockUpdates:
    """Commits a validated `common.Block`: durable and visible when this returns. Answers what it changed.

    Records the codes and the commit hash in the block's metadata; the orderer's signature is there already. Raises
    BlockStoreError, lmdb.Error and OSError.
    """
    with state.snapshot() as snapshot:
        previous = snapshot.commit_hash
    private = _cleartext(block, codes, private_store)
    updates = collect(block, codes, private)
    seal(block, codes, updates, previous)
    private_store.put(updates.number, private, (entry.transaction_id for entry in updates.transactions))
    block_store.append(block)
    state.apply(updates)
    return updates


def catch_up(state: StateStore, block_store: BlockStore, private_store: PrivateStore) -> int:
    """Applies the blocks that state lacks; answers how many. Call it before anything else is done with them.

    Raises RecoveryError where state or private data know of blocks that the store has not (nothing is dropped then: the
    blocks may yet be found), and where state leads to another commit hash.
    """
    start = state.height
    # Only the block after the last one can have left private data and then not have been appended.
    known = max(start, private_store.height - 1)
    if known > block_store.height:
        raise RecoveryError(
            f"there were {known} blocks, the block store has only {block_store.height}: blocks were lost"
        )
    private_store.recover(block_store.height)
    with state.snapshot() as snapshot:
        commit_hash = snapshot.commit_hash
    for number in range(start, block_store.height):
        block = block_store.read(number)
        codes = blocks.codes(block)
        if len(codes) != len(block.data.data):
            raise RecoveryError(f"block {number} has not one validation code for each transaction")
        updates = collect(block, codes, private_store.get(number))
        recorded = blocks.get_commit_hash(block)
        seal(block, codes, updates, commit_hash)
        if updates.commit_hash != recorded:
            raise RecoveryError(f"block {number} does not have the commit hash that its writes lead to")
        state.apply(updates)
        commit_hash = updates.commit_hash
    return block_store.height - start


def _cleartext(block: Any, codes: Sequence[int], private_store: PrivateStore) -> BlockPrivate:
    found = {}
    for place, (envelope, code) in enumerate(zip(block.data.data, codes, strict=True)):
        if code != Code.VALID:
            continue
        try:
            header = parse_header(envelope)
            namespaces = parse_action(header).namespaces
        except InvalidTransactionError:
            # A configuration: valid, and no endorsed transaction.
            continue
        if any(each.private_hash for namespace in namespaces for each in namespace.collections):
            found[place] = match_private(namespaces, private_store.staged(header.transaction_id))
    return found
