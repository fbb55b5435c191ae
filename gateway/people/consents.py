"""What stands of all that a person said, as of an instant: her word on each address, and her wishes, as the API tells them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from consent.said import said_at
from consent.standing import Word, last_word
from jurisdictions.facts import facts_of
from jurisdictions.localtime import PAST
from storage import history
from storage.database import Connection
from storage.people import ContactRow
from vocabulary.channel import Channel
from vocabulary.event import Event
from vocabulary.message import Message, Person, Question, Sender


async def standing(connection: Connection, contact: ContactRow, at: datetime) -> dict[str, Any]:
    """Her standing at an instant: the same fold over what had been said by then, whenever it is asked."""
    key = (contact.tenant, contact.id)
    endpoints = {key: [address.endpoint for address in contact.addresses]}
    events = (await history.histories(connection, endpoints, at, known_until=at))[key]
    return told([event for event in events if event.at <= at], contact, at)


def told(events: Sequence[Event], contact: ContactRow, at: datetime) -> dict[str, Any]:
    """The fold in the API's words."""
    said = said_at(events, contact.id, at)
    question = Question(
        message=Message(channel=Channel.SMS),
        sender=Sender(creditor="", collector=""),
        person=Person(person=contact.id, authorised=frozenset()),
        debts={},
        history=events,
        now=at,
        packs={},
        readings={},
    )
    words = []
    for address in contact.addresses:
        message = replace(question.message, channel=Channel(address.channel), address=address.endpoint)
        word = last_word(facts_of(replace(question, message=message), frozenset()), profile=False)
        since = None if word.at == PAST or word.word is Word.SILENT else _utc(word.at)
        words.append({"channel": address.channel, "address": address.address, "word": word.word.value, "since": since})
    held = said.held_until(at)
    real = {address.endpoint: address.address for address in contact.addresses}
    return {
        "at": _utc(at),
        "addresses": words,
        "prefers": None if said.prefers is None else _fact(said.prefers, real),
        "language": said.language,
        "zones": list(said.zones),
        "held_until": None if held is None else _utc(held),
        "call": None if said.call is None else _fact(said.call, real),
        "promises": [_fact(each, real) for each in said.promises],
        "hours": [_fact(each, real) for each in said.hours],
        "inconvenient": [_fact(each, real) for each in said.inconvenient],
        "statuses": [_fact(each, real) for each in said.statuses],
    }


def _fact(event: Event, real: dict[str, str]) -> dict[str, Any]:
    """One statement that stands: the words in which it was told, with the address itself where it is hers."""
    facts = history.facts_of(event)
    endpoint = facts.pop("address", None)
    if endpoint in real:
        facts["address"] = real[endpoint]
    facts.pop("ended", None)
    identity = None if event.id is None else f"evt_{event.id}"
    return {"id": identity, "at": _utc(event.at)} | {k: _plain(v) for k, v in facts.items() if k not in ("on",)}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime | date) else value


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
