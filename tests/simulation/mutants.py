"""The house with one safeguard taken out at a time: each must be caught, or the simulation proves nothing.

A mutant is a change of the source, a statement or a table, made in this process alone and taken back afterwards.
"""

import contextlib
import importlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any
from unittest import mock

from jurisdictions import rule
from storage.queries import queries
from tests.simulation import surroundings
from vocabulary.event import ContactOutcome


@dataclass(frozen=True, slots=True)
class Mutant:
    """``module``: where; ``changes``: each text there with what takes its place. A module ``sql:messages`` is a file of statements.

    ``catches``: by which invariants one would expect to catch it.
    """

    name: str
    module: str
    changes: tuple[tuple[str, str], ...]
    catches: tuple[str, ...]


_NOT_SENT = '__import__("vocabulary.outcome").outcome.NotSent'

MUTANTS = (
    Mutant(
        "send before the reservation is committed",
        "gateway.dispatch",
        (
            (
                '        await reach("dispatch.before_commit")\n        return len(rows)',
                "        for flight in batch.flights:\n            self._start(self._fly(flight))\n"
                "        batch.flights = []\n        await asyncio.sleep(1)\n        return len(rows)",
            ),
        ),
        ("orphan", "duplicate"),
    ),
    Mutant(
        "retry on unknown",
        "gateway.settle",
        (
            (
                'return self._moved(todo, attempt, row, "unknown", Status.UNKNOWN, now, reason=outcome.reason)',
                "return self._again(todo, attempt, row, now)",
            ),
        ),
        ("duplicate",),
    ),
    Mutant("only what was delivered counts", "table:outcomes", (), ("limit",)),
    Mutant(
        "send although the commit is unknown",
        "gateway.dispatch",
        (("self._start(self._give_back(flight))", "self._start(self._fly(flight))"),),
        ("orphan",),
    ),
    Mutant(
        "the next channel after unknown",
        "gateway.settle",
        (
            (
                '(attempt.id, "unknown", None, None, outcome.reason, None, self.next_lookup(attempt, real))',
                '(attempt.id, "rejected", None, None, outcome.reason, None, None)',
            ),
            (
                'return self._moved(todo, attempt, row, "unknown", Status.UNKNOWN, now, reason=outcome.reason)',
                'return self._again(todo, replace(attempt, state="rejected"), row, now)',
            ),
        ),
        ("duplicate",),
    ),
    Mutant(
        "an adapter that raises is taken for not sent",
        "gateway.dispatch",
        (('Unknown(reason=f"the adapter failed', f'{_NOT_SENT}(reason=f"the adapter failed'),),
        ("duplicate",),
    ),
    Mutant(
        "an abandoned attempt is queued again",
        "gateway.sweep",
        (('Unknown(reason="nobody told its ending")', f'{_NOT_SENT}(reason="nobody told its ending")'),),
        ("duplicate",),
    ),
    Mutant(
        "unknown gives the reservation back",
        "gateway.settle",
        (
            (
                '                if attempt.state == "unknown":\n                    return None\n',
                '                if attempt.state == "unknown":\n                    return None\n'
                "                todo.contacted.append((attempt.id, ContactOutcome.FAILED, None))\n",
            ),
        ),
        ("limit",),
    ),
    Mutant(
        "what its list does not show at once was not sent",
        "gateway.sweep",
        (
            (
                "                await self._not_found(attempt, answered=True)\n",
                f'                await self._settler.settle(Ending(attempt.id, {_NOT_SENT}(reason="absent")))\n',
            ),
        ),
        ("limit",),
    ),
    Mutant(
        "what stays unclear for long gives the reservation back",
        "gateway.sweep",
        (
            (
                "        todo = Round.empty()\n",
                "        todo = Round.empty()\n"
                '        failed = __import__("vocabulary.event").event.ContactOutcome.FAILED\n'
                "        todo.contacted.append((attempt.id, failed, None))\n",
            ),
        ),
        ("limit",),
    ),
    Mutant(
        "the next channel follows as often as one looks",
        "gateway.dispatch",
        (
            ("if case is None or (row.hop and not may_hop(attempts)):", "if case is None:"),
            (
                "        if row.hop:\n            batch.hops.append((row.id, False, None))\n        batch.entries",
                "        batch.entries",
            ),
        ),
        ("duplicate",),
    ),
    Mutant(
        "her word alone forbids nothing",
        "jurisdictions.built_in",
        (("    return any(_asks(event) for event in history if type(event) in _WORDS)", "    return False"),),
        ("stop", "stop order"),
    ),
    Mutant(
        "what the maker of a way forbids is not asked",
        "jurisdictions.resolution",
        (('    if way == "twilio" and channel is Channel.SMS and banned:', "    if False:"),),
        ("platform",),
    ),
    Mutant(
        "what was cancelled is sent all the same",
        "sql:messages",
        (("status IN ('queued', 'deferred')", "status IN ('queued', 'deferred', 'cancelled')"),),
        ("cancelled",),
    ),
    Mutant(
        "the past is read before the locks",
        "gateway.dispatch",
        (
            (
                "contacts = await people.contacts(connection, keys, lock=True)",
                "contacts = await people.contacts(connection, keys)",
            ),
            (
                "        await people.lock_endpoints(connection, [(key[0], e) for key, found in endpoints.items() for e in found])\n",
                "",
            ),
        ),
        ("stop order",),
    ),
    Mutant(
        "168 hours are a calendar week",
        "throttling.frequency",
        (
            (
                "        return up_to_second(at + period.elapsed)\n",
                "        day = local_date(at, zones[0])\n"
                "        return starts_at(day + timedelta(days=7 - day.weekday()), zones[0])\n",
            ),
        ),
        ("limit",),
    ),
    Mutant(
        "168 hours are seven days on the wall",
        "throttling.frequency",
        (
            (
                "        return up_to_second(at + period.elapsed)\n",
                "        there = at.astimezone(__import__('zoneinfo').ZoneInfo(zones[0]))\n"
                "        return up_to_second((there + period.elapsed).astimezone(__import__('datetime').UTC))\n",
            ),
        ),
        ("limit",),
    ),
    Mutant(
        "two clear days are one",
        "throttling.frequency",
        (("return day + timedelta(days=period.number + 1)", "return day + timedelta(days=period.number)"),),
        ("limit",),
    ),
    Mutant(
        "a window of days is a day short",
        "throttling.frequency",
        (("return day + timedelta(days=period.number)\n", "return day + timedelta(days=period.number - 1)\n"),),
        ("limit",),
    ),
    Mutant(
        "days begin at midnight UTC",
        "jurisdictions.localtime",
        (
            ("return at.astimezone(zone(zone_name)).date()", "return at.date()"),
            ("    midnight = datetime.combine(day, time())\n", "    return datetime.combine(day, time(), UTC)\n"),
        ),
        ("limit",),
    ),
    Mutant(
        "only the first of her zones is asked",
        "gateway.judge",
        (
            (
                "return zones_for(given=case.contact.zones, number=number, stated=stated)",
                "return zones_for(given=case.contact.zones, number=number, stated=stated)[:1]",
            ),
        ),
        ("hours",),
    ),
    Mutant(
        "holidays are ordinary days",
        "jurisdictions.calendars",
        (("        return year.get(day)", "        return None"),),
        ("hours",),
    ),
    Mutant(
        "no margin before closing",
        "gateway.judge",
        (("        if closes - now < EDGE:\n", "        if False:\n"),),
        ("hours",),
    ),
    Mutant(
        "no margin after opening",
        "gateway.dispatch",
        (("if choice.opened is not None and not self._clock.may_go_back:", "if False:"),),
        ("hours",),
    ),
    Mutant(
        "a reservation may be used whenever",
        "gateway.dispatch",
        (
            ("        if time.monotonic() > hold:\n", "        if False:\n"),
            ("if time.monotonic() > hold else made", "if False else made"),
        ),
        ("orphan", "hours", "stop"),
    ),
    Mutant(
        "the span of a reservation begins when all is read",
        "gateway.dispatch",
        (
            (
                "        for row in rows:\n            batch.entries",
                "        mono = time.monotonic()\n        for row in rows:\n            batch.entries",
            ),
        ),
        ("orphan",),
    ),
    Mutant(
        "the carrier may keep it past closing",
        "gateway.judge",
        (("min(VALID_MAX, max(VALID_MIN, closes - now - HOLD - CALL - SKEW))", "VALID_MAX"),),
        ("hours",),
    ),
    Mutant(
        "what may still arrive is counted at its earliest",
        "gateway.judge",
        (("            if later.answer is not Answer.ALLOW:\n", "            if False:\n"),),
        ("limit",),
    ),
    Mutant(
        "an address that others refused is hers alone",
        "sql:history",
        (("WHERE e.contact <> named.contact AND", "WHERE false AND e.contact <> named.contact AND"),),
        ("stop", "stop order"),
    ),
    Mutant(
        "a claimed row is claimed again",
        "sql:messages",
        (("ORDER BY due_at, id LIMIT turn.share FOR UPDATE SKIP LOCKED", "ORDER BY due_at, id LIMIT turn.share"),),
        ("duplicate", "limit"),
    ),
    Mutant(
        "receipts move the status back",
        "gateway.receive",
        (
            ("if state is None or repeat or RANK[state] <= RANK[attempt.state]:", "if state is None or repeat:"),
            ("        moves = may_move(Status(row.status), status)\n", "        moves = True\n"),
        ),
        ("status",),
    ),
    Mutant(
        "of several words about one, any one stands",
        "gateway.settle",
        (("    return list(told.values())\n", "    return list(rows)\n"),),
        ("status",),
    ),
    Mutant(
        "a stop is confirmed as often as it is said",
        "gateway.courtesy",
        (("return None if opted_out_at(Facts(question, frozenset())) is not None else ask", "return ask"),),
        ("stop",),
    ),
    Mutant(
        "a stop comes by hook or not at all",
        "gateway.pulls",
        (
            (
                "        return sum([await self._pull(name, way) for name, way in self._adapters.items()])",
                "        return 0",
            ),
        ),
        ("stop",),
    ),
    Mutant(
        "a stop is heard and not kept",
        "gateway.heard",
        (("return (_no(said, Channel(said.used.channel), said.used.endpoint),)", "return ()"),),
        ("stop",),
    ),
    Mutant(
        "202 before the commit",
        "gateway.accept",
        (
            (
                "            return await self._accept(connection, items)\n\n        return await self._database.run(job)",
                "            told.extend(await self._accept(connection, items))\n            return told\n\n"
                "        told = []\n        try:\n            return await self._database.run(job)\n"
                "        except DatabaseAway:\n            return list(told[-len(items):])",
            ),
            (
                "class Acceptor:",
                'DatabaseAway = __import__("storage.database").database.DatabaseAway\n\n\nclass Acceptor:',
            ),
        ),
        ("loss",),
    ),
    Mutant(
        "a key is forgotten at once",
        "gateway.accept",
        (
            (
                "_Item(tenant=tenant, key=key, digest=digest",
                "_Item(tenant=tenant, key=key + new_uuid().hex, digest=digest",
            ),
        ),
        ("duplicate",),
    ),
    Mutant(
        "the reservation is not written down",
        "gateway.dispatch",
        (
            (
                "        batch.entries[row.tenant].append(self._reserved_entry(row, case, choice, attempt, reserved, now))\n",
                "",
            ),
        ),
        ("orphan",),
    ),
    Mutant(
        "the ending is not written down",
        "gateway.settle",
        (
            (
                "            todo.entries.setdefault(row.tenant, []).append(self._entry(attempt, row, whose, ending.outcome, now))\n",
                "",
            ),
        ),
        ("orphan",),
    ),
    Mutant(
        "a leaf forgets its payload",
        "tracelog.entry",
        (('+ header + (payload_digest or b"")).digest()', "+ header).digest()"),),
        ("chain",),
    ),
)


class Outdated(Exception):
    """The source has changed, and the mutant with it must."""


@contextlib.contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """The house with this one flaw, which knows nothing of what was worked out without it; and then nothing of what was with it."""
    with contextlib.ExitStack() as stack:
        stack.callback(_forget)
        if mutant.module == "table:outcomes":
            left = (ContactOutcome.DELIVERED, ContactOutcome.READ)
            stack.enter_context(mock.patch.dict(rule.OUTCOMES, {rule.Threshold.LEFT: left}))
        elif mutant.module.startswith("sql:"):
            stack.enter_context(_statements(mutant))
        else:
            stack.enter_context(_source(mutant))
        _forget()
        yield


#: Rooms whose functions keep what they worked out.
_KEEPING = ("jurisdictions.", "throttling.", "consent.", "gateway.")


def _forget() -> None:
    """Hours, dates and packs that are kept ready would hide a flaw in how they are made, or outlive it."""
    surroundings.law.cache_clear()
    for name, module in list(sys.modules.items()):
        if name.startswith(_KEEPING):
            for value in list(vars(module).values()):
                if callable(clear := getattr(value, "cache_clear", None)):
                    clear()


def _changed(mutant: Mutant, text: str) -> str:
    for old, new in mutant.changes:
        if old not in text:
            raise Outdated(f"{mutant.name}: {mutant.module} has no {old!r}")
        text = text.replace(old, new)
    return text


def _statements(mutant: Mutant) -> Any:
    named = queries(mutant.module.removeprefix("sql:"))
    mark = "\n-- name: "
    changed = _changed(mutant, mark.join(f"{k}\n{v}" for k, v in named.items()))
    return mock.patch.dict(named, dict(each.split("\n", 1) for each in changed.split(mark)))


@contextlib.contextmanager
def _source(mutant: Mutant) -> Iterator[None]:
    module = importlib.import_module(mutant.module)
    text = inspect.getsource(module)
    copy = ModuleType(mutant.module)
    copy.__file__ = module.__file__
    with mock.patch.dict("sys.modules", {mutant.module: copy}):
        exec(compile(_changed(mutant, text), module.__file__ or "", "exec"), copy.__dict__)
    added = {name: value for name, value in vars(copy).items() if name not in vars(module)}
    vars(module).update(added)
    before: list[tuple[FunctionType, CodeType]] = []
    try:
        for name, function in _functions(module).items():
            new = _functions(copy).get(name)
            if new is not None and new.__code__ != function.__code__:
                before.append((function, function.__code__))
                function.__code__ = new.__code__
        if not before:
            raise Outdated(f"{mutant.name}: nothing changed")
        yield
    finally:
        for function, code in before:
            function.__code__ = code
        for name in added:
            vars(module).pop(name)


def _functions(module: ModuleType) -> dict[str, FunctionType]:
    """Every function of a module and of its classes, by name, under whatever wraps it."""
    found: dict[str, FunctionType] = {}

    def add(name: str, value: Any) -> None:
        value = getattr(value, "fget", None) or getattr(value, "__func__", None) or value
        value = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            found[name] = value

    for name, value in vars(module).items():
        add(name, value)
        if isinstance(value, type) and value.__module__ == module.__name__:
            for inner, member in vars(value).items():
                add(f"{name}.{inner}", member)
    return found
