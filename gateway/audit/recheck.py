"""Recomputes from the trace whether any contact broke a limit: by SQL and the packs' own text, with no code of the engine's.

What the engine decided is not looked at. Only what happened is: what was reserved and what became of it, what the person had
said by then, and the law's text. A breach found here is one that the engine, the dispatcher or somebody with the database made.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from gateway.audit import recheck_law
from gateway.audit.recheck_law import Text, Unasked
from storage import past, recheck
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.recheck import Breach
from tracelog.entry import instant
from vocabulary.ids import shown

ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The nightly round looks this far back: what is older was looked at on the nights before.
NIGHTLY_DAYS: Final = 35

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one tenant's trace says of itself.

    ``other_texts``: packs that decided under a text which this release no longer has; their contacts were asked about under
    today's. ``unasked``: rules that only the sealed words or the CRM's profile could answer.
    """

    tenant: str
    contacts: int
    breaches: tuple[Breach, ...]
    other_texts: tuple[str, ...]
    unasked: tuple[Unasked, ...]

    def shown(self) -> dict[str, Any]:
        """As JSON: no person, only ids of entries, messages and attempts."""
        return {
            "tenant": self.tenant,
            "contacts": self.contacts,
            "breaches": [
                {
                    "index": each.index,
                    "at": instant(each.at),
                    "rule": each.rule,
                    "pack": each.label,
                    "message": None if each.message is None else shown("msg", each.message),
                    "attempt": None if each.attempt is None else shown("att", each.attempt),
                    "observed": each.observed,
                }
                for each in self.breaches
            ],
            "other_texts": list(self.other_texts),
            "unasked": [{"pack": each.pack, "rule": each.rule, "why": each.why} for each in self.unasked],
        }


async def rechecked(
    database: Database,
    tenant: str,
    since: datetime | None = None,
    *,
    also: Callable[[Connection], Awaitable[None]] | None = None,
) -> Report:
    """Ask about every contact of a tenant since an instant of the law's clock. Raises DatabaseAway.

    ``also`` runs last in the same transaction, where the trace still lies laid out.
    """

    async def job(connection: Connection) -> Report:
        labels = await recheck.lay_out(connection, tenant, since or ALWAYS)
        policies = await recheck.policies(connection, tenant)
        texts, others = _texts(labels)
        clauses: list[dict[str, Any]] = []
        unasked: dict[tuple[str, str], Unasked] = {}
        for begins, ends, readings in _spans(policies):
            for text in texts:
                asked, not_asked = recheck_law.clauses(text, readings)
                span = {"since": begins.isoformat(), "until": None if ends is None else ends.isoformat()}
                clauses += [{**each, **span} for each in asked]
                unasked |= {(each.pack, each.rule): each for each in not_asked}
        days = [day for text in texts for day in recheck_law.holidays_of(text)]
        contacts, breaches = await recheck.ask(connection, clauses, days)
        if also is not None:
            await also(connection)
        return Report(
            tenant=tenant,
            contacts=contacts,
            breaches=tuple(breaches),
            other_texts=tuple(others),
            unasked=tuple(unasked.values()),
        )

    return await database.run(job)


class Watch:
    """Asks about every tenant's last weeks, and says loudly what it finds: a metric for the alarm, a line for whoever looks."""

    def __init__(self, *, database: Database, clock: LegalClock) -> None:
        self._database = database
        self._clock = clock

    async def round(self) -> int:
        """How many breaches there are. Raises DatabaseAway."""

        async def now(connection: Connection) -> datetime:
            return (await self._clock.now(connection))[0]

        since = await self._database.read(now) - timedelta(days=NIGHTLY_DAYS)
        found = 0
        for tenant in await self._database.read(past.tenants):
            report = await rechecked(self._database, tenant, since)
            for each in report.breaches:
                log.critical("recheck.breach", tenant=tenant, index=each.index, rule=each.rule, pack=each.label)
            found += len(report.breaches)

            async def job(connection: Connection, tenant: str = tenant, report: Report = report) -> None:
                await recheck.remember(connection, tenant, since, report.contacts, len(report.breaches))

            await self._database.run(job)
        return found


def _texts(labels: Sequence[str]) -> tuple[list[Text], list[str]]:
    """The texts that bound, each under the label by which decisions name it; where it is gone, today's of that code."""
    here = recheck_law.texts()
    by_label = {text.label: text for text in here}
    by_code = {text.code: text for text in here}
    found: list[Text] = []
    others: list[str] = []
    for label in labels:
        text = by_label.get(label) or by_code.get(label.partition("@")[0])
        if label not in by_label:
            others.append(label)
        if text is not None:
            found.append(Text(label=label, code=text.code, document=text.document))
    return found, others


def _spans(
    policies: Sequence[tuple[datetime, str]],
) -> list[tuple[datetime, datetime | None, Mapping[str, str]]]:
    """From when to when which readings held; before the first policy, none was chosen."""
    starts = [(ALWAYS, {}), *((at, json.loads(body).get("readings") or {}) for at, body in policies)]
    ends = [at for at, _ in starts[1:]]
    return [(at, end, readings) for (at, readings), end in zip(starts, [*ends, None], strict=True)]
