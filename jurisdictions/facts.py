"""A question unpacked once: what happened, by kind, oldest first, in UTC, so that no rule does it again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from jurisdictions.localtime import in_utc
from jurisdictions.words import bare, folded
from vocabulary.channel import Channel
from vocabulary.event import (
    Consented,
    Contacted,
    ContactOutcome,
    HoursRequested,
    InboundCall,
    Inconvenient,
    Listed,
    NotAssociated,
    NoticeGiven,
    Replied,
    StatusKind,
    StatusSet,
)
from vocabulary.message import Question

#: A reply longer than this is never a bare word to stop.
OPT_OUT_CHARS_MAX: Final = 60

_FAILED: Final = ContactOutcome.FAILED
_FIRST: Final = itemgetter(0)


@dataclass(slots=True, eq=False)
class Facts:
    """What rules look at. Each list holds (instant in UTC, event), oldest first; contacts that never left us are left out.

    ``strangers``: addresses that turned out not to be hers; what went there is not among ``contacts``.
    ``opt_outs``: words that take back consent when a reply is nothing else; they come from the packs that bind.
    """

    question: Question
    now: datetime
    zones: tuple[str, ...]
    opt_out_words: frozenset[str]
    contacts: list[tuple[datetime, Contacted]] = field(default_factory=list)
    replies: list[tuple[datetime, Replied]] = field(default_factory=list)
    calls: list[tuple[datetime, InboundCall]] = field(default_factory=list)
    consents: list[tuple[datetime, Consented]] = field(default_factory=list)
    asked: list[tuple[datetime, HoursRequested]] = field(default_factory=list)
    inconvenient: list[tuple[datetime, Inconvenient]] = field(default_factory=list)
    statuses: list[tuple[datetime, StatusSet]] = field(default_factory=list)
    listings: list[tuple[datetime, Listed]] = field(default_factory=list)
    notices: list[tuple[datetime, NoticeGiven]] = field(default_factory=list)
    strangers: frozenset[str] = frozenset()
    _text: str | None = None
    _opt_outs: list[tuple[datetime, Channel, str | None]] | None = None

    @property
    def text(self) -> str:
        """The words of the message, subject first, folded for word lists; empty when none are shown."""
        if self._text is None:
            content = self.question.message.content
            shown = content.text or ""
            self._text = folded(f"{content.subject} {shown}" if content.subject else shown)
        return self._text

    @property
    def opt_outs(self) -> list[tuple[datetime, Channel, str | None]]:
        """Replies of hers that were nothing but a word to stop: when, on which channel, from which address."""
        if self._opt_outs is None:
            person = self.question.person.person
            self._opt_outs = [
                (at, reply.channel, reply.address)
                for at, reply in self.replies
                if reply.person == person and self.is_opt_out(reply)
            ]
        return self._opt_outs

    def is_opt_out(self, reply: Replied) -> bool:
        """Whether the reply is nothing but a word to stop of a pack that binds."""
        text = reply.text
        return text is not None and len(text) <= OPT_OUT_CHARS_MAX and bare(text) in self.opt_out_words


def facts_of(question: Question, opt_out_words: frozenset[str]) -> Facts:
    """The question's history, sorted by kind and instant."""
    facts = Facts(
        question=question,
        now=in_utc(question.now),
        zones=question.person.zones,
        opt_out_words=opt_out_words,
    )
    if question.history:
        _sort_in(facts, question)
    return facts


_LISTS: Final[dict[type, Callable[[Facts], list[Any]]]] = {
    Contacted: lambda facts: facts.contacts,
    Replied: lambda facts: facts.replies,
    InboundCall: lambda facts: facts.calls,
    Consented: lambda facts: facts.consents,
    HoursRequested: lambda facts: facts.asked,
    Inconvenient: lambda facts: facts.inconvenient,
    StatusSet: lambda facts: facts.statuses,
    Listed: lambda facts: facts.listings,
    NoticeGiven: lambda facts: facts.notices,
}


def _sort_in(facts: Facts, question: Question) -> None:
    strangers: set[str] = set()
    contacts = facts.contacts
    touched: list[list[Any]] = [contacts]
    for event in question.history:
        at = in_utc(event.at)
        if type(event) is Contacted:
            if event.outcome is not _FAILED:
                contacts.append((at, event))
        elif type(event) is NotAssociated:
            strangers.add(event.address)
        else:
            kind = _LISTS[type(event)](facts)
            kind.append((at, event))
            touched.append(kind)
    for kind in touched:
        # Nearly always in order already, which the sort sees in one pass.
        kind.sort(key=_FIRST)
    for _, status in facts.statuses:
        if status.status is StatusKind.WRONG_PARTY and status.address is not None:
            (strangers.discard if status.ended else strangers.add)(status.address)
    if strangers:
        facts.strangers = frozenset(strangers)
        facts.contacts = [(at, contact) for at, contact in contacts if contact.address not in strangers]
