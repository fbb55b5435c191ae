"""Her page over HTTP: a GET shows and changes nothing, a POST says one thing, and every link that does not open looks the same.

Whoever holds the link holds all that it opens, so no cookie and no password stand beside it; what keeps programs from speaking
for her is that forms carry a token of the page, and that a tap is a tap: the browser's own word for it (``Sec-Fetch-User``), or
a second page that asks.
"""

import asyncio
import contextlib
import hmac
import os
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date
from hashlib import sha256
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp import web
from aiohttp_sse import sse_response

from consent.intents import Intent, read
from gateway.addresses import endpoint
from gateway.browsers import PerMinute, Stream, first_spoken, form_pairs, has_left, html_page
from gateway.page.inbox import Bell
from gateway.page.links import Links, Opened
from gateway.page.says import Hearer, NotOffered
from gateway.page.shown import Gatherer, hint, zones_of
from gateway.receive import Receiver
from pages.debtor import render
from pages.debtor.forms import (
    FIELDS_MAX,
    Answers,
    BadForm,
    CallMe,
    CannotNow,
    Disputes,
    NotAt,
    NotMe,
    Prefers,
    Speaks,
    StopAll,
    StopHere,
    WillPay,
    Wish,
    Wrong,
    wish_of,
)
from pages.debtor.render import HEADERS, Press
from pages.debtor.view import LANGUAGES, Done
from storage import history, messages
from storage.clock import LegalClock
from storage.database import Connection, Database, DatabaseAway
from storage.people import AddressRow
from vocabulary.channel import AddressKind, AddressSource, Channel
from vocabulary.outcome import Receipt, ReceiptKind, Reply
from webhooks.port import InboxAwayError

BODY_BYTES_MAX: Final = 32 * 1024
BODY_SECONDS_MAX: Final = 10.0
#: Openings and words of one link in a minute, in one process.
OPENINGS_MINUTE_MAX: Final = 60
WORDS_MINUTE_MAX: Final = 20
#: How long a page that lies open may still be answered, real time.
FORM_SECONDS_MAX: Final = 24 * 3600
#: Live pages of one process, and of one link.
LIVE_MAX: Final = 500
LIVE_LINK_MAX: Final = 4
#: A stream is let go after this, and the browser comes back.
LIVE_SECONDS_MAX: Final = 600.0
#: How often a stream on which nothing comes looks whether anybody is still there.
LIVE_LOOK_SECONDS: Final = 5.0
#: A page lists at most so many messages, so no form names more; and so many fields beside them.
NOTES_MAX: Final = 60
NOTES_BESIDE_MAX: Final = 10

_PURPOSE: Final = b"tregua page forms v1\x00"
_NONCE_BYTES: Final = 9
_MAC_BYTES: Final = 12
_STOPS: Final = frozenset({Intent.STOP_ALL, Intent.STOP_CHANNEL})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PersonPage:
    """The routes of her page. ``root``: the path of the public address; ``secret`` signs forms and digests addresses."""

    def __init__(
        self,
        *,
        database: Database,
        clock: LegalClock,
        links: Links,
        gatherer: Gatherer,
        hearer: Hearer,
        receiver: Receiver,
        press: Press,
        bell: Bell,
        secret: bytes,
        endpoint_secret: bytes,
        root: str,
        provider: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._links = links
        self._gatherer = gatherer
        self._hearer = hearer
        self._receiver = receiver
        self._press = press
        self._bell = bell
        self._forms = Forms(secret)
        self._endpoint_secret = endpoint_secret
        self._root = root
        self._provider = provider
        self._openings = PerMinute(OPENINGS_MINUTE_MAX)
        self._words = PerMinute(WORDS_MINUTE_MAX)
        self._live: dict[str, int] = {}

    def routes(self) -> list[web.RouteDef]:
        """The routes to mount at the root."""
        return [
            web.get("/p/-/{name}", self.file),
            web.get("/p/{token}", self._safely(self.show)),
            web.post("/p/{token}/do", self._safely(self.hear)),
            web.post("/p/{token}/seen", self._safely(self.seen)),
            web.get("/p/{token}/live", self.live, allow_head=False),
        ]

    # Showing

    async def file(self, request: web.Request) -> web.StreamResponse:
        """What the page is made of beside its words: the same for everybody, so it may be kept."""
        found = render.file(request.match_info["name"])
        if found is None:
            return self._plain("gone", _language(request) or LANGUAGES[0], 404)
        body, kind = found
        headers = {**HEADERS, "Cache-Control": "public, max-age=3600"}
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The page. Changes nothing, whoever opens it."""
        token = request.match_info["token"]
        if not self._openings.take(token):
            return self._plain("slow", _guessed(request), 429)
        done = request.query.get("done")
        return await self._shown(request, token, done=Done(done) if done in set(Done) else None)

    async def _shown(
        self,
        request: web.Request,
        token: str,
        *,
        done: Done | None = None,
        flaws: Mapping[str, str] | None = None,
        kept: Mapping[str, str] | None = None,
        language: str | None = None,
        status: int = 200,
    ) -> web.StreamResponse:
        asked = language or _language(request)
        form = self._forms.fresh(token)

        async def gather(connection: Connection) -> str | None:
            now, real = await self._clock.now(connection)
            opened = await self._links.open(connection, token, real)
            if opened is None:
                return None
            page = await self._gatherer.page(
                connection, opened, token=token, form=form, language=asked, now=now, real=real, done=done
            )
            return self._press.page(replace(page, kept=dict(kept or {})), flaws=flaws)

        html = await self._database.read(gather)
        if html is None:
            return self._gone(request)
        return _html(html, status)

    # Hearing

    async def hear(self, request: web.Request) -> web.StreamResponse:
        """One wish of hers."""
        token = request.match_info["token"]
        if not self._words.take(token):
            return self._plain("slow", _guessed(request), 429)
        opened_at = await self._opened(token)
        if opened_at is None:
            return self._gone(request)
        opened, today = opened_at
        fields = await _fields(request)
        if fields is None:
            return await self._shown(request, token, flaws={"form": Wrong.CHOICE}, status=422)
        asked = fields.get("lang")
        language = asked if asked in LANGUAGES else None
        if fields.get("sure") == "no":
            return self._back(token, language, None)
        nonce = self._forms.nonce(token, fields.get("form", ""))
        if nonce is None:
            return await self._shown(
                request, token, flaws={"form": "wrong_old"}, kept=fields, language=language, status=422
            )
        try:
            wish = wish_of(fields, today)
        except BadForm as bad:
            return await self._shown(
                request, token, flaws={bad.name: bad.wrong}, kept=fields, language=language, status=422
            )
        if not _tapped(request) and fields.get("sure") != "yes":
            # Not the browser of a person, as far as can be told: the question is put once more, to be answered by a button.
            spoken = language or _guessed(request)
            channel = Channel(opened.attempt.channel)
            passed = {name: value for name, value in fields.items() if name != "sure"}
            return _html(
                self._press.sure(
                    spoken,
                    token,
                    passed,
                    channel=channel.value,
                    hint=hint(channel, opened.attempt.address, spoken),
                ),
                200,
            )
        return await self._kept(request, token, opened, wish, nonce, language)

    async def _kept(
        self, request: web.Request, token: str, opened: Opened, wish: Wish, nonce: str, language: str | None
    ) -> web.StreamResponse:
        version = render.version()
        try:
            if isinstance(wish, Answers):
                heard = await self._answered(token, opened, wish, nonce, version)
            else:
                heard = await self._hearer.hear(token, wish, nonce=nonce, version=version)
        except NotOffered:
            return await self._shown(request, token, flaws={"way": Wrong.CHOICE}, language=language, status=422)
        if not heard:
            return self._gone(request)
        if isinstance(wish, NotMe):
            # The link has closed itself: there is no page to go back to, and nothing of hers on this one.
            return self._plain("thanks", language or _guessed(request), 200)
        return self._back(token, language, _DONE[type(wish)])

    async def _answered(self, token: str, opened: Opened, wish: Answers, nonce: str, version: str) -> bool:
        """What she writes is a reply on the channel web; words to stop hold for the address that the link came by, too."""
        said = read(wish.text, locale=opened.contact.locale)
        if said.intent in _STOPS and not await self._hearer.hear(token, StopHere(), nonce=nonce, version=version):
            return False
        contact = opened.contact
        reply = Reply(
            key=f"page/{nonce}/{sha256(wish.text.encode()).hexdigest()[:16]}",
            channel=Channel.WEB,
            sender=contact.id,
            recipient=self._provider,
            text=wish.text,
        )
        used = AddressRow(
            channel=Channel.WEB.value,
            address=contact.id,
            endpoint=endpoint(self._endpoint_secret, contact.tenant, Channel.WEB, contact.id),
            kind=AddressKind.PERSONAL.value,
            source=AddressSource.SUPPLIED.value,
        )
        await self._receiver.put_own(self._provider, reply, (contact.tenant, contact.id), used)
        return True

    async def seen(self, request: web.Request) -> web.StreamResponse:
        """Which messages of her inbox lay before her, and which she read. Receipts only: nothing of the law changes by it."""
        token = request.match_info["token"]
        if not self._openings.take(token):
            return self._plain("slow", _guessed(request), 429)
        opened_at = await self._opened(token)
        if opened_at is None:
            return self._gone(request)
        opened, _ = opened_at
        pairs = await _pairs(request)
        form = next((value for name, value in pairs or () if name == "form"), "")
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        if pairs is None or site != "same-origin" or self._forms.nonce(token, form) is None:
            return await self._shown(request, token, flaws={"form": "wrong_old"}, status=422)
        named = [(name, value) for name, value in pairs if name in ("open", "read")][:NOTES_MAX]
        await self._receipts(opened, named)
        if request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
            return web.Response(status=204, headers=dict(HEADERS))
        asked = next((value for name, value in pairs if name == "lang"), None)
        return self._back(token, asked if asked in LANGUAGES else None, None)

    async def _receipts(self, opened: Opened, named: list[tuple[str, str]]) -> None:
        wanted = {identity: word for word, text in named if (identity := _uuid(text)) is not None}
        found = await self._database.read(lambda connection: messages.attempts(connection, wanted))
        for attempt in found.values():
            hers = (attempt.tenant, attempt.contact) == (opened.contact.tenant, opened.contact.id)
            if not hers or attempt.channel != Channel.WEB:
                continue
            kinds = (
                [ReceiptKind.DELIVERED, ReceiptKind.READ] if wanted[attempt.id] == "read" else [ReceiptKind.DELIVERED]
            )
            receipts = [
                Receipt(key=f"{attempt.id.hex}/{kind}", kind=kind, provider_status=kind.value, attempt=attempt.id)
                for kind in kinds
            ]
            await self._receiver.put(attempt.provider, receipts, b"")

    # Staying up to date

    async def live(self, request: web.Request) -> web.StreamResponse:
        """Tells an open page that something in the inbox changed; what, the page asks for itself."""
        token = request.match_info["token"]
        opened_at = await self._opened(token)
        if opened_at is None:
            return self._gone(request)
        opened, _ = opened_at
        if sum(self._live.values()) >= LIVE_MAX or self._live.get(token, 0) >= LIVE_LINK_MAX:
            # No content ends an EventSource for good: the page then shows what is new when it is loaded again.
            return web.Response(status=204, headers=dict(HEADERS))
        self._live[token] = self._live.get(token, 0) + 1
        try:
            with self._bell.heard(opened.contact.subject) as news:
                async with sse_response(request, headers=dict(HEADERS), response_cls=Stream) as stream:
                    async with asyncio.timeout(LIVE_SECONDS_MAX):
                        while not self._bell.closing and not has_left(request):
                            with contextlib.suppress(TimeoutError):
                                async with asyncio.timeout(LIVE_LOOK_SECONDS):
                                    await news.wait()
                            if news.is_set() and not self._bell.closing:
                                news.clear()
                                await stream.send("", event="news")
        except (TimeoutError, ConnectionError):
            pass
        finally:
            self._live[token] -= 1
            if not self._live[token]:
                del self._live[token]
        return stream

    # What all of them share

    async def _opened(self, token: str) -> tuple[Opened, date] | None:
        async def look(connection: Connection) -> tuple[Opened, date] | None:
            now, real = await self._clock.now(connection)
            opened = await self._links.open(connection, token, real)
            if opened is None:
                return None
            key = (opened.contact.tenant, opened.contact.id)
            hers = (await history.histories(connection, {key: [opened.endpoint]}, now))[key]
            zone = ZoneInfo((zones_of(opened, hers) or ("UTC",))[0])
            return opened, now.astimezone(zone).date()

        return await self._database.read(look)

    def _safely(self, handler: Handler) -> Handler:
        async def safely(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except (DatabaseAway, InboxAwayError):
                return self._plain("away", _guessed(request), 503)

        return safely

    def _back(self, token: str, language: str | None, done: Done | None) -> web.Response:
        query = "&".join(
            part for part in (f"lang={language}" if language else "", f"done={done}" if done else "") if part
        )
        place = f"{self._root}/p/{token}" + (f"?{query}" if query else "")
        return web.Response(status=303, headers={**HEADERS, "Location": place})

    def _gone(self, request: web.Request) -> web.Response:
        """The one answer to every link that does not open: nobody learns whether it ever did."""
        return self._plain("gone", _guessed(request), 404)

    def _plain(self, kind: str, language: str, status: int) -> web.Response:
        response = _html(self._press.plain(kind, language), status)
        if status in (429, 503):
            response.headers["Retry-After"] = "60"
        return response


class Forms:
    """Tokens of forms: which link's page they stood on, when it was shown, and a name for that one showing."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, _PURPOSE, "sha256")

    def fresh(self, link: str) -> str:
        """A token for a page that is shown now."""
        head = int(time.time()).to_bytes(5) + os.urandom(_NONCE_BYTES)
        return urlsafe_b64encode(head + self._mac(link, head)).rstrip(b"=").decode("ascii")

    def nonce(self, link: str, form: str) -> str | None:
        """The name of the showing, None when the token is not ours, of another link, or too old."""
        if not form.isascii() or len(form) > 64:
            return None
        try:
            raw = urlsafe_b64decode(form + "=" * (-len(form) % 4))
        except ValueError:
            return None
        head, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(head) != 5 + _NONCE_BYTES or not hmac.compare_digest(mac, self._mac(link, head)):
            return None
        age = int(time.time()) - int.from_bytes(head[:5])
        return head[5:].hex() if age <= FORM_SECONDS_MAX else None

    def _mac(self, link: str, head: bytes) -> bytes:
        return hmac.digest(self._key, link.encode() + b"\x00" + head, "sha256")[:_MAC_BYTES]


def _tapped(request: web.Request) -> bool:
    """Whether the browser says that a person's own act made the request (https://www.w3.org/TR/fetch-metadata/)."""
    headers = request.headers
    return headers.get("Sec-Fetch-User") == "?1" and headers.get("Sec-Fetch-Site") == "same-origin"


def _language(request: web.Request) -> str | None:
    asked = request.query.get("lang")
    return asked if asked in LANGUAGES else None


def _guessed(request: web.Request) -> str:
    """The language for a page that is nobody's: the one asked for, else the first that her browser names and we speak."""
    asked = _language(request)
    if asked is not None:
        return asked
    return first_spoken(request, LANGUAGES)


def _html(html: str, status: int) -> web.Response:
    return html_page(html, status, HEADERS)


async def _pairs(request: web.Request) -> list[tuple[str, str]] | None:
    return await form_pairs(
        request, bytes_max=BODY_BYTES_MAX, seconds_max=BODY_SECONDS_MAX, fields_max=NOTES_MAX + NOTES_BESIDE_MAX
    )


async def _fields(request: web.Request) -> dict[str, str] | None:
    """The fields of a form, each once; None where it cannot be read, or says one thing twice."""
    pairs = await _pairs(request)
    if pairs is None or len(pairs) > FIELDS_MAX or len({name for name, _ in pairs}) != len(pairs):
        return None
    return dict(pairs)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(hex=text) if len(text) == 32 else None
    except ValueError:
        return None


_DONE: Final[Mapping[type, Done]] = {
    StopHere: Done.STOP_HERE,
    StopAll: Done.STOP_ALL,
    Disputes: Done.DISPUTE,
    CannotNow: Done.HARDSHIP,
    CallMe: Done.CALL,
    WillPay: Done.PROMISE,
    Prefers: Done.CHANNEL,
    NotAt: Done.HOURS,
    Speaks: Done.LANGUAGE,
    Answers: Done.ANSWER,
}
