"""From a question and what became of it to the record that the ledger is asked for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chaincode.core import card as cards
from chaincode.core.batch import Item
from chaincode.core.card import InputError
from chaincode.core.decision_checks import retain_until, value_names
from chaincode.core.provision import Actor, Use, Verdict
from chaincode.core.record import Answer, Consented, Contribution, Input, Model, Record, parse_input
from chaincode.runtime.executor import Output
from services.inference.errors import Violation
from services.inference.ledger import RegisteredModel
from services.inference.question import Question, Requester, measurement_field


@dataclass(frozen=True)
class Prepared:
    """A question whose inputs its model takes. `values` are in the order of the card's inputs."""

    question: Question
    requester: Requester
    model: RegisteredModel
    values: tuple[float, ...]

    @property
    def use(self) -> Use:
        """What the patient is asked to permit."""
        return Use(
            actor=_actor(self.requester),
            data_class=self.model.card.data_class,
            purpose=self.question.purpose,
            model=self.model.id,
            emergency_reason=self.question.emergency_reason,
        )


def prepare(question: Question, requester: Requester, model: RegisteredModel) -> Prepared | list[Violation]:
    """The question with its values in the model's order, or every fault of its measurements."""
    given = [cards.Measurement(each.name, each.values, each.unit) for each in question.measurements]
    try:
        values = cards.validate_inputs(model.card, given)
    except InputError as error:
        return [Violation(measurement_field(fault.name), fault.takes) for fault in error.faults]
    return Prepared(question, requester, model, values)


def answered(
    prepared: Prepared, verdict: Verdict, output: Output, input_commitment: str, started: datetime, ended: datetime
) -> Record:
    """The record of an answer; the explanation is in the order of the model's inputs."""
    explanation = tuple(
        Contribution(name, value, contribution)
        for name, value, contribution in zip(
            value_names(prepared.model.card), prepared.values, output.contributions, strict=True
        )
    )
    answer = Answer(output.probability, output.label, explanation, input_commitment)
    return _record(prepared, verdict, answer, started, ended)


def refused(prepared: Prepared, verdict: Verdict, at: datetime) -> Record:
    """The record of a refusal: nothing was run, and nothing of the input is kept."""
    return _record(prepared, verdict, None, at, at)


def model_input(question: Question) -> Input:
    """What the model is given, as kept beside an answer's record."""
    measurements = {each.name: tuple(map(float, each.values)) for each in question.measurements}
    return Input(question.patient, question.request_id, question.model_id, measurements)


def repeats(question: Question, requester: Requester, record: Record, item: Item) -> bool:
    """Whether somebody asks again what the recorded decision was made on. A refusal keeps no input to compare.

    Consent was given, or not, to whoever asked first: from anybody else it is another question.
    """
    same = (
        _actor(requester) == record.requester
        and question.patient == record.patient
        and question.model_id == record.model.id
        and question.model_version in ("", record.model.version)
        and question.purpose == record.purpose
        and question.emergency_reason == record.emergency_reason
        and question.amends == record.amends
    )
    return same and (record.answer is None or model_input(question) == parse_input(item.input))


def _record(prepared: Prepared, verdict: Verdict, answer: Answer | None, started: datetime, ended: datetime) -> Record:
    question, model = prepared.question, prepared.model
    return Record(
        request_id=question.request_id,
        started=started,
        ended=ended,
        model=Model(model.id, model.version, model.sha256, model.card_sha256),
        patient=question.patient,
        data_class=model.card.data_class,
        purpose=question.purpose,
        requester=_actor(prepared.requester),
        consent=Consented(verdict.basis, verdict.consent_id, verdict.commitment),
        answer=answer,
        retain_until=retain_until(ended, model.card.retention_years),
        reason="" if answer else verdict.reason,
        emergency_reason=question.emergency_reason,
        amends=question.amends,
        sources=tuple((each.name, each.source) for each in question.measurements if answer and each.source),
    )


def _actor(requester: Requester) -> Actor:
    return Actor(requester.organisation, requester.role, requester.person)
