"""Accepts messages: key, message, trace and first decision in one transaction that many requests share."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from gateway import answers
from gateway.asks import MessageAsk
from gateway.auto import Auto
from gateway.cases import Draft, Drafter, Known, references
from gateway.committer import Committer
from gateway.costs.expected import Costs
from gateway.entries import Scribe, verdict_facts
from gateway.events import crm_event
from gateway.judge import Case, Choice, Judge, next_midnight
from gateway.people.profiles import Profile, put_profiles
from gateway.refusals import Gone, KeyInWork, KeyReused, Refused
from gateway.spread import due_at
from gateway.telemetry.carried import CARRIED
from gateway.templates.versions import Templates
from gateway.tenants.policies import Policies
from jurisdictions.house import Policy
from storage import chain, history, messages, outbox, people
from storage.chain import Written
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.messages import MessageRow
from storage.outbox import EventOut
from storage.people import Key
from tracelog.entry import Canonical, canonical
from vocabulary.channel import Channel
from vocabulary.ids import new_uuid
from vocabulary.status import Status
from vocabulary.verdict import Answer, Verdict

EXPIRY_DEFAULT: Final = timedelta(days=30)
LANES: Final = 1
#: How long messages are gathered that come one after the other, in real seconds: so many share the thirteen statements of a commit.
GATHER_SECONDS: Final = 0.01
#: Of batches: while PostgreSQL works at one commit, the next is decided.
BULK_LANES: Final = 2
#: Messages of batches that share a commit: what every commit costs is spread, and nobody waits for a long one.
BULK_MAX: Final = 500
#: Messages decided without letting anybody else have the loop.
TURN: Final = 25

_ENCODER: Final = msgspec.json.Encoder()

FIRST_STATUS: Final = {Answer.ALLOW: Status.QUEUED, Answer.DEFER: Status.DEFERRED, Answer.DENY: Status.BLOCKED}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message as answered, and whether this answer was given before."""

    document: dict[str, Any]
    replayed: bool = False


@dataclass(slots=True, kw_only=True, eq=False)  # known by itself, which is quicker than by its id
class _Item:
    tenant: str
    key: str
    digest: bytes
    ask: MessageAsk = field(repr=False)
    id: UUID
    trace: str | UnsetType = UNSET


class Acceptor:
    """Takes messages in; each caller gets its answer after the commit that holds its message."""

    def __init__(
        self,
        *,
        database: Database,
        clock: LegalClock,
        judge: Judge,
        auto: Auto,
        scribe: Scribe,
        policies: Policies,
        templates: Templates,
        costs: Costs,
        secret: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._judge = judge
        self._auto = auto
        self._scribe = scribe
        self._policies = policies
        self._costs = costs
        self._templates = templates
        self._drafter = Drafter(secret=secret, ways=costs.names)
        self._committer: Committer[_Item, Accepted] = Committer(self._flush, lanes=LANES, gather_seconds=GATHER_SECONDS)
        # A lane of their own: a message that comes alone does not wait behind a thousand that came together.
        self._bulk: Committer[_Item, Accepted] = Committer(self._flush, lanes=BULK_LANES, batch_max=BULK_MAX)

    async def submit(self, tenant: str, key: str, digest: bytes, ask: MessageAsk) -> Accepted:
        """Accept one message. Raises Refused, KeyReused, Gone or DatabaseAway; then nothing was stored."""
        return await self.put(tenant, key, digest, ask)

    def put(
        self, tenant: str, key: str, digest: bytes, ask: MessageAsk, *, bulk: bool = False
    ) -> asyncio.Future[Accepted]:
        """The same: it stands in line at once, in the order of the calls, and its future is the answer. ``bulk``: one of many."""
        line = self._bulk if bulk else self._committer
        return line.put(_Item(tenant=tenant, key=key, digest=digest, ask=ask, id=new_uuid(), trace=CARRIED.get()))

    async def close(self) -> None:
        """Answer whoever waits, then stop."""
        await self._committer.close()
        await self._bulk.close()

    async def _flush(self, items: Sequence[_Item]) -> Sequence[Accepted | Exception]:
        async def job(connection: Connection) -> list[Accepted | Exception]:
            return await self._accept(connection, items)

        return await self._database.run(job)

    async def _accept(self, connection: Connection, items: Sequence[_Item]) -> list[Accepted | Exception]:
        now, real = await self._clock.now(connection)
        results: dict[_Item, Accepted | Exception] = {}
        left = list(items)
        while left:
            results |= await self._first_of_each_key(connection, left, now, real)
            left = [item for item in left if item not in results]
        return [results[item] for item in items]

    async def _first_of_each_key(
        self, connection: Connection, items: Sequence[_Item], now: datetime, real: datetime
    ) -> dict[_Item, Accepted | Exception]:
        """Accept the first under each key and answer those behind it; who stands behind a refused one with another body is left."""
        first: dict[Key, _Item] = {}
        for item in items:
            first.setdefault((item.tenant, item.key), item)
        taken = await messages.take_keys(connection, [(i.tenant, i.key, i.digest, i.id) for i in first.values()], real)
        fresh = [item for name, item in first.items() if name in taken]
        accepted = await self._accept_fresh(connection, fresh, now, real) if fresh else {}
        refused = {(i.tenant, i.key): i for i in fresh if isinstance(accepted[i], Exception)}
        await messages.drop_keys(connection, refused)
        repeats: list[_Item] = []
        for item in items:
            if item in accepted:
                continue
            before = refused.get((item.tenant, item.key))
            if before is None:
                repeats.append(item)
            elif before.digest == item.digest:
                accepted[item] = accepted[before]
        replays = await self._replays(connection, repeats) if repeats else {}
        return accepted | replays

    async def _accept_fresh(
        self, connection: Connection, items: Sequence[_Item], now: datetime, real: datetime
    ) -> dict[_Item, Accepted | Exception]:
        known = await references(connection, [(item.tenant, item.ask) for item in items], self._templates)
        policies = await self._policies.current(connection, {item.tenant for item in items})
        results: dict[_Item, Accepted | Exception] = {}
        drafts: dict[_Item, Draft] = {}
        for number, item in enumerate(items):
            if number % TURN == 0:
                await asyncio.sleep(0)
            try:
                drafts[item] = self._drafter.draft(known, policies[item.tenant], item.tenant, item.ask, now, item.trace)
            except Refused as error:
                results[item] = error
        entries: dict[str, list[Written]] = {item.tenant: [] for item in drafts}
        profiles: list[Profile] = [draft.profile for draft in drafts.values() if draft.profile is not None]
        for tenant, written in (await put_profiles(connection, self._scribe, profiles, now)).items():
            entries[tenant].extend(written)
        await people.put_debts(connection, [row for draft in drafts.values() for row in draft.debts], now)
        cases = await self._cases(connection, drafts, known, policies, now)
        await self._auto.learn_of(connection, [(item.tenant, draft.ask.auto) for item, draft in drafts.items()], now)

        wording = Wording()
        rows: list[MessageRow] = []
        events: list[EventOut] = []
        for number, (item, case) in enumerate(cases.items()):
            if number % TURN == 0:
                await asyncio.sleep(0)
            choice = self._auto.accept(case, item.id, now)
            said = wording.said(choice, answers.zone_of(choice.zones))
            row = self._row(item, case, choice, now, said)
            rows.append(row)
            entries[item.tenant].extend(self._entries(item, case, row, said))
            told = answers.told(case.ask)
            if row.status != Status.QUEUED:
                events.append(crm_event(f"message.{row.status}", row, now, told, decision=said.raw))
            cost = self._costs.expected(choice.channel, choice.address, case.ask)
            results[item] = Accepted(answers.message(row, (), cost, told))
        await messages.add(connection, rows)
        await outbox.add(connection, events, real)
        if any(row.status in ("queued", "deferred") for row in rows):
            await messages.ring(connection)
        await chain.append(connection, entries)
        return results

    async def _cases(
        self,
        connection: Connection,
        drafts: Mapping[_Item, Draft],
        known: Known,
        policies: Mapping[str, Policy],
        now: datetime,
    ) -> dict[_Item, Case]:
        # What came along whole was just written, and is read again with everything that stands beside it.
        written = [(item.tenant, draft.contact) for item, draft in drafts.items() if draft.profile is not None]
        contacts = {**known.contacts, **await people.contacts(connection, written)}
        put = [(item.tenant, row.id) for item, draft in drafts.items() for row in draft.debts]
        debts = {**known.debts, **await people.debts(connection, put)}
        keys = {(item.tenant, draft.contact) for item, draft in drafts.items()}
        histories = await history.histories(
            connection,
            {key: [a.endpoint for a in contacts[key].addresses] for key in keys},
            now,
            known_until=now if self._clock.may_go_back else None,
        )
        return {
            item: Case(
                contact=contacts[item.tenant, draft.contact],
                ask=draft.ask,
                debts={debt: debts[item.tenant, debt] for debt in draft.ask.debts},
                history=histories[item.tenant, draft.contact],
                policy=policies[item.tenant],
            )
            for item, draft in drafts.items()
        }

    def _row(self, item: _Item, case: Case, choice: Choice, now: datetime, said: "Said") -> MessageRow:
        verdict = choice.verdict
        expires = item.ask.expires_at or now + EXPIRY_DEFAULT
        due = now
        if verdict.answer is Answer.DEFER:
            due = due_at(self._judge, case, choice, item.id, verdict.until or next_midnight(now, choice.zones))
        return MessageRow(
            id=item.id,
            tenant=item.tenant,
            contact=case.contact.id,
            status=FIRST_STATUS[verdict.answer],
            channels=tuple(case.ask.channels),
            channel=choice.channel,
            ask=_ENCODER.encode(case.ask).decode(),
            decision=said.decision,
            decisions=said.decisions,
            due_at=min(due, expires),
            expires_at=expires,
            created_at=now,
            updated_at=now,
        )

    def _entries(self, item: _Item, case: Case, row: MessageRow, said: "Said") -> list[Written]:
        subject = case.contact.subject
        accepted = self._scribe.entry(
            "accepted",
            tenant=item.tenant,
            at=row.created_at,
            subject=subject,
            message=row.id,
            facts=self._scribe.accepted(item.tenant, case.ask, row.expires_at),
            words=_ENCODER.encode({"contact": case.contact.id, "key": item.key, "ask": msgspec.Raw(row.ask.encode())}),
            key=case.contact.key,
        )
        decided = self._scribe.entry(
            "decided",
            tenant=item.tenant,
            at=row.created_at,
            subject=subject,
            message=row.id,
            facts=said.facts,
        )
        return [accepted, decided]

    async def _replays(self, connection: Connection, items: Sequence[_Item]) -> dict[_Item, Accepted | Exception]:
        known = await messages.keys(connection, {(i.tenant, i.key) for i in items})
        documents = await self._documents(connection, {message for _, message in known.values()})
        found: dict[_Item, Accepted | Exception] = {}
        for item in items:
            standing = known.get((item.tenant, item.key))
            if standing is None:
                found[item] = KeyInWork()  # forgotten between the claim and now: asked again, it is a new one
                continue
            digest, message = standing
            if digest != item.digest:
                found[item] = KeyReused()
            elif message not in documents:
                found[item] = Gone()
            else:
                found[item] = Accepted(documents[message], replayed=True)
        return found

    async def _documents(self, connection: Connection, ids: set[UUID]) -> dict[UUID, dict[str, Any]]:
        """The answers as they were given first."""
        rows = {identity: row.as_accepted() for identity, row in (await messages.get(connection, ids)).items()}
        contacts = await people.contacts(connection, {(row.tenant, row.contact) for row in rows.values()})
        return {
            identity: answers.message(row, (), self._costs.of(row, contacts[row.tenant, row.contact]))
            for identity, row in rows.items()
        }


class Said(msgspec.Struct, frozen=True, gc=False):
    """A decision in words: as ``answers.decided`` keeps it, and as the trace has it. ``raw``: the first, told as it is kept."""

    decision: str
    decisions: str
    raw: msgspec.Raw
    facts: Canonical


class Wording:
    """Puts decisions into words, once for all of a commit that were decided alike: a campaign knows few reasons."""

    def __init__(self) -> None:
        self._said: dict[tuple[Channel, Verdict, tzinfo], Said] = {}
        self._last: tuple[Verdict, Channel, tzinfo, Said] | None = None

    def said(self, choice: Choice, zone: tzinfo) -> Said:
        """What is said of a choice to somebody who lives by a zone's clock."""
        if _says_more(choice):
            return _in_words(choice, zone)
        last = self._last
        # Most often it is the very verdict of the one before, which need not be looked at.
        if last is not None and last[0] is choice.verdict and last[1] is choice.channel and last[2] is zone:
            return last[3]
        key = choice.channel, choice.verdict, zone
        said = self._said.get(key)
        if said is None:
            said = self._said[key] = _in_words(choice, zone)
        self._last = choice.verdict, choice.channel, zone, said
        return said


def _in_words(choice: Choice, zone: tzinfo) -> Said:
    decision, decisions = answers.decided(choice.verdict, choice.all, zone, choice.passed_over, choice.auto)
    return Said(decision, decisions, msgspec.Raw(decision.encode()), canonical(choice_facts(choice)))


def _says_more(choice: Choice) -> bool:
    """Whether more is told of a choice than its verdict."""
    return len(choice.all) > 1 or bool(choice.by_ways) or choice.auto is not None


def choice_facts(choice: Choice) -> dict[str, Any]:
    """A choice as facts of an entry: the verdict that stands, and the others when several channels were asked."""
    facts = {"channel": choice.channel.value, **verdict_facts(choice.verdict)}
    if choice.passed_over:
        facts["passed_over"] = [{"provider": way, **verdict_facts(v)} for way, v in choice.passed_over]
    if choice.auto is not None:
        facts["auto"] = dict(choice.auto)
    if len(choice.all) > 1:
        facts["asked"] = [{"channel": c.value, **verdict_facts(v)} for c, v in choice.all]
    return facts
