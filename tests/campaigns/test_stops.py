"""She says stop, by every way there is, at every step of a dispatch: whichever commits first has its effect, and the trace shows it."""

import asyncio
import contextlib
import random
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha1
from hmac import digest
from itertools import cycle
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from adapters.email_smtp import SmtpMail
from adapters.kit.signing import inbound_url
from gateway import failpoints
from gateway.compose import dispatcher
from storage.database import DatabaseAway
from tests.campaigns.tally import Tally, counted
from tests.conftest import NewDatabase
from tests.gateway.test_person_page import TAP, form_of, get, post
from tests.gateway.town import MAIL_PROVIDER, NUMBER, PROVIDER, TUESDAY, Town, message, town
from tests.sizes import LONG, STOPS, hangs_after, seed

SEED: Final = seed(20261122)
#: How a stop comes: her words, her carrier's word, a tap on her page, one click in her mail program, the CRM, a list.
WAYS: Final = ("reply", "carrier", "page", "click", "crm", "list")
#: The places of a dispatch at which the stops of a group set out; None: at any instant beside it.
STEPS: Final = (
    None,
    "dispatch.before_commit",
    "dispatch.after_commit",
    "dispatch.before_call",
    "dispatch.after_call",
    "settle.before_commit",
    "settle.after_commit",
)
#: People of one group, as many of each way.
GROUP: Final = 24
#: Dispatchers that work at a group at once.
SENDERS_MIN, SENDERS_MAX = 2, 3
#: Each stop sets out at one of the first so many times that a dispatch reaches the step: some before hers, some beside it, some after.
REACHES_MAX: Final = 3
#: Trials of one town: its carrier keeps all that arrived, and is asked about each.
TOWN: Final = 1_200
LATE_SECONDS_MAX: Final = 0.02
#: What we answer while we are away, and how long a trial waits for what is to come of it, on a machine that does much else.
AWAY: Final = 503
AGAIN_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 240.0
STOP_FIRST: Final = "the stop came first"
MESSAGE_FIRST: Final = "the message came first"
TEXT: Final = "Su cuota está lista."
WORDS: Final = ("BAJA", "no me escriban más", "STOP", "por favor dejen de mandarme mensajes")


@dataclass
class Person:
    """Somebody of a group, and what her stop needs."""

    id: str
    way: str
    address: str = field(repr=False)
    link: str | None = field(default=None, repr=False)
    attempt: UUID | None = None
    #: The message that her stop races.
    message: UUID | None = None


def somebody(number: int, way: str) -> Person:
    identity = f"w{number}"
    address = f"{identity}@ejemplo.test" if way == "click" else f"+51955{number:05d}7"
    return Person(identity, way, address)


def asked(person: Person, contact: Any, text: str) -> dict[str, Any]:
    channel = "email" if person.way == "click" else "sms"
    content = {"text": text, **({"subject": "Su cuota"} if channel == "email" else {})}
    return message(contact, channel=channel, content=content, idempotency_key=uuid4().hex)


def described(person: Person) -> dict[str, Any]:
    """In Peru, where no law counts messages: so that only her stop stands between her and the second one."""
    channel = "email" if person.way == "click" else "sms"
    address = {"channel": channel, "address": person.address, "kind": "personal", "source": "supplied"}
    where = {"jurisdictions": ["PE"], "zones": ["America/Lima"], "role": "debtor"}
    return {"id": person.id, **where, "addresses": [address]}


async def until_taken(ask: Callable[[], Awaitable[int]]) -> None:
    """Whoever is told that we are away asks again, as carriers and CRMs do; any other answer but 2xx and the page's 303 is wrong."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (status := await ask()) == AWAY:
            await asyncio.sleep(AGAIN_SECONDS)
    assert status in (200, 201, 202, 303), status


async def accepted(found: Town, asks: list[dict[str, Any]]) -> list[UUID]:
    answered: list[dict[str, Any]] = []

    async def ask() -> int:
        nonlocal answered
        status, answered, _ = await found.call("POST", "/v1/messages/batch", asks)
        return AWAY if status == 200 and any(each["status"] == AWAY for each in answered) else status

    await until_taken(ask)
    assert {each["message"]["status"] for each in answered} == {"queued"}, answered
    return [UUID(each["message"]["id"].removeprefix("msg_")) for each in answered]


async def sent(found: Town) -> None:
    """Everything has its ending: what a busy machine gave back unused is decided again, however long it rests before."""
    sender = dispatcher(found.house)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with contextlib.suppress(DatabaseAway):
                while await sender.round():
                    await sender.drain()
            await sender.drain()
            if not await found.rows("SELECT 1 FROM message WHERE status IN ('queued', 'dispatching') LIMIT 1"):
                return
            await asyncio.sleep(AGAIN_SECONDS)


async def prepared(found: Town, people: list[Person]) -> None:
    """Her page and her mail's button come with a message before; then one waits for each of them."""
    first = [each for each in people if each.way in ("page", "click")]
    await accepted(found, [asked(each, described(each), "Hola: {{link}}") for each in first])
    await sent(found)
    for each in first:
        if each.way == "page":
            match = re.search(r"https?://\S+/p/[A-Za-z0-9_-]{22}", (await found.arrived(each.address))[-1]["text"])
            assert match
            each.link = match[0]
        else:
            (row,) = await found.rows("SELECT id FROM attempt WHERE contact = $1", each.id)
            each.attempt = row["id"]
    known = {each.id for each in first}
    asks = [asked(each, each.id if each.id in known else described(each), TEXT) for each in people]
    for each, identity in zip(people, await accepted(found, asks), strict=True):
        each.message = identity


async def says_stop(found: Town, person: Person, chance: random.Random) -> None:
    match person.way:
        case "reply":
            await until_taken(partial(_reply, found, person.address, chance.choice(WORDS)))
        case "carrier":
            await until_taken(partial(_carrier, found, person.address))
        case "page":
            assert person.link is not None
            await until_taken(partial(_tap, found, person.link, chance.choice(("stop_here", "stop_all"))))
        case "click":
            assert person.attempt is not None
            await until_taken(partial(_click, found, person.attempt))
        case _:
            await until_taken(partial(_told, found, person.id))


async def _reply(found: Town, address: str, words: str) -> int:
    """Her carrier calls again by itself, later than we wait here: the first of her words that is kept counts."""
    said = {"channel": "sms", "from": address, "text": words}
    async with found.session.post(f"{found.carrier_url}/sandbox/reply", json=said) as answer:
        assert answer.status == 200, await answer.text()
        hook: int | None = (await answer.json())["hook"]["status"]
    return AWAY if hook is None else hook


async def _tap(found: Town, link: str, do: str) -> int:
    status, html, _ = await get(found, link)
    if status == AWAY:
        return status
    status, _, _ = await post(found, link, {"form": form_of(html), "do": do}, **TAP)
    return status


async def _told(found: Town, contact: str) -> int:
    said = {"type": "consent", "at": TUESDAY, "state": "withdrawn", "all": True}
    status, _, _ = await found.call("POST", f"/v1/contacts/{contact}/events", said)
    return status


async def _carrier(found: Town, number: str) -> int:
    """Twilio's own opt-out: a signed hook whose words say nothing (https://www.twilio.com/docs/usage/security)."""
    account = found.house.settings.providers[PROVIDER]
    url = inbound_url(found.house.settings.public_url, PROVIDER)
    form = {
        "AccountSid": account["account_sid"],
        "Body": "ok",
        "From": number,
        "MessageSid": f"SM{uuid4().hex}",
        "NumMedia": "0",
        "OptOutType": "STOP",
        "To": NUMBER,
    }
    signed = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    signature = b64encode(digest(account["auth_token"].encode(), signed.encode(), sha1)).decode()
    async with found.session.post(url, data=form, headers={"X-Twilio-Signature": signature}) as answer:
        return answer.status


async def _click(found: Town, attempt: UUID) -> int:
    way = found.house.adapters[MAIL_PROVIDER]
    assert isinstance(way, SmtpMail)
    marks = way._marks.variables(attempt)
    url = f"{found.url}/hooks/{MAIL_PROVIDER}/unsubscribe?attempt={marks['attempt']}&mark={marks['mark']}"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with found.session.post(url, data=b"List-Unsubscribe=One-Click", headers=form) as answer:
        return answer.status


async def _listed(found: Town, numbers: list[str]) -> int:
    url = f"{found.url}/v1/registers/house:stops/versions?mode=add"
    headers = {"Authorization": f"Bearer {found.key}", "Content-Type": "text/csv"}
    async with found.session.post(url, data="number\n" + "\n".join(numbers) + "\n", headers=headers) as answer:
        return answer.status


async def raced(found: Town, people: list[Person], step: str | None, chance: random.Random) -> None:
    """Every stop of the group sets out when a dispatch reaches the step for a time of its own, or at any instant beside it."""
    reached = [asyncio.Event() for _ in range(REACHES_MAX)]
    coming = iter(reached)

    async def strike() -> None:
        following = next(coming, None)
        if following is not None:
            following.set()
        await asyncio.sleep(chance.uniform(0, LATE_SECONDS_MAX))

    async def late(stop: Callable[[], Awaitable[None]], go: asyncio.Event, seconds: float) -> None:
        if step is not None:
            await go.wait()
        await asyncio.sleep(seconds)
        await stop()

    listed = [each.address for each in people if each.way == "list"]
    stops: list[Callable[[], Awaitable[None]]] = [partial(until_taken, partial(_listed, found, listed))]
    stops += [lambda each=each: says_stop(found, each, chance) for each in people if each.way != "list"]  # type: ignore[misc]
    chance.shuffle(stops)
    most = LATE_SECONDS_MAX * (4 if step is None else 0.25)
    coming_late = [late(stop, chance.choice(reached), chance.uniform(0, most)) for stop in stops]
    if step is not None:
        failpoints.arm(step, strike)

    async def sends() -> None:
        sender = dispatcher(found.house)
        for _ in range(GROUP):
            # A worker goes on when the database is there again; so does this one.
            with contextlib.suppress(DatabaseAway):
                if not await sender.round(limit=chance.randint(1, 3)):
                    break
            await asyncio.sleep(chance.uniform(0, LATE_SECONDS_MAX))
        await sender.drain()

    async def all_sent() -> None:
        await asyncio.gather(*(sends() for _ in range(chance.randint(SENDERS_MIN, SENDERS_MAX))))
        for each in reached:
            each.set()

    try:
        await asyncio.gather(all_sent(), *coming_late)
    finally:
        failpoints.disarm()
    await sent(found)


async def judged(found: Town, people: list[Person], since: int, tally: Tally, step: str | None) -> None:
    """By the trace, which orders by commits: no reservation after the stop; and what did not leave by it did not arrive."""
    # Of the message that waited alone: what she is answered by itself, a confirmation of her stop, may follow it.
    rows = await found.rows(
        "SELECT c.id, m.status, "
        "(SELECT min(t.idx) FROM trace t WHERE t.tenant = c.tenant AND t.idx > $2 AND ((t.kind = 'event' AND t.subject = c.subject) "
        "OR (t.kind = 'register' AND c.id = ANY($3::text[])))) AS stop, "
        "(SELECT max(t.idx) FROM trace t WHERE t.tenant = c.tenant AND t.kind = 'reserved' AND t.message = m.id) AS left, "
        "(SELECT count(*) FROM attempt a WHERE a.message = m.id AND a.state <> 'not_sent') AS out "
        "FROM message m JOIN contact c ON c.tenant = m.tenant AND c.id = m.contact WHERE m.id = ANY($1::uuid[])",
        [each.message for each in people],
        since,
        [each.id for each in people if each.way == "list"],
    )
    by_id = {row["id"]: row for row in rows}
    for each in people:
        row = by_id[each.id]
        tally.trials += 1
        stop, left, status = row["stop"], row["left"], row["status"]
        tally.hold(stop is not None, f"{each.way} at {step}: the stop was not kept")
        tally.hold(left is None or (stop is not None and left < stop), f"{each.way} at {step}: reserved after the stop")
        # A reservation that was not used in time, on a machine that is too busy, is given back: nothing left, it is decided again,
        # and her stop, which stands by then, blocks it.
        out, unused = row["out"], left is not None and not row["out"]
        told = f"{each.way} at {step}: {status}, reserved: {left is not None}, out {out} times"
        tally.hold(status == "blocked" or bool(out), told)
        tally.hold(out <= 1 and not (out and status == "blocked"), told)
        arrived = [one for one in await found.arrived(each.address) if TEXT in one["text"]]
        # A carrier whose answer a busy machine does not hear in time leaves it unknown: at most once is all that is known of it.
        if status == "unknown":
            tally.faults["the carrier's answer came too late"] += 1
        tally.hold(
            len(arrived) == out or (status == "unknown" and not arrived), f"{told}, and arrived {len(arrived)} times"
        )
        if unused:
            tally.faults["reserved, and given back unused"] += 1
            continue
        order = STOP_FIRST if left is None else MESSAGE_FIRST
        tally.faults[order] += 1
        tally.faults[f"{each.way}: {order}"] += 1
        tally.faults[f"{step or 'any instant'}: {order}"] += 1


@pytest.mark.campaign
@pytest.mark.timeout(hangs_after(14_400))
async def test_a_stop_by_any_way_and_a_dispatch_have_an_order(
    new_database: NewDatabase,
    template_url: str,
    redis_url: str,
    tmp_path: Path,
) -> None:
    orders = (STOP_FIRST, MESSAGE_FIRST)
    races = (*WAYS, *(step or "any instant" for step in STEPS))
    planned = tuple(f"{race}: {order}" for race in races for order in orders) if LONG else orders
    with counted("C9", "a stop by any way races every step of a dispatch", seed=SEED, planned=planned) as tally:
        chance, steps, number = random.Random(SEED), cycle(STEPS), 0
        while tally.trials < STOPS:
            folder = tmp_path / str(number)
            folder.mkdir()
            async with town(await new_database(like=template_url), redis_url, folder, mail=True) as found:
                until = min(STOPS, tally.trials + TOWN)
                while tally.trials < until:
                    people = [somebody(number + n, WAYS[n % len(WAYS)]) for n in range(GROUP)]
                    number += GROUP
                    await prepared(found, people)
                    (last,) = await found.rows("SELECT coalesce(max(idx), 0) AS idx FROM trace")
                    step = next(steps)
                    await raced(found, people, step, chance)
                    await judged(found, people, last["idx"], tally, step)
