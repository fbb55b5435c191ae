"""What she is answered by itself: one confirmation of an opt-out, and who writes and how to stop when she asks for help.

Both are ordinary messages, put into the very transaction that keeps her reply: decided by the law with what she just said,
reserved and sent by whoever dispatches. What the law does not allow at once is not kept for later; nothing is sent then.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

import msgspec

from consent.intents import asks_for_help, language_of
from consent.standing import opted_out_at
from gateway import answers
from gateway.accept import choice_facts
from gateway.asks import ContentAsk, StoredAsk
from gateway.entries import Scribe
from gateway.heard import Said
from gateway.judge import Case, Choice, Judge, zones_of
from gateway.settle import Round
from gateway.tenants.policies import Policies
from jurisdictions.facts import Facts
from jurisdictions.house import Policy
from storage import history, messages, tenancy
from storage.chain import Written
from storage.clock import LegalClock
from storage.database import Connection
from storage.history import EventRow
from storage.messages import MessageRow
from storage.people import Key
from tracelog.entry import instant
from vocabulary.channel import Channel, Purpose, Sector, SenderRole
from vocabulary.event import Contacted, Event, History
from vocabulary.ids import new_uuid
from vocabulary.status import Status
from vocabulary.verdict import Answer

#: A confirmation that comes later is none (47 CFR 64.1200(a)(12)).
CONFIRM_WITHIN: Final = timedelta(minutes=5)
#: So long one answer to HELP is enough.
HELP_EVERY: Final = timedelta(hours=24)
#: Where a message answers in the medium of her own; a call is not returned to say that no call will follow.
CHANNELS: Final = frozenset({Channel.SMS, Channel.WHATSAPP, Channel.TELEGRAM, Channel.EMAIL})
#: What ``metadata`` of such a message says that it is.
MARK: Final = "tregua"
HELP: Final = "help"
CONFIRMATION: Final = "optout_confirmation"

T = TypeVar("T")

_LANGUAGE: Final = "en"
_OF_COUNTRIES: Final = {
    "BR": "pt", "AR": "es", "CL": "es", "CO": "es", "CR": "es", "DO": "es", "EC": "es", "ES": "es", "GT": "es", "MX": "es",
    "PA": "es", "PE": "es",
}  # fmt: skip
#: Bare: that it is done, and nothing else.
_CONFIRMED: Final[Mapping[str, str]] = {
    "en": "You will receive no more messages here. This is the only confirmation.",
    "es": "Ya no recibirá más mensajes por aquí. Esta es la única confirmación.",
    "pt": "Você não receberá mais mensagens por aqui. Esta é a única confirmação.",
}
_HELPED: Final[Mapping[str, str]] = {
    "en": "{name} writes to you here on an account. Reply STOP to receive no more messages.",
    "es": "{name} le escribe por aquí sobre una obligación. Responda BAJA para no recibir más mensajes.",
    "pt": "{name} escreve para você por aqui sobre uma conta. Responda SAIR para não receber mais mensagens.",
}
_SUBJECTS: Final[Mapping[str, tuple[str, str]]] = {
    "en": ("Confirmation", "Help"),
    "es": ("Confirmación", "Ayuda"),
    "pt": ("Confirmação", "Ajuda"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """An answer that a reply may call for. ``told``: how much of the round stood before it; ``reply``: as the CRM names it."""

    said: Said
    told: int
    reply: str | None


class Courtesy:
    """Puts such answers among the messages of a round."""

    def __init__(
        self, *, judge: Judge, policies: Policies, scribe: Scribe, clock: LegalClock, sendable: frozenset[Channel]
    ) -> None:
        self._judge = judge
        self._policies = policies
        self._scribe = scribe
        self._clock = clock
        self._sendable = sendable & CHANNELS

    def owes(self, said: Said) -> bool:
        """Whether the reply may call for an answer. A carrier that keeps the list confirms by itself, and lets no more through."""
        if Channel(said.used.channel) not in self._sendable or said.reply.carrier_opt_out:
            return False
        return said.stops or asks_for_help(said.reply.text)

    async def answer(
        self,
        connection: Connection,
        todo: Round,
        owed: Sequence[Owed],
        waiting: Iterable[MessageRow],
        now: datetime,
    ) -> None:
        """Add the answers that the law allows now. Her row and her waiting messages are locked by the caller."""
        if not owed:
            return
        policies = await self._policies.current(connection, {each.said.contact.tenant for each in owed})
        people = {(each.said.contact.tenant, each.said.contact.id): each.said.contact for each in owed}
        histories = await history.histories(
            connection,
            {key: [a.endpoint for a in contact.addresses] for key, contact in people.items()},
            now,
            known_until=now if self._clock.may_go_back else None,
        )
        names = await tenancy.names(connection, sorted({tenant for tenant, _ in people}))
        helped = {key for row in waiting if (key := _helped(row)) is not None}
        rows: list[MessageRow] = []
        for each in owed:
            contact = each.said.contact
            key = (contact.tenant, contact.id)
            if contact.tenant not in policies:
                # Nothing is sent under a policy that cannot be read; her word has had its effect all the same.
                continue
            kept = histories[key]
            policy = policies[contact.tenant]
            before = (*kept, *_of(todo.statements[: each.told], key))
            after = (*kept, *_of(todo.statements, key))
            if each.said.stops:
                wanted = self._confirmation(each.said, policy, before)
            elif key not in helped and not _informed(after, each.said):
                wanted = _help(each, policy, names.get(contact.tenant, contact.tenant))
            else:
                wanted = None
            row = None if wanted is None else self._row(todo, each.said, wanted, policy, after, now)
            if row is not None:
                rows.append(row)
                if not each.said.stops:
                    helped.add(key)
        await messages.add(connection, rows)
        if rows:
            await messages.ring(connection)

    def _confirmation(self, said: Said, policy: Policy, before: History) -> StoredAsk | None:
        """A confirmation, when she had not refused this before: what stands already is not confirmed again."""
        text = _in(said, _CONFIRMED)
        ask = _ask(said, policy, Purpose.OPTOUT_CONFIRMATION, text, 0, CONFIRMATION)
        if ask is None:
            return None
        case = Case(contact=said.contact, ask=ask, debts={}, history=before, policy=policy)
        question = self._judge.question(case, Channel(said.used.channel), said.used, said.now)
        return None if opted_out_at(Facts(question, frozenset())) is not None else ask

    def _row(
        self, todo: Round, said: Said, ask: StoredAsk, policy: Policy, after: History, now: datetime
    ) -> MessageRow | None:
        case = Case(contact=said.contact, ask=ask, debts={}, history=after, policy=policy)
        choice = self._judge.accept(case, now)
        if choice.verdict.answer is not Answer.ALLOW:
            return None
        zone = answers.zone_of(zones_of(case, choice.address))
        decision, decisions = answers.decided(choice.verdict, choice.all, zone, choice.passed_over)
        row = MessageRow(
            id=new_uuid(),
            tenant=said.contact.tenant,
            contact=said.contact.id,
            status=Status.QUEUED,
            channels=tuple(ask.channels),
            channel=choice.channel,
            ask=msgspec.json.encode(ask).decode(),
            decision=decision,
            decisions=decisions,
            due_at=now,
            expires_at=now + CONFIRM_WITHIN,
            created_at=now,
            updated_at=now,
        )
        todo.entries.setdefault(row.tenant, []).extend(self._entries(case, choice, row))
        return row

    def _entries(self, case: Case, choice: Choice, row: MessageRow) -> list[Written]:
        """What the trace says of it: the same as of any message, and that the house itself asked for it."""
        ask, token, subject = case.ask, self._scribe.token, case.contact.subject
        accepted = self._scribe.entry(
            "accepted",
            tenant=row.tenant,
            at=row.created_at,
            subject=subject,
            message=row.id,
            facts={
                "channels": list(ask.channels),
                "purpose": ask.purpose,
                "form": ask.form,
                "sender": ask.role,
                "creditor": token(row.tenant, ask.creditor),
                "collector": token(row.tenant, ask.collector),
                "debts": [],
                "expires_at": instant(row.expires_at),
                "send_at": None,
            },
            words=msgspec.json.encode({"contact": case.contact.id, "key": None, "ask": ask}),
            key=case.contact.key,
        )
        decided = self._scribe.entry(
            "decided",
            tenant=row.tenant,
            at=row.created_at,
            subject=subject,
            message=row.id,
            facts=choice_facts(choice),
        )
        return [accepted, decided]


def _ask(said: Said, policy: Policy, purpose: Purpose, text: str, subject: int, mark: str) -> StoredAsk | None:
    sender = policy.sender
    role, creditor, collector = (sender.get(name) for name in ("role", "creditor", "collector"))
    if role is None or creditor is None or collector is None:
        return None  # nobody is named in whose name to answer
    sector = sender.get("sector")
    mail = said.used.channel == Channel.EMAIL
    return StoredAsk(
        channels=[said.used.channel],
        purpose=purpose,
        content=ContentAsk(text=text, subject=_in(said, _SUBJECTS)[subject] if mail else None),
        role=SenderRole(role),
        creditor=creditor,
        collector=collector,
        sector=Sector(sector) if sector else None,
        seat=sender.get("seat"),
        address=said.used.address,
        metadata={MARK: mark},
    )


def _help(owed: Owed, policy: Policy, name: str) -> StoredAsk | None:
    said = owed.said
    ask = _ask(said, policy, Purpose.REQUESTED_INFO, _in(said, _HELPED).format(name=name), 1, HELP)
    if ask is None or owed.reply is None:
        return None
    return msgspec.structs.replace(ask, in_reply_to=owed.reply, answers_channel=said.used.channel)


def _in(said: Said, words: Mapping[str, T]) -> T:
    """The words in her language: of her profile, of the keyword that she wrote, of her program, of where she lives."""
    countries = {code.partition("-")[0] for code in said.contact.jurisdictions}
    lives = {_OF_COUNTRIES.get(country, _LANGUAGE) for country in countries}
    for told in (
        said.contact.locale,
        language_of(said.reply.text),
        said.reply.language,
        lives.pop() if len(lives) == 1 else None,
    ):
        language = (told or "").partition("-")[0].casefold()
        if language in words:
            return words[language]
    return words[_LANGUAGE]


def _helped(row: MessageRow) -> Key | None:
    """Whose waiting message it is, when it answers HELP."""
    mark = msgspec.json.decode(row.ask, type=StoredAsk).metadata.get(MARK)
    return (row.tenant, row.contact) if mark == HELP and row.waits else None


def _informed(events: History, said: Said) -> bool:
    """Whether she was told something that she asked for within a day, by the same channel."""
    since = said.now - HELP_EVERY
    return any(
        isinstance(each, Contacted)
        and each.purpose is Purpose.REQUESTED_INFO
        and each.channel == said.used.channel
        and each.person == said.contact.id
        and each.at > since
        for each in events
    )


def _of(rows: Iterable[EventRow], key: Key) -> list[Event]:
    return [row.event for row in rows if (row.tenant, row.contact) == key]
