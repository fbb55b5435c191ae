"""A question unpacked once: what happened, by kind, oldest first, in UTC, so that no rule does it again."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final, Generic, TypeVar

from jurisdictions.localtime import in_utc
from jurisdictions.words import Folded, bare, folded
from vocabulary.channel import Channel
from vocabulary.event import (
    Consented,
    Contacted,
    ContactOutcome,
    Held,
    HoursRequested,
    InboundCall,
    Inconvenient,
    Listed,
    NotAssociated,
    NoticeGiven,
    RegisterRead,
    Replied,
    StatusKind,
    StatusSet,
)
from vocabulary.message import Question

T = TypeVar("T")

#: A reply longer than this is never a bare word to stop.
OPT_OUT_CHARS_MAX: Final = 60

_FAILED: Final = ContactOutcome.FAILED
_FIRST: Final = itemgetter(0)
_NOBODY: Final[frozenset[str]] = frozenset()
#: Kinds of event that by themselves make nobody a stranger and stop nothing.
_USUAL: Final = frozenset({Contacted, Consented})
_NO_STOPS: Final[Sequence[tuple[datetime, Channel, str | None]]] = ()
#: What may say that an address is not hers.
_ABOUT_ADDRESSES: Final = frozenset({NotAssociated, StatusSet})


class _Once(Generic[T]):
    """An attribute that is found when it is first asked for, and is a plain one from then on.

    Less than ``functools.cached_property``, which takes a lock that facts of one question never need.
    """

    def __init__(self, find: Callable[[Any], T]) -> None:
        self.find = find
        self.__doc__ = find.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, facts: Any, owner: type) -> T:
        found = self.find(facts)
        setattr(facts, self.name, found)
        return found


class Facts:
    """What rules look at. Each list holds (instant in UTC, event), oldest first.

    ``kinds``: the kinds of event that happened at all. Most laws look at few of them, so each list is made when a rule
    first asks for it.
    """

    def __init__(self, question: Question, opt_out_words: frozenset[str]) -> None:
        now = question.now
        self.question = question
        self.now = now if now.tzinfo is UTC else now.astimezone(UTC)
        self.zones = question.person.zones
        self.opt_out_words = opt_out_words
        self.kinds: frozenset[type] = frozenset(map(type, question.history))
        if self.kinds <= _USUAL:  # what the others would say is known at once
            self.strangers = _NOBODY
            self.opt_outs = _NO_STOPS

    def _of_kind(self, kind: type) -> list[tuple[datetime, Any]]:
        if kind not in self.kinds:
            return []
        entries = [(in_utc(event.at), event) for event in self.question.history if type(event) is kind]
        # Nearly always in order already, which a sort sees in one pass.
        entries.sort(key=_FIRST)
        return entries

    @_Once
    def replies(self) -> Sequence[tuple[datetime, Replied]]:
        """What she wrote."""
        return self._of_kind(Replied)

    @_Once
    def calls(self) -> Sequence[tuple[datetime, InboundCall]]:
        """Her own calls."""
        return self._of_kind(InboundCall)

    @_Once
    def consents(self) -> Sequence[tuple[datetime, Consented]]:
        """What was allowed and refused."""
        return self._of_kind(Consented)

    @_Once
    def asked(self) -> Sequence[tuple[datetime, HoursRequested]]:
        """Other hours that were asked for."""
        return self._of_kind(HoursRequested)

    @_Once
    def inconvenient(self) -> Sequence[tuple[datetime, Inconvenient]]:
        """Times and places that were called inconvenient."""
        return self._of_kind(Inconvenient)

    @_Once
    def statuses(self) -> Sequence[tuple[datetime, StatusSet]]:
        """Statuses that were set and ended."""
        return self._of_kind(StatusSet)

    @_Once
    def listings(self) -> Sequence[tuple[datetime, Listed]]:
        """Entries in registers."""
        return self._of_kind(Listed)

    @_Once
    def registers_read(self) -> Sequence[tuple[datetime, RegisterRead]]:
        """When registers were read anew."""
        return self._of_kind(RegisterRead)

    @_Once
    def held(self) -> Sequence[tuple[datetime, Held]]:
        """Doubts whether she said stop, and their ends."""
        return self._of_kind(Held)

    @_Once
    def notices(self) -> Sequence[tuple[datetime, NoticeGiven]]:
        """Notices that were given."""
        return self._of_kind(NoticeGiven)

    @_Once
    def contacts(self) -> Sequence[tuple[datetime, Contacted]]:
        """Contacts that left us, without those to an address that was not hers."""
        if Contacted not in self.kinds:
            return ()
        contacts: list[tuple[datetime, Any]] = [
            # in_utc() written out: a history is long, and calling costs more than looking
            (at if (at := event.at).tzinfo is UTC else at.astimezone(UTC), event)
            for event in self.question.history
            if type(event) is Contacted and event.outcome is not _FAILED
        ]
        contacts.sort(key=_FIRST)
        strangers = self.strangers
        if strangers:
            contacts = [(at, contact) for at, contact in contacts if contact.address not in strangers]
        return contacts

    @_Once
    def strangers(self) -> frozenset[str]:
        """Addresses that turned out not to be hers."""
        if self.kinds.isdisjoint(_ABOUT_ADDRESSES):
            return _NOBODY
        strangers = {event.address for event in self.question.history if type(event) is NotAssociated}
        for _, status in self.statuses:
            if status.status is StatusKind.WRONG_PARTY and status.address is not None:
                (strangers.discard if status.ended else strangers.add)(status.address)
        return frozenset(strangers)

    @_Once
    def text(self) -> Folded:
        """The words of the message, subject first, folded for word lists; empty when none are shown."""
        content = self.question.message.content
        shown = content.text or ""
        return folded(f"{content.subject} {shown}" if content.subject else shown)

    @_Once
    def opt_outs(self) -> Sequence[tuple[datetime, Channel, str | None]]:
        """Replies of hers that were nothing but a word to stop: when, on which channel, from which address."""
        person = self.question.person.person
        return [
            (at, reply.channel, reply.address)
            for at, reply in self.replies
            if reply.person == person and self.is_opt_out(reply)
        ]

    def is_opt_out(self, reply: Replied) -> bool:
        """Whether the reply is nothing but a word to stop of a pack that binds."""
        text = reply.text
        return text is not None and len(text) <= OPT_OUT_CHARS_MAX and bare(text) in self.opt_out_words


def facts_of(question: Question, opt_out_words: frozenset[str]) -> Facts:
    """The question's history, to be looked at by kind and instant."""
    return Facts(question, opt_out_words)
