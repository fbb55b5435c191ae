"""Scenario files: worked cases of law as YAML, read strictly into questions and what must be answered.

The format is that of ``conformance/README.md``. Its defaults (person P1, debt D1, address N1, creditor C1, agency A1,
every channel authorised, a text that is lawful in what it leaves out) hold here and nowhere else.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from vocabulary.channel import AddressKind, AddressSource, Channel, Form, Purpose, Role, Sector, SenderRole
from vocabulary.event import (
    ALL_DAYS,
    Consented,
    ConsentState,
    Contacted,
    ContactOutcome,
    Event,
    HoursRequested,
    InboundCall,
    Inconvenient,
    Instrument,
    Listed,
    NotAssociated,
    NoticeGiven,
    NoticeKind,
    RegisterRead,
    Replied,
    StatusKind,
    StatusSet,
    Weekday,
)
from vocabulary.message import Content, Debt, Message, Person, Portfolio, Question, Sender
from vocabulary.verdict import Answer, Verdict

FILE_BYTES_MAX: Final = 16 * 1024 * 1024

#: The defaults of scenario files.
DEBT, ADDRESS, PERSON, CREDITOR, COLLECTOR = "D1", "N1", "P1", "C1", "A1"
#: Everything that a first contact may have to state; a text that is left out states all of it.
STATES: Final[tuple[str, ...]] = ("collector", "creditor", "amount", "calculation_date", "complaints_unit")

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


class ScenarioError(ValueError):
    """A scenario file or case that cannot be read: which case, and which key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a case says must be answered. ``until`` None leaves the instant open; ``rules`` None says nothing about names."""

    answer: Answer
    until: datetime | None = None
    rules: tuple[str, ...] | None = None

    def met_by(self, verdict: Verdict) -> bool:
        """Whether the answer agrees: outcome, instant where one is given, and every rule named."""
        return (
            verdict.answer is self.answer
            and (self.until is None or verdict.until == self.until)
            and set(self.rules or ()) <= {reason.rule for reason in verdict.reasons}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One worked case."""

    id: str
    title: str
    question: Question = field(repr=False)
    expects: Expectation
    cite: str
    why: str | None = None


def load(path: Path) -> list[Case]:
    """Every case of a file. Raises ``ScenarioError`` naming the case and the key, ``OSError`` when it cannot be read."""
    source = path.read_bytes()
    if len(source) > FILE_BYTES_MAX:
        raise ScenarioError(f"{path}: larger than {FILE_BYTES_MAX} bytes")
    try:
        cases = strict_yaml(source)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: no YAML: {error}") from error
    if not isinstance(cases, list):
        raise ScenarioError(f"{path}: a scenario file is a list of cases")
    read = [case_of(raw, f"{path.name}[{number}]") for number, raw in enumerate(cases)]
    seen: set[str] = set()
    for case in read:
        if case.id in seen:
            raise ScenarioError(f"{path}: case {case.id} is there twice")
        seen.add(case.id)
    return read


class _Strict(yaml.SafeLoader):
    """A key that stands twice in one mapping is a mistake, not an override."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As the SafeLoader does, refusing a doubled key."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key “{key}” is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def strict_yaml(text: str | bytes) -> object:
    """YAML of one document, a doubled key refused. Raises ``yaml.YAMLError``."""
    return yaml.load(text, Loader=_Strict)  # noqa: S506 - a SafeLoader that also refuses doubled keys


class _Table:
    """A mapping from which every key must be taken; what is left at the end is unknown and refused by name."""

    def __init__(self, raw: object, where: str) -> None:
        if not isinstance(raw, dict):
            raise ScenarioError(f"{where}: must be a mapping")
        self._raw: dict[Any, Any] = dict(raw)
        self._known: list[str] = []
        self.where = where

    def take(self, key: str, read: Callable[[Any], T], default: T) -> T:
        self._known.append(key)
        if key not in self._raw:
            return default
        try:
            return read(self._raw.pop(key))
        except ScenarioError:
            raise
        except (ValueError, TypeError, KeyError) as error:
            raise ScenarioError(f"{self.where}.{key}: {error}") from error

    def need(self, key: str, read: Callable[[Any], T]) -> T:
        if key not in self._raw:
            raise ScenarioError(f"{self.where}: key “{key}” is missing")
        found = self.take(key, read, None)
        assert found is not None, "the key is there, and no reader makes None of what must be there"
        return found

    def table(self, key: str) -> "_Table":
        self._known.append(key)
        return _Table(self._raw.pop(key, {}), f"{self.where}.{key}")

    def rest(self) -> Iterator[tuple[str, Any]]:
        yield from self._raw.items()

    def end(self) -> None:
        for key in self._raw:
            known = ", ".join(dict.fromkeys(self._known))
            raise ScenarioError(f"{self.where}: unknown key “{key}”; known: {known}")


# ---- values -----------------------------------------------------------------------------------------------------------


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"must be a text, not {value!r}")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"must be true or false, not {value!r}")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"must be a whole number, not {value!r}")
    return value


def _whatever(value: object) -> object:
    return value


def _list(read: Callable[[Any], T]) -> Callable[[Any], tuple[T, ...]]:
    def each(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise TypeError(f"must be a list, not {value!r}")
        return tuple(read(item) for item in value)

    return each


def _one(words: type[E]) -> Callable[[Any], E]:
    def word(value: str) -> E:
        try:
            return words(value)
        except ValueError:
            raise ValueError(f"“{value}” is not one of: {', '.join(words)}") from None

    return word


def _instant(value: object) -> datetime:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise ValueError(f"{value!r} is no instant with an offset")
    return at


def _date(value: object) -> date:
    day = date.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(day, date) or isinstance(day, datetime):
        raise TypeError(f"{value!r} is no date")
    return day


def _clock_time(value: object) -> time | None:
    """A clock time; 24:00, the end of the day, is None."""
    return None if _text(value) == "24:00" else time.fromisoformat(_text(value))


def _begin_time(value: object) -> time:
    at = _clock_time(value)
    if at is None:
        raise ValueError("nothing begins at 24:00")
    return at


def _reading(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else _text(value)


# ---- a case -----------------------------------------------------------------------------------------------------------


def case_of(raw: object, where: str) -> Case:
    """One case. Raises ``ScenarioError`` naming the case and the key."""
    name = raw.get("id") if isinstance(raw, dict) else None
    case = _Table(raw, f"case {name}" if isinstance(name, str) else where)
    id_ = case.need("id", _text)
    packs = case.need("packs", _list(_text))
    readings = {key: _reading(value) for key, value in case.table("readings").rest()}
    sender = _sender(case.table("sender"))
    person = _person(case.table("contact"))
    debts = {key: _debt(_Table(value, f"{case.where}.debts.{key}")) for key, value in case.table("debts").rest()}
    history: tuple[object, ...] = case.take("history", _list(_whatever), ())
    question = Question(
        message=_message(case.table("message")),
        sender=sender,
        person=person,
        debts=debts,
        history=tuple(
            _event(_Table(item, f"{case.where}.history[{number}]"), sender, person)
            for number, item in enumerate(history)
        ),
        now=case.need("now", _instant),
        packs=dict.fromkeys(packs, "named by the case"),
        readings=readings,
        portfolio=case.take("portfolio", lambda raw: _portfolio(_Table(raw, f"{case.where}.portfolio")), None),
    )
    read = Case(
        id=id_,
        title=case.need("title", _text),
        question=question,
        expects=_expectation(case.table("expect")),
        cite=case.need("cite", _text),
        why=case.take("why", _text, None),
    )
    case.end()
    return read


def _expectation(table: _Table) -> Expectation:
    expects = Expectation(
        answer=table.need("outcome", _one(Answer)),
        until=table.take("until", _instant, None),
        rules=table.take("rules", _list(_text), None),
    )
    table.end()
    if expects.until is not None and expects.answer is not Answer.DEFER:
        raise ScenarioError(f"{table.where}.until: only a defer names an instant")
    return expects


def _portfolio(table: _Table) -> Portfolio:
    portfolio = Portfolio(
        name=table.need("name", _text),
        people_max=table.need("people_max", _number),
        room_from=table.take("room_from", _instant, None),
    )
    table.end()
    return portfolio


def _sender(table: _Table) -> Sender:
    sender = Sender(
        role=table.take("role", _one(SenderRole), SenderRole.THIRD_PARTY),
        creditor=table.take("creditor", _text, CREDITOR),
        collector=table.take("collector", _text, COLLECTOR),
        sector=table.take("sector", _one(Sector), None),
    )
    table.end()
    return sender


def _person(table: _Table) -> Person:
    authorised = table.take("authorised", _list(_one(Channel)), None)
    person = Person(
        person=table.take("person", _text, PERSON),
        role=table.need("role", _one(Role)),
        zones=table.need("zones", _list(_text)),
        authorised=None if authorised is None else frozenset(authorised),
    )
    table.end()
    return person


def _debt(table: _Table) -> Debt:
    debt = Debt(
        contract_signed=table.take("contract_signed", _date, None),
        due=table.take("due", _date, None),
        kind=table.take("kind", _text, None),
    )
    table.end()
    return debt


def _message(table: _Table) -> Message:
    message = Message(
        channel=table.need("channel", _one(Channel)),
        form=table.take("form", _one(Form), Form.TEXT),
        purpose=table.take("purpose", _one(Purpose), Purpose.COLLECTION),
        debts=table.take("debts", _list(_text), (DEBT,)),
        address=table.take("address", _text, ADDRESS),
        address_kind=table.take("address_kind", _one(AddressKind), AddressKind.PERSONAL),
        address_source=table.take("address_source", _one(AddressSource), AddressSource.SUPPLIED),
        reply_to_inbound=table.take("reply_to_inbound", _flag, False),
        content=_content(table.table("content")),
    )
    table.end()
    return message


def _content(table: _Table) -> Content:
    text = table.take("text", _text, None)
    subject = table.take("subject", _text, None)
    content = Content(
        text=text,
        subject=subject,
        opt_out_notice=table.take("opt_out_notice", _flag, True),
        caller_id=table.take("caller_id", _text, None),
        states=table.take("states", _list(_text), STATES),
        registered_template=table.take("registered_template", _flag, True),
        lawful=text is None,
    )
    table.end()
    return content


# ---- history ----------------------------------------------------------------------------------------------------------


def _event(table: _Table, sender: Sender, contact: Person) -> Event:
    kind = table.need("type", _text)
    if kind not in _EVENTS:
        raise ScenarioError(f"{table.where}.type: “{kind}” is not one of: {', '.join(_EVENTS)}")
    at = table.need("at", _instant)
    person = table.take("person", _text, contact.person)
    # Of whom it is told, so that every event may say it; only contacts keep it.
    role = table.take("role", _one(Role), contact.role)
    event = _EVENTS[kind](table, at, person, sender, replace(contact, role=role))
    table.end()
    return event


def _contacted(table: _Table, at: datetime, person: str, sender: Sender, contact: Person) -> Event:
    return Contacted(
        at=at,
        person=person,
        channel=table.need("channel", _one(Channel)),
        outcome=table.take("outcome", _one(ContactOutcome), ContactOutcome.ATTEMPTED),
        form=table.take("form", _one(Form), Form.TEXT),
        purpose=table.take("purpose", _one(Purpose), Purpose.COLLECTION),
        debts=table.take("debts", _list(_text), (DEBT,)),
        address=table.take("address", _text, ADDRESS),
        address_kind=table.take("address_kind", _one(AddressKind), AddressKind.PERSONAL),
        creditor=table.take("creditor", _text, sender.creditor),
        collector=table.take("collector", _text, sender.collector),
        reply_to_inbound=table.take("reply_to_inbound", _flag, False),
        role=contact.role,
    )


def _replied(table: _Table, at: datetime, person: str, sender: Sender, contact: Person) -> Event:
    return Replied(
        at=at,
        person=person,
        channel=table.need("channel", _one(Channel)),
        text=table.take("text", _text, None),
        debts=table.take("debts", _list(_text), (DEBT,)),
        address=table.take("address", _text, ADDRESS),
    )


def _called(table: _Table, at: datetime, person: str, sender: Sender, contact: Person) -> Event:
    return InboundCall(
        at=at,
        person=person,
        outcome=table.take("outcome", _one(ContactOutcome), ContactOutcome.CONVERSATION),
        debts=table.take("debts", _list(_text), (DEBT,)),
    )


def _consented(table: _Table, at: datetime, person: str, sender: Sender, contact: Person) -> Event:
    return Consented(
        at=at,
        person=person,
        state=table.need("state", _one(ConsentState)),
        channel=table.take("channel", _one(Channel), None),
        address=table.take("address", _text, None),
        all=table.take("all", _flag, False),
        purpose=table.take("purpose", _one(Purpose), None),
        instrument=table.take("instrument", _one(Instrument), None),
        given_to=table.take("given_to", _text, None),
        grants=table.take("grants", _text, None),
        debts=table.take("debts", _list(_text), None),
        for_days=table.take("for_days", _number, None),
    )


def _hours_requested(table: _Table, at: datetime, person: str, sender: Sender, contact: Person) -> Event:
    return HoursRequested(
        at=at,
        person=person,
        days=table.take("days", _list(_one(Weekday)), ALL_DAYS),
        opens=table.need("from", _begin_time),
        closes=table.take("to", _clock_time, None),
        instrument=table.take("instrument", _one(Instrument), None),
        requested_by=table.take("requested_by", _text, "person"),
    )


def _inconvenient(table: _Table, at: datetime, person: str, sender: Sender, contact: Person) -> Event:
    return Inconvenient(
        at=at,
        person=person,
        days=table.take("days", _list(_one(Weekday)), ALL_DAYS),
        opens=table.take("from", _begin_time, None),
        closes=table.take("to", _clock_time, None),
        place=table.take("place", _one(AddressKind), None),
    )


def _status_set(table: _Table, at: datetime, person: str, sender: Sender, contact: Person) -> Event:
    return StatusSet(
        at=at,
        person=person,
        status=table.need("is", _one(StatusKind)),
        kind=table.take("kind", _text, None),
        ended=table.take("ended", _flag, False),
        debts=table.take("debts", _list(_text), None),
        address=table.take("address", _text, None),
    )


def _listed(table: _Table, at: datetime, person: str, sender: Sender, contact: Person) -> Event:
    return Listed(
        at=at,
        person=person,
        register=table.need("list", _text),
        channel=table.take("channel", _one(Channel), None),
        address=table.take("address", _text, None),
        since=table.take("since", _date, None),
    )


def _not_associated(table: _Table, at: datetime, person: str, sender: Sender, contact: Person) -> Event:
    return NotAssociated(at=at, person=person, address=table.take("address", _text, ADDRESS))


def _notice(table: _Table, at: datetime, person: str, sender: Sender, contact: Person) -> Event:
    return NoticeGiven(
        at=at,
        person=person,
        notice=table.need("is", _one(NoticeKind)),
        debts=table.take("debts", _list(_text), (DEBT,)),
        channel=table.take("channel", _one(Channel), Channel.LETTER),
    )


def _register_read(table: _Table, at: datetime, person: str, sender: Sender, contact: Person) -> Event:
    return RegisterRead(at=at, person=person, register=table.need("list", _text))


_EVENTS: Final[Mapping[str, Callable[[_Table, datetime, str, Sender, Person], Event]]] = {
    "contact": _contacted,
    "reply": _replied,
    "inbound_call": _called,
    "consent": _consented,
    "hours_requested": _hours_requested,
    "inconvenient": _inconvenient,
    "status": _status_set,
    "listed": _listed,
    "not_associated": _not_associated,
    "notice": _notice,
    "register_read": _register_read,
}
