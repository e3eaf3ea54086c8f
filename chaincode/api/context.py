"""What a contract's function is given: the stub, and what is commonly asked of it."""

from __future__ import annotations

from datetime import datetime

from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2
from google.protobuf.message import DecodeError

from chaincode.api import identity
from chaincode.api.errors import ContractError
from chaincode.api.identity import ClientIdentity
from chaincode.api.stub import ChaincodeStub


class Context:
    """One invocation of one contract."""

    def __init__(self, stub: ChaincodeStub) -> None:
        self.stub = stub

    @property
    def client_identity(self) -> ClientIdentity:
        """Who sent the transaction. Raises `ContractError` (BAD_CREATOR)."""
        return identity.parse(self.stub.get_creator())

    @property
    def now(self) -> datetime:
        """The transaction's time, the same at every endorser. The client chose it."""
        return self.stub.get_tx_timestamp()

    def transient(self, name: str) -> bytes:
        """One transient value. Raises `ContractError` (BAD_REQUEST) where the caller sent none."""
        value = self.stub.get_transient().get(name, b"")
        if not value:
            raise ContractError("BAD_REQUEST", f"transient value {name!r} is missing")
        return value

    def call(self, contract: str, function: str, *args: str | bytes) -> bytes:
        """Calls another contract of this channel in the same transaction and returns its payload.

        Raises the `ContractError` that it answered with.
        """
        encoded = [arg.encode() if isinstance(arg, str) else arg for arg in (function, *args)]
        response = self.stub.invoke_chaincode(contract, encoded)
        if not response.ok:
            raise ContractError.parse(response.message)
        return response.payload

    def called_contract(self) -> str:
        """The contract that the client called: another one's name inside a contract called by a contract.

        Raises `ContractError` (BAD_REQUEST) for a proposal that does not name one.
        """
        proposal = proposal_pb2.Proposal()
        header = common_pb2.Header()
        channel_header = common_pb2.ChannelHeader()
        extension = proposal_pb2.ChaincodeHeaderExtension()
        try:
            proposal.ParseFromString(self.stub.get_signed_proposal().proposal_bytes)
            header.ParseFromString(proposal.header)
            channel_header.ParseFromString(header.channel_header)
            extension.ParseFromString(channel_header.extension)
        except DecodeError:
            raise ContractError("BAD_REQUEST", "the signed proposal cannot be read") from None
        return str(extension.chaincode_id.name)
