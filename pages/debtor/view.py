"""What her page shows, as plain values: whoever gathers them knows the database, whoever draws them does not."""

from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Final

from pages.debtor.rights import Right

#: Languages the page speaks; the first is taken where nothing else is known.
LANGUAGES: Final = ("es", "en", "pt")


class Done(StrEnum):
    """What she has just said, as the next page confirms it. The words are in ``words.toml``."""

    STOP_HERE = "stop_here"
    STOP_ALL = "stop_all"
    CHANNEL = "channel"
    HOURS = "hours"
    LANGUAGE = "language"
    DISPUTE = "dispute"
    HARDSHIP = "hardship"
    CALL = "call"
    PROMISE = "promise"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One message as she reads it. ``id`` names it on this page only; ``audio`` is the address of its voice note."""

    id: str
    at: datetime
    text: str = field(repr=False)
    subject: str | None = field(default=None, repr=False)
    read: bool = False
    audio: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One contact of the history. ``what`` and ``how`` are keys of ``words.toml``; ``channel`` is a channel or None."""

    at: datetime
    what: str
    channel: str | None = None
    how: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One address of hers that may be preferred: its channel, and enough of the address to know which."""

    key: str
    channel: str
    hint: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What she has said that stands: shown back to her, so that she need not say it twice."""

    stopped_here: datetime | None = None
    stopped_all: datetime | None = None
    disputed: datetime | None = None
    hardship: datetime | None = None
    call: datetime | None = None
    promised: str | None = None
    preferred: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything on her page. ``private``: the address it was sent to is hers alone, so the inbox and the history are shown."""

    language: str
    zone: tzinfo
    token: str = field(repr=False)
    form: str = field(repr=False)
    sender: str
    behalf: str | None
    purpose: str
    channel: str
    hint: str = field(repr=False)
    message: Note
    private: bool
    inbox: tuple[Note, ...] = ()
    history: tuple[Line, ...] = ()
    rights: tuple[Right, ...] = ()
    ways: tuple[Way, ...] = ()
    said: Said = field(default_factory=Said)
    done: Done | None = None
    flaws: tuple[str, ...] = ()
    kept: dict[str, str] = field(default_factory=dict, repr=False)
    today: str = ""
    help: str | None = None
    live: bool = False
