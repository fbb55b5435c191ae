"""Reports of contact frequency: asked for, made in the background with progress, recounted from the trace, kept until they expire."""

import asyncio
import csv
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import StringIO
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final, Protocol

import structlog

from gateway.audit.recheck import rechecked
from gateway.audit.reports_counts import Counter, Period
from gateway.entries import Scribe
from gateway.refusals import NotThere
from gateway.seal import Broken
from jurisdictions.house import Policy
from jurisdictions.library import Library
from pages.reports import columns
from pages.reports.frequency import (
    Checkpoint,
    Close,
    Head,
    Line,
    Reading,
    Recount,
    RuleText,
    RuleTotal,
)
from pages.reports.sheets import Lines, Sheet
from storage import chain, people, reports
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.reports import Compared, ReportRow
from tracelog.head import SignedHead, verifier_key
from vocabulary.ids import new_uuid, parsed, shown

log = structlog.get_logger()

FORMATS: Final = {
    "pdf": "application/pdf",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
KEPT: Final = timedelta(days=7)
OPEN_MAX: Final = 10
TRIES_MAX: Final = 3
#: Real time in which a page of people is counted at the latest; a recount renews nothing, so it has room as well.
LEASE: Final = timedelta(minutes=20)
PART_BYTES: Final = 1024 * 1024
#: The longest period: contacts are read 400 days back, and the widest window of any law must fit before its beginning.
PERIOD_DAYS_MAX: Final = 366
PERIOD_DAYS: Final = 30
#: Figures that differ, by name; how many more there are stands behind them.
DIFFERING_NAMED_MAX: Final = 1_000


class TooMany(Exception):
    """The tenant waits for as many reports as it may."""


class ExtraMissing(Exception):
    """What writes this format is not installed; the text says how to install it."""


class Sealer(Protocol):
    """Signs what stands in a tenant's trace."""

    async def seal(self, tenant: str, /) -> SignedHead:
        """The head over everything committed so far. Raises ``gateway.seal.Broken``."""
        ...


class Writer(Protocol):
    """Writes one kind of file."""

    def begin(self, head: Head, /) -> bytes:
        """What stands before everything."""
        ...

    def lines(self, found: list[Line], /) -> bytes:
        """Some lines."""
        ...

    def end(self, close: Close, /) -> bytes:
        """What stands after everything."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to know, and as what file. ``until`` is never later than now."""

    format: str
    language: str
    period: Period

    def written(self) -> dict[str, Any]:
        """As it is kept."""
        period = self.period
        return {
            "language": self.language,
            "since": period.since.isoformat(),
            "until": period.until.isoformat(),
            "contact": period.contact,
            "jurisdiction": period.jurisdiction,
        }


def asked_of(row: ReportRow) -> Asked:
    """The question as it was kept."""
    ask = row.ask
    period = Period(
        since=datetime.fromisoformat(ask["since"]),
        until=datetime.fromisoformat(ask["until"]),
        contact=ask["contact"],
        jurisdiction=ask["jurisdiction"],
    )
    return Asked(format=row.format, language=ask["language"], period=period)


Progress = Callable[[int, int], Awaitable[bool]]


class Lost(Exception):
    """Somebody else makes this report by now, or it is gone."""


class Maker:
    """Makes a file out of the book: counts, recounts, and writes."""

    def __init__(
        self, *, database: Database, clock: LegalClock, counter: Counter, sealer: Sealer, law: Library, public_url: str
    ) -> None:
        self._database = database
        self._clock = clock
        self._counter = counter
        self._sealer = sealer
        self._law = law
        self._public_url = public_url

    async def pieces(self, tenant: str, name: str, asked: Asked, progress: Progress) -> AsyncIterator[bytes]:
        """The file, piece by piece. ``progress`` is told people done and people in all, and says whether to go on.

        Raises Lost, Broken, ExtraMissing or DatabaseAway.
        """
        writer = _writer(asked.format)
        period = asked.period
        signed = await self._sealer.seal(tenant)
        made_at = await self._database.read(self._real)
        yield writer.begin(self._head(tenant, name, asked, signed, made_at))
        total = await self._database.read(
            lambda c: reports.people_count(c, tenant, period.contact, period.jurisdiction)
        )
        policies = await self._counter.policies(tenant)
        done, after = 0, ""
        with TemporaryFile() as figures:
            totals = _Totals(figures)
            while True:
                lines, count, more = await self._counter.page(tenant, period, policies, after)
                done += count
                totals.take(lines)
                yield writer.lines(lines)
                if not await progress(done, max(total, done)):
                    raise Lost
                if more is None:
                    break
                after = more
            recount = await self._recounted(tenant, period, figures)
        close = Close(
            people=done,
            lines=totals.lines,
            totals=tuple(totals.by_rule[key] for key in sorted(totals.by_rule)),
            packs=tuple(self._packs(totals)),
            rules=tuple(self._rules(totals, asked.language)),
            readings=tuple(self._readings(totals, policies, period)),
            recount=recount,
        )
        # Setting a page is a processor's work: it must not hold the loop that sends.
        yield await asyncio.to_thread(writer.end, close)

    async def _real(self, connection: Connection) -> datetime:
        return (await self._clock.now(connection))[0]

    def _head(self, tenant: str, name: str, asked: Asked, signed: SignedHead, made_at: datetime) -> Head:
        period = asked.period
        return Head(
            report=name,
            tenant=tenant,
            language=asked.language,
            since=period.since.astimezone(UTC),
            until=period.until.astimezone(UTC),
            made_at=made_at.astimezone(UTC),
            contact=period.contact,
            jurisdiction=period.jurisdiction,
            checkpoint=Checkpoint(
                note=signed.note(),
                size=signed.head.size,
                verifier_key=verifier_key(signed.head.origin, signed.public_key),
                url=f"{self._public_url}/v1/trace/consistency?from={signed.head.size}",
            ),
        )

    async def _recounted(self, tenant: str, period: Period, figures: BinaryIO) -> Recount:
        """The same figures by SQL over the trace, and what the recheck finds from the beginning of the period on."""
        found: list[Compared] = []

        async def also(connection: Connection) -> None:
            found[:] = [
                await reports.compared(connection, tenant, period.since, period.until, figures, DIFFERING_NAMED_MAX)
            ]

        checked = await rechecked(self._database, tenant, period.since, also=also)
        (again,) = found
        differing = [
            f"{each.contact} {each.rule}: {(each.contacts, each.peak)} / {(each.contacts_again, each.peak_again)}"
            for each in again.named
        ]
        if again.differing > len(differing):
            differing.append(f"... {again.differing - len(differing)}")
        return Recount(
            compared=again.compared,
            differing=tuple(differing),
            # Of a rule that only the profile or a house rule knows.
            not_compared=again.missing,
            contacts=checked.contacts,
            breaches=tuple(
                f"{each.index} {each.at.astimezone(UTC).isoformat(timespec='seconds')} {each.rule}: {each.observed}"
                for each in checked.breaches
                if each.at < period.until
            ),
        )

    def _packs(self, totals: "_Totals") -> list[tuple[str, str]]:
        labels = sorted({pack for _, pack in totals.by_rule})
        by_label = {pack.label: pack.table.title for pack in self._law.packs.values()}
        return [(label, by_label.get(label, "-")) for label in labels]

    def _rules(self, totals: "_Totals", language: str) -> list[RuleText]:
        found = {}
        for pack in self._law.packs.values():
            for rule in pack.rules:
                if (rule.id, pack.label) in totals.by_rule:
                    says = rule.table.says
                    found[rule.id, pack.label, says["en"]] = RuleText(
                        rule=rule.id,
                        pack=pack.label,
                        force=rule.table.force,
                        citation=rule.table.cite,
                        says=says.get(language, says["en"]),
                    )
        return [found[key] for key in sorted(found)]

    def _readings(self, totals: "_Totals", policies: list[tuple[datetime, Policy]], period: Period) -> list[Reading]:
        """Every open question of the laws that spoke, with each answer that held in the period."""
        labels = {pack for _, pack in totals.by_rule}
        spans = [
            (since, policy)
            for number, (since, policy) in enumerate(policies)
            if since < period.until and (number + 1 == len(policies) or policies[number + 1][0] > period.since)
        ]
        found: dict[tuple[str, str], Reading] = {}
        for pack in self._law.packs.values():
            if pack.label not in labels:
                continue
            for name, reading in pack.table.readings.items():
                for since, policy in spans:
                    value = policy.readings.get(name, reading.default)
                    default = value == reading.default
                    found.setdefault(
                        (name, value),
                        Reading(
                            name=name,
                            value=value,
                            default=default,
                            says=reading.says,
                            since=None if default else since.astimezone(UTC),
                        ),
                    )
        return [found[key] for key in sorted(found)]


class _Totals:
    """What is kept while people go by: in memory by rule, and what is compared later on disk."""

    def __init__(self, figures: BinaryIO) -> None:
        self.lines = 0
        self.by_rule: dict[tuple[str, str], RuleTotal] = {}
        self._figures = figures

    def take(self, lines: list[Line]) -> None:
        """Lines of some people, all of each."""
        #: Per person, rule and pack: contacts and peak, over all debts where a rule counts each apart.
        figures: dict[tuple[str, str, str], tuple[int, int]] = {}
        counted_people: set[tuple[str, str, str]] = set()
        for line in lines:
            self.lines += 1
            total = self.by_rule.setdefault(
                (line.rule, line.pack), RuleTotal(rule=line.rule, pack=line.pack, limit=line.limit)
            )
            key = (line.contact, line.rule, line.pack)
            if key not in counted_people:
                counted_people.add(key)
                total.people += 1
                total.held += line.held
            total.contacts += line.contacts
            total.peak = max(total.peak, line.peak)
            total.at_limit += line.margin == 0
            total.beyond += line.margin < 0
            if line.asks == "count":
                contacts, peak = figures.get(key, (0, 0))
                figures[key] = (max(contacts, line.contacts), max(peak, line.peak))
        text = StringIO(newline="")
        # Quoted throughout: an empty name is one, and no name is none.
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows((*key, *found) for key, found in figures.items())
        self._figures.write(text.getvalue().encode())


class Reports:
    """Takes questions, makes the files, hands them out."""

    def __init__(self, *, database: Database, clock: LegalClock, scribe: Scribe, maker: Maker) -> None:
        self._database = database
        self._clock = clock
        self._scribe = scribe
        self._maker = maker
        self._making = False

    async def ask(self, tenant: str, asked: Asked) -> dict[str, Any]:
        """Keep a question; somebody will make it. Raises NotThere for a person whom nobody knows, and TooMany."""
        identity = new_uuid()

        async def job(connection: Connection) -> ReportRow | None:
            contact = asked.period.contact
            if contact is not None and not await people.contacts(connection, [(tenant, contact)]):
                raise NotThere
            kept = await reports.put(
                connection,
                report=identity,
                tenant=tenant,
                format_=asked.format,
                ask=asked.written(),
                contact=contact,
                at=(await self._clock.now(connection))[0],
                kept=KEPT,
                open_max=OPEN_MAX,
            )
            return await reports.show(connection, tenant, identity) if kept else None

        row = await self._database.run(job)
        if row is None:
            raise TooMany
        return _shown(row)

    async def show(self, tenant: str, identity: str) -> dict[str, Any]:
        """How far a report is. Raises NotThere."""
        return _shown(await self.row(tenant, identity))

    async def row(self, tenant: str, identity: str) -> ReportRow:
        """One report as it is kept. Raises NotThere."""
        found = parsed("rpt", identity)
        row = None if found is None else await self._database.read(lambda c: reports.show(c, tenant, found))
        if row is None:
            raise NotThere
        return row

    async def parts(self, row: ReportRow) -> AsyncIterator[bytes]:
        """The file of a report that is ready."""
        n = 0
        while True:
            piece = await self._database.read(lambda c, n=n: reports.part(c, row.tenant, row.id, n))  # type: ignore[misc]
            if piece is None:
                return
            yield piece
            n += 1

    async def round(self) -> int:
        """Make what was asked for, one after the other, and remove what has expired; how many were made. One at a time a process."""
        if self._making:
            return 0
        self._making = True
        try:
            await self._database.run(reports.expire)
            made = 0
            while (row := await self._database.run(lambda c: reports.claim(c, LEASE))) is not None:
                await self._make(row)
                made += 1
            return made
        finally:
            self._making = False

    async def _make(self, row: ReportRow) -> None:
        if row.tries - row.tried > TRIES_MAX:
            await self._database.run(lambda c: reports.fail(c, row))
            return
        try:
            await self._made(row)
        except Lost:
            log.info("report.lost")
        except ExtraMissing as error:
            log.critical("report.extra_missing", kind=row.format, what=str(error))
            await self._database.run(lambda c: reports.fail(c, row))
        except Broken as error:
            # Figures that rest on a trace which does not hold are not reported.
            log.critical("report.trace_broken", tenant=row.tenant, error=type(error).__name__)
            await self._database.run(lambda c: reports.fail(c, row))

    async def _made(self, row: ReportRow) -> None:
        await self._database.run(lambda c: reports.clear(c, row.id))
        digest, size, n = sha256(), 0, 0
        waiting = bytearray()

        async def progress(done: int, total: int) -> bool:
            return await self._database.run(lambda c: reports.advance(c, row, done, total, LEASE))

        async def keep(least: int) -> None:
            nonlocal n
            while len(waiting) >= least and waiting:
                piece = bytes(waiting[:PART_BYTES])
                del waiting[:PART_BYTES]
                if not await self._database.run(lambda c, n=n, piece=piece: reports.add(c, row, n, piece)):  # type: ignore[misc]
                    raise Lost
                n += 1

        async for piece in self._maker.pieces(row.tenant, shown("rpt", row.id), asked_of(row), progress):
            digest.update(piece)
            size += len(piece)
            waiting += piece
            await keep(PART_BYTES)
        await keep(1)

        async def job(connection: Connection) -> None:
            if not await reports.finish(connection, row, digest.digest(), size):
                raise Lost
            subject = None
            if row.contact is not None:
                found = await people.contacts(connection, [(row.tenant, row.contact)])
                subject = next((each.subject for each in found.values()), None)
            now, _ = await self._clock.now(connection)
            facts = {
                "report": row.id.hex,
                "format": row.format,
                "since": row.ask["since"],
                "until": row.ask["until"],
                "jurisdiction": row.ask["jurisdiction"],
                "sha256": digest.hexdigest(),
            }
            entry = self._scribe.entry("report", tenant=row.tenant, at=now, facts=facts, subject=subject)
            await chain.append(connection, {row.tenant: [entry]})

        await self._database.run(job)


def missing(kind: str) -> str | None:
    """How to install what writes a format, where it is not."""
    return columns.EXTRA if kind == "parquet" and not columns.available() else None


def _writer(kind: str) -> Writer:
    """Raises ExtraMissing."""
    if (how := missing(kind)) is not None:
        raise ExtraMissing(how)
    match kind:
        case "csv":
            return Sheet()
        case "ndjson":
            return Lines()
        case "parquet":
            return columns.Columns()
        case _:
            # The one that sets pages is large and seldom needed.
            from pages.reports.paper import Paper

            return Paper()


def _shown(row: ReportRow) -> dict[str, Any]:
    return {
        "id": shown("rpt", row.id),
        "state": row.state,
        "format": row.format,
        "language": row.ask["language"],
        "since": row.ask["since"],
        "until": row.ask["until"],
        "contact": row.contact,
        "jurisdiction": row.ask["jurisdiction"],
        "done": row.done,
        "total": row.total,
        "size": row.size,
        "sha256": None if row.sha256 is None else row.sha256.hex(),
        "remade": row.remade,
        "created_at": row.at.isoformat(),
        "expires_at": row.expires_at.isoformat(),
    }
