"""Routes for providers' hooks: bounded reading, verification by the adapter, and a 200 only after the commit."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Set
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp import http_exceptions, web

from adapters.kit.port import Adapter, Answers, Forged, Greeted, Hook, Unreadable
from webhooks.port import Counter, Ending, Inbox, InboxAwayError

#: A Twilio hook is a few kilobytes even with a long text; Meta's batches stay below this too.
BODY_BYTES_MAX: Final = 256 * 1024
#: Twilio gives a hook up after 15 s; a body that takes longer than this is held open on purpose.
BODY_SECONDS_MAX: Final = 10.0
#: When a provider should call again after a 503.
AWAY_SECONDS: Final = 5

#: https://www.twilio.com/docs/messaging/twiml: do nothing, say nothing. Also right for a status call, which ignores it.
NOTHING_TO_SAY: Final = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'

#: The kind of hook that comes to ``/hooks/{provider}`` itself, where a field or nothing at all tells what it is.
ANY: Final = "any"

#: A mail program's one click on "unsubscribe" (RFC 8058): a POST and never a GET, which scanners send too.
CLICK: Final = "unsubscribe"

#: What a provider calls whose adapter does not say otherwise.
USUAL: Final = frozenset({"status", "inbound"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(
    adapters: Mapping[str, Adapter],
    inbox: Inbox,
    public_url: str,
    counter: Counter,
    kinds: Mapping[str, Set[str]] | None = None,
) -> list[web.RouteDef]:
    """The routes to mount at the root. ``adapters`` is by the operator's name, which stands in the path.

    ``kinds`` are the kinds of hook that each of them takes (``SPEC.hooks``); whatever is not there takes ``USUAL``.
    ``public_url`` is what providers were given and what they sign; neither ``Host`` nor any ``X-Forwarded`` header is
    looked at. Raises ``ValueError`` when it is not an http address without query.
    """
    base = urlsplit(public_url)
    if base.scheme not in ("http", "https") or not base.hostname or base.query or base.fragment:
        raise ValueError("the public address must look like https://host or https://host/path")
    intake = _Intake(adapters, inbox, public_url.rstrip("/"), counter, kinds or {})
    return [
        web.post("/hooks/{provider}/status", intake.taking("status")),
        web.post("/hooks/{provider}/inbound", intake.taking("inbound")),
        web.post("/hooks/{provider}/unsubscribe", intake.taking(CLICK)),
        web.post("/hooks/{provider}", intake.taking(ANY)),
        web.get("/hooks/{provider}", intake.greet, allow_head=False),
    ]


class _Intake:
    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        inbox: Inbox,
        public_url: str,
        counter: Counter,
        kinds: Mapping[str, Set[str]],
    ) -> None:
        self._adapters = adapters
        self._inbox = inbox
        self._public_url = public_url
        self._counter = counter
        self._kinds = kinds
        # Whether an object meets a protocol is asked once, not at every hook: it takes longer than reading one.
        self._answering = {name: adapter for name, adapter in adapters.items() if isinstance(adapter, Answers)}

    def taking(self, kind: str) -> Handler:
        """A handler for hooks of one kind."""

        async def take(request: web.Request) -> web.StreamResponse:
            provider = request.match_info["provider"]
            adapter = self._adapters.get(provider)
            kinds = self._kinds.get(provider, USUAL)
            if adapter is None or kind not in kinds or not request.raw_path.startswith("/"):
                return _left_unread(404)
            # Unfolding a body is work that a stranger could make us do before any signature is checked.
            if request.headers.get("Content-Encoding", "identity").lower() != "identity":
                self._counter.count(provider, Ending.REFUSED)
                return _left_unread(415)
            body = await _body(request)
            if isinstance(body, int):
                self._counter.count(provider, Ending.REFUSED)
                return _left_unread(body)
            hook = Hook(
                method=request.method,
                url=self._public_url + request.raw_path,
                kind=kind,
                headers=request.headers,
                body=body,
                # The socket's other end. What X-Forwarded-For says, anybody can say.
                remote=request.remote,
            )
            ending = await self._kept(provider, adapter, hook)
            self._counter.count(provider, ending)
            match ending:
                case Ending.KEPT | Ending.UNREADABLE:
                    answering = self._answering.get(provider) if ending is Ending.KEPT else None
                    document = None if answering is None else answering.answer(hook)
                    return _thanks(kinds) if document is None else web.Response(body=document, content_type="text/xml")
                case Ending.FORGED | Ending.REFUSED:
                    return web.Response(status=403)
                case Ending.AWAY:
                    return web.Response(status=503, headers={"Retry-After": str(AWAY_SECONDS)})

        return take

    async def greet(self, request: web.Request) -> web.StreamResponse:
        """Answer a provider that asks whether this address is ours; nothing is stored, and nobody else learns anything."""
        provider = request.match_info["provider"]
        adapter = self._adapters.get(provider)
        if adapter is None or ANY not in self._kinds.get(provider, USUAL) or not request.raw_path.startswith("/"):
            return web.Response(status=404)
        if not isinstance(adapter, Greeted):
            return web.Response(status=405, headers={"Allow": "POST"})
        hook = Hook(
            method=request.method,
            url=self._public_url + request.raw_path,
            kind=ANY,
            headers=request.headers,
            body=b"",
            remote=request.remote,
        )
        try:
            answer = adapter.challenge(hook)
        except Forged:
            self._counter.count(provider, Ending.FORGED)
            return web.Response(status=403)
        except Unreadable:
            return web.Response(status=400)
        # What a caller chose goes back to him: as plain text, which no browser takes for a page.
        return web.Response(body=answer, content_type="text/plain", headers={"X-Content-Type-Options": "nosniff"})

    async def _kept(self, provider: str, adapter: Adapter, hook: Hook) -> Ending:
        try:
            received = adapter.read(hook)
        except Forged:
            return Ending.FORGED
        except Unreadable:
            try:
                await self._inbox.keep_unreadable(provider, hook.kind, hook.body)
            except InboxAwayError:
                return Ending.AWAY
            return Ending.UNREADABLE
        try:
            await self._inbox.put(provider, received, hook.body)
        except InboxAwayError:
            return Ending.AWAY
        return Ending.KEPT


async def _body(request: web.Request) -> bytes | int:
    """The body, or the status to refuse it with; never more than ``BODY_BYTES_MAX`` is held."""
    if request.content_length is not None and request.content_length > BODY_BYTES_MAX:
        return 413
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for part in request.content.iter_any():
                size += len(part)
                if size > BODY_BYTES_MAX:
                    return 413
                parts.append(part)
    except TimeoutError:
        return 408
    except (aiohttp.ClientError, http_exceptions.HttpProcessingError, ConnectionError):
        # Whoever hangs up in the middle reads no answer; what matters is that it is no error of ours.
        return 400
    return b"".join(parts)


def _thanks(kinds: Set[str]) -> web.Response:
    """The 200. Some gateways send the body of it to the person as an answer, so only Twilio, who would miss it, gets one."""
    if ANY in kinds or CLICK in kinds:
        return web.Response()
    return web.Response(body=NOTHING_TO_SAY, content_type="text/xml")


def _left_unread(status: int) -> web.Response:
    """An answer given before the body was read: the connection ends with it, so that nobody waits for the rest."""
    response = web.Response(status=status)
    response.force_close()
    return response
