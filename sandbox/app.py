"""The sandbox as one application: simulated carriers behind their own door, and the telephone with its faults and its clock."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol

from aiohttp import web

from sandbox import problem
from sandbox.aggregator import AggregatorCarrier
from sandbox.carrier import Surroundings
from sandbox.clock import CarriersClock
from sandbox.door import Door
from sandbox.faults import COUNT_MAX, REFUSED_SECONDS_EACH, SECONDS_MAX, Fault, Faults
from sandbox.hooks import Hooks
from sandbox.mail import MailCarrier
from sandbox.meta import MetaCarrier
from sandbox.problem import Problem
from sandbox.settings import Settings
from sandbox.telegram import TelegramCarrier
from sandbox.telegram_page import TelegramPage
from sandbox.truth import Line, Truth
from sandbox.twilio import TwilioCarrier
from sandbox.voice import VoiceCarrier
from sandbox.voice_page import CallsPage
from sandbox.web import WebPerson
from sandbox.whatsapp_page import WhatsAppPage
from sandbox.whatsapp_twilio import TwilioWhatsAppCarrier
from vocabulary.channel import Channel
from vocabulary.clock import Clock

SetClock = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

ADDRESS_CHARACTERS_MAX: Final = 320
TEXT_CHARACTERS_MAX: Final = 1_600
PEOPLE_MAX: Final = 200
CONVERSATION_MAX: Final = 500

#: Nothing but our own files runs on the telephone, whatever a message says.
CONTENT_SECURITY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; media-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

#: What a person writes from, by channel.
_ADDRESSES: Final = {
    "sms": "a number in E.164, such as +573001234567",
    "email": "a mail address",
    "telegram": "the number of a chat, such as 573001234567",
}

_PAGE: Final = Path(__file__).with_name("phone")
_FILES: Final = {
    "phone.css": "text/css",
    "phone.js": "text/javascript",
    "phone.svg": "image/svg+xml",
}

#: Where the carriers listen, once the application has started.
DOOR: Final = web.AppKey("door", Door)
#: Where the mail host listens, once the application has started.
MAIL_PORT: Final = web.AppKey("mail_port", int)


def make_app(settings: Settings, *, clock: Clock | None = None, set_clock: SetClock | None = None) -> web.Application:
    """The application of the telephone; starting it also opens the carriers' door at ``settings.carrier_port``.

    ``clock`` is the gateway's (None: real time); ``set_clock`` is handed one of ``{"now": …}``, ``{"advance": …}`` and
    ``{"real": true}``, well formed, and returns what is answered; its ``ValueError`` becomes a 422.
    """
    sandbox = _Sandbox(settings, clock, set_clock)
    app = web.Application(middlewares=[_guarded], client_max_size=problem.BODY_BYTES_MAX)
    app.add_routes(
        [
            web.get("/sandbox", sandbox.page),
            web.get("/sandbox/files/{name}", sandbox.file),
            web.get("/sandbox/messages", sandbox.messages),
            web.get("/sandbox/people", sandbox.people),
            web.get("/sandbox/conversation", sandbox.conversation),
            web.post("/sandbox/reply", sandbox.reply),
            web.get("/sandbox/faults", sandbox.armed),
            web.post("/sandbox/faults", sandbox.arm),
            web.delete("/sandbox/faults", sandbox.disarm),
            web.get("/sandbox/clock", sandbox.clock_shown),
            web.post("/sandbox/clock", sandbox.clock_set),
        ]
    )
    app.add_routes(sandbox.telegram_page.routes())
    app.add_routes(sandbox.whatsapp_page.routes())
    app.add_routes(sandbox.calls_page.routes())
    app.cleanup_ctx.append(sandbox.running)
    return app


class Carrier(Protocol):
    """What the telephone asks of a simulated carrier."""

    @property
    def provider(self) -> str:
        """The operator's name for the account there."""
        ...

    @property
    def kind(self) -> str:
        """The kind of the adapter that speaks to it."""
        ...

    @property
    def channel(self) -> str:
        """The channel it carries."""
        ...

    def is_address(self, text: str) -> bool:
        """Whether a person can write from there."""
        ...

    async def reply(self, sender: str, text: str) -> dict[str, Any]:
        """The person writes; what the gateway answered."""
        ...


class _Sandbox:
    def __init__(self, settings: Settings, clock: Clock | None, set_clock: SetClock | None) -> None:
        self._settings = settings
        self._set_clock = set_clock
        self._clock = CarriersClock(clock)
        self._faults = Faults()
        self._truth: Truth
        self._hooks: Hooks
        self._door: Door
        self._carriers: dict[str, Carrier]
        self._aggregators: list[AggregatorCarrier]
        self._mail: MailCarrier | None = None
        self._numbers: dict[str, Carrier] = {}
        self.telegram_page = TelegramPage()
        self.whatsapp_page = WhatsAppPage()
        self.calls_page = CallsPage()

    async def running(self, app: web.Application) -> AsyncIterator[None]:
        """Opens the memory and the door, tells what was left untold, and closes all of it."""
        settings = self._settings
        self._truth = Truth(settings.directory)
        self._hooks = Hooks(settings.retry_seconds)
        around = Surroundings(
            settings=settings, truth=self._truth, faults=self._faults, hooks=self._hooks, law_now=self._clock.now
        )
        twilio = TwilioCarrier(around, settings.twilio)
        self._carriers = {twilio.channel: twilio}
        self._aggregators = [AggregatorCarrier(around, account) for account in settings.aggregators]
        carriers = web.Application(client_max_size=problem.BODY_BYTES_MAX)
        carriers.add_routes(twilio.routes())
        for aggregator in self._aggregators:
            carriers.add_routes(aggregator.routes())
        if settings.telegram is not None:
            bot = TelegramCarrier(around, settings.telegram)
            self._carriers[bot.channel] = self.telegram_page.carrier = bot
            carriers.add_routes(bot.routes())
        voice: VoiceCarrier | None = None
        if settings.voice is not None:
            voice = VoiceCarrier(around, settings.voice)
            self._carriers[voice.channel] = self.calls_page.carrier = voice
            carriers.add_routes(voice.routes())
        whatsapp = self._whatsapp(around)
        for number in whatsapp:
            self._carriers.setdefault(number.channel, number)
            self._numbers[number.provider] = number
            carriers.add_routes(number.routes())
        browsers: WebPerson | None = None
        if settings.web is not None:
            browsers = WebPerson(around, settings.web)
            self._carriers[browsers.channel] = browsers
            carriers.add_routes(browsers.routes())
        self._door = Door(carriers, settings.host, settings.carrier_port)
        await self._door.open()
        app[DOOR] = self._door
        if settings.mail is not None:
            self._mail = MailCarrier(around, settings.mail)
            self._carriers[self._mail.channel] = self._mail
            await self._mail.open()
            app[MAIL_PORT] = self._mail.port
        twilio.resume()
        for number in whatsapp:
            number.resume()
        if voice is not None:
            voice.resume()
        for aggregator in self._aggregators:
            aggregator.resume()
        yield
        await self._door.close()
        if self._mail is not None:
            await self._mail.close()
        await self._hooks.close()
        if browsers is not None:
            await browsers.close()
        self._truth.close()

    def _whatsapp(self, around: Surroundings) -> list[MetaCarrier | TwilioWhatsAppCarrier]:
        """The numbers on WhatsApp, the one that who was never written to writes to first."""
        settings = around.settings
        numbers: list[MetaCarrier | TwilioWhatsAppCarrier] = []
        if settings.whatsapp is not None:
            meta = MetaCarrier(around, settings.whatsapp)
            self.whatsapp_page.carrier = meta
            numbers.append(meta)
        if settings.whatsapp_twilio is not None:
            numbers.append(TwilioWhatsAppCarrier(around, settings.whatsapp_twilio))
        return numbers

    async def messages(self, request: web.Request) -> web.Response:
        """What arrived at the carriers, oldest first."""
        channel = request.query.get("channel") or None
        if channel is not None and channel not in set(Channel):
            raise problem.wrong("", f"channel is none of {', '.join(sorted(Channel))}")
        after = request.query.get("after") or "0"
        if not (after.isascii() and after.isdigit() and len(after) <= 12):
            raise problem.wrong("", "after is not a number of messages")
        arrived = self._truth.arrived(to=_address(request.query.get("to")), channel=channel, after=int(after))
        return web.json_response([_shown(line) for line in arrived])

    async def people(self, _request: web.Request) -> web.Response:
        """The addresses seen so far, latest first."""
        return web.json_response(self._truth.people()[:PEOPLE_MAX])

    async def conversation(self, request: web.Request) -> web.Response:
        """What was sent to one address and written by it, oldest first, for the page."""
        address = _address(request.query.get("with"))
        if address is None:
            raise problem.wrong("", "with is missing")
        lines = list(self._truth.with_person(address))[-CONVERSATION_MAX:]
        return web.json_response([self._bubble(line) for line in lines])

    async def reply(self, request: web.Request) -> web.Response:
        """The person answers."""
        read = await problem.body(request, frozenset({"channel", "from", "text"}))
        channel = problem.text(read, "channel", 32)
        carrier = self._carriers.get(channel)
        if carrier is None:
            known = ", ".join(sorted(self._carriers))
            raise problem.wrong("/channel", f"nobody can answer there in this sandbox; known: {known}")
        sender = problem.text(read, "from", ADDRESS_CHARACTERS_MAX)
        if not carrier.is_address(sender):
            raise problem.wrong("/from", f"must be {_ADDRESSES.get(channel, _ADDRESSES['sms'])}")
        words = problem.text(read, "text", TEXT_CHARACTERS_MAX)
        return web.json_response(await self._latest(carrier, sender).reply(sender, words))

    async def armed(self, _request: web.Request) -> web.Response:
        """The faults that still wait."""
        return web.json_response(self._faults.waiting())

    async def arm(self, request: web.Request) -> web.Response:
        """Arm a fault."""
        read = await problem.body(request, frozenset({"provider", "fault", "count", "seconds"}))
        provider = None
        if read.get("provider") is not None:
            provider = self._provider(problem.text(read, "provider", 64))
        word = problem.text(read, "fault", 64)
        if word not in set(Fault):
            raise problem.wrong("/fault", f"must be one of {', '.join(Fault)}")
        count = problem.count_or_none(read, "count", COUNT_MAX)
        seconds = problem.seconds_or_none(read, "seconds", SECONDS_MAX)
        armed = self._faults.arm(provider, Fault(word), count, seconds)
        if armed.fault is Fault.REFUSE_CONNECTION:
            refused_seconds = seconds if seconds is not None else (count or 1) * REFUSED_SECONDS_EACH
            by_mail = self._mail is not None and provider == self._mail.provider
            if self._mail is not None and (provider is None or by_mail):
                await self._mail.shut(refused_seconds)
            if not by_mail:
                await self._door.shut(refused_seconds)
        return web.json_response({"provider": provider, "fault": word, "count": armed.left, "seconds": seconds})

    async def disarm(self, _request: web.Request) -> web.Response:
        """Take every fault back."""
        self._faults.clear()
        await self._door.reopen()
        if self._mail is not None:
            await self._mail.reopen()
        return web.json_response([])

    async def clock_shown(self, _request: web.Request) -> web.Response:
        """What the gateway's clock says."""
        self._clock.forget()
        return web.json_response({"now": (await self._clock.now()).isoformat()})

    async def clock_set(self, request: web.Request) -> web.Response:
        """Set the gateway's clock."""
        order = problem.clock_order(await problem.body(request, frozenset({"now", "advance", "real"})))
        if self._set_clock is None:
            raise Problem(503, "unavailable", "This sandbox has no clock to set")
        try:
            answer = await self._set_clock(order)
        except ValueError as error:
            raise problem.wrong("/" + next(iter(order)), str(error)) from None
        self._clock.forget()
        # Known before this is answered: what is sent from now on arrives on the new clock.
        await self._clock.now()
        return web.json_response(answer)

    async def page(self, _request: web.Request) -> web.Response:
        """The telephone."""
        return _served("phone.html", "text/html")

    async def file(self, request: web.Request) -> web.Response:
        """What the page is made of."""
        name = request.match_info["name"]
        if name not in _FILES:
            raise Problem(404, "not-found", "There is no such thing")
        return _served(name, _FILES[name])

    def _latest(self, carrier: Carrier, sender: str) -> Carrier:
        """An answer goes back the way of the last message; who has none writes to the carrier of the channel."""
        others: dict[str, Carrier] = {
            other.provider: other
            for other in (*self._aggregators, *self._numbers.values())
            if other.channel == carrier.channel
        }
        last = carrier
        for line in self._truth.with_person(sender):
            if line["type"] == "arrived" and line["channel"] == carrier.channel:
                last = others.get(line["provider"], carrier)
        return last

    def _provider(self, word: str) -> str:
        simulated = list(dict.fromkeys([*self._carriers.values(), *self._aggregators, *self._numbers.values()]))
        for carrier in simulated:
            if word in (carrier.provider, carrier.kind):
                return carrier.provider
        known = ", ".join(carrier.provider for carrier in simulated)
        raise problem.wrong("/provider", f"is not simulated here; known: {known}")

    def _bubble(self, line: Line) -> dict[str, Any]:
        status = None
        if line["type"] == "arrived" and line["id"] is not None:
            statuses = [later["status"] for later in self._truth.about(line["id"]) if later["type"] == "status"]
            status = statuses[-1] if statuses else "queued"
        return {
            "direction": "in" if line["type"] == "arrived" else "out",
            "channel": line["channel"],
            "provider": line["provider"],
            "party": line["from"] if line["type"] == "arrived" else line["to"],
            "text": line["text"],
            "at": line["at"],
            "status": status,
            "audio_url": line.get("audio_url"),
            "buttons": line.get("buttons", []),
            "form": line.get("form"),
        }


def _shown(line: Line) -> dict[str, Any]:
    return {name: line[name] for name in ("channel", "provider", "to", "from", "text", "audio_url", "at")}


def _address(told: str | None) -> str | None:
    """In an address bar a bare ``+`` means a space, and nobody writes numbers otherwise there."""
    if not told:
        return None
    return "+" + told[1:] if told.startswith(" ") else told


def _served(name: str, content_type: str) -> web.Response:
    return web.Response(body=(_PAGE / name).read_bytes(), content_type=content_type, charset="utf-8")


@web.middleware
async def _guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Problems become answers; a page of another site may not press buttons here, for there is no key to ask it for."""
    response: web.StreamResponse
    site = request.headers.get("Sec-Fetch-Site", "none")
    if request.method not in ("GET", "HEAD") and site not in ("none", "same-origin"):
        response = Problem(403, "forbidden", "Another site may not use the sandbox").response()
    else:
        try:
            response = await handler(request)
        except Problem as refused:
            response = refused.response()
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
