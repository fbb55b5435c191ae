"""Brings many people in from a file, CSV or NDJSON: each line a profile as the API takes it, or a reason why not.

A line that is wrong spoils only itself. Putting a profile twice is putting it once, so a file may be read again from anywhere.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.api.problems import Problem
from gateway.api.reading import convert, parse
from gateway.asks import ContactAsk
from gateway.entries import Scribe
from gateway.people.cells import addresses_of, listed
from gateway.people.profiles import Profile, profile, put_profiles
from gateway.refusals import Flaw, Refused
from storage import chain
from storage.clock import LegalClock
from storage.database import Connection, Database

#: People who are put in one transaction.
CHUNK_PEOPLE: Final = 200
LINE_CHARS_MAX: Final = 256 * 1024
BAD_SHOWN_MAX: Final = 100

_ADDRESSES: Final = {
    "sms": "sms",
    "phone": "sms",
    "telefono": "sms",
    "celular": "sms",
    "whatsapp": "whatsapp",
    "voice": "voice",
    "email": "email",
    "correo": "email",
    "telegram": "telegram",
}
_PLAIN: Final = ("id", "name", "role", "locale", "household", "residence")
_LISTS: Final = ("jurisdictions", "zones")
_OF_ADDRESSES: Final = ("kind", "source", "authorised_at", "instrument")
COLUMNS: Final = (*_PLAIN, *_LISTS, *_ADDRESSES, *_OF_ADDRESSES)


@dataclass(frozen=True, slots=True)
class BadPerson:
    """A line that holds nobody who can be kept: which one, where in it, and why."""

    line: int
    pointer: str
    why: str


@dataclass(slots=True)
class Report:
    """What became of a file. ``last_line`` is the last one that is done with: reading on from the next loses nothing."""

    lines: int = 0
    people: int = 0
    bad: int = 0
    last_line: int = 0
    errors: list[BadPerson] = field(default_factory=list)

    def note(self, bad: Iterable[BadPerson]) -> None:
        """One more bad line; the first ones are told one by one."""
        self.bad += 1
        self.errors.extend(list(bad)[: max(0, BAD_SHOWN_MAX - len(self.errors))])


Progress = Callable[[int], None]
Raw = tuple[int, Any]


class NoFileOfPeople(ValueError):
    """The file is neither NDJSON nor a CSV whose heading names known columns; the text says what is wrong."""


class Importer:
    """Puts people. ``check`` reads everything and stores nothing."""

    def __init__(self, *, database: Database, clock: LegalClock, scribe: Scribe, secret: bytes) -> None:
        self._database = database
        self._clock = clock
        self._scribe = scribe
        self._secret = secret

    async def read(
        self,
        tenant: str,
        people: Iterator[Raw],
        report: Report,
        *,
        check: bool = False,
        progress: Progress | None = None,
    ) -> Report:
        """Put everybody; ``report`` is kept up to date line by line, so that whoever breaks off knows where."""
        chunk: dict[str, Profile] = {}
        last = 0
        for last, raw in people:
            report.lines += 1
            try:
                found = profile(self._secret, tenant, _person(raw))
            except Refused as error:
                report.note(BadPerson(last, flaw.pointer, flaw.detail) for flaw in error.flaws)
            else:
                # Who stands in a file twice is put twice, in order: as if it had been two files.
                if found.contact.id in chunk:
                    await self._put(list(chunk.values()), check=check)
                    report.people += len(chunk)
                    chunk.clear()
                chunk[found.contact.id] = found
            if len(chunk) == CHUNK_PEOPLE:
                await self._put(list(chunk.values()), check=check)
                report.people += len(chunk)
                chunk.clear()
                report.last_line = last
            if progress is not None and report.lines % CHUNK_PEOPLE == 0:
                progress(last)
        await self._put(list(chunk.values()), check=check)
        report.people += len(chunk)
        report.last_line = last
        return report

    async def _put(self, profiles: list[Profile], *, check: bool) -> None:
        if check or not profiles:
            return

        async def job(connection: Connection) -> None:
            now, _ = await self._clock.now(connection)
            await chain.append(connection, await put_profiles(connection, self._scribe, profiles, now))

        await self._database.run(job)


def _person(raw: Any) -> ContactAsk:
    if isinstance(raw, Refused):
        raise raw
    asked: ContactAsk = convert(raw, ContactAsk)
    return asked


def people_of(lines: Iterable[str], *, from_line: int = 1) -> Iterator[Raw]:
    """Every person of a file as the API's JSON would have her, with her line; what cannot be read is a Refused in her place.

    ``from_line``: earlier ones are passed over, but for a CSV's heading. Raises NoFileOfPeople.
    """
    rest = iter(lines)
    first = next(rest, "").removeprefix("\ufeff")
    if first.lstrip().startswith("{"):
        yield from _ndjson(first, rest, from_line)
    elif first.strip():
        yield from _csv(first, rest, from_line)
    else:
        raise NoFileOfPeople("the first line is empty")


def _ndjson(first: str, rest: Iterator[str], from_line: int) -> Iterator[Raw]:
    for number, line in enumerate(_chained(first, rest), 1):
        if number < from_line or not line.strip():
            continue
        yield number, _json(line)


def _json(line: str) -> Any:
    if len(line) > LINE_CHARS_MAX:
        return _flawed(f"is longer than {LINE_CHARS_MAX} characters")
    try:
        value, _ = parse(line.encode())
    except Problem as error:
        return _flawed(str(error.detail or "is not JSON"))
    return value


def _flawed(why: str) -> Refused:
    return Refused([Flaw("", why)])


def _csv(first: str, rest: Iterator[str], from_line: int) -> Iterator[Raw]:
    delimiter = max(",;\t", key=first.count)
    names = [name.strip().casefold() for name in next(csv.reader(io.StringIO(first), delimiter=delimiter))]
    unknown = [place for place, name in enumerate(names, 1) if name not in COLUMNS]
    if "id" not in names or unknown or len(set(names)) != len(names):
        # Without a heading the first line is a person: what stands in it is never said again.
        why = f"column {unknown[0]} of the first line is none of them" if unknown else "“id” is needed, and each once"
        raise NoFileOfPeople(f"the first line must name the columns: {why}; they are {', '.join(COLUMNS)}")
    reader = csv.reader(rest, delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num + 1, _flawed(f"is no CSV: {error}")
            continue
        number = reader.line_num + 1
        if number < from_line or not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            yield number, _flawed(f"has {len(cells)} cells where the heading has {len(names)}")
            continue
        yield number, _profile(dict(zip(names, (cell.strip() for cell in cells), strict=True)))


def _profile(row: Mapping[str, str]) -> dict[str, Any]:
    given = {name: value for name, value in row.items() if value}
    found: dict[str, Any] = {name: given[name] for name in _PLAIN if name in given}
    found |= {name: listed(given[name]) for name in _LISTS if name in given}
    addresses = addresses_of(
        [(channel, given[name]) for name, channel in _ADDRESSES.items() if name in given],
        kind=given.get("kind"),
        source=given.get("source"),
        authorised_at=given.get("authorised_at"),
        instrument=given.get("instrument"),
    )
    return found | ({"addresses": addresses} if addresses else {})


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
