"""Accepts messages: key, message, trace and first decision in one transaction that many requests share."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from gateway import answers
from gateway.asks import MessageAsk
from gateway.auto import Auto
from gateway.cases import Draft, Drafter, Known, references
from gateway.committer import Committer
from gateway.costs import Costs
from gateway.entries import Scribe, verdict_facts
from gateway.events import crm_event
from gateway.judge import Case, Choice, Judge, next_midnight, zones_of
from gateway.policies import Policies
from gateway.profiles import Profile, put_profiles
from gateway.refusals import Gone, KeyInWork, KeyReused, Refused
from gateway.spread import due_at
from gateway.telemetry.carried import CARRIED
from gateway.templates import Templates
from jurisdictions.house import Policy
from storage import chain, history, messages, outbox, people
from storage.chain import Written
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.messages import MessageRow
from storage.outbox import EventOut
from storage.people import Key
from tracelog.entry import instant
from vocabulary.ids import new_uuid
from vocabulary.status import Status
from vocabulary.verdict import Answer

EXPIRY_DEFAULT: Final = timedelta(days=30)
LANES: Final = 1

FIRST_STATUS: Final = {Answer.ALLOW: Status.QUEUED, Answer.DEFER: Status.DEFERRED, Answer.DENY: Status.BLOCKED}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message as answered, and whether this answer was given before."""

    document: dict[str, Any]
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
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
        self._committer: Committer[_Item, Accepted] = Committer(self._flush, lanes=LANES)

    async def submit(self, tenant: str, key: str, digest: bytes, ask: MessageAsk) -> Accepted:
        """Accept one message. Raises Refused, KeyReused, Gone or DatabaseAway; then nothing was stored."""
        return await self.put(tenant, key, digest, ask)

    def put(self, tenant: str, key: str, digest: bytes, ask: MessageAsk) -> asyncio.Future[Accepted]:
        """The same for one of many: it stands in line at once, in the order of the calls, and its future is the answer."""
        return self._committer.put(
            _Item(tenant=tenant, key=key, digest=digest, ask=ask, id=new_uuid(), trace=CARRIED.get())
        )

    async def close(self) -> None:
        """Answer whoever waits, then stop."""
        await self._committer.close()

    async def _flush(self, items: Sequence[_Item]) -> Sequence[Accepted | Exception]:
        async def job(connection: Connection) -> list[Accepted | Exception]:
            return await self._accept(connection, items)

        return await self._database.run(job)

    async def _accept(self, connection: Connection, items: Sequence[_Item]) -> list[Accepted | Exception]:
        now, real = await self._clock.now(connection)
        results: dict[UUID, Accepted | Exception] = {}
        left = list(items)
        while left:
            results |= await self._first_of_each_key(connection, left, now, real)
            left = [item for item in left if item.id not in results]
        return [results[item.id] for item in items]

    async def _first_of_each_key(
        self, connection: Connection, items: Sequence[_Item], now: datetime, real: datetime
    ) -> dict[UUID, Accepted | Exception]:
        """Accept the first under each key and answer those behind it; who stands behind a refused one with another body is left."""
        first: dict[Key, _Item] = {}
        for item in items:
            first.setdefault((item.tenant, item.key), item)
        taken = await messages.take_keys(connection, [(i.tenant, i.key, i.digest, i.id) for i in first.values()], real)
        fresh = [item for name, item in first.items() if name in taken]
        accepted = await self._accept_fresh(connection, fresh, now, real) if fresh else {}
        refused = {(i.tenant, i.key): i for i in fresh if isinstance(accepted[i.id], Exception)}
        await messages.drop_keys(connection, refused)
        repeats: list[_Item] = []
        for item in items:
            if item.id in accepted:
                continue
            before = refused.get((item.tenant, item.key))
            if before is None:
                repeats.append(item)
            elif before.digest == item.digest:
                accepted[item.id] = accepted[before.id]
        replays = await self._replays(connection, repeats) if repeats else {}
        return accepted | replays

    async def _accept_fresh(
        self, connection: Connection, items: Sequence[_Item], now: datetime, real: datetime
    ) -> dict[UUID, Accepted | Exception]:
        known = await references(connection, [(item.tenant, item.ask) for item in items], self._templates)
        policies = await self._policies.current(connection, {item.tenant for item in items})
        results: dict[UUID, Accepted | Exception] = {}
        drafts: dict[UUID, Draft] = {}
        for item in items:
            try:
                drafts[item.id] = self._drafter.draft(
                    known, policies[item.tenant], item.tenant, item.ask, now, item.trace
                )
            except Refused as error:
                results[item.id] = error
        standing = [item for item in items if item.id in drafts]
        entries: dict[str, list[Written]] = {item.tenant: [] for item in standing}
        profiles: list[Profile] = [p for i in standing if (p := drafts[i.id].profile) is not None]
        for tenant, written in (await put_profiles(connection, self._scribe, profiles, now)).items():
            entries[tenant].extend(written)
        await people.put_debts(connection, [row for i in standing for row in drafts[i.id].debts], now)
        cases = await self._cases(connection, standing, drafts, known, policies, now)
        await self._auto.learn_of(connection, [(i.tenant, drafts[i.id].ask.auto) for i in standing], now)

        rows: list[MessageRow] = []
        events: list[EventOut] = []
        for item in standing:
            case = cases[item.id]
            choice = self._auto.accept(case, item.id, now)
            row = self._row(item, case, choice, now)
            rows.append(row)
            entries[item.tenant].extend(self._entries(item, case, choice, row))
            if row.status != Status.QUEUED:
                events.append(crm_event(f"message.{row.status}", row, now, decision=msgspec.Raw(row.decision.encode())))
            cost = self._costs.expected(choice.channel, choice.address, case.ask)
            results[item.id] = Accepted(answers.message(row, (), cost))
        await messages.add(connection, rows)
        await outbox.add(connection, events, real)
        if any(row.status in ("queued", "deferred") for row in rows):
            await messages.ring(connection)
        await chain.append(connection, entries)
        return results

    async def _cases(
        self,
        connection: Connection,
        items: Sequence[_Item],
        drafts: Mapping[UUID, Draft],
        known: Known,
        policies: Mapping[str, Policy],
        now: datetime,
    ) -> dict[UUID, Case]:
        keys = {item.id: (item.tenant, drafts[item.id].contact) for item in items}
        # What came along whole was just written, and is read again with everything that stands beside it.
        written = [keys[item.id] for item in items if drafts[item.id].profile is not None]
        contacts = {**known.contacts, **await people.contacts(connection, written)}
        contacts = {key: contacts[key] for key in keys.values()}
        put = [(item.tenant, row.id) for item in items for row in drafts[item.id].debts]
        debts = {**known.debts, **await people.debts(connection, put)}
        histories = await history.histories(
            connection,
            {key: [a.endpoint for a in row.addresses] for key, row in contacts.items()},
            now,
            known_until=now if self._clock.may_go_back else None,
        )
        return {
            item.id: Case(
                contact=contacts[keys[item.id]],
                ask=drafts[item.id].ask,
                debts={debt: debts[item.tenant, debt] for debt in drafts[item.id].ask.debts},
                history=histories[keys[item.id]],
                policy=policies[item.tenant],
            )
            for item in items
        }

    def _row(self, item: _Item, case: Case, choice: Choice, now: datetime) -> MessageRow:
        verdict = choice.verdict
        zones = zones_of(case, choice.address)
        zone = answers.zone_of(zones)
        decision, decisions = answers.decided(verdict, choice.all, zone, choice.passed_over, choice.auto)
        expires = item.ask.expires_at or now + EXPIRY_DEFAULT
        due = now
        if verdict.answer is Answer.DEFER:
            due = due_at(self._judge, case, choice, item.id, verdict.until or next_midnight(now, zones))
        return MessageRow(
            id=item.id,
            tenant=item.tenant,
            contact=case.contact.id,
            status=FIRST_STATUS[verdict.answer],
            channels=tuple(case.ask.channels),
            channel=choice.channel,
            ask=msgspec.json.encode(case.ask).decode(),
            decision=decision,
            decisions=decisions,
            due_at=min(due, expires),
            expires_at=expires,
            created_at=now,
            updated_at=now,
        )

    def _entries(self, item: _Item, case: Case, choice: Choice, row: MessageRow) -> list[Written]:
        token = self._scribe.token
        ask = case.ask
        subject = case.contact.subject
        accepted = self._scribe.entry(
            "accepted",
            tenant=item.tenant,
            at=row.created_at,
            subject=subject,
            message=row.id,
            facts={
                "channels": list(ask.channels),
                "purpose": ask.purpose,
                "form": ask.form,
                "sender": ask.role,
                "creditor": token(item.tenant, ask.creditor),
                "collector": token(item.tenant, ask.collector),
                "debts": [token(item.tenant, debt) for debt in ask.debts],
                "expires_at": instant(row.expires_at),
                "send_at": None if ask.send_at is None else instant(ask.send_at),
                **({} if ask.template is None else {"template": ask.template.name, "version": ask.template.version}),
            },
            words=msgspec.json.encode(
                {"contact": case.contact.id, "key": item.key, "ask": msgspec.Raw(row.ask.encode())}
            ),
            key=case.contact.key,
        )
        decided = self._scribe.entry(
            "decided",
            tenant=item.tenant,
            at=row.created_at,
            subject=subject,
            message=row.id,
            facts=choice_facts(choice),
        )
        return [accepted, decided]

    async def _replays(self, connection: Connection, items: Sequence[_Item]) -> dict[UUID, Accepted | Exception]:
        known = await messages.keys(connection, {(i.tenant, i.key) for i in items})
        documents = await self._documents(connection, {message for _, message in known.values()})
        found: dict[UUID, Accepted | Exception] = {}
        for item in items:
            standing = known.get((item.tenant, item.key))
            if standing is None:
                found[item.id] = KeyInWork()  # forgotten between the claim and now: asked again, it is a new one
                continue
            digest, message = standing
            if digest != item.digest:
                found[item.id] = KeyReused()
            elif message not in documents:
                found[item.id] = Gone()
            else:
                found[item.id] = Accepted(documents[message], replayed=True)
        return found

    async def _documents(self, connection: Connection, ids: set[UUID]) -> dict[UUID, dict[str, Any]]:
        """The answers as they were given first."""
        rows = {identity: row.as_accepted() for identity, row in (await messages.get(connection, ids)).items()}
        contacts = await people.contacts(connection, {(row.tenant, row.contact) for row in rows.values()})
        return {
            identity: answers.message(row, (), self._costs.of(row, contacts[row.tenant, row.contact]))
            for identity, row in rows.items()
        }


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
