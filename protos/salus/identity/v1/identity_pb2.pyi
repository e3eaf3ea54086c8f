from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CertificateProfile(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CERTIFICATE_PROFILE_UNSPECIFIED: _ClassVar[CertificateProfile]
    CERTIFICATE_PROFILE_ENROLMENT: _ClassVar[CertificateProfile]
    CERTIFICATE_PROFILE_TLS: _ClassVar[CertificateProfile]

class NodeOu(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NODE_OU_UNSPECIFIED: _ClassVar[NodeOu]
    NODE_OU_CLIENT: _ClassVar[NodeOu]
    NODE_OU_PEER: _ClassVar[NodeOu]
    NODE_OU_ADMIN: _ClassVar[NodeOu]
    NODE_OU_ORDERER: _ClassVar[NodeOu]

class RevocationReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REVOCATION_REASON_UNSPECIFIED: _ClassVar[RevocationReason]
    REVOCATION_REASON_KEY_COMPROMISE: _ClassVar[RevocationReason]
    REVOCATION_REASON_AFFILIATION_CHANGED: _ClassVar[RevocationReason]
    REVOCATION_REASON_SUPERSEDED: _ClassVar[RevocationReason]
    REVOCATION_REASON_CESSATION_OF_OPERATION: _ClassVar[RevocationReason]
CERTIFICATE_PROFILE_UNSPECIFIED: CertificateProfile
CERTIFICATE_PROFILE_ENROLMENT: CertificateProfile
CERTIFICATE_PROFILE_TLS: CertificateProfile
NODE_OU_UNSPECIFIED: NodeOu
NODE_OU_CLIENT: NodeOu
NODE_OU_PEER: NodeOu
NODE_OU_ADMIN: NodeOu
NODE_OU_ORDERER: NodeOu
REVOCATION_REASON_UNSPECIFIED: RevocationReason
REVOCATION_REASON_KEY_COMPROMISE: RevocationReason
REVOCATION_REASON_AFFILIATION_CHANGED: RevocationReason
REVOCATION_REASON_SUPERSEDED: RevocationReason
REVOCATION_REASON_CESSATION_OF_OPERATION: RevocationReason

class EnrolRequest(_message.Message):
    __slots__ = ("msp_id", "enrolment_id", "secret", "csr", "profile")
    MSP_ID_FIELD_NUMBER: _ClassVar[int]
    ENROLMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    CSR_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    msp_id: str
    enrolment_id: str
    secret: str
    csr: bytes
    profile: CertificateProfile
    def __init__(self, msp_id: _Optional[str] = ..., enrolment_id: _Optional[str] = ..., secret: _Optional[str] = ..., csr: _Optional[bytes] = ..., profile: _Optional[_Union[CertificateProfile, str]] = ...) -> None: ...

class EnrolResponse(_message.Message):
    __slots__ = ("certificate", "issuer", "tls_roots")
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    TLS_ROOTS_FIELD_NUMBER: _ClassVar[int]
    certificate: bytes
    issuer: bytes
    tls_roots: bytes
    def __init__(self, certificate: _Optional[bytes] = ..., issuer: _Optional[bytes] = ..., tls_roots: _Optional[bytes] = ...) -> None: ...

class RegisterRequest(_message.Message):
    __slots__ = ("enrolment_id", "node_ou", "role", "attributes")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ENROLMENT_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_OU_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    enrolment_id: str
    node_ou: NodeOu
    role: str
    attributes: _containers.ScalarMap[str, str]
    def __init__(self, enrolment_id: _Optional[str] = ..., node_ou: _Optional[_Union[NodeOu, str]] = ..., role: _Optional[str] = ..., attributes: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RegisterResponse(_message.Message):
    __slots__ = ("secret", "expires")
    SECRET_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    secret: str
    expires: _timestamp_pb2.Timestamp
    def __init__(self, secret: _Optional[str] = ..., expires: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReenrolRequest(_message.Message):
    __slots__ = ("csr", "profile")
    CSR_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    csr: bytes
    profile: CertificateProfile
    def __init__(self, csr: _Optional[bytes] = ..., profile: _Optional[_Union[CertificateProfile, str]] = ...) -> None: ...

class ReenrolResponse(_message.Message):
    __slots__ = ("certificate", "issuer", "tls_roots")
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    TLS_ROOTS_FIELD_NUMBER: _ClassVar[int]
    certificate: bytes
    issuer: bytes
    tls_roots: bytes
    def __init__(self, certificate: _Optional[bytes] = ..., issuer: _Optional[bytes] = ..., tls_roots: _Optional[bytes] = ...) -> None: ...

class RevokeRequest(_message.Message):
    __slots__ = ("enrolment_id", "serial", "reason")
    ENROLMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    enrolment_id: str
    serial: str
    reason: RevocationReason
    def __init__(self, enrolment_id: _Optional[str] = ..., serial: _Optional[str] = ..., reason: _Optional[_Union[RevocationReason, str]] = ...) -> None: ...

class RevokeResponse(_message.Message):
    __slots__ = ("serials",)
    SERIALS_FIELD_NUMBER: _ClassVar[int]
    serials: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, serials: _Optional[_Iterable[str]] = ...) -> None: ...

class GetCrlRequest(_message.Message):
    __slots__ = ("msp_id",)
    MSP_ID_FIELD_NUMBER: _ClassVar[int]
    msp_id: str
    def __init__(self, msp_id: _Optional[str] = ...) -> None: ...

class GetCrlResponse(_message.Message):
    __slots__ = ("crl",)
    CRL_FIELD_NUMBER: _ClassVar[int]
    crl: bytes
    def __init__(self, crl: _Optional[bytes] = ...) -> None: ...

class ListOrganisationsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Organisation(_message.Message):
    __slots__ = ("msp_id", "name", "root", "tls_root")
    MSP_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    TLS_ROOT_FIELD_NUMBER: _ClassVar[int]
    msp_id: str
    name: str
    root: bytes
    tls_root: bytes
    def __init__(self, msp_id: _Optional[str] = ..., name: _Optional[str] = ..., root: _Optional[bytes] = ..., tls_root: _Optional[bytes] = ...) -> None: ...

class ListOrganisationsResponse(_message.Message):
    __slots__ = ("organisations",)
    ORGANISATIONS_FIELD_NUMBER: _ClassVar[int]
    organisations: _containers.RepeatedCompositeFieldContainer[Organisation]
    def __init__(self, organisations: _Optional[_Iterable[_Union[Organisation, _Mapping]]] = ...) -> None: ...

class ListRegistrationsRequest(_message.Message):
    __slots__ = ("role", "page_size", "page_token")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    role: str
    page_size: int
    page_token: str
    def __init__(self, role: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class Registration(_message.Message):
    __slots__ = ("enrolment_id", "node_ou", "role", "certificates", "revoked")
    ENROLMENT_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_OU_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    enrolment_id: str
    node_ou: NodeOu
    role: str
    certificates: int
    revoked: bool
    def __init__(self, enrolment_id: _Optional[str] = ..., node_ou: _Optional[_Union[NodeOu, str]] = ..., role: _Optional[str] = ..., certificates: _Optional[int] = ..., revoked: bool = ...) -> None: ...

class ListRegistrationsResponse(_message.Message):
    __slots__ = ("registrations", "next_page_token")
    REGISTRATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    registrations: _containers.RepeatedCompositeFieldContainer[Registration]
    next_page_token: str
    def __init__(self, registrations: _Optional[_Iterable[_Union[Registration, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetPseudonymRequest(_message.Message):
    __slots__ = ("patient_identifier",)
    PATIENT_IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    patient_identifier: str
    def __init__(self, patient_identifier: _Optional[str] = ...) -> None: ...

class GetPseudonymResponse(_message.Message):
    __slots__ = ("pseudonym",)
    PSEUDONYM_FIELD_NUMBER: _ClassVar[int]
    pseudonym: str
    def __init__(self, pseudonym: _Optional[str] = ...) -> None: ...

class ErasePseudonymRequest(_message.Message):
    __slots__ = ("patient_identifier", "pseudonym")
    PATIENT_IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    PSEUDONYM_FIELD_NUMBER: _ClassVar[int]
    patient_identifier: str
    pseudonym: str
    def __init__(self, patient_identifier: _Optional[str] = ..., pseudonym: _Optional[str] = ...) -> None: ...

class ErasePseudonymResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
