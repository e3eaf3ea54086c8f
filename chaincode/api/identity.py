"""Who sent the transaction: Fabric's client identity, read from the creator's certificate.

The endorser has already checked the certificate against the organisation's roots and revocation list; here it is only
read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from fabric_protos.msp import identities_pb2
from google.protobuf.message import DecodeError

from chaincode.api.errors import ContractError
from chaincode.core import certificate


@dataclass(frozen=True)
class ClientIdentity:
    """The creator of a transaction. `attributes` come from the certificate's Fabric CA extension."""

    msp_id: str
    enrolment_id: str
    node_ous: tuple[str, ...]
    attributes: Mapping[str, str]
    public_key: EllipticCurvePublicKey

    @property
    def role(self) -> str:
        """The attribute `role`; "" without one."""
        return self.attributes.get("role", "")

    def get_attribute_value(self, name: str) -> str | None:
        return self.attributes.get(name)

    def assert_attribute_value(self, name: str, value: str) -> None:
        """Raises `ContractError` (ACCESS_DENIED) unless the certificate says so."""
        if self.attributes.get(name) != value:
            raise ContractError("ACCESS_DENIED", f"the caller's certificate does not have attribute {name}={value}")

    def assert_role(self, *roles: str) -> None:
        """Raises `ContractError` (ACCESS_DENIED) unless the caller has one of the roles."""
        if self.role not in roles:
            raise ContractError("ACCESS_DENIED", f"this takes role {' or '.join(roles)}")


@lru_cache(maxsize=4096)
def parse(creator: bytes) -> ClientIdentity:
    """The identity in a serialised `msp.SerializedIdentity`. Raises `ContractError` (BAD_CREATOR)."""
    serialized = identities_pb2.SerializedIdentity()
    try:
        serialized.ParseFromString(creator)
        view = certificate.parse(serialized.id_bytes)
    except (DecodeError, ValueError):
        raise ContractError("BAD_CREATOR", "the creator is not a serialised identity with a certificate") from None
    return ClientIdentity(
        msp_id=serialized.mspid,
        enrolment_id=view.enrolment_id,
        node_ous=view.node_ous,
        attributes=view.attributes,
        public_key=view.public_key,
    )
