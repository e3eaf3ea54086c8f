"""How the tests of `decisions` lie as a hostile inference service would: change an honest record, then sign it.

Each answers the reason for which the contract refuses.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chaincode.api.stub import Response
from chaincode.core.batch import Batch
from chaincode.core.record import Record
from tests.chaincode.clinic import (
    Clinic,
    Question,
)


def reason(response: Response) -> str:
    return response.message.partition(":")[0]


def refusal(clinic: Clinic, signed: Batch | bytes, **kwargs: Any) -> str:
    response = clinic.submit(signed, **kwargs)
    assert response.status == 500
    return reason(response)


def changed(clinic: Clinic, question: Question | None = None, **fields: Any) -> str:
    """The reason for refusing an honest record with some fields changed."""
    signed = clinic.batch(question or Question(), change=lambda found: replace(found, **fields))
    return refusal(clinic, signed)


def answered(clinic: Clinic, **fields: Any) -> str:
    """The reason for refusing an honest record with fields of its answer changed."""

    def change(found: Record) -> Record:
        assert found.answer
        return replace(found, answer=replace(found.answer, **fields))

    return refusal(clinic, clinic.batch(Question(), change=change))
