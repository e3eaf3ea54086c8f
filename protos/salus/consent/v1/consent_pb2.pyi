from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ProvisionType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROVISION_TYPE_UNSPECIFIED: _ClassVar[ProvisionType]
    PROVISION_TYPE_PERMIT: _ClassVar[ProvisionType]
    PROVISION_TYPE_DENY: _ClassVar[ProvisionType]

class ConsentStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSENT_STATUS_UNSPECIFIED: _ClassVar[ConsentStatus]
    CONSENT_STATUS_ACTIVE: _ClassVar[ConsentStatus]
    CONSENT_STATUS_REVOKED: _ClassVar[ConsentStatus]

class Basis(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BASIS_UNSPECIFIED: _ClassVar[Basis]
    BASIS_CONSENT: _ClassVar[Basis]
    BASIS_EMERGENCY: _ClassVar[Basis]
    BASIS_DENIED: _ClassVar[Basis]
    BASIS_NO_CONSENT: _ClassVar[Basis]
PROVISION_TYPE_UNSPECIFIED: ProvisionType
PROVISION_TYPE_PERMIT: ProvisionType
PROVISION_TYPE_DENY: ProvisionType
CONSENT_STATUS_UNSPECIFIED: ConsentStatus
CONSENT_STATUS_ACTIVE: ConsentStatus
CONSENT_STATUS_REVOKED: ConsentStatus
BASIS_UNSPECIFIED: Basis
BASIS_CONSENT: Basis
BASIS_EMERGENCY: Basis
BASIS_DENIED: Basis
BASIS_NO_CONSENT: Basis

class Actor(_message.Message):
    __slots__ = ("organisation", "role", "person")
    ORGANISATION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    organisation: str
    role: str
    person: str
    def __init__(self, organisation: _Optional[str] = ..., role: _Optional[str] = ..., person: _Optional[str] = ...) -> None: ...

class Period(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    def __init__(self, start: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Provision(_message.Message):
    __slots__ = ("type", "actor", "data_classes", "purposes", "period", "models")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    DATA_CLASSES_FIELD_NUMBER: _ClassVar[int]
    PURPOSES_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    type: ProvisionType
    actor: Actor
    data_classes: _containers.RepeatedScalarFieldContainer[str]
    purposes: _containers.RepeatedScalarFieldContainer[str]
    period: Period
    models: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, type: _Optional[_Union[ProvisionType, str]] = ..., actor: _Optional[_Union[Actor, _Mapping]] = ..., data_classes: _Optional[_Iterable[str]] = ..., purposes: _Optional[_Iterable[str]] = ..., period: _Optional[_Union[Period, _Mapping]] = ..., models: _Optional[_Iterable[str]] = ...) -> None: ...

class Consent(_message.Message):
    __slots__ = ("id", "patient", "status", "provisions", "granted", "revoked", "commitment")
    ID_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PROVISIONS_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    patient: str
    status: ConsentStatus
    provisions: _containers.RepeatedCompositeFieldContainer[Provision]
    granted: _timestamp_pb2.Timestamp
    revoked: _timestamp_pb2.Timestamp
    commitment: str
    def __init__(self, id: _Optional[str] = ..., patient: _Optional[str] = ..., status: _Optional[_Union[ConsentStatus, str]] = ..., provisions: _Optional[_Iterable[_Union[Provision, _Mapping]]] = ..., granted: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., revoked: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., commitment: _Optional[str] = ...) -> None: ...

class GrantRequest(_message.Message):
    __slots__ = ("provisions",)
    PROVISIONS_FIELD_NUMBER: _ClassVar[int]
    provisions: _containers.RepeatedCompositeFieldContainer[Provision]
    def __init__(self, provisions: _Optional[_Iterable[_Union[Provision, _Mapping]]] = ...) -> None: ...

class GrantResponse(_message.Message):
    __slots__ = ("consent_id", "draft")
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    consent_id: str
    draft: Draft
    def __init__(self, consent_id: _Optional[str] = ..., draft: _Optional[_Union[Draft, _Mapping]] = ...) -> None: ...

class RevokeRequest(_message.Message):
    __slots__ = ("consent_id",)
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    consent_id: str
    def __init__(self, consent_id: _Optional[str] = ...) -> None: ...

class RevokeResponse(_message.Message):
    __slots__ = ("draft",)
    DRAFT_FIELD_NUMBER: _ClassVar[int]
    draft: Draft
    def __init__(self, draft: _Optional[_Union[Draft, _Mapping]] = ...) -> None: ...

class Draft(_message.Message):
    __slots__ = ("transaction_id", "proposal")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    proposal: bytes
    def __init__(self, transaction_id: _Optional[str] = ..., proposal: _Optional[bytes] = ...) -> None: ...

class EndorseRequest(_message.Message):
    __slots__ = ("proposal", "signature")
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    proposal: bytes
    signature: bytes
    def __init__(self, proposal: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class EndorseResponse(_message.Message):
    __slots__ = ("transaction_id", "payload")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    payload: bytes
    def __init__(self, transaction_id: _Optional[str] = ..., payload: _Optional[bytes] = ...) -> None: ...

class SubmitRequest(_message.Message):
    __slots__ = ("payload", "signature")
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    payload: bytes
    signature: bytes
    def __init__(self, payload: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class SubmitResponse(_message.Message):
    __slots__ = ("transaction_id", "block_number")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    block_number: int
    def __init__(self, transaction_id: _Optional[str] = ..., block_number: _Optional[int] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("patient",)
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    patient: str
    def __init__(self, patient: _Optional[str] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("consents",)
    CONSENTS_FIELD_NUMBER: _ClassVar[int]
    consents: _containers.RepeatedCompositeFieldContainer[Consent]
    def __init__(self, consents: _Optional[_Iterable[_Union[Consent, _Mapping]]] = ...) -> None: ...

class EvaluateRequest(_message.Message):
    __slots__ = ("patient", "actor", "data_class", "purpose", "model", "emergency_reason")
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    DATA_CLASS_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EMERGENCY_REASON_FIELD_NUMBER: _ClassVar[int]
    patient: str
    actor: Actor
    data_class: str
    purpose: str
    model: str
    emergency_reason: str
    def __init__(self, patient: _Optional[str] = ..., actor: _Optional[_Union[Actor, _Mapping]] = ..., data_class: _Optional[str] = ..., purpose: _Optional[str] = ..., model: _Optional[str] = ..., emergency_reason: _Optional[str] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ("permitted", "basis", "consent_id", "reason")
    PERMITTED_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    permitted: bool
    basis: Basis
    consent_id: str
    reason: str
    def __init__(self, permitted: bool = ..., basis: _Optional[_Union[Basis, str]] = ..., consent_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ListUsesRequest(_message.Message):
    __slots__ = ("patient", "page_size", "page_token")
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    patient: str
    page_size: int
    page_token: str
    def __init__(self, patient: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class Use(_message.Message):
    __slots__ = ("decision_id", "time", "requester", "model_id", "data_class", "purpose", "answered", "basis", "consent_id", "emergency_reason", "transaction_id")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    REQUESTER_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    DATA_CLASS_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    CONSENT_ID_FIELD_NUMBER: _ClassVar[int]
    EMERGENCY_REASON_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    time: _timestamp_pb2.Timestamp
    requester: Actor
    model_id: str
    data_class: str
    purpose: str
    answered: bool
    basis: Basis
    consent_id: str
    emergency_reason: str
    transaction_id: str
    def __init__(self, decision_id: _Optional[str] = ..., time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., requester: _Optional[_Union[Actor, _Mapping]] = ..., model_id: _Optional[str] = ..., data_class: _Optional[str] = ..., purpose: _Optional[str] = ..., answered: bool = ..., basis: _Optional[_Union[Basis, str]] = ..., consent_id: _Optional[str] = ..., emergency_reason: _Optional[str] = ..., transaction_id: _Optional[str] = ...) -> None: ...

class ListUsesResponse(_message.Message):
    __slots__ = ("uses", "next_page_token")
    USES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    uses: _containers.RepeatedCompositeFieldContainer[Use]
    next_page_token: str
    def __init__(self, uses: _Optional[_Iterable[_Union[Use, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
