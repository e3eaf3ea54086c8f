from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_STATUS_UNSPECIFIED: _ClassVar[ModelStatus]
    MODEL_STATUS_PROPOSED: _ClassVar[ModelStatus]
    MODEL_STATUS_VALIDATED: _ClassVar[ModelStatus]
    MODEL_STATUS_DEPLOYED: _ClassVar[ModelStatus]
    MODEL_STATUS_SUSPENDED: _ClassVar[ModelStatus]
    MODEL_STATUS_RETIRED: _ClassVar[ModelStatus]
MODEL_STATUS_UNSPECIFIED: ModelStatus
MODEL_STATUS_PROPOSED: ModelStatus
MODEL_STATUS_VALIDATED: ModelStatus
MODEL_STATUS_DEPLOYED: ModelStatus
MODEL_STATUS_SUSPENDED: ModelStatus
MODEL_STATUS_RETIRED: ModelStatus

class Measurement(_message.Message):
    __slots__ = ("name", "values", "unit", "source")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    values: _containers.RepeatedScalarFieldContainer[float]
    unit: str
    source: str
    def __init__(self, name: _Optional[str] = ..., values: _Optional[_Iterable[float]] = ..., unit: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...

class DiagnoseRequest(_message.Message):
    __slots__ = ("request_id", "patient", "model_id", "model_version", "measurements", "purpose", "emergency_reason", "amends")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PATIENT_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    MEASUREMENTS_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    EMERGENCY_REASON_FIELD_NUMBER: _ClassVar[int]
    AMENDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    patient: str
    model_id: str
    model_version: str
    measurements: _containers.RepeatedCompositeFieldContainer[Measurement]
    purpose: str
    emergency_reason: str
    amends: str
    def __init__(self, request_id: _Optional[str] = ..., patient: _Optional[str] = ..., model_id: _Optional[str] = ..., model_version: _Optional[str] = ..., measurements: _Optional[_Iterable[_Union[Measurement, _Mapping]]] = ..., purpose: _Optional[str] = ..., emergency_reason: _Optional[str] = ..., amends: _Optional[str] = ...) -> None: ...

class DiagnoseResponse(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...

class Contribution(_message.Message):
    __slots__ = ("name", "value", "contribution")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    contribution: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., contribution: _Optional[float] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("decision_id", "model_id", "model_version", "model_sha256", "probability", "label", "explanation", "transaction_id", "block_number", "record", "salt", "started", "ended", "timing")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_SHA256_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    SALT_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    model_id: str
    model_version: str
    model_sha256: str
    probability: float
    label: str
    explanation: _containers.RepeatedCompositeFieldContainer[Contribution]
    transaction_id: str
    block_number: int
    record: bytes
    salt: bytes
    started: _timestamp_pb2.Timestamp
    ended: _timestamp_pb2.Timestamp
    timing: Timing
    def __init__(self, decision_id: _Optional[str] = ..., model_id: _Optional[str] = ..., model_version: _Optional[str] = ..., model_sha256: _Optional[str] = ..., probability: _Optional[float] = ..., label: _Optional[str] = ..., explanation: _Optional[_Iterable[_Union[Contribution, _Mapping]]] = ..., transaction_id: _Optional[str] = ..., block_number: _Optional[int] = ..., record: _Optional[bytes] = ..., salt: _Optional[bytes] = ..., started: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., ended: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., timing: _Optional[_Union[Timing, _Mapping]] = ...) -> None: ...

class Timing(_message.Message):
    __slots__ = ("consent", "inference", "endorse", "commit")
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_FIELD_NUMBER: _ClassVar[int]
    ENDORSE_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    consent: float
    inference: float
    endorse: float
    commit: float
    def __init__(self, consent: _Optional[float] = ..., inference: _Optional[float] = ..., endorse: _Optional[float] = ..., commit: _Optional[float] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("decision_id", "reason", "message", "transaction_id", "block_number")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    BLOCK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    reason: str
    message: str
    transaction_id: str
    block_number: int
    def __init__(self, decision_id: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., transaction_id: _Optional[str] = ..., block_number: _Optional[int] = ...) -> None: ...

class DiagnoseBatchRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[DiagnoseRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[DiagnoseRequest, _Mapping]]] = ...) -> None: ...

class DiagnoseBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[DiagnoseResult]
    def __init__(self, results: _Optional[_Iterable[_Union[DiagnoseResult, _Mapping]]] = ...) -> None: ...

class DiagnoseResult(_message.Message):
    __slots__ = ("request_id", "decision", "refusal")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    decision: Decision
    refusal: Refusal
    def __init__(self, request_id: _Optional[str] = ..., decision: _Optional[_Union[Decision, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class GetDecisionRequest(_message.Message):
    __slots__ = ("decision_id",)
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    def __init__(self, decision_id: _Optional[str] = ...) -> None: ...

class GetDecisionResponse(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: DiagnoseResult
    def __init__(self, result: _Optional[_Union[DiagnoseResult, _Mapping]] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("id", "version", "sha256", "title", "status", "ready", "not_ready_reason")
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    NOT_READY_REASON_FIELD_NUMBER: _ClassVar[int]
    id: str
    version: str
    sha256: str
    title: str
    status: ModelStatus
    ready: bool
    not_ready_reason: str
    def __init__(self, id: _Optional[str] = ..., version: _Optional[str] = ..., sha256: _Optional[str] = ..., title: _Optional[str] = ..., status: _Optional[_Union[ModelStatus, str]] = ..., ready: bool = ..., not_ready_reason: _Optional[str] = ...) -> None: ...

class DescribeModelRequest(_message.Message):
    __slots__ = ("id", "version")
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    version: str
    def __init__(self, id: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class ModelInput(_message.Message):
    __slots__ = ("name", "unit", "minimum", "maximum", "integer", "description", "length")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    name: str
    unit: str
    minimum: float
    maximum: float
    integer: bool
    description: str
    length: int
    def __init__(self, name: _Optional[str] = ..., unit: _Optional[str] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., integer: bool = ..., description: _Optional[str] = ..., length: _Optional[int] = ...) -> None: ...

class DescribeModelResponse(_message.Message):
    __slots__ = ("model", "inputs", "card")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    model: Model
    inputs: _containers.RepeatedCompositeFieldContainer[ModelInput]
    card: bytes
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., inputs: _Optional[_Iterable[_Union[ModelInput, _Mapping]]] = ..., card: _Optional[bytes] = ...) -> None: ...
