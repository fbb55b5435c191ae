"""Answers what would be decided, without sending: the same facts and the same law, at an instant of the caller's choice."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway import answers
from gateway.accept import choice_facts
from gateway.asks import DecisionAsk
from gateway.auto import Auto
from gateway.cases import Draft, Drafter, references
from gateway.costs.expected import Costs
from gateway.deciding.explain import explain, sentences
from gateway.entries import Scribe
from gateway.judge import Case, Choice, Judge, address_for, zones_of
from gateway.templates.versions import Templates
from gateway.tenants.policies import Policies
from gateway.ways.portfolios import Portfolios
from storage import chain, history, people
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.people import ContactRow, DebtRow
from vocabulary.channel import Channel
from vocabulary.event import Event
from vocabulary.verdict import Verdict


class Adviser:
    """Asks the law on behalf of a CRM. Nothing is stored but, if wanted, that it was asked."""

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
        portfolios: Portfolios,
        secret: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._judge = judge
        self._auto = auto
        self._scribe = scribe
        self._policies = policies
        self._templates = templates
        self._portfolios = portfolios
        self._drafter = Drafter(secret=secret, ways=costs.names, advising=True)

    async def decide(self, tenant: str, ask: DecisionAsk) -> dict[str, Any]:
        """The decision object. Raises Refused."""

        async def job(connection: Connection) -> dict[str, Any]:
            now, _ = await self._clock.now(connection)
            known = await references(connection, [(tenant, ask)], self._templates)
            policy = (await self._policies.current(connection, {tenant}))[tenant]
            draft = self._drafter.draft(known, policy, tenant, ask, now)
            contact, events = await self._person(connection, tenant, draft, ask.at or now)
            case = Case(
                contact=contact,
                ask=draft.ask,
                debts=await self._debts(connection, tenant, draft),
                history=events,
                policy=policy,
                # What a portfolio had room for at an instant that has passed is not kept.
                openings=await self._portfolios.look(connection, contact, now) if (ask.at or now) >= now else None,
            )
            await self._auto.learn_of(connection, [(tenant, draft.ask.auto)], now)
            choice = self._auto.advise(case, ask.at) if ask.at is not None else self._auto.asked(case, now)
            if ask.record:
                entry = self._scribe.entry(
                    "asked", tenant=tenant, at=now, subject=contact.subject, facts=choice_facts(choice)
                )
                await chain.append(connection, {tenant: [entry]})
            wanted = case.ask.send_at
            asked_for = ask.at or (wanted if wanted is not None and wanted > now else now)
            return self._document(case, choice, asked_for, ask.explain)

        return await self._database.run(job) if ask.record else await self._database.read(job)

    async def _person(
        self, connection: Connection, tenant: str, draft: Draft, at: datetime
    ) -> tuple[ContactRow, tuple[Event, ...]]:
        """The person as the ask describes her, with the history that is kept and the consents that came along."""
        key = (tenant, draft.contact)
        if draft.profile is not None:
            contact = draft.profile.contact
            along = tuple(row.event for row in draft.profile.consents)
        else:
            contact = (await people.contacts(connection, [key]))[key]
            along = ()
        endpoints = [a.endpoint for a in contact.addresses]
        events = (await history.histories(connection, {key: endpoints}, at, known_until=at))[key]
        # Asked about an instant that has passed, only what had happened by then counts.
        known = [event for event in (*events, *along) if event.at <= at]
        return contact, tuple(sorted(known, key=lambda event: event.at))

    async def _debts(self, connection: Connection, tenant: str, draft: Draft) -> dict[str, DebtRow]:
        kept = await people.debts(connection, [(tenant, debt) for debt in draft.ask.debts])
        return {debt: row for (_, debt), row in kept.items()} | {row.id: row for row in draft.debts}

    def _document(self, case: Case, choice: Choice, asked_for: datetime, language: str | None) -> dict[str, Any]:
        zone = answers.zone_of(zones_of(case, choice.address))

        def told(channel: Channel, verdict: Verdict) -> dict[str, Any]:
            document: dict[str, Any] = {"channel": channel.value, **answers.decision(verdict, zone)}
            if language is not None:
                question = self._judge.question(case, channel, address_for(case, channel), asked_for)
                asked = replace(verdict, decided_at=choice.verdict.decided_at)
                explanation = explain(question, self._judge.law, case.policy, language, asked)
                document["explanation"] = list(sentences(explanation))
            return document

        document = told(choice.channel, choice.verdict)
        if choice.auto is not None:
            document["auto"] = dict(choice.auto)
        if len(choice.all) > 1:
            document["decisions"] = [told(channel, verdict) for channel, verdict in choice.all]
        return document
