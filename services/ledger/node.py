"""The embedded ledger: stores, endorsers, orderer and committer, put together from a network and a folder.

Opening recovers: state catches up with the blocks; an empty ledger gets its CONFIG block; a ledger of another network
is refused; contract definitions that have changed are recorded in a further CONFIG block. Then one thread commits.

The folder holds `blocks` (not to be lost), `private` (cleartext of collections, not to be lost), `state` (derived).
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import lmdb

from chaincode.core import canonical
from services.common.config import ConfigError
from services.common.logs import log
from services.common.msp import IdentityError, Membership, UnknownMspError
from services.common.signer import Signer
from services.ledger import genesis, lifecycle, recovery
from services.ledger.access import BLOCK_READERS
from services.ledger.blockstore import BlockStore, BlockStoreError
from services.ledger.channel import Channel
from services.ledger.commits import CommitFeed, CommitStatus
from services.ledger.committer import Committer, Stores, VerifiedEndorsements
from services.ledger.endorsement import Endorsing
from services.ledger.endorser import Endorser
from services.ledger.genesis import ChannelConfig, MspRoots
from services.ledger.network import Network
from services.ledger.orderer import Orderer, OrdererLimits
from services.ledger.private import BlockPrivate, LmdbPrivateStore
from services.ledger.proposal import NONCE_BYTES
from services.ledger.state import LmdbState
from services.ledger.system import SystemChaincodes
from services.ledger.validation import Rules

_logger = logging.getLogger(__name__)


class LedgerOpenError(ConfigError):
    """The ledger cannot be opened. One line for the operator."""


class Node:
    """Opened by the constructor; `start` begins to commit. `endorsing` and `orderer` are what the gateway uses."""

    def __init__(
        self,
        network: Network,
        data: Path,
        membership: Membership,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        limits: OrdererLimits,
    ) -> None:
        """Raises ConfigError (also NetworkError, LedgerOpenError) in one line."""
        self.network = network
        self.orderer = Orderer(limits)
        self._verifiers = ThreadPoolExecutor(2, thread_name_prefix="ledger-verifier")
        verified = VerifiedEndorsements()
        endorsers = {
            msp_id: Endorser(
                _load(msp_id, organisation.peer, "peer", membership, clock()),
                network.build_contracts(msp_id),
                network.definitions,
                membership,
                clock,
                verified.add,
            )
            for msp_id, organisation in network.organisations.items()
        }
        signer = _load(network.orderer_msp, network.orderer_identity, "orderer", membership, clock())
        config = _channel_config(network, membership, limits)
        self._stores = _open(data)
        try:
            recorded = self._recover(config)
            self._committer = Committer(
                self._stores,
                Rules(network.channel, membership, network.definitions, network.orderer_msp),
                signer,
                self.orderer,
                verified,
                self._verifiers,
                clock,
                entropy,
                recorded[0],
            )
            self._configure(config, recorded[1], signer, clock, entropy)
            system = SystemChaincodes(self._channel())
        except BaseException:
            self._stores.close()
            raise
        self.endorsing = Endorsing(
            network.channel,
            endorsers,
            network.definitions,
            system,
            self._stores.state,
            self._stores.private,
            membership,
            clock,
        )
        self._thread: threading.Thread | None = None

    def start(self) -> CommitFeed:
        """Begins to commit; commits are announced on the running event loop."""
        feed = CommitFeed(asyncio.get_running_loop(), self.height)
        self._thread = threading.Thread(target=self._committer.run, args=(feed,), name="ledger-committer")
        self._thread.start()
        return feed

    async def close(self) -> None:
        """Commits what was ordered, and closes the stores."""
        self.orderer.close()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self._verifiers.shutdown()
        self._stores.close()

    @property
    def height(self) -> int:
        """The number of the block to come."""
        return self._stores.blocks.height

    def read(self, number: int) -> Any:
        """A committed `common.Block`."""
        return self._stores.blocks.read(number)

    def private(self, number: int) -> BlockPrivate:
        """The private data of a committed block, of every collection."""
        return self._stores.private.get(number)

    def committed(self, transaction_id: str) -> CommitStatus | None:
        """Where the transaction is, if it is in a block."""
        with self._stores.state.snapshot() as snapshot:
            found = snapshot.transaction(transaction_id)
        return None if found is None else CommitStatus(found.code, found.block)

    def _channel(self) -> Channel:
        """What system chaincodes read. Raises LedgerOpenError."""
        network, store = self.network, self._stores.blocks
        try:
            sequences = lifecycle.sequences(_agreed(store))
        except BlockStoreError as error:
            raise LedgerOpenError(f"the ledger is damaged: {error}") from None
        return Channel(
            name=network.channel,
            organisations=tuple(network.organisations),
            orderer_msp=network.orderer_msp,
            definitions=network.definitions,
            sequences=sequences,
            block_readers=BLOCK_READERS,
            blocks=store,
            state=self._stores.state,
        )

    def _recover(self, config: ChannelConfig) -> tuple[int, Any]:
        """The number and content of the latest configuration; (0, None) in an empty ledger. Raises LedgerOpenError."""
        store = self._stores.blocks
        try:
            applied = recovery.catch_up(self._stores.state, store, self._stores.private)
            number, latest = _latest_config(store)
        except (recovery.RecoveryError, BlockStoreError) as error:
            raise LedgerOpenError(f"the ledger is damaged: {error}") from None
        except lmdb.Error as error:
            raise LedgerOpenError(f"the ledger cannot be brought up to its last block: {error}") from None
        if latest is not None:
            channel_id, recorded = latest
            if clause := genesis.difference(channel_id, recorded.channel_group, config):
                raise LedgerOpenError(
                    f"{self.network.path} is not the network of this ledger: {clause}; use another data folder"
                )
        log(_logger, logging.INFO, "ledger opened", height=store.height, caught_up=applied)
        return number, latest and latest[1]

    def _configure(
        self,
        config: ChannelConfig,
        recorded: Any,
        signer: Signer,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
    ) -> None:
        """Writes the CONFIG block that is missing: the first, or one with new contract definitions. Raises
        LedgerOpenError."""
        if recorded is not None and genesis.contracts(recorded.channel_group) == config.contracts:
            return
        envelope = genesis.envelope(
            config.channel_id,
            genesis.channel_group(config),
            0 if recorded is None else recorded.sequence + 1,
            signer.serialized,
            entropy(NONCE_BYTES),
            clock(),
            signer.sign,
        )
        try:
            self._committer.commit([envelope])
        except (BlockStoreError, lmdb.Error) as error:
            raise LedgerOpenError(f"the configuration cannot be written to the ledger: {error}") from None


def _load(msp_id: str, folder: Path, role: str, membership: Membership, at: datetime) -> Signer:
    """The identity in `folder`, which must be one of a node of this kind now. Raises ConfigError."""
    signer = Signer.load(msp_id, folder)
    try:
        identity = membership.identify_serialized(signer.serialized, at)
    except IdentityError as error:
        raise LedgerOpenError(f"{folder / 'cert.pem'}: {error}") from None
    if role not in identity.roles:
        raise LedgerOpenError(f"{folder / 'cert.pem'} is no certificate of a node of kind {role}")
    return signer


def _open(data: Path) -> Stores:
    try:
        blocks = BlockStore(data / "blocks")
    except (BlockStoreError, OSError) as error:
        raise LedgerOpenError(f"cannot open the ledger in {data}: {error}") from None
    try:
        return Stores(blocks, LmdbPrivateStore(data / "private"), LmdbState(data / "state"))
    except (lmdb.Error, OSError) as error:
        blocks.close()
        raise LedgerOpenError(f"cannot open the ledger in {data}: {error}") from None


def _latest_config(store: BlockStore) -> tuple[int, tuple[str, Any] | None]:
    """Found from the last block's metadata, which names the latest configuration block."""
    if store.height == 0:
        return 0, None
    number = genesis.latest_number(store.read(store.height - 1))
    return number, genesis.parse(store.read(number).data.data[0])


def _agreed(store: BlockStore) -> list[bytes]:
    """Contract definitions as each CONFIG block has them, oldest first: every block names the latest of its time."""
    found = []
    number = store.height
    while number:
        number = genesis.latest_number(store.read(number - 1))
        if (parsed := genesis.parse(store.read(number).data.data[0])) is not None:
            found.append(genesis.contracts(parsed[1].channel_group))
    return found[::-1]


def _channel_config(network: Network, membership: Membership, limits: OrdererLimits) -> ChannelConfig:
    def roots(msp_id: str) -> MspRoots:
        try:
            msp = membership.msp(msp_id)
        except UnknownMspError:
            raise LedgerOpenError(f"{network.path}: {msp_id} has no folder in {network.msp_root}") from None
        return MspRoots(msp_id, msp.roots_pem, msp.tls_roots_pem)

    return ChannelConfig(
        channel_id=network.channel,
        orderer=roots(network.orderer_msp),
        organisations=tuple(roots(msp_id) for msp_id in network.organisations),
        contracts=_definitions(network),
        block_transactions=limits.block_transactions,
        block_bytes=limits.block_bytes,
    )


def _definitions(network: Network) -> bytes:
    """Every contract's definition in canonical JSON, keys as in `network.yaml`."""
    return canonical.encode(
        {
            name: {
                "version": definition.version,
                "policy": str(definition.policy),
                "collections": [
                    {
                        "name": each.name,
                        "policy": str(each.policy),
                        "memberOnlyRead": each.member_only_read,
                        "memberOnlyWrite": each.member_only_write,
                        "requiredPeerCount": each.required_peer_count,
                        "maxPeerCount": each.max_peer_count,
                        "blockToLive": each.block_to_live,
                        "endorsementPolicy": str(each.endorsement_policy) if each.endorsement_policy else None,
                    }
                    for each in definition.collections.values()
                ],
            }
            for name, definition in network.definitions.items()
        }
    )
