"""The ledger that the contracts are tested on keeps the stub's rules."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from chaincode.api.stub import ChaincodeStub
from tests.chaincode.callers import HOSPITAL_A, REGULATOR
from tests.chaincode.memory_ledger import MemoryLedger, MemoryStub
from tests.chaincode.stub_suite import EchoContract, StubSuite


class Notes:
    """A memory ledger as the suite wants it."""

    def __init__(self) -> None:
        self._ledger = MemoryLedger({"echo": EchoContract()}, {"notes": {"secrets": {HOSPITAL_A, REGULATOR}}})

    def begin(self, creator: bytes, *args: str | bytes, transient: Mapping[str, bytes] | None = None) -> ChaincodeStub:
        return self._ledger.begin(creator, "notes", *args, transient=transient)

    def commit(self, stub: ChaincodeStub) -> str:
        assert isinstance(stub, MemoryStub)
        return self._ledger.commit(stub.simulation)


class TestMemoryLedger(StubSuite):
    @pytest.fixture
    def ledger(self) -> Notes:
        return Notes()
