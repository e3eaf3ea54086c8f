"""What a contract raises to refuse a transaction.

The caller reads "REASON: message": REASON is one upper-case word that programs compare, the message a sentence for
people. Neither may hold personal data: both reach clients, logs and other organisations.
"""

from __future__ import annotations

import re

_TEXT = re.compile(r"([A-Z][A-Z0-9_]*): (.*)", re.DOTALL)


class ContractError(Exception):
    """The transaction is refused. `reason` is the word, `message` the sentence."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message

    @classmethod
    def parse(cls, text: str) -> ContractError:
        """The error another contract answered with; reason CONTRACT_FAILED when it names none."""
        match = _TEXT.fullmatch(text)
        return cls(match[1], match[2]) if match else cls("CONTRACT_FAILED", text)


class StubError(ContractError):
    """The ledger refuses a call of the stub.

    Reasons: BAD_ARGUMENT, BAD_KEY, EMPTY_VALUE, BAD_PAGE, UNKNOWN_COLLECTION, NOT_A_MEMBER (of the collection),
    PRIVATE_DATA_UNAVAILABLE, UNKNOWN_CONTRACT, BAD_EVENT, PHANTOM_RISK (a query that is not re-checked, and a write).
    """
