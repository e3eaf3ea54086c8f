"""`qscc`: blocks and transactions by number, hash and id, as Fabric's query chaincode gives them (core/scc/qscc).

`args` are the function, the channel and what is looked for. Checked in this order: their number, the channel, access.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from fabric_protos.common import common_pb2, ledger_pb2
from fabric_protos.peer import transaction_pb2

from chaincode.api.stub import ERROR, OK, Response
from services.common.msp import Identity
from services.ledger import blocks
from services.ledger.channel import READERS, AccessDeniedError, Channel, shown
from services.ledger.proposal import UnpackedProposal
from services.ledger.state import TransactionStatus

_CHAIN_INFO = "GetChainInfo"
_NUMBER = re.compile(rb"[0-9]+")
_MAX_NUMBER = 2**64 - 1


class _NumberError(Exception):
    """That is no block number. Fabric's text."""


class _NotFoundError(Exception):
    """There is no such thing. Fabric's text."""


def invoke(channel: Channel, proposal: UnpackedProposal, creator: Identity) -> Response:
    """Answers a checked proposal. Raises BlockStoreError where a block cannot be read."""
    args = proposal.args
    if len(args) < 2:
        return Response(ERROR, f"Incorrect number of arguments, {len(args)}")
    function, name = shown(args[0]), shown(args[1])
    if function != _CHAIN_INFO and len(args) < 3:
        return Response(ERROR, f"missing 3rd argument for {function}")
    if args[1] != channel.name.encode():
        return Response(ERROR, f"Invalid chain ID, {name}")
    try:
        _check(channel, function, creator)
    except AccessDeniedError as error:
        return Response(ERROR, f"access denied for [{function}][{name}]: [{error}]")
    if function == _CHAIN_INFO:
        return Response(OK, payload=_chain_info(channel))
    answer, what = _FUNCTIONS[function]
    try:
        return Response(OK, payload=answer(channel, args[2]).SerializeToString())
    except _NumberError as error:
        return Response(ERROR, str(error))
    except _NotFoundError as error:
        return Response(ERROR, f"Failed to get {what} {shown(args[2])}, error {error}")


def _check(channel: Channel, function: str, creator: Identity) -> None:
    if function not in (_CHAIN_INFO, *_FUNCTIONS):
        raise AccessDeniedError(f"Unmapped policy for qscc/{function}")
    channel.check_member(channel.name, READERS, creator)
    if function != _CHAIN_INFO:
        channel.check_block_reader(creator)


def _chain_info(channel: Channel) -> bytes:
    height = channel.blocks.height
    header = channel.blocks.read(height - 1).header
    info = ledger_pb2.BlockchainInfo(
        height=height, currentBlockHash=blocks.header_hash(header), previousBlockHash=header.previous_hash
    )
    return bytes(info.SerializeToString())


def _by_number(channel: Channel, text: bytes) -> Any:
    number = _parse(text)
    height = channel.blocks.height
    if number == _MAX_NUMBER:
        # Fabric's ledger takes it for the last block.
        number = height - 1
    if number >= height:
        raise _NotFoundError(f"no such block number [{number}] in index")
    return channel.blocks.read(number)


def _by_hash(channel: Channel, header_hash: bytes) -> Any:
    with channel.state.snapshot() as snapshot:
        number = snapshot.block(header_hash)
    if number is None:
        raise _NotFoundError(f"no such block hash [{header_hash[:64].hex()}] in index")
    return channel.blocks.read(number)


def _by_transaction(channel: Channel, transaction_id: bytes) -> Any:
    return channel.blocks.read(_find(channel, transaction_id).block)


def _transaction(channel: Channel, transaction_id: bytes) -> Any:
    found = _find(channel, transaction_id)
    envelope = channel.blocks.read(found.block).data.data[found.place]
    return transaction_pb2.ProcessedTransaction(
        transactionEnvelope=common_pb2.Envelope.FromString(envelope), validationCode=found.code
    )


def _find(channel: Channel, transaction_id: bytes) -> TransactionStatus:
    found = channel.state.transaction(transaction_id.decode(errors="replace"))
    if found is None:
        raise _NotFoundError(f"no such transaction ID [{shown(transaction_id)}] in index")
    return found


def _parse(text: bytes) -> int:
    """Go's `strconv.ParseUint` to base 10. Raises _NumberError."""
    if not _NUMBER.fullmatch(text):
        wrong = "invalid syntax"
    # Python refuses to make numbers of thousands of digits.
    elif len(digits := text.lstrip(b"0") or b"0") > len(str(_MAX_NUMBER)) or int(digits) > _MAX_NUMBER:
        wrong = "value out of range"
    else:
        return int(digits)
    quoted = json.dumps(shown(text), ensure_ascii=False)
    raise _NumberError(f"Failed to parse block number with error strconv.ParseUint: parsing {quoted}: {wrong}")


# Each gives a message, and is named in errors as Fabric names it.
_FUNCTIONS: dict[str, tuple[Callable[[Channel, bytes], Any], str]] = {
    "GetBlockByNumber": (_by_number, "block number"),
    "GetBlockByHash": (_by_hash, "block hash"),
    "GetTransactionByID": (_transaction, "transaction with id"),
    "GetBlockByTxID": (_by_transaction, "block for txID"),
}
