"""The tour: one message by each way of a running sandbox, an answer on each, and all of it in one person's timeline."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit

import aiohttp
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from gateway.cli.tour_legs import LEGS, Leg, contact

#: How long anything may take that the tour waits for, real seconds.
WAIT_SECONDS_MAX: Final = 30.0
LOOK_SECONDS: Final = 0.1
TIMELINE_MAX: Final = 200
EVENT_BYTES_MAX: Final = 256 * 1024

_GONE: Final = ("sent", "delivered", "read")
_ENDED: Final = ("failed", "undelivered", "blocked", "expired", "cancelled", "unknown")


class Stuck(Exception):
    """Something that should have happened did not; the text says what."""


@dataclass(slots=True, kw_only=True)
class Told:
    """How one leg went. ``why`` is None when all of it came out."""

    channel: str
    outcome: str = "came out"
    why: str | None = None
    message: str | None = None
    provider: str | None = None
    status: str | None = None
    answered: str | None = None
    intent: str | None = None
    events: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole tour. ``timeline`` is as the API answers it, newest first."""

    contact: str
    legs: tuple[Told, ...]
    timeline: tuple[dict[str, Any], ...]

    @property
    def held(self) -> bool:
        """Whether every configured way came out, and there was one at all."""
        return all(leg.why is None for leg in self.legs) and any(leg.outcome == "came out" for leg in self.legs)


class Refused(Exception):
    """The gateway or the sandbox said no; ``pointers`` are what its errors point at."""

    def __init__(self, status: int, problem: Any) -> None:
        errors = problem.get("errors", []) if isinstance(problem, dict) else []
        title = problem.get("title", "") if isinstance(problem, dict) else ""
        details = "; ".join(f"{error.get('pointer')} {error.get('detail')}" for error in errors)
        super().__init__(f"{status} {details or title}")
        self.status = status
        self.pointers = [str(error.get("pointer")) for error in errors]
        self.details = details


class Tour:
    """One run against one gateway and its sandbox."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._key = key
        self._run = f"{int(time.time()):x}{secrets.token_hex(2)}"
        # A mobile number of Buenos Aires, and a chat, whose last digits mean nothing to the simulators.
        self._number = f"+549115{secrets.randbelow(10**5):05d}77"
        self._chat = f"9{secrets.randbelow(10**9):09d}77"
        self._events: list[dict[str, Any]] = []

    async def run(self, only: frozenset[str] = frozenset()) -> Report:
        """Everything, one channel after the other. Raises Stuck or Refused when there is nothing to speak to."""
        person = contact(self._run, self._number)
        identity: str = person["id"]
        async with self._listening():
            await self._api("PUT", f"/v1/contacts/{identity}", person)
            legs = [await self._leg(leg, identity) for leg in LEGS if not only or leg.channel in only]
            for told in legs:
                await self._heard(told)
        page = await self._api("GET", f"/v1/contacts/{identity}/timeline?limit={TIMELINE_MAX}")
        return Report(contact=identity, legs=tuple(legs), timeline=tuple(page["items"]))

    async def _leg(self, leg: Leg, identity: str) -> Told:
        told = Told(channel=leg.channel)
        try:
            await self._opened(leg, identity)
            await self._sent(leg, identity, told)
            await self._answered(leg, identity, told)
        except Stuck as stuck:
            told.outcome, told.why = "stuck", str(stuck)
        except Refused as refused:
            if refused.status == 422 and ("no way" in refused.details or "nobody can answer there" in refused.details):
                told.outcome = "not configured"
            else:
                told.outcome, told.why = "refused", str(refused)
        return told

    async def _opened(self, leg: Leg, identity: str) -> None:
        """What has to come from her before she may be written to."""
        if leg.link:
            offered = await self._api("POST", f"/v1/contacts/{identity}/telegram")
            token = offered["url"].partition("?start=")[2]
            await self._sandbox("POST", "/sandbox/reply", self._from(leg, identity, f"/start {token}"))
            await self._until(f"{leg.channel}: her chat is bound", self._bound, identity)
        elif leg.opening is not None:
            await self._sandbox("POST", "/sandbox/reply", self._from(leg, identity, leg.opening))

    async def _sent(self, leg: Leg, identity: str, told: Told) -> None:
        body = {
            "contact": identity,
            "channel": leg.channel,
            "purpose": "collection",
            "debts": [{"id": f"{identity}-loan"}],
            "content": leg.content,
            "metadata": {"campaign": "tour"},
        }
        accepted = await self._api("POST", "/v1/messages", body, **{"Idempotency-Key": f"{identity}-{leg.channel}"})
        told.message = accepted["id"]

        async def gone() -> bool:
            found = await self._api("GET", f"/v1/messages/{told.message}")
            told.status = found["status"]
            attempts = found["attempts"]
            told.provider = attempts[-1]["provider"] if attempts else None
            if told.status in _ENDED:
                rules = [reason["rule"] for reason in found["decision"]["reasons"]]
                raise Stuck(f"the message is {told.status} {' '.join(rules)}".rstrip())
            return told.status in _GONE

        await self._until(f"{leg.channel}: the message leaves", gone)
        if leg.carried:
            await self._until(f"{leg.channel}: it arrives", self._arrived, leg, identity)

    async def _answered(self, leg: Leg, identity: str, told: Told) -> None:
        await self._sandbox("POST", "/sandbox/reply", self._from(leg, identity, leg.answer))

        async def heard() -> bool:
            for event in self._events:
                data = event["data"]
                if event["type"] == "reply.received" and data["contact"] == identity and data["text"] == leg.answer:
                    told.answered, told.intent = data["text"], data["intent"]
                    return bool(data["channel"] == leg.channel)
            return False

        await self._until(f"{leg.channel}: her answer reaches the CRM", heard)
        page = await self._api("GET", f"/v1/contacts/{identity}/timeline?limit={TIMELINE_MAX}")
        replies = [i for i in page["items"] if i["type"] == "reply" and i["data"].get("text") == leg.answer]
        if [reply["channel"] for reply in replies] != [leg.channel]:
            raise Stuck(f"her answer stands {len(replies)} times in her timeline")

    async def _heard(self, told: Told) -> None:
        """What the CRM was told of the message, by events whose signature fits."""
        if told.message is None or told.why is not None:
            return

        async def of_it() -> bool:
            told.events = [e["type"] for e in self._events if e["data"].get("message") == told.message]
            return "message.sent" in told.events or "message.delivered" in told.events

        try:
            await self._until(f"{told.channel}: the CRM hears of it", of_it)
            told.status = (await self._api("GET", f"/v1/messages/{told.message}"))["status"]
        except Stuck as stuck:
            told.outcome, told.why = "stuck", str(stuck)

    async def _bound(self, identity: str) -> bool:
        person = await self._api("GET", f"/v1/contacts/{identity}")
        return any(address["channel"] == "telegram" for address in person["addresses"])

    async def _arrived(self, leg: Leg, identity: str) -> bool:
        sender = self._from(leg, identity, "")["from"]
        path = f"/sandbox/messages?to={quote(sender, safe='')}&channel={leg.channel}"
        return bool(await self._sandbox("GET", path))

    def _from(self, leg: Leg, identity: str, text: str) -> dict[str, str]:
        where = {"email": f"ana.{self._run}@ejemplo.test", "telegram": self._chat, "web": identity}
        return {"channel": leg.channel, "from": where.get(leg.channel, self._number), "text": text}

    async def _until(self, what: str, come: Any, *arguments: Any) -> None:
        end = time.monotonic() + WAIT_SECONDS_MAX
        while not await come(*arguments):
            if time.monotonic() > end:
                raise Stuck(f"{what}: not within {WAIT_SECONDS_MAX:.0f} s")
            await asyncio.sleep(LOOK_SECONDS)

    async def _api(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return await self._call(method, path, body, {"Authorization": f"Bearer {self._key}", **headers})

    async def _sandbox(self, method: str, path: str, body: Any = None) -> Any:
        return await self._call(method, path, body, {})

    async def _call(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        try:
            async with self._session.request(method, self._url + path, json=body, headers=headers) as answer:
                told = await answer.json(content_type=None) if answer.status != 204 else None
                if answer.status >= 400:
                    raise Refused(answer.status, told)
                return told
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Stuck(f"{method} {urlsplit(path).path}: {type(error).__name__}") from None

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        """A CRM of our own on loopback, for as long as the tour lasts."""
        secret: list[str] = []

        async def take(request: web.Request) -> web.Response:
            body = await request.read()
            try:
                event = Webhook(secret[0]).verify(body.decode(), dict(request.headers))
            except (WebhookVerificationError, IndexError):
                return web.Response(status=400)
            self._events.append(event)
            return web.Response(status=204)

        app = web.Application(client_max_size=EVENT_BYTES_MAX)
        app.router.add_post("/", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            endpoint = await self._api("POST", "/v1/webhooks", {"url": url})
            secret.append(endpoint["secret"])
            try:
                yield
            finally:
                await self._api("DELETE", f"/v1/webhooks/{endpoint['id']}")
        finally:
            await runner.cleanup()


async def tour(url: str, key: str, only: frozenset[str] = frozenset()) -> Report:
    """The tour against a gateway at ``url`` with a tenant's ``key``. Raises Stuck or Refused."""
    timeout = aiohttp.ClientTimeout(total=WAIT_SECONDS_MAX)
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
        return await Tour(session, url, key).run(only)
