"""One person: asked why first, traced, then everything that happened, each decision opened, and what may be sent to her now."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.addresses import Unusable, canonical
from gateway.asks import ContentAsk, DecisionAsk
from gateway.audit.margins import Scope as AuditScope
from gateway.audit.past import Facts, Policies, Unfit, choose, explanations, facts_of, moment_of
from gateway.console.site import Page, Visit, zone_named
from gateway.deciding.evidence import when as when_there
from gateway.deciding.explain import Explanation, sentences
from gateway.deciding.wording import told
from gateway.refusals import NotThere, Refused
from gateway.tenants.keys import Scope
from storage import audit, chain, console, messages, past, people, timeline
from storage.database import Connection
from storage.people import ContactRow, DebtRow
from storage.timeline import Happened
from tracelog.entry import read_header
from vocabulary.channel import SENDABLE, Channel, Purpose

#: Why somebody may look at a person; the page says each in words.
REASONS: Final = ("complaint", "regulator", "audit", "request", "operation", "incident")
NOTE_CHARS_MAX: Final = 500
#: How long a reason holds, real time.
REASON_MINUTES: Final = 30
LINES: Final = 40
DEBTS_MAX: Final = 20
#: Words under which the law is asked what may be sent: content is not what this page is about, so it says all that a law may want.
_WORDS: Final = "Mensaje de prueba. Responda BAJA para no recibir más mensajes."


@dataclass(frozen=True, slots=True, kw_only=True)
class MayNow:
    """What the law says of one channel now. ``flaw``: why it could not be asked."""

    channel: str
    outcome: str | None
    until: datetime | None
    reasons: list[dict[str, Any]]
    sentences: list[str]
    flaw: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened, with the entry of the trace that tells of it, if one does by itself."""

    at: datetime
    type: str
    channel: str | None
    data: Mapping[str, Any] = field(repr=False)
    index: int | None
    message: str | None


async def search(visit: Visit) -> web.StreamResponse:
    """The form that finds a person; what is looked for is never in an address."""
    return visit.page("people", title="people", at="/people", found=None, looked_for="")


async def find(visit: Visit) -> web.StreamResponse:
    """Whoever the CRM calls so, or has this address."""
    named = visit.fields.get("who", "").strip()[:320]
    address, channels = named, []
    for channel in sorted(SENDABLE):
        try:
            spelt = canonical(channel, named, contact=named)
        except Unusable:
            continue
        channels.append(channel.value)
        address = spelt if channel in (Channel.SMS, Channel.EMAIL) else address
    subjects: list[UUID] = await visit.read(lambda c: console.find(c, visit.tenant, named, address, channels))
    if len(subjects) == 1:
        return visit.back(f"/people/{subjects[0].hex}")
    return visit.page("people", title="people", at="/people", found=[each.hex for each in subjects], looked_for=named)


async def show(visit: Visit) -> web.StreamResponse:
    """The person, to whoever said why."""
    subject, contact, reason = await _let_in(visit)
    if reason is None:
        return _why(visit, subject)
    before = _place(visit.asked("before"))

    async def job(connection: Connection) -> tuple[ContactRow, dict[str, DebtRow], list[Happened], list[str]]:
        key = (visit.tenant, contact)
        row = (await people.contacts(connection, [key])).get(key)
        if row is None:
            raise NotThere
        named = (await audit.debts_of(connection, visit.tenant, [contact]))[contact][:DEBTS_MAX]
        debts = await people.debts(connection, {(visit.tenant, debt) for debt in named})
        happened = await timeline.timeline(connection, visit.tenant, contact, before=before, limit=LINES + 1)
        return row, {debt: each for (_, debt), each in debts.items()}, happened, named

    row, debts, happened, named = await visit.read(job)
    await _traced(visit, row, reason, "person")
    zone = zone_named(row.zones[0] if row.zones else None)
    limits, _ = await visit.rooms.auditor.page(visit.tenant, AuditScope(contact=contact), "", 1)
    now, _ = await visit.now()
    last = happened[LINES - 1] if len(happened) > LINES else None
    return visit.page(
        "person",
        title="person",
        at="/people",
        zone=zone,
        person=row,
        subject=subject.hex,
        debts=debts,
        now=now,
        reason=reason,
        told_in=lambda text: told(text, visit.language),
        may_now=[await _may(visit, row, channel, named) for channel in _channels(row)],
        limits=[_with_instants(each) for each in (limits[0]["limits"] if limits else [])],
        lines=[_line(each) for each in happened[:LINES]],
        older=None if last is None else visit.link(f"/people/{subject.hex}", before=_cursor(last)),
        newest=before is None,
    )


async def why(visit: Visit) -> web.StreamResponse:
    """Keep the reason, for this sign-in and this person and a while."""
    subject = _subject(visit)
    reason, note = visit.fields.get("reason", ""), visit.fields.get("note", "").strip()
    if reason not in REASONS or not 3 <= len(note) <= NOTE_CHARS_MAX:
        return _why(visit, subject, flaw="reason" if reason not in REASONS else "note", note=note, reason=reason)

    async def job(connection: Connection) -> None:
        contact = await console.contact_of(connection, visit.tenant, subject)
        if contact is None:
            raise NotThere
        _, real = await visit.rooms.clock.now(connection)
        until = real + timedelta(minutes=REASON_MINUTES)
        await console.give_reason(connection, visit.session.digest, visit.tenant, contact, reason, note, until)

    await visit.rooms.database.run(job)
    return visit.back(f"/people/{subject.hex}")


async def decision(visit: Visit) -> web.StreamResponse:
    """One decision, opened: its sentences, citations, counted events and the edges of the time in which they count."""
    subject, contact, reason = await _let_in(visit)
    if reason is None:
        return _why(visit, subject)
    index = _number(visit.request.match_info["index"])

    async def job(connection: Connection) -> tuple[ContactRow, Any, Any, Any, Any]:
        key = (visit.tenant, contact)
        row = (await people.contacts(connection, [key])).get(key)
        entry = await console.entry(connection, visit.tenant, index)
        if row is None or entry is None or entry["kind"] not in ("decided", "reserved") or entry["message"] is None:
            raise NotThere
        header = read_header(entry["header"])
        if header.subject != subject.hex:
            raise NotThere
        message = (await messages.get(connection, [entry["message"]])).get(entry["message"])
        decided = await past.decisions_of(connection, entry["message"])
        found = next((each for each in decided if each.idx == index), None)
        if message is None or found is None:
            return row, entry, header, None, None
        (facts,) = await facts_of(connection, visit.tenant, [moment_of(found, message)])
        return row, entry, header, facts, await past.policies(connection, visit.tenant)

    row, entry, header, facts, policies = await visit.read(job)
    await _traced(visit, row, reason, "decision")
    zone = zone_named(row.zones[0] if row.zones else None)
    explanations, unlike = _explained(visit, facts, policies) if facts is not None else ([], None)
    return visit.page(
        "decision",
        title="decision",
        at="/people",
        zone=zone,
        subject=subject.hex,
        person=row,
        index=index,
        entry=entry,
        told=header.facts,
        told_in=lambda text: told(text, visit.language),
        until=_instant(header.facts.get("until")),
        reasons=[{**each, "until": _instant(each["until"])} for each in header.facts.get("reasons", [])],
        explanations=[(each, list(sentences(each))) for each in explanations],
        unlike=unlike,
        law=visit.rooms.law,
        citation=lambda pack, rule: _citation(visit, pack, rule),
        there=lambda at: when_there(at, row.zones[0] if row.zones else None, visit.language),
    )


def _explained(visit: Visit, facts: Facts, rows: Any) -> tuple[list[Explanation], str | None]:
    """The law asked again with what was known then; and what it says now, where that is not what the trace says."""
    judge = visit.rooms.judge
    policies = Policies(rows, visit.rooms.law)
    try:
        choice = choose(judge, facts, policies)
        found = list(explanations(judge, facts, policies, choice, visit.language))
    except Unfit:
        return [], "unfit"
    traced = facts.moment.outcome
    return found, None if traced is None or traced is choice.verdict.answer else choice.verdict.answer.value


def _citation(visit: Visit, pack: str, rule: str) -> str:
    """Where a rule stands; its own name where today's packs have it no more."""
    found = visit.rooms.law.packs.get(pack.partition("@")[0])
    return next((each.table.cite for each in found.rules if each.id == rule), rule) if found is not None else rule


async def _let_in(visit: Visit) -> tuple[UUID, str, tuple[str, str] | None]:
    """Who is meant, and why whoever is signed in looks; None while nobody said."""
    subject = _subject(visit)

    async def job(connection: Connection) -> tuple[str | None, tuple[str, str] | None]:
        contact = await console.contact_of(connection, visit.tenant, subject)
        if contact is None:
            return None, None
        _, real = await visit.rooms.clock.now(connection)
        return contact, await console.reason(connection, visit.session.digest, visit.tenant, contact, real)

    contact, reason = await visit.read(job)
    if contact is None:
        raise NotThere
    return subject, contact, reason


def _why(visit: Visit, subject: UUID, *, flaw: str | None = None, note: str = "", reason: str = "") -> web.Response:
    return visit.page(
        "why",
        title="why",
        at="/people",
        status=200 if flaw is None else 422,
        subject=subject.hex,
        reasons=REASONS,
        flaw=flaw,
        note=note,
        reason=reason,
        minutes=REASON_MINUTES,
        note_max=NOTE_CHARS_MAX,
    )


async def _traced(visit: Visit, row: ContactRow, reason: tuple[str, str], page: str) -> None:
    """Nothing is shown that the trace does not tell of: this commits before the page is drawn."""

    async def job(connection: Connection) -> None:
        now, _ = await visit.rooms.clock.now(connection)
        entry = visit.rooms.scribe.entry(
            "viewed",
            tenant=visit.tenant,
            at=now,
            subject=row.subject,
            facts={**visit.who(), "reason": reason[0], "page": page},
            words=reason[1].encode(),
            key=row.key,
        )
        await chain.append(connection, {visit.tenant: [entry]})

    await visit.rooms.database.run(job)


def _channels(row: ContactRow) -> list[Channel]:
    return [
        channel
        for channel in dict.fromkeys(Channel(address.channel) for address in row.addresses)
        if channel in SENDABLE
    ]


async def _may(visit: Visit, row: ContactRow, channel: Channel, debts: list[str]) -> MayNow:
    content = ContentAsk(
        text=_WORDS,
        subject="-" if channel is Channel.EMAIL else None,
        caller_id="shown",
        states=["collector", "creditor", "amount", "calculation_date", "complaints_unit"],
        registered_template=True,
        opt_out_notice=True,
    )
    ask = DecisionAsk(
        contact=row.id,
        channel=channel.value,
        purpose=Purpose.COLLECTION,
        debts=list(debts),
        content=content,
        explain=visit.language,  # type: ignore[arg-type] # one of the console's three languages
    )
    try:
        answer = await visit.rooms.adviser.decide(visit.tenant, ask)
    except Refused as refused:
        flaw = "; ".join(f"{each.pointer} {each.detail}" for each in refused.flaws)
        return MayNow(channel=channel.value, outcome=None, until=None, reasons=[], sentences=[], flaw=flaw)
    return MayNow(
        channel=channel.value,
        outcome=answer["outcome"],
        until=_instant(answer["until"]),
        reasons=answer["reasons"],
        sentences=answer.get("explanation", []),
    )


def _with_instants(limit: dict[str, Any]) -> dict[str, Any]:
    window = limit["window"]
    return {
        **limit,
        "frees_at": _instant(limit["frees_at"]),
        "begins": _instant(window["from"]),
        "ends": _instant(window["to"]),
    }


def _line(one: Happened) -> Line:
    data = dict(one.data)
    index = int(one.key) if one.type in ("decision", "receipt") else None
    message = data.get("message")
    return Line(
        at=one.at,
        type=one.type,
        channel=one.channel,
        data={**data, **({"address": one.address} if one.address else {})},
        index=index,
        message=None if message is None else UUID(message).hex[-8:],
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _subject(visit: Visit) -> UUID:
    text = visit.request.match_info["subject"]
    try:
        if len(text) == 32:
            return UUID(hex=text)
    except ValueError:
        pass
    raise NotThere


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise NotThere
    return int(text)


def _cursor(last: Happened) -> str:
    raw = msgspec.json.encode((last.at.isoformat(), last.rank, last.key))
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _place(text: str | None) -> tuple[datetime, int, str] | None:
    try:
        raw = urlsafe_b64decode((text or "") + "=" * (-len(text or "") % 4))
        return msgspec.json.decode(raw, type=tuple[datetime, int, str]) if text else None
    except (ValueError, msgspec.MsgspecError):
        return None


PAGES: Final = (
    Page(method="GET", path="/people", show=search, scope=Scope.READ, word="people"),
    Page(method="POST", path="/people", show=find, scope=Scope.READ),
    Page(method="GET", path="/people/{subject}", show=show, scope=Scope.READ),
    Page(method="POST", path="/people/{subject}/why", show=why, scope=Scope.READ),
    Page(method="GET", path="/people/{subject}/decisions/{index}", show=decision, scope=Scope.READ),
)
