"""The recheck finds every planted breach, by its rule and its entry, and nothing in a lawful past."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.audit import recheck_law
from gateway.audit.recheck import ALWAYS, Report, rechecked
from gateway.entries import Scribe
from gateway.tenants.opening import create_tenant
from storage import chain, recheck
from storage.chain import Written
from storage.database import Connection, Database
from storage.migrate import migrate
from storage.queries import queries
from tests.gateway.town import Town, message, number, person
from tracelog.entry import instant

LABELS = {text.code: text.label for text in recheck_law.texts()}
TENANT = "t1"
CONTACT = {
    "form": "text", "purpose": "collection", "creditor": "C1", "collector": "A1", "sender_role": "creditor", "sector": None,
    "role": "debtor", "address_kind": "personal", "address_source": "supplied", "answers": False, "debts": ["d1"],
    "zones": ["America/Bogota"], "provider": "p", "endpoint": "e1", "channel": "sms", "validity_seconds": 600, "until": None,
    "outcome": "allow", "reasons": [],
}  # fmt: skip
THIRD = {"sender_role": "third_party"}
NEW_YORK = {"zones": ["America/New_York"], "packs": ["US"], **THIRD}


class Liar:
    """Writes a trace that says whatever a test wants it to say."""

    def __init__(self) -> None:
        self.entries: list[Written] = []
        self.planted: list[tuple[int, str]] = []
        self._scribe = Scribe(b"test")

    def write(
        self, kind: str, at: str, facts: dict[str, Any], subject: UUID | None, message: UUID | None = None
    ) -> int:
        entry = self._scribe.entry(
            kind, tenant=TENANT, at=datetime.fromisoformat(at), facts=facts, subject=subject, message=message
        )
        self.entries.append(entry)
        return len(self.entries) - 1

    def said(self, subject: UUID, at: str, **facts: Any) -> str:
        event = uuid4().hex
        self.write("event", at, {"event": event, "on": datetime.fromisoformat(at).isoformat(), **facts}, subject)
        return event

    def allowed(self, subject: UUID, at: str = "2026-01-05T10:00:00-05:00", **facts: Any) -> None:
        self.said(subject, at, type="consent", state="granted", instrument="separate", **facts)

    def contacted(
        self,
        subject: UUID,
        at: str,
        *breaks: str,
        packs: list[str] | None = None,
        ends: str = "sent",
        receipt: str | None = "delivered",
        message: UUID | None = None,
        reserve: bool = True,
        **facts: Any,
    ) -> UUID:
        """A contact of ours from its reservation to its receipt; ``breaks`` names the rules that it breaks."""
        attempt, message = uuid4(), message or uuid4()
        index = len(self.entries)
        if reserve:
            labels = [LABELS[code] for code in packs or ["CO"]]
            latest = instant(datetime.fromisoformat(at) + timedelta(seconds=600))
            whole = {
                **CONTACT,
                **facts,
                "packs": labels,
                "attempt": attempt.hex,
                "event": uuid4().hex,
                "latest": latest,
            }
            self.write("reserved", at, whole, subject, message)
        settled = {"attempt": attempt.hex, "provider": "p", "was": "dispatching", "outcome": ends, "reason": "r"}
        self.write("settled", at, settled, subject, message)
        if receipt is not None and ends == "sent":
            told = {"attempt": attempt.hex, "provider": "p", "kind": receipt, "was": "sent", "repeat": False}
            self.write("receipt", at, told, subject, message)
        self.planted += [(index, rule) for rule in breaks]
        return message


@pytest.fixture
async def asked(new_database: Callable[..., Awaitable[str]]) -> AsyncIterator[Callable[[Liar], Awaitable[Report]]]:
    """Puts a trace into a database of its own, and asks about it."""
    url = await new_database()
    await migrate(url)
    database = await Database.open(url)
    await create_tenant(database, TENANT, "T")

    async def ask(liar: Liar) -> Report:
        async def job(connection: Connection) -> None:
            await chain.append(connection, {TENANT: liar.entries})

        await database.run(job)
        return await rechecked(database, TENANT)

    try:
        yield ask
    finally:
        await database.close()


def lawful(liar: Liar) -> None:
    """People of several laws whom everybody treats well."""
    for week in range(3):
        ana = uuid4()
        liar.allowed(ana)
        day = datetime.fromisoformat("2026-11-03T09:00:00-05:00") + timedelta(weeks=week)
        for days, channel in ((0, "sms"), (1, "sms"), (3, "sms"), (7, "whatsapp")):
            liar.contacted(ana, (day + timedelta(days=days)).isoformat(), channel=channel)
    bob = uuid4()
    liar.allowed(bob)
    for day in range(2, 9):
        liar.contacted(bob, f"2026-11-{day:02}T09:00:00-05:00", channel="voice", receipt=None, **NEW_YORK)
    liar.contacted(bob, "2026-11-11T20:59:59-05:00", channel="voice", receipt=None, **NEW_YORK)
    # What provably never left counts nowhere; an answer to her own message may come at night.
    carla = uuid4()
    liar.allowed(carla)
    liar.contacted(carla, "2026-11-03T09:00:00-05:00", ends="not_sent")
    liar.contacted(carla, "2026-11-03T09:01:00-05:00", ends="rejected")
    liar.contacted(carla, "2026-11-03T09:02:00-05:00")
    # She asked for Sundays, after the contract, on the web; the question of the contract is not the trace's.
    dora = uuid4()
    liar.allowed(dora)
    days = ["Sun"]
    liar.said(dora, "2026-10-01T10:00:00-05:00", type="hours_requested", days=days, instrument="web", requested_by="person",
              **{"from": "10:00:00", "to": "12:00:00"})  # fmt: skip
    liar.contacted(dora, "2026-11-08T11:00:00-05:00")
    # A stop by text leaves the telephone open where the law says so, and a later word reopens.
    eve = uuid4()
    liar.allowed(eve)
    liar.said(eve, "2026-11-02T10:00:00-05:00", type="consent", state="withdrawn", channel="sms", address="e1")
    liar.contacted(eve, "2026-11-03T09:00:00-05:00", channel="voice", receipt=None, **NEW_YORK)
    liar.allowed(eve, "2026-11-03T12:00:00-05:00", channel="sms")
    liar.contacted(eve, "2026-11-04T09:00:00-05:00", **NEW_YORK)


def plant(liar: Liar) -> None:
    """Twenty breaches, each by its own rule and way."""
    one = uuid4()  # 1 hours, 2 Sunday, 3 holiday
    liar.allowed(one)
    liar.contacted(one, "2026-11-03T19:00:00-05:00", "CO-HRS-3a")
    liar.contacted(one, "2026-11-15T11:00:00-05:00", "CO-HRS-3c")
    liar.contacted(one, "2026-07-13T11:00:00-05:00", "CO-HRS-3c")
    two = uuid4()  # 4 Saturday, 5 twice a day, 6 another channel in the week
    liar.allowed(two)
    liar.contacted(two, "2026-11-07T15:00:00-05:00", "CO-HRS-3b")
    liar.contacted(two, "2026-11-10T09:00:00-05:00")
    liar.contacted(two, "2026-11-10T18:00:00-05:00", "CO-FREQ-3d")
    liar.contacted(two, "2026-11-12T09:00:00-05:00", "CO-FREQ-3e", channel="whatsapp")
    three = uuid4()  # 7 a call elsewhere counts, 8 unknown counts
    liar.allowed(three)
    liar.said(three, "2026-11-03T08:00:00-05:00", type="contact", channel="sms", outcome="attempted", purpose="collection",
              creditor="C1", debts=["d1"])  # fmt: skip
    liar.contacted(three, "2026-11-03T10:00:00-05:00", "CO-FREQ-3d")
    liar.contacted(three, "2026-11-10T10:00:00-05:00", ends="unknown")
    liar.contacted(three, "2026-11-10T11:00:00-05:00", "CO-FREQ-3d")
    four = uuid4()  # 9 never allowed, 10 taken back
    liar.contacted(four, "2026-11-03T09:00:00-05:00", "CO-CHAN-2")
    liar.allowed(four, "2026-11-04T09:00:00-05:00")
    liar.said(four, "2026-11-05T09:00:00-05:00", type="consent", state="withdrawn", channel="sms", address="e1")
    liar.contacted(four, "2026-11-10T09:00:00-05:00", "CO-CHAN-2")
    five = uuid4()  # 11 a third person
    liar.allowed(five)
    liar.contacted(five, "2026-11-03T09:00:00-05:00", "CO-3P-4a", role="family")
    six = uuid4()  # 12 the eighth call in seven days, 13 in one of two zones still closed, 14 after a conversation
    liar.allowed(six)
    for day in range(2, 9):
        liar.contacted(six, f"2026-11-{day:02}T09:00:00-05:00", channel="voice", receipt=None, **NEW_YORK)
    liar.contacted(six, "2026-11-08T12:00:00-05:00", "USF-7IN7", channel="voice", receipt=None, **NEW_YORK)
    west = {**NEW_YORK, "zones": ["America/New_York", "America/Denver"]}
    liar.contacted(six, "2026-12-01T09:30:00-05:00", "USF-HOURS", **west)
    seven = uuid4()
    liar.allowed(seven)
    liar.said(seven, "2026-11-03T12:00:00-05:00", type="inbound_call", outcome="conversation", debts=["d1"])
    liar.contacted(seven, "2026-11-09T12:00:00-05:00", "USF-7AFTER", channel="voice", receipt=None, **NEW_YORK)
    eight = uuid4()  # 15 attorney, 16 stop of a medium
    liar.said(eight, "2026-11-03T12:00:00-05:00", type="status", **{"is": "attorney"})
    liar.contacted(eight, "2026-11-09T12:00:00-05:00", "USF-ATTY", **NEW_YORK)
    nine = uuid4()
    liar.said(nine, "2026-11-03T12:00:00-05:00", type="consent", state="withdrawn", channel="email")
    liar.contacted(nine, "2026-11-09T12:00:00-05:00", "USF-MEDIA", channel="email", endpoint="e9", **NEW_YORK)
    ten = uuid4()  # 17 her inconvenient evening, 18 an address that was somebody else's
    days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    liar.said(
        ten, "2026-11-03T12:00:00-05:00", type="inconvenient", days=days, **{"from": "18:00:00", "to": "21:00:00"}
    )
    liar.contacted(ten, "2026-11-09T18:30:00-05:00", "USF-INCONV", **NEW_YORK)
    liar.said(ten, "2026-11-10T12:00:00-05:00", type="not_associated", address="e1")
    liar.contacted(ten, "2026-11-11T12:00:00-05:00", "USF-3P", **NEW_YORK)
    eleven = uuid4()  # 19 the same message twice, 20 nothing reserved
    liar.allowed(eleven)
    same = liar.contacted(eleven, "2026-11-03T09:00:00-05:00", ends="unknown")
    liar.contacted(eleven, "2026-11-04T09:00:00-05:00", "SENT-TWICE", message=same)
    liar.contacted(eleven, "2026-11-12T09:00:00-05:00", "NOT-RESERVED", reserve=False)


async def test_a_book_in_which_nothing_happened_has_no_breach(asked: Callable[[Liar], Awaitable[Report]]) -> None:
    report = await asked(Liar())
    assert (report.contacts, report.breaches, report.unasked) == (0, (), ())


async def test_a_lawful_past_has_no_breach(asked: Callable[[Liar], Awaitable[Report]]) -> None:
    liar = Liar()
    lawful(liar)
    report = await asked(liar)
    assert report.breaches == ()
    assert report.contacts == 24
    assert report.other_texts == ()


async def test_each_of_twenty_planted_breaches_is_found_and_nothing_else(
    asked: Callable[[Liar], Awaitable[Report]],
) -> None:
    liar = Liar()
    lawful(liar)
    plant(liar)
    assert len(liar.planted) == 20
    report = await asked(liar)
    assert [(each.index, each.rule) for each in report.breaches] == sorted(liar.planted)


@pytest.mark.parametrize(
    ("readings", "found"),
    [
        ({}, []),
        ({"co.scope": "collector"}, ["CO-FREQ-3d"]),
        ({"co.contact_counts": "two_way", "co.scope": "collector"}, []),
    ],
    ids=["another creditor's contact does not count", "unless the agency's all do", "and only if she took part"],
)
async def test_the_readings_that_held_at_the_time_are_asked(
    asked: Callable[[Liar], Awaitable[Report]], readings: dict[str, str], found: list[str]
) -> None:
    liar = Liar()
    ana = uuid4()
    liar.allowed(ana)
    body = json.dumps({"readings": readings})
    liar.write("policy", "2026-11-01T00:00:00-05:00", {"version": 1, "sha256": "0", "body": body}, None)
    liar.contacted(ana, "2026-11-03T09:00:00-05:00", creditor="C2")
    liar.contacted(ana, "2026-11-03T10:00:00-05:00")
    assert [each.rule for each in (await asked(liar)).breaches] == found


async def test_a_corrected_contact_counts_once(asked: Callable[[Liar], Awaitable[Report]]) -> None:
    liar = Liar()
    ana = uuid4()
    liar.allowed(ana)
    facts = {"type": "contact", "channel": "sms", "purpose": "collection", "creditor": "C1", "debts": ["d1"]}
    wrong = liar.said(ana, "2026-11-03T08:00:00-05:00", outcome="attempted", **facts)
    liar.said(ana, "2026-11-03T08:00:00-05:00", outcome="failed", corrects=wrong, **facts)
    liar.contacted(ana, "2026-11-03T10:00:00-05:00")
    assert (await asked(liar)).breaches == ()


async def test_what_the_gateway_really_did_holds(busy: Town) -> None:
    """A day with messages, a second that waits, a stop and an answer: asked again by SQL, nothing is wrong, and it was asked."""
    for n in range(4):
        sent = await busy.send(message(person(f"p{n}", number(n)), debts=[{"id": f"d{n}"}]))
        await busy.until(sent["id"], "delivered")
        again = await busy.send(message(f"p{n}", debts=[f"d{n}"]))
        assert again["status"] == "deferred"
    await busy.reply("BAJA", number(1))
    report = await rechecked(busy.house.database, "t1")
    assert report.breaches == ()
    assert report.contacts == 4


@pytest.mark.parametrize(
    ("role", "debt", "found"),
    [("spouse", "d1", ["WA-3WK"]), ("spouse", "d2", []), ("family", "d1", [])],
    ids=["her spouse's contact counts", "not about another debt", "nor that of somebody outside the pool"],
)
async def test_a_pool_counts_what_reached_the_others_of_a_debt(
    asked: Callable[[Liar], Awaitable[Report]], role: str, debt: str, found: list[str]
) -> None:
    liar = Liar()
    ana, other = uuid4(), uuid4()
    seattle = {"zones": ["America/Los_Angeles"], "packs": ["US-WA"], **THIRD}
    liar.contacted(ana, "2026-11-03T10:00:00-08:00", **seattle)
    liar.contacted(other, "2026-11-04T10:00:00-08:00", **{**seattle, "role": role, "debts": [debt]})
    liar.contacted(ana, "2026-11-05T10:00:00-08:00", **seattle)
    liar.contacted(ana, "2026-11-06T10:00:00-08:00", **seattle)
    assert [each.rule for each in (await asked(liar)).breaches if each.rule == "WA-3WK"] == found


async def test_what_was_set_aside_for_one_contact_is_asked_of_the_next(
    asked: Callable[[Liar], Awaitable[Report]],
) -> None:
    liar = Liar()
    ana = uuid4()
    liar.allowed(ana)
    set_aside = [{"rule": "CO-HRS-3a", "pack": LABELS["CO"], "authority": "Head of compliance"}]
    liar.contacted(ana, "2026-11-03T19:30:00-05:00", overridden=set_aside)
    liar.contacted(ana, "2026-11-10T19:30:00-05:00", "CO-HRS-3a")
    assert [(each.index, each.rule) for each in (await asked(liar)).breaches] == liar.planted


async def test_what_is_told_late_of_elsewhere_counts_for_what_comes_after_it(
    asked: Callable[[Liar], Awaitable[Report]],
) -> None:
    """A contact elsewhere stands in the trace when it was told: what left before that could not know of it."""
    liar = Liar()
    ana = uuid4()
    liar.allowed(ana)
    elsewhere = {"type": "contact", "channel": "sms", "outcome": "attempted", "purpose": "collection", "creditor": "C1"}
    liar.contacted(ana, "2026-11-03T10:00:00-05:00")
    liar.said(ana, "2026-11-03T08:00:00-05:00", **elsewhere)
    liar.said(ana, "2026-11-10T08:00:00-05:00", **elsewhere)
    liar.contacted(ana, "2026-11-10T10:00:00-05:00", "CO-FREQ-3d")
    assert [(each.index, each.rule) for each in (await asked(liar)).breaches] == liar.planted


async def test_what_she_said_later_changes_nothing(asked: Callable[[Liar], Awaitable[Report]]) -> None:
    liar = Liar()
    ana, bob = uuid4(), uuid4()
    liar.contacted(ana, "2026-11-03T09:00:00-05:00", "CO-CHAN-2")
    liar.allowed(ana, "2026-11-04T09:00:00-05:00")
    liar.allowed(bob)
    liar.contacted(bob, "2026-11-03T09:00:00-05:00")
    liar.said(bob, "2026-11-04T09:00:00-05:00", type="consent", state="withdrawn", channel="sms", address="e1")
    assert [(each.index, each.rule) for each in (await asked(liar)).breaches] == liar.planted


class Between:
    """A connection beside which the house goes on working before one statement of the recheck."""

    def __init__(self, connection: Connection, statement: str, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._connection = connection
        self._statement = statement
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, statement: str, *arguments: Any, **more: Any) -> Any:
        if statement == self._statement:
            await self._meanwhile()
        return await self._connection.execute(statement, *arguments, **more)


async def test_a_house_that_works_meanwhile_breaks_nothing(busy: Town) -> None:
    """A try that provably did not leave and the one after it come between what became of contacts and the contacts."""

    async def meanwhile() -> None:
        await busy.fault("throttle", count=1)
        sent = await busy.send(message(person("ana", number(1))))
        await busy.until(sent["id"], "delivered", seconds=60)

    async def job(connection: Connection) -> tuple[int, list[Any]]:
        beside: Any = Between(connection, queries("recheck")["contacts"], meanwhile)
        await recheck.lay_out(beside, TENANT, ALWAYS)
        return await recheck.ask(beside, [], [])

    assert await busy.house.database.run(job) == (0, [])
    assert len(await busy.rows("SELECT FROM attempt")) == 2
    report = await rechecked(busy.house.database, TENANT)
    assert (report.contacts, report.breaches) == (1, ())
