"""Runs a contract in the endorser's own process.

One invocation: arguments in, `Response` out, never an exception. What a contract did not foresee becomes a failure that
names nothing of the input; its place in the code is logged, its text is not, since it may quote the input.
"""

from __future__ import annotations

import logging
import traceback

from chaincode.api.context import Context
from chaincode.api.contract import Contract
from chaincode.api.errors import ContractError
from chaincode.api.stub import ERROR, OK, ChaincodeStub, Response

logger = logging.getLogger(__name__)

# A refusal reaches its caller in a header, more than once; clients take 8 KiB of headers.
MAX_MESSAGE = 1000


def invoke(contract: Contract, stub: ChaincodeStub) -> Response:
    """Runs the function that the stub's arguments name. A `ContractError` answers status 500 "REASON: message", cut at
    MAX_MESSAGE characters."""
    try:
        return Response(OK, payload=contract.dispatch(Context(stub), stub.get_args()))
    except ContractError as error:
        return Response(ERROR, str(error)[:MAX_MESSAGE])
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        logger.error(
            "contract %s failed: %s at %s:%s in %s",
            contract.name,
            type(error).__name__,
            place.filename,
            place.lineno,
            place.name,
        )
        return Response(ERROR, "INTERNAL: the contract failed; the endorser's log says where")
