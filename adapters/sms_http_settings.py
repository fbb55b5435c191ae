"""What ``[providers.NAME] kind = "sms_http"`` may say, read once at start; docs/channels/sms-http.md explains each setting."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from adapters.kit.calls import Call, Method, read_basic, read_call
from adapters.kit.documents import Format, Path
from adapters.kit.sections import Section
from adapters.kit.segments import Encoding
from adapters.kit.settings import Prices
from adapters.kit.verification import Algorithm, Digits, Guard, Shared, Signed
from vocabulary.outcome import ReceiptKind

#: In a table of words: whatever is not named there.
ANY: Final = "*"
FINDINGS_MAX: Final = 4

#: What a call may say, beside ``from`` (when set), ``encoding`` (when set) and ``secrets.…``.
OF_LOOKUP: Final = frozenset({"to", "to_digits", "to_national", "id"})
OF_SEND: Final = OF_LOOKUP | {"text", "status_url", "validity_seconds"}
_WHO: Final = frozenset({"to", "to_digits", "to_national"})

#: RFC 9110 sections 15.5.9 and 15.6.5: somebody in between stopped waiting, and cannot know what was done.
TIME_OUTS: Final = frozenset({408, 504})

_SECRET_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_STATUS: Final = re.compile(r"[2-5][0-9]{2}")
_PREFIX: Final = re.compile(r"\+[0-9]{0,4}")
_QUERY_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
#: Our own marks in the query of ``{{status_url}}``.
_MARKS: Final = frozenset({"a", "k"})


class Ending(StrEnum):
    """What an answer to a send means, in the words of a table. ``by_code``: the code in the answer decides."""

    SENT = "sent"
    NOT_SENT = "not_sent"
    THROTTLED = "throttled"
    REJECTED = "rejected"
    OPTED_OUT = "opted_out"
    ADDRESS_INVALID = "address_invalid"
    UNKNOWN = "unknown"
    BY_CODE = "by_code"


class Told(StrEnum):
    """What a hook tells."""

    STATUS = "status"
    INBOUND = "inbound"


class StatusKind(StrEnum):
    """What a provider's status word may mean; a word that is not in the table is kept and stays unreadable."""

    ACCEPTED = "accepted"
    SENT = "sent"
    FAILED = "failed"
    UNDELIVERED = "undelivered"
    DELIVERED = "delivered"
    READ = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Where things stand in the answer to a send, and what they mean."""

    format: Format
    separator: str | None
    id: Path | None
    status: Path | None
    code: Path | None
    retry_after: Path | None
    segments: Path | None
    codes: Mapping[str, Ending]
    http: Mapping[int, Ending]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One look-up. ``list`` None: the whole answer is about one message; ``attempt`` None: it was asked for by our id."""

    call: Call
    format: Format
    separator: str | None
    list: Path | None
    attempt: Path | None
    id: Path
    status: Path | None
    absent_http: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """How the provider's calls are known to be its own, read, and told apart at one address."""

    guard: Guard
    format: Format
    told_by: Path | None
    told: Mapping[str, Told]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipts:
    """Where things stand in a receipt."""

    list: Path | None
    id: Path | None
    attempt: Path | None
    status: Path
    statuses: Mapping[str, ReceiptKind]
    error: Path | None
    no_error: frozenset[str]
    opted_out: frozenset[str]
    address_invalid: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """Where things stand in what a person wrote. ``prefix`` makes a number of bare digits E.164."""

    list: Path | None
    id: Path | None
    sender: Path
    recipient: Path | None
    text: Path
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One aggregator, described."""

    base_url: str
    sender: str | None
    secrets: Mapping[str, str] = field(repr=False)
    encodings: Mapping[Encoding, str] | None
    prices: Prices | None
    send: Call
    answer: Answer
    find: tuple[Finding, ...]
    hooks: Hooks | None
    receipts: Receipts | None
    inbound: Inbound | None


def settings(provider: str, table: Mapping[str, object]) -> Settings:
    """Read the table of one provider; raises ``SettingsError``, which names the setting and never its value."""
    asked = Section(provider, table)
    sender = asked.text_or_none("from")
    secrets = _secrets(asked)
    encodings = _encodings(asked)
    basic = read_basic(asked)
    extra = {"from"} if sender is not None else set()
    in_send = asked.needed("send")
    send = read_call(in_send, Method.POST, OF_SEND | extra | ({"encoding"} if encodings else set()), secrets, basic)
    in_send.done()
    if not send.names & _WHO:
        raise asked.wrong("send", "never says {{to}}, {{to_digits}} or {{to_national}}")
    if "text" not in send.names:
        raise asked.wrong("send", "never says {{text}}")
    read = Settings(
        base_url=asked.base_url("base_url", ""),
        sender=sender,
        secrets=secrets,
        encodings=encodings,
        prices=asked.prices("prices"),
        send=send,
        answer=_answer(asked.needed("answer")),
        find=tuple(
            _finding(section, read_call(section, Method.GET, OF_LOOKUP | extra, secrets, basic))
            for section in asked.sections("find")
        ),
        hooks=None if (section := asked.section("hooks")) is None else _hooks(section, secrets),
        receipts=None if (section := asked.section("receipts")) is None else _receipts(section),
        inbound=None if (section := asked.section("inbound")) is None else _inbound(section),
    )
    asked.done()
    if len(read.find) > FINDINGS_MAX:
        raise asked.wrong("find", f"has more than {FINDINGS_MAX} look-ups")
    if (read.hooks is None) != (read.receipts is None and read.inbound is None):
        raise asked.wrong("hooks", "is needed for receipts and inbound, and is nothing without one of them")
    receipts = read.receipts
    if receipts is not None and receipts.id is None and receipts.attempt is None and "status_url" not in send.names:
        raise asked.wrong(
            "receipts", "needs id or attempt, or {{status_url}} in send, to know which message it is about"
        )
    return read


def _secrets(asked: Section) -> Mapping[str, str]:
    secrets = asked.named("secrets")
    for name in secrets:
        if not _SECRET_NAME.fullmatch(name):
            raise asked.wrong("secrets", "has a name that is not small letters, digits and _")
    return secrets


def _encodings(asked: Section) -> Mapping[Encoding, str] | None:
    section = asked.section("encodings")
    if section is None:
        return None
    words = {Encoding.GSM_7: section.text("gsm7"), Encoding.UCS_2: section.text("ucs2")}
    section.done()
    return words


def _format(section: Section) -> tuple[Format, str | None]:
    form = section.one_of("format", Format)
    separator = section.mark_or_none("separator")
    if separator is not None and form is not Format.TEXT:
        raise section.wrong("separator", 'is for format = "text"')
    return form, separator


def _answer(section: Section) -> Answer:
    form, separator = _format(section)
    answer = Answer(
        format=form,
        separator=separator,
        id=section.path("id"),
        status=section.path("status"),
        code=section.path("code"),
        retry_after=section.path("retry_after"),
        segments=section.path("segments"),
        codes=section.words("codes", Ending),
        http=_http(section),
    )
    section.done()
    if (answer.code is None) != (not answer.codes):
        raise section.wrong("code", "says where a code stands and codes what it means: both or neither")
    if Ending.BY_CODE in answer.codes.values():
        raise section.wrong("codes", "cannot say by_code, which is for http")
    return answer


def _http(section: Section) -> Mapping[int, Ending]:
    declared = section.words("http", Ending)
    for status, ending in declared.items():
        if not _STATUS.fullmatch(status):
            raise section.wrong("http", 'is by single HTTP statuses, as in "503" = "not_sent"')
        if status.startswith("2") and ending not in (Ending.SENT, Ending.UNKNOWN, Ending.BY_CODE):
            raise section.wrong(f"http.{status}", "is a success: whatever it refuses, a code in the answer must say")
        if int(status) in TIME_OUTS and ending is not Ending.UNKNOWN:
            raise section.wrong(f"http.{status}", "is a time-out, after which nobody knows whether it was sent")
    return {int(status): ending for status, ending in declared.items()}


def _finding(section: Section, call: Call) -> Finding:
    form, separator = _format(section)
    absent = section.texts("absent_http")
    finding = Finding(
        call=call,
        format=form,
        separator=separator,
        list=section.path("list"),
        attempt=section.path("attempt"),
        id=section.needed_path("id"),
        status=section.path("status"),
        absent_http=frozenset(int(status) for status in absent if _STATUS.fullmatch(status)),
    )
    section.done()
    if any(not _STATUS.fullmatch(status) or int(status) in TIME_OUTS or status[0] == "5" for status in absent):
        raise section.wrong("absent_http", 'must be statuses by which it says that it has none, as in ["404"]')
    if finding.attempt is None and "id" not in call.names:
        raise section.wrong(
            "attempt", "must say where our {{id}} stands in what is found, unless it is asked for by {{id}}"
        )
    return finding


def _hooks(section: Section, secrets: Mapping[str, str]) -> Hooks:
    guard = _guard(section, secrets)
    form = section.one_of("format", Format)
    if form is Format.TEXT:
        raise section.wrong("format", "must be one of: json, form")
    told_by = section.path("told_by")
    status_words = section.texts("status_words", empty=True)
    inbound_words = section.texts("inbound_words", empty=True)
    section.done()
    if (told_by is None) != (not status_words and not inbound_words):
        raise section.wrong("told_by", "goes with status_words and inbound_words")
    if set(status_words) & set(inbound_words):
        raise section.wrong("status_words", "and inbound_words have a word in common")
    told = dict.fromkeys(status_words, Told.STATUS) | dict.fromkeys(inbound_words, Told.INBOUND)
    return Hooks(guard=guard, format=form, told_by=told_by, told=told)


def _guard(section: Section, secrets: Mapping[str, str]) -> Guard:
    names = section.texts("secrets")
    if not names or any(name not in secrets for name in names):
        raise section.wrong("secrets", "must be a list of names that stand in [secrets], the newest first")
    keys = tuple(secrets[name] for name in names)
    signature = _named(section, "signature_header", _HEADER_NAME)
    header = _named(section, "secret_header", _HEADER_NAME)
    query = _named(section, "secret_query", _QUERY_NAME)
    if len([way for way in (signature, header, query) if way is not None]) != 1:
        raise section.wrong("signature_header", "or secret_header or secret_query is needed, exactly one of them")
    if signature is not None:
        if section.given("networks"):
            raise section.wrong(
                "networks", "goes with secret_header or secret_query: a signature is good from anywhere"
            )
        return Signed(
            header=signature,
            algorithm=section.one_of("algorithm", Algorithm, Algorithm.SHA256),
            digits=section.one_of("digits", Digits, Digits.HEX),
            prefix=section.mark_or_none("prefix") or "",
            keys=keys,
        )
    if query in _MARKS:
        raise section.wrong("secret_query", "cannot be a or k, which are our own marks")
    return Shared(header=header, query=query, networks=_networks(section), keys=keys)


def _named(section: Section, name: str, pattern: re.Pattern[str]) -> str | None:
    value = section.text_or_none(name)
    if value is not None and not pattern.fullmatch(value):
        raise section.wrong(name, "is not a name of that kind")
    return value


def _networks(section: Section) -> tuple[IPv4Network | IPv6Network, ...]:
    told = section.texts("networks")
    try:
        networks = tuple(ip_network(network) for network in told)
    except ValueError:
        networks = ()
    if not networks:
        raise section.wrong("networks", 'must list where the provider calls from, as in ["203.0.113.0/24"]')
    return networks


def _receipts(section: Section) -> Receipts:
    words = section.words("statuses", StatusKind)
    receipts = Receipts(
        list=section.path("list"),
        id=section.path("id"),
        attempt=section.path("attempt"),
        status=section.needed_path("status"),
        statuses={word: ReceiptKind(kind.value) for word, kind in words.items()},
        error=section.path("error"),
        no_error=frozenset(section.texts("no_error")),
        opted_out=frozenset(section.texts("opted_out")),
        address_invalid=frozenset(section.texts("address_invalid")),
    )
    section.done()
    if not words:
        raise section.wrong("statuses", "is missing: without it no status has a meaning")
    return receipts


def _inbound(section: Section) -> Inbound:
    prefix = section.text_or_none("number_prefix") or ""
    if prefix and not _PREFIX.fullmatch(prefix):
        raise section.wrong("number_prefix", "must be + or a + and a country code, as in +57")
    inbound = Inbound(
        list=section.path("list"),
        id=section.path("id"),
        sender=section.needed_path("from"),
        recipient=section.path("to"),
        text=section.needed_path("text"),
        prefix=prefix,
    )
    section.done()
    return inbound
