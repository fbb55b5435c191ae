"""A question unpacked once: what happened, by kind, oldest first, in UTC, so that no rule does it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from jurisdictions.localtime import in_utc
from jurisdictions.words import Folded, bare, folded
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

_NOTHING: Final[Sequence[tuple[datetime, Channel, str | None]]] = ()
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
    contacts: Sequence[tuple[datetime, Contacted]] = ()
    replies: Sequence[tuple[datetime, Replied]] = ()
    calls: Sequence[tuple[datetime, InboundCall]] = ()
    consents: Sequence[tuple[datetime, Consented]] = ()
    asked: Sequence[tuple[datetime, HoursRequested]] = ()
    inconvenient: Sequence[tuple[datetime, Inconvenient]] = ()
    statuses: Sequence[tuple[datetime, StatusSet]] = ()
    listings: Sequence[tuple[datetime, Listed]] = ()
    notices: Sequence[tuple[datetime, NoticeGiven]] = ()
    strangers: frozenset[str] = frozenset()
    _text: Folded | None = None
    _opt_outs: Sequence[tuple[datetime, Channel, str | None]] | None = None

    @property
    def text(self) -> Folded:
        """The words of the message, subject first, folded for word lists; empty when none are shown."""
        if self._text is None:
            content = self.question.message.content
            shown = content.text or ""
            self._text = folded(f"{content.subject} {shown}" if content.subject else shown)
        return self._text

    @property
    def opt_outs(self) -> Sequence[tuple[datetime, Channel, str | None]]:
        """Replies of hers that were nothing but a word to stop: when, on which channel, from which address."""
        if not self.replies:
            return _NOTHING
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


_LISTS: Final[dict[type, str]] = {
    Replied: "replies",
    InboundCall: "calls",
    Consented: "consents",
    HoursRequested: "asked",
    Inconvenient: "inconvenient",
    StatusSet: "statuses",
    Listed: "listings",
    NoticeGiven: "notices",
}


def _sort_in(facts: Facts, question: Question) -> None:
    strangers: set[str] = set()
    contacts: list[tuple[datetime, Contacted]] = []
    others: dict[type, list[tuple[datetime, Any]]] = {}
    for event in question.history:
        kind = type(event)
        if kind is Contacted:
            if event.outcome is not _FAILED:  # type: ignore[union-attr]
                contacts.append((in_utc(event.at), event))  # type: ignore[arg-type]
        elif kind is NotAssociated:
            strangers.add(event.address)  # type: ignore[arg-type, union-attr]
        else:
            others.setdefault(kind, []).append((in_utc(event.at), event))
    # Nearly always in order already, which a sort sees in one pass.
    contacts.sort(key=_FIRST)
    for kind, entries in others.items():
        entries.sort(key=_FIRST)
        setattr(facts, _LISTS[kind], entries)
    for _, status in facts.statuses:
        if status.status is StatusKind.WRONG_PARTY and status.address is not None:
            (strangers.discard if status.ended else strangers.add)(status.address)
    if strangers:
        facts.strangers = frozenset(strangers)
        contacts = [(at, contact) for at, contact in contacts if contact.address not in strangers]
    facts.contacts = contacts
