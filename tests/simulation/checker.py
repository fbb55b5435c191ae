"""The independent checker: what carriers took and people said, held against the packs' own files and the trace.

It imports nothing of the product. Hours, holidays and limits are worked out here a second time, from the packs' tables and the
calendar package; hashes are worked out from the bytes on disk. It never reads a counter or a verdict of the house.
"""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import holidays

from tests.simulation.truth import Evidence, Stop, Taken, World

PACKS = Path(__file__).resolve().parents[2] / "jurisdictions" / "packs"

#: From the decision, by the house's clock, to the carrier's taking it: 5 s held, 20 s of call, and a clock 2 s from the true one.
IN_FLIGHT = timedelta(seconds=27)
#: A stop whose hook was lost is read from the carrier's list within five minutes; a sick list, or a dead worker, takes longer.
PULLED_WITHIN = timedelta(minutes=45)
#: What may be wrong with a rolling window: the span between the decision that counted and the carrier's taking it.
ROLLING_SLACK = IN_FLIGHT

RANKS = {
    "queued": 0,
    "deferred": 0,
    "dispatching": 1,
    "unknown": 2,
    "sent": 3,
    "undelivered": 4,
    "delivered": 5,
    "read": 6,
}
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Violation:
    """What was promised and did not hold."""

    invariant: str
    world: int
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} world {self.world}: {self.what}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the trace, read."""

    idx: int
    kind: str
    at: datetime
    message: str | None
    subject: str | None
    facts: dict[str, Any]


def check(world: World, evidence: Evidence) -> list[Violation]:
    """Everything that is wrong."""
    entries = [_read(row.idx, row.header) for row in evidence.rows]
    reserved = {e.facts["attempt"]: e for e in entries if e.kind == "reserved"}
    found = [
        *_chain(world, evidence),
        *_orphans(world, entries, reserved),
        *_duplicates(world, reserved),
        *_loss(world, evidence, entries),
        *_statuses(world, evidence, reserved),
        *_hours(world, reserved),
        *_platforms(world, reserved),
        *_limits(world, reserved),
        *_stops(world, reserved),
        *_stop_order(world, entries),
        *_cancelled(world, reserved),
    ]
    return [Violation(name, world.seed, what) for name, what in found]


Found = Iterator[tuple[str, str]]


def _read(idx: int, header: bytes) -> Entry:
    read = json.loads(header)
    return Entry(idx, read["kind"], datetime.fromisoformat(read["at"]), read["message"], read["subject"], read["facts"])


# ---- I5: the trace ------------------------------------------------------------------------------------------------------


def _chain(world: World, evidence: Evidence) -> Found:
    """RFC 9162 §2.1.1 over the bytes on disk, against the signed head."""
    leaves = []
    for place, row in enumerate(evidence.rows):
        leaf = sha256(b"\x00" + len(row.header).to_bytes(4, "big") + row.header + (row.payload_digest or b"")).digest()
        leaves.append(leaf)
        if row.idx != place:
            yield "chain", f"entry {place} is missing, {row.idx} stands there"
            return
        if leaf != row.leaf:
            yield "chain", f"entry {place} is not what its leaf says"
        if json.loads(row.header)["tenant"] != world.tenant:
            yield "chain", f"entry {place} is another tenant's"
    if len(leaves) != evidence.size:
        yield "chain", f"{len(leaves)} entries, the chain says {evidence.size}"
    if leaves and (evidence.sealed_size != len(leaves) or evidence.sealed_root != _root(leaves)):
        yield "chain", "the signed head does not cover the trace"


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + _root(leaves[:split]) + _root(leaves[split:])).digest()


def _orphans(world: World, entries: list[Entry], reserved: dict[str, Entry]) -> Found:
    """Every send that a carrier took stands in the trace, from before it was taken, and what became of it too."""
    ended = {e.facts.get("attempt") for e in entries if e.kind in ("settled", "receipt")}
    for taken in world.taken:
        entry = reserved.get(taken.attempt)
        if entry is None:
            yield "orphan", f"{taken.way} took {taken.attempt}, of which the trace knows nothing"
            continue
        if not entry.at - timedelta(seconds=2) <= taken.at <= entry.at + IN_FLIGHT:
            yield (
                "orphan",
                f"{taken.attempt} was taken {(taken.at - entry.at).total_seconds():.1f} s after its reservation",
            )
        if taken.attempt not in ended:
            yield "orphan", f"the trace says of {taken.attempt} that it was reserved, and nothing of what became of it"


# ---- I3: at most once ---------------------------------------------------------------------------------------------------


def _duplicates(world: World, reserved: dict[str, Entry]) -> Found:
    """One send a message; another only where the carrier gave the one before up."""
    for key in world.doubled:
        yield "duplicate", f"under the key {key} two messages were accepted"
    by_message: dict[str, list[Taken]] = {}
    seen: set[str] = set()
    for taken in world.taken:
        if taken.attempt in seen:
            yield "duplicate", f"attempt {taken.attempt} was taken twice"
        seen.add(taken.attempt)
        entry = reserved.get(taken.attempt)
        if entry is not None and entry.message is not None:
            by_message.setdefault(entry.message, []).append(taken)
    for message, sends in by_message.items():
        for before, after in pairwise(sends):
            if before.failed_at is None or before.failed_at > after.at:
                yield "duplicate", f"message {message} was sent again while the first send stood"
            elif before.channel == after.channel:
                yield "duplicate", f"message {message} was sent twice by {after.channel}"


# ---- I4: nothing is lost ------------------------------------------------------------------------------------------------


def _loss(world: World, evidence: Evidence, entries: list[Entry]) -> Found:
    shown = {f"msg_{m.id}": m for m in evidence.messages}
    accepted = {e.message for e in entries if e.kind == "accepted"}
    assert world.ended is not None
    for identity in world.acknowledged.values():
        message = shown.get(identity)
        if message is None or message.id not in accepted:
            yield "loss", f"{identity} was accepted, and nobody knows it"
    for message in evidence.messages:
        if message.status == "dispatching":
            yield "loss", f"{message.id} has been leaving for hours"
        if message.status == "unknown" and message.resolution is None:
            yield "loss", f"{message.id} is unknown, and nobody says for good"
        if message.status in ("queued", "deferred") and min(
            message.due_at, message.expires_at
        ) < world.ended - timedelta(minutes=30):
            yield "loss", f"{message.id} was due at {message.due_at}, and nobody came"


def _statuses(world: World, evidence: Evidence, reserved: dict[str, Entry]) -> Found:
    """What the carrier told, and we acknowledged, is not taken back."""
    shown = {m.id: m for m in evidence.messages}
    for taken in world.taken:
        entry = reserved.get(taken.attempt)
        if taken.told is None or entry is None or entry.message not in shown:
            continue
        status = shown[entry.message].status
        if RANKS.get(status, -1) < RANKS["delivered"]:
            yield "status", f"{entry.message} was told to be delivered at {taken.told}, and stands at {status}"


# ---- I6: hours ----------------------------------------------------------------------------------------------------------


@cache
def _pack(name: str) -> dict[str, Any]:
    return tomllib.loads((PACKS / f"{name}.toml").read_text("utf-8"))


@cache
def _days_off(pack: str, calendar: str, year: int) -> frozenset[date]:
    table = _pack(pack)["calendars"][calendar]
    days = set(holidays.country_holidays(table["country"], years=year))
    days |= {date.fromisoformat(day) for day in table.get("added", {}) if day.startswith(str(year))}
    return frozenset(days - {date.fromisoformat(day) for day in table.get("removed", ())})


@cache
def _opens(pack: str) -> tuple[tuple[dict[str, str], str | None, bool], ...]:
    """Of each rule of hours that binds collection by text: its table by day, its calendar, whether closing is inside."""
    found = []
    for rule in _pack(pack)["rules"]:
        hours = rule.get("hours")
        if hours is None or "purposes" in rule or "effective_to" in rule:
            continue
        if isinstance(rule.get("channels"), list) and not {"electronic", "sms"} & set(rule["channels"]):
            continue
        found.append((_by_day(hours), hours.get("calendar"), hours.get("holidays") == "closed"))
    return tuple(found)


def _by_day(hours: dict[str, Any]) -> dict[str, str]:
    table: dict[str, str] = {}
    for days, span in hours["open"].items():
        first, _, last = days.partition("-")
        for day in DAYS[DAYS.index(first) : DAYS.index(last or first) + 1]:
            table[day] = span
    if hours.get("unlisted") != "silent":
        table = dict.fromkeys(DAYS, "closed") | table
    return table


def lawful(world: World, zone: str, instant: datetime) -> bool:
    """Whether the packs' hours are open at an instant on the clock of a zone."""
    local = instant.astimezone(ZoneInfo(zone))
    for pack in world.law.packs:
        for table, calendar, closed in _opens(pack):
            off = calendar is not None and local.date() in _days_off(pack, calendar, local.year)
            if off:
                if closed:
                    return False
                continue
            span = table.get(DAYS[local.weekday()])
            if span is None:
                continue
            if span == "closed":
                return False
            begins, ends = (time.fromisoformat(each) for each in span.split("-"))
            if not begins <= local.time() <= ends:
                return False
    return True


def _hours(world: World, reserved: dict[str, Entry]) -> Found:
    subjects = _subjects(world, reserved)
    zones = {d.id: d.zones for d in world.debtors}
    for taken in world.taken:
        if taken.attempt not in subjects:
            continue  # an orphan, and told as one
        for name, instant in (
            ("taken", taken.at),
            ("before her", taken.reached),
            ("perhaps before her", _latest(taken)),
        ):
            for zone in zones[subjects[taken.attempt]]:
                if instant is not None and not lawful(world, zone, instant):
                    yield "hours", f"{taken.attempt} {name} at {instant.astimezone(ZoneInfo(zone))}"


def _platforms(world: World, reserved: dict[str, Entry]) -> Found:
    """What the maker of a way forbids does not go that way, while another may carry it."""
    for taken in world.taken:
        entry = reserved.get(taken.attempt)
        if taken.way in world.law.barred and entry is not None and entry.facts["purpose"] == "collection":
            yield "platform", f"{taken.way} took {taken.attempt}, which its maker forbids"


def _latest(taken: Taken) -> datetime | None:
    """The last instant at which it could have reached her, while nobody knows when it did."""
    return taken.until if taken.failed_at is None else None


# ---- I1: limits ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Contact:
    at: datetime
    channel: str
    debtor: str
    ours: Taken | None


def _limits(world: World, reserved: dict[str, Entry]) -> Found:
    """Per person: what a carrier took counts, delivered or not; what the CRM told of before we decided counts too."""
    subjects = _subjects(world, reserved)
    for debtor in world.debtors:
        contacts = [
            _Contact(t.at, t.channel, debtor.id, t)
            for t in world.taken
            if subjects.get(t.attempt) == debtor.id and reserved[t.attempt].facts["purpose"] == "collection"
        ]
        contacts.sort(key=lambda c: c.at)
        for place, contact in enumerate(contacts):
            assert contact.ours is not None
            decided = reserved[contact.ours.attempt].at
            before = contacts[:place] + [
                _Contact(e.at, e.channel, e.debtor, None)
                for e in world.elsewhere
                if e.debtor == debtor.id and e.told < decided - timedelta(seconds=2) and e.corrected is None
            ]
            for zone in debtor.zones:
                yield from _LIMITS[world.law.name](contact, before, ZoneInfo(zone))


def _subjects(world: World, reserved: dict[str, Entry]) -> dict[str, str]:
    """Whose each attempt is: whom its words name; of those that name nobody, by the house's name for the person."""
    by_subject: dict[str, set[str]] = {}
    for taken in world.taken:
        entry = reserved.get(taken.attempt)
        if entry is None or entry.subject is None:
            continue
        whose = {d.id for d in world.debtors if taken.to in (d.phone, d.mail) and taken.named in (None, d.id)}
        known = by_subject.get(entry.subject)
        by_subject[entry.subject] = whose if known is None else known & whose
    taken_names: dict[str, str] = {}
    for subject, whose in sorted(by_subject.items(), key=lambda item: len(item[1])):
        left = whose - set(taken_names.values()) or whose
        taken_names[subject] = min(left)
    return {
        a: taken_names[e.subject] for a, e in reserved.items() if e.subject is not None and e.subject in taken_names
    }


def _counts_at(before: _Contact, later: _Contact) -> datetime:
    """When an earlier contact counts: as late as it may have been, while nobody had told when it was."""
    ours = before.ours
    if ours is None or (ours.confirmed is not None and ours.confirmed < later.at + IN_FLIGHT):
        return before.at
    return ours.until


def _colombia(contact: _Contact, before: list[_Contact], zone: ZoneInfo) -> Found:
    """Ley 2300 art. 3: one contact a day, one channel a calendar week."""
    day = contact.at.astimezone(zone).date()
    for other in before:
        then = other.at.astimezone(zone).date()
        if then == day:
            yield "limit", f"{contact.debtor}: two contacts on {day}"
        if then.isocalendar()[:2] == day.isocalendar()[:2] and then <= day and other.channel != contact.channel:
            yield "limit", f"{contact.debtor}: {other.channel} and {contact.channel} in the week of {day}"


def _chile(contact: _Contact, before: list[_Contact], zone: ZoneInfo) -> Found:
    """Ley 19.496 art. 37: two messages in 168 hours, two clear days between them; calls have a count of their own."""
    before = [c for c in before if c.channel != "call_live"]
    week = [c for c in before if contact.at - _counts_at(c, contact) < timedelta(hours=168) - ROLLING_SLACK]
    if len(week) >= 2:
        yield "limit", f"{contact.debtor}: three messages in 168 hours to {contact.at}"
    for other in week:
        days = (contact.at.astimezone(zone).date() - other.at.astimezone(zone).date()).days
        if 0 <= days < 3:
            yield "limit", f"{contact.debtor}: messages {days} dates apart at {contact.at}"


def _new_york(contact: _Contact, before: list[_Contact], zone: ZoneInfo) -> Found:
    """6 RCNY 5-77: three contacts or attempts about an account in seven days, by whatever medium."""
    day = contact.at.astimezone(zone).date()
    counted = [c for c in before if timedelta() <= day - c.at.astimezone(zone).date() < timedelta(days=7)]
    if len(counted) >= 3:
        yield "limit", f"{contact.debtor}: {len(counted) + 1} contacts in seven days to {day}"


def _none(contact: _Contact, before: list[_Contact], zone: ZoneInfo) -> Found:
    """Ley 29571 counts nothing."""
    yield from ()


_LIMITS = {"CO": _colombia, "CL": _chile, "US-NYC": _new_york, "PE": _none}


# ---- I2: stops ----------------------------------------------------------------------------------------------------------


def _stops(world: World, reserved: dict[str, Entry]) -> Found:
    """By carriers' truth: nothing was taken later than a flight after a stop was acknowledged, and it was soon."""
    subjects = _subjects(world, reserved)
    for stop in world.stops:
        from_ = stop.kept + IN_FLIGHT if stop.kept is not None else stop.said + PULLED_WITHIN
        confirmed = 0
        again = any(o is not stop and o.address == stop.address and o.said < stop.said for o in world.stops)
        for taken in world.taken:
            entry = reserved.get(taken.attempt)
            if entry is None or taken.at < stop.said:
                continue
            if stop.debtor is not None and subjects.get(taken.attempt) != stop.debtor:
                continue
            if stop.address is not None and taken.to != stop.address:
                continue
            if entry.facts["purpose"] == "optout_confirmation":
                confirmed += 1
            elif taken.at > from_:
                yield (
                    "stop",
                    f"{taken.attempt} to {taken.to} at {taken.at}; stop by {stop.by} at {stop.said}, kept {stop.kept}",
                )
        # Whoever has said it before is not told again; and of those who share a number one is.
        if confirmed > (0 if again and _was_kept(world, stop) else 1):
            yield "stop", f"a stop was confirmed {confirmed} times"


def _was_kept(world: World, stop: Stop) -> bool:
    """Whether the house had acknowledged an earlier stop of the same address before this one, confirmation and all."""
    spare = timedelta(minutes=10)
    return any(o.address == stop.address and o.kept is not None and o.kept + spare < stop.said for o in world.stops)


def _stop_order(world: World, entries: list[Entry]) -> Found:
    """By the trace alone: after the entry of a refusal no reservation that it covers."""
    refused: list[Entry] = []
    for entry in entries:
        facts = entry.facts
        if entry.kind == "event" and facts.get("type") == "consent" and facts.get("state") == "withdrawn":
            refused.append(entry)
        if entry.kind != "reserved" or facts["purpose"] == "optout_confirmation":
            continue
        for no in refused:
            if no.facts.get("all"):
                covers = no.subject == entry.subject
            else:
                address = no.facts.get("address") or no.facts.get("endpoint")
                covers = address == facts["endpoint"] if address else no.subject == entry.subject
            if covers:
                yield "stop order", f"entry {entry.idx} reserves what entry {no.idx} had refused"
                break


def _cancelled(world: World, reserved: dict[str, Entry]) -> Found:
    """What was cancelled does not leave afterwards."""
    for taken in world.taken:
        entry = reserved.get(taken.attempt)
        if (
            entry is not None
            and entry.message in world.cancelled
            and taken.at > world.cancelled[entry.message] + IN_FLIGHT
        ):
            yield "cancelled", f"{taken.attempt} left after its message was cancelled"
