"""Do-not-contact registers: read in versions from CSV of any size, in force at once, their age a fact that laws ask for.

Numbers are known only while their line is read: what is kept are the keyed digests by which addresses are locked and counted.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from gateway.addresses import endpoint
from gateway.entries import Scribe
from gateway.people.register_lines import COUNTRIES, Bad, Line, LineReader
from gateway.refusals import Flaw, NotThere, Refused
from jurisdictions.built_in import HOUSE_LIST
from jurisdictions.library import Library
from storage import chain, messages, registers
from storage.clock import LegalClock
from storage.database import Connection, Database, DatabaseAway
from storage.registers import Compared, Entry
from tracelog.entry import instant
from vocabulary.ids import new_uuid

LINES_MAX: Final = 50_000_000
#: Lines that are read and committed together.
CHUNK_LINES: Final = 2_000
LINE_BYTES_MAX: Final = 64 * 1024
#: Bad lines that a report tells of one by one.
BAD_SHOWN_MAX: Final = 100
VERSIONS_SHOWN_MAX: Final = 100
#: A file that takes away more than this part of a register is taken for one that was cut off, unless somebody insists.
GONE_SHARE_MAX: Final = 0.5
#: Registers of fewer entries may change as they like.
SMALL: Final = 100
#: A reading that said nothing for so long has died; real time.
SILENT: Final = timedelta(hours=6)
CLEAR_AT_ONCE: Final = 20_000
COPY_AT_ONCE: Final = 20_000
CLEAR_VERSIONS_MAX: Final = 20
MOVE_AT_ONCE: Final = 500

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What to read, and how. ``as_of``: how old the list is (None: as of now). ``add``: beside what stands, not in its place."""

    name: str
    as_of: datetime | None = None
    calling_code: str | None = None
    add: bool = False
    force: bool = False


@dataclass(slots=True)
class _Tally:
    lines: int = 0
    good: int = 0
    bad: int = 0
    shown: list[Bad] = field(default_factory=list)

    def note(self, bad: Bad) -> None:
        """One more bad line; the first ones are told one by one."""
        self.bad += 1
        if len(self.shown) < BAD_SHOWN_MAX:
            self.shown.append(bad)


class Registers:
    """Reads registers in and shows them. Nothing is in force before the whole file was read."""

    def __init__(self, *, database: Database, clock: LegalClock, scribe: Scribe, law: Library, secret: bytes) -> None:
        self._database = database
        self._clock = clock
        self._scribe = scribe
        self._law = law
        self._secret = secret

    async def read(
        self, tenant: str, what: Import, parts: AsyncIterator[bytes], progress: Progress | None = None
    ) -> dict[str, Any]:
        """Read a register and bring it into force; the report. Raises Refused, and then the version before it stands.

        ``parts``: the file as it comes, in UTF-8; no more of it than a chunk is ever held. ``progress`` is told lines read.
        """
        version = new_uuid()

        async def begin(connection: Connection) -> int:
            now, real = await self._clock.now(connection)
            if what.as_of is not None and what.as_of > now:
                raise Refused([Flaw("/as_of", "is in the future")])
            await registers.current(connection, tenant, what.name)
            return await registers.begin(connection, version, tenant, what.name, what.as_of or now, real)

        number = await self._database.run(begin)
        digest = sha256()
        tally = _Tally()
        try:
            await self._fill(tenant, what, version, _hashed(parts, digest.update), tally, progress)
            facts = {"sha256": digest.hexdigest(), "mode": "add" if what.add else "replace"}
            return await self._bring_in(tenant, what, version, number, tally, facts)
        except BaseException as error:
            await asyncio.shield(self._give_up(version, tally, error))
            raise

    async def _fill(
        self,
        tenant: str,
        what: Import,
        version: UUID,
        parts: AsyncIterator[bytes],
        tally: _Tally,
        progress: Progress | None,
    ) -> None:
        reader = LineReader(what.calling_code or COUNTRIES.get(what.name.casefold()))

        def understood(lines: list[str]) -> list[Entry]:
            entries: list[Entry] = []
            for each in reader.read(lines):
                if isinstance(each, Bad):
                    tally.note(each)
                else:
                    entries.extend(self._entries(tenant, each))
            return entries

        async for lines in _chunks(parts):
            tally.lines += len(lines)
            if tally.lines > LINES_MAX:
                raise Refused([Flaw("", f"a register has at most {LINES_MAX} lines")])
            # Reading numbers is work for the processor: in a thread, so that others are served meanwhile.
            entries = await asyncio.to_thread(understood, lines)
            tally.good += len(entries)
            if entries:
                await self._database.run(partial(registers.add, version=version, entries=entries))
            if progress is not None:
                progress(tally.lines)

    def _entries(self, tenant: str, line: Line) -> list[Entry]:
        digest = endpoint(self._secret, tenant, line.channel, line.address)
        return [
            Entry(endpoint=digest, channel=channel, since=line.since)
            for channel in ([each.value for each in line.channels] or [""])
        ]

    async def _bring_in(
        self, tenant: str, what: Import, version: UUID, number: int, tally: _Tally, facts: dict[str, Any]
    ) -> dict[str, Any]:
        """One transaction: compared with the version in force, and in its place if it may be."""
        copied = await self._copy(tenant, what, version) if what.add else None

        async def job(connection: Connection) -> dict[str, Any]:
            standing = await registers.current(connection, tenant, what.name)
            if what.add and standing is not None and standing != copied:
                raise Refused([Flaw("", "another version came into force meanwhile: read the file again")])
            compared = await registers.compare(connection, version, standing)
            _refuse_what_was_cut_off(what, tally, compared)
            now, real = await self._clock.now(connection)
            as_of = what.as_of or now
            report = {
                "lines": tally.lines,
                "entries": compared.entries,
                "new": compared.added,
                "gone": compared.gone,
                "bad": tally.bad,
                "errors": [{"line": bad.number, "why": bad.why} for bad in tally.shown],
                **facts,
            }
            await registers.swap(connection, tenant, what.name, version, as_of=as_of, report=report, real=real)
            told = {k: v for k, v in report.items() if k != "errors"}
            entry = self._scribe.entry(
                "register",
                tenant=tenant,
                at=now,
                facts={"register": what.name, "version": number, "as_of": instant(as_of), **told},
            )
            await chain.append(connection, {tenant: [entry]})
            return {"register": what.name, "version": number, "as_of": _utc(as_of), **report}

        report = await self._database.run(job)
        # Looked for when the version is in force: what was accepted by the one before it until then is among them.
        found = partial(registers.struck, tenant=tenant, version=version)
        struck = await self._database.run(found) if report["new"] else []
        await self._decide_again(struck)
        return {**report, "asked_by": self.asked_by(what.name), "decided_again": len(struck)}

    async def _copy(self, tenant: str, what: Import, version: UUID) -> UUID | None:
        """What stands goes into the new version too, a page at a time; the version that it was taken from."""
        standing = await self._database.run(partial(registers.current, tenant=tenant, name=what.name))
        after: tuple[str, str] | None = ("", "")
        while standing is not None and after is not None:
            after = await self._database.run(
                partial(registers.copy, version=version, other=standing, after=after, limit=COPY_AT_ONCE)
            )
        return standing

    async def _decide_again(self, waiting: Sequence[UUID]) -> None:
        """What waits for somebody who stands on the register now is decided at once, and not when it would have been due."""
        for begins in range(0, len(waiting), MOVE_AT_ONCE):
            ids = list(waiting[begins : begins + MOVE_AT_ONCE])

            async def job(connection: Connection, ids: list[UUID] = ids) -> None:
                rows = await messages.lock(connection, ids)
                now, _ = await self._clock.now(connection)
                moves = [(i, row.status, None, now) for i, row in rows.items() if row.status in ("queued", "deferred")]
                await messages.move(connection, moves, now)
                await messages.ring(connection)

            await self._database.run(job)

    async def _give_up(self, version: UUID, tally: _Tally, error: BaseException) -> None:
        async def job(connection: Connection) -> None:
            _, real = await self._clock.now(connection)
            report = {"lines": tally.lines, "bad": tally.bad, "why": type(error).__name__}
            await registers.give_up(connection, version, report, real)

        with contextlib.suppress(DatabaseAway):  # a version that stays unfinished is cleared all the same
            await self._database.run(job)

    async def clear(self) -> None:
        """Take away the entries of versions that are past, a piece at a time."""

        async def left(connection: Connection) -> list[tuple[UUID, str]]:
            _, real = await self._clock.now(connection)
            return await registers.to_clear(connection, real - SILENT, CLEAR_VERSIONS_MAX)

        for version, _ in await self._database.read(left):
            while await self._database.run(partial(registers.clear, version=version, limit=CLEAR_AT_ONCE)):
                pass

    def asked_by(self, name: str) -> list[str]:
        """The rules of every pack that ask this register, as ``CODE RULE``; house lists are asked by HOUSE-LISTED."""
        if name.casefold().startswith(HOUSE_LIST):
            return ["HOUSE HOUSE-LISTED"]
        found = []
        for code, pack in sorted(self._law.packs.items()):
            for rule in pack.rules:
                table = rule.table.forbids.register if rule.table.forbids is not None else None
                if table is not None and name.casefold() in {each.casefold() for each in table.names}:
                    found.append(f"{code} {rule.id}")
        return list(dict.fromkeys(found))

    async def listed(self, tenant: str) -> list[dict[str, Any]]:
        """A tenant's registers, each with its version in force."""
        rows = await self._database.read(partial(registers.listed, tenant=tenant))
        return [
            {
                "register": row.name,
                "version": row.number,
                "as_of": row.as_of and _utc(row.as_of),
                "read_at": row.ended_at and _utc(row.ended_at),
                "entries": row.report.get("entries", 0),
                "asked_by": self.asked_by(row.name),
            }
            for row in rows
        ]

    async def versions(self, tenant: str, name: str) -> list[dict[str, Any]]:
        """The versions of one register, the newest first. Raises NotThere."""
        rows = await self._database.read(
            partial(registers.versions, tenant=tenant, name=name, limit=VERSIONS_SHOWN_MAX)
        )
        if not rows:
            raise NotThere
        return [
            {
                "register": row.name,
                "version": row.number,
                "state": row.state,
                "as_of": _utc(row.as_of),
                "begun_at": _utc(row.begun_at),
                "ended_at": row.ended_at and _utc(row.ended_at),
                "report": row.report,
            }
            for row in rows
        ]


def _refuse_what_was_cut_off(what: Import, tally: _Tally, compared: Compared) -> None:
    if not compared.entries:
        raise Refused([Flaw("", f"not one of {tally.lines} lines holds an address{_first(tally)}")])
    before = compared.entries - compared.added + compared.gone
    if not what.force and before >= SMALL and compared.gone > before * GONE_SHARE_MAX:
        raise Refused(
            [
                Flaw(
                    "/force",
                    f"{compared.gone} of {before} entries would go: was the file cut off? say force if it was not",
                )
            ]
        )


def _first(tally: _Tally) -> str:
    return f"; line {tally.shown[0].number}: {tally.shown[0].why}" if tally.shown else ""


async def _chunks(parts: AsyncIterator[bytes]) -> AsyncIterator[list[str]]:
    """The lines of a stream, so many at a time; no more than one chunk is held."""
    rest = b""
    lines: list[str] = []
    async for part in parts:
        *whole, rest = (rest + part).split(b"\n")
        if len(rest) > LINE_BYTES_MAX:
            raise Refused([Flaw("", f"a line is longer than {LINE_BYTES_MAX} bytes: the file is no CSV")])
        for line in whole:
            # Numbers are ASCII whatever else stands beside them in an old encoding.
            lines.append(line.decode("utf-8", errors="replace"))
            if len(lines) == CHUNK_LINES:
                yield lines
                lines = []
    if rest:
        lines.append(rest.decode("utf-8", errors="replace"))
    if lines:
        yield lines


async def _hashed(parts: AsyncIterator[bytes], update: Callable[[bytes], None]) -> AsyncIterator[bytes]:
    async for part in parts:
        update(part)
        yield part


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
