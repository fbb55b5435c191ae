"""A simulator that speaks Twilio's HTTP, version 2010-04-01: messages created, fetched and listed, statuses and inbound signed.

Shapes and error codes are Twilio's (https://www.twilio.com/docs/messaging/api/message-resource, …/docs/api/errors); the
account behaves as one whose keyword handling is switched off, so that every STOP reaches the gateway's own ears.
"""

import asyncio
import base64
import binascii
import contextlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from aiohttp import web
from twilio.request_validator import RequestValidator

from adapters.kit.segments import segmented
from sandbox.faults import Fault, Faults
from sandbox.hooks import Hooks, taken
from sandbox.settings import Settings, TwilioAccount
from sandbox.truth import Line, Truth
from sandbox.twilio_words import (
    E164,
    ERRORS,
    VALIDITY_SECONDS_MAX,
    VERSION,
    TwilioError,
    check,
    matches,
    new_resource,
    page_uri,
    rfc2822,
    turned,
)
from sandbox.unanswered import hung_up, never_answer

CHANNEL: Final = "sms"
PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 1_000
REQUEST_BYTES_MAX: Final = 256 * 1024
#: Receipts that a restart interrupted are told again only for messages younger than this.
RESUMED_HOURS: Final = 1

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TwilioCarrier:
    """One account with one number. What another channel of Twilio's does otherwise stands in methods of their own."""

    channel: str = CHANNEL
    kind: str = "twilio"
    #: Where its paths begin behind the carriers' door, and what stands before every number on the wire.
    base: str = ""
    prefix: str = ""

    def __init__(
        self,
        settings: Settings,
        truth: Truth,
        faults: Faults,
        hooks: Hooks,
        law_now: Callable[[], Awaitable[datetime]],
        account: TwilioAccount | None = None,
    ) -> None:
        self._settings = settings
        self._account = account or settings.twilio
        self._truth = truth
        self._faults = faults
        self._hooks = hooks
        self._law_now = law_now
        self._validator = RequestValidator(self._account.auth_token)
        # The newest last, by id: what the API knows. A request that was swallowed is in the truth but not here.
        self._resources: dict[str, dict[str, Any]] = {}
        self._remember()

    @property
    def provider(self) -> str:
        """The operator's name for this account."""
        return self._account.provider

    def is_address(self, text: str) -> bool:
        """Whether a person can write from there."""
        return E164.fullmatch(text) is not None

    def routes(self) -> list[web.RouteDef]:
        """Twilio's paths."""
        base = f"{self.base}/{VERSION}/Accounts/{{account}}/Messages"
        return [
            web.post(f"{base}.json", self._answering(self._create)),
            web.get(f"{base}.json", self._answering(self._list)),
            web.get(f"{base}/{{sid}}.json", self._answering(self._fetch)),
        ]

    def resume(self) -> None:
        """Tell what a restart kept from being told."""
        young = datetime.now(UTC) - timedelta(hours=RESUMED_HOURS)
        for line in list(self._truth.arrived(channel=self.channel)):
            told = {
                later["word"]
                for later in self._truth.about(line["id"])
                if later["type"] == "hook" and not later["forged"] and taken(later["answered"])
            }
            plan = line.get("plan")
            if plan is None or line["provider"] != self.provider or datetime.fromisoformat(line["real"]) < young:
                continue
            if left := [word for word in plan["receipts"] if word not in told]:
                resumed = {**plan, "receipts": left}
                self._hooks.start(self._live(line["id"], resumed))

    async def reply(self, sender: str, text: str) -> dict[str, Any]:
        """The person writes: recorded, then told to the inbound address. Returns the id and what the gateway answered."""
        sid = "SM" + uuid4().hex
        recipient = self._account.number
        for line in self._truth.with_person(sender):
            if line["type"] == "arrived" and line["provider"] == self.provider:
                recipient = line["from"]
        now = datetime.now(UTC)
        self._resources[sid] = self._inbound(sid, sender, recipient, text, now)
        more = self._said(sender, text)
        self._truth.append(
            {
                "type": "reply",
                "id": sid,
                "channel": self.channel,
                "provider": self.provider,
                "from": sender,
                "to": recipient,
                "text": text,
                "at": (await self._law_now()).isoformat(),
                "real": now.isoformat(),
            }
        )
        # https://www.twilio.com/docs/messaging/guides/webhook-request
        form = {
            "ToCountry": "",
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "SmsSid": sid,
            "SmsStatus": "received",
            "Body": text,
            "To": self.prefix + recipient,
            "NumSegments": str(segmented(text).segments),
            "MessageSid": sid,
            "AccountSid": self._account.account_sid,
            "From": self.prefix + sender,
            "ApiVersion": VERSION,
            **more,
        }
        body, headers = self._signed(self._account.inbound_url, form)
        status = await self._hooks.post_until_taken(self._account.inbound_url, body, headers)
        return {"id": sid, "hook": {"status": status, "taken": taken(status)}}

    # What the gateway asks of Twilio

    def _answering(self, handler: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                self._authenticate(request)
                return await handler(request)
            except TwilioError as error:
                return error.response()

        return answer

    def _authenticate(self, request: web.Request) -> None:
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        given = b""
        if scheme.lower() == "basic":
            with contextlib.suppress(binascii.Error, ValueError):
                given = base64.b64decode(encoded, validate=True)
        account = self._account
        known = [f"{account.account_sid}:{account.auth_token}"]
        if account.api_key is not None:
            known.append(f"{account.api_key}:{account.api_secret}")
        genuine = any(hmac.compare_digest(given, pair.encode()) for pair in known)
        if not genuine or request.match_info["account"] != account.account_sid:
            raise TwilioError(401, 20003, "Authenticate")

    async def _create(self, request: web.Request) -> web.Response:
        form = await _form(request)
        await asyncio.sleep(self._settings.answer_seconds)
        to = form.get("To", "").removeprefix(self.prefix)
        ending = self._faults.take_call(self.provider)
        try:
            _strike(ending)
            self._check(form)
        except TwilioError as error:
            self._truth.append(
                {
                    "type": "refused",
                    "channel": self.channel,
                    "provider": self.provider,
                    "to": to,
                    "code": error.code,
                    "real": datetime.now(UTC).isoformat(),
                }
            )
            raise
        if to.endswith("0004"):
            await self._arrived(form, resource=None, plan=None)
            return await never_answer(request, self._settings.hold_seconds)
        now = datetime.now(UTC)
        sid = "SM" + uuid4().hex
        sender = form.get("From") or self.prefix + self._account.number
        resource = new_resource(self._account.account_sid, sid, sender, form["To"], self._words(form), now)
        if "MediaUrl" in form:
            resource["num_media"] = "1"
        if "MessagingServiceSid" in form:
            resource["messaging_service_sid"] = form["MessagingServiceSid"]
        struck = self._faults.take_receipts(self.provider)
        receipts, why = await self._fate(form, to)
        plan = {
            "receipts": receipts,
            "error": why,
            "callback": form.get("StatusCallback"),
            "validity": int(form.get("ValidityPeriod", VALIDITY_SECONDS_MAX)),
            "faults": sorted(struck),
            "accepted": now.isoformat(),
        }
        await self._arrived(form, resource=resource, plan=plan)
        early = Fault.EARLY_RECEIPT in struck
        lost = ending in (Fault.TIMEOUT, Fault.HANG_UP)
        if early:
            await self._live(sid, plan)
        elif not lost:
            self._hooks.start(self._live(sid, plan))
        if not lost:
            return web.json_response(resource, status=201)
        response = (
            await never_answer(request, self._settings.hold_seconds) if ending is Fault.TIMEOUT else hung_up(request)
        )
        if not early:
            # Late enough for the caller to have settled that it does not know.
            self._hooks.start(self._live(sid, plan, self._settings.late_seconds))
        return response

    async def _fetch(self, request: web.Request) -> web.Response:
        resource = self._resources.get(request.match_info["sid"])
        if resource is None:
            raise TwilioError(404, 20404, f"The requested resource {request.path} was not found")
        return web.json_response(resource)

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        size = query.get("PageSize", str(PAGE_SIZE))
        page = query.get("Page", "0")
        if not (size.isascii() and size.isdigit() and page.isascii() and page.isdigit()):
            raise TwilioError(400, 20001, "Page and PageSize must be numbers")
        page_size = min(max(int(size[:9]), 1), PAGE_SIZE_MAX)
        chosen = [resource for resource in reversed(self._resources.values()) if matches(resource, query)]
        start = 0
        token = query.get("PageToken")
        if token is not None:
            # The token names the last message of the page before, so that newer ones do not shift the pages.
            sids = [resource["sid"] for resource in chosen]
            if token[2:] not in sids:
                raise TwilioError(400, 20001, "PageToken is not known")
            start = sids.index(token[2:]) + 1
        shown = chosen[start : start + page_size]
        following = None
        if len(chosen) > start + page_size:
            following = page_uri(request, page_size, int(page[:9]) + 1, "PA" + shown[-1]["sid"])
        index = int(page[:9])
        return web.json_response(
            {
                "first_page_uri": page_uri(request, page_size, 0, None),
                "end": start + len(shown) - 1 if shown else start,
                "previous_page_uri": page_uri(request, page_size, index - 1, None) if index == 1 else None,
                "messages": shown,
                "uri": request.path_qs,
                "page_size": page_size,
                "start": start,
                "next_page_uri": following,
                "page": index,
            }
        )

    # What Twilio tells the gateway

    async def _live(self, sid: str, plan: Mapping[str, Any], after: float = 0.0) -> None:
        """The life of a message after it was accepted, with the faults that strike it."""
        faults = frozenset(plan["faults"])
        settings = self._settings
        await asyncio.sleep(after + settings.queue_seconds)
        accepted = datetime.fromisoformat(plan["accepted"])
        words: Sequence[str] = plan["receipts"]
        if words[0] == "sent" and datetime.now(UTC) > accepted + timedelta(seconds=plan["validity"]):
            words = ["failed"]
        if Fault.FORGED_RECEIPT in faults:
            # Says more than will ever be true, so that it shows wherever it is believed.
            await self._tell(sid, "read", plan, forged=True)
        together = faults & {Fault.REORDER_RECEIPTS, Fault.LATE_RECEIPT}
        for index, word in enumerate(words):
            if index:
                await asyncio.sleep(settings.receipt_seconds)
            self._turn(sid, word, plan)
            if not together:
                await self._tell(sid, word, plan)
        if together:
            if Fault.LATE_RECEIPT in faults:
                await asyncio.sleep(settings.late_seconds)
            for word in reversed(words) if Fault.REORDER_RECEIPTS in faults else words:
                await self._tell(sid, word, plan)

    def _turn(self, sid: str, word: str, plan: Mapping[str, Any]) -> None:
        now = datetime.now(UTC)
        line: Line = {"type": "status", "id": sid, "status": word, "real": now.isoformat()}
        if word in ERRORS:
            line["error_code"] = plan.get("error") or ERRORS[word][0]
        self._truth.append(line)
        turned(self._resources[sid], word, now, plan.get("error"))

    async def _tell(self, sid: str, word: str, plan: Mapping[str, Any], *, forged: bool = False) -> None:
        """https://www.twilio.com/docs/messaging/guides/track-outbound-message-status."""
        callback, faults = plan["callback"], frozenset(plan["faults"])
        if callback is None or (Fault.DROP_RECEIPT in faults and not forged):
            return
        resource = self._resources[sid]
        form = {
            "AccountSid": self._account.account_sid,
            "ApiVersion": VERSION,
            "From": resource["from"] or "",
            "MessageSid": sid,
            "MessageStatus": word,
            "SmsSid": sid,
            "SmsStatus": word,
            "To": resource["to"],
        }
        if word in ERRORS:
            form["ErrorCode"] = str(plan.get("error") or ERRORS[word][0])
        form |= self._reported(word, resource)
        if resource["messaging_service_sid"] is not None:
            form["MessagingServiceSid"] = resource["messaging_service_sid"]
        body, headers = self._signed(callback, form)
        if forged:
            stranger = RequestValidator(uuid4().hex)
            headers["X-Twilio-Signature"] = stranger.compute_signature(callback, form)
        twice = Fault.DUPLICATE_RECEIPT in faults and not forged
        for _ in range(2 if twice else 1):
            if forged:
                status = await self._hooks.post(callback, body, headers)
            else:
                status = await self._hooks.post_until_taken(callback, body, headers)
            self._truth.append(
                {
                    "type": "hook",
                    "id": sid,
                    "word": word,
                    "answered": status,
                    "forged": forged,
                    "real": datetime.now(UTC).isoformat(),
                }
            )

    def _signed(self, url: str, form: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": str(uuid4()),
            "X-Twilio-Signature": self._validator.compute_signature(url, dict(form)),
        }
        return urlencode(form).encode(), headers

    # What Twilio remembers

    async def _arrived(self, form: Mapping[str, str], resource: dict[str, Any] | None, plan: Line | None) -> None:
        real = datetime.now(UTC)
        self._truth.append(
            {
                "type": "arrived",
                "id": None if resource is None else resource["sid"],
                "channel": self.channel,
                "provider": self.provider,
                "to": form["To"].removeprefix(self.prefix),
                "from": form.get("From", "").removeprefix(self.prefix) or self._account.number,
                "text": self._words(form),
                "audio_url": form.get("MediaUrl"),
                "at": (await self._law_now()).isoformat(),
                "real": real.isoformat(),
                "resource": resource,
                "plan": plan,
            }
        )
        if resource is not None:
            self._resources[resource["sid"]] = dict(resource)

    def _remember(self) -> None:
        for line in self._truth:
            real = datetime.fromisoformat(line["real"])
            if line["type"] == "arrived" and line["provider"] == self.provider and line["resource"] is not None:
                self._resources[line["id"]] = dict(line["resource"])
            elif line["type"] == "reply" and line["provider"] == self.provider:
                self._resources[line["id"]] = self._inbound(line["id"], line["from"], line["to"], line["text"], real)
            elif line["type"] == "status" and line["id"] in self._resources:
                turned(self._resources[line["id"]], line["status"], real, line.get("error_code"))

    # What other channels do otherwise

    def _check(self, form: Mapping[str, str]) -> None:
        """Raise what Twilio says to a create that it does not like."""
        check(form, self._account.number)

    def _words(self, form: Mapping[str, str]) -> str:
        """What she sees."""
        return form["Body"]

    async def _fate(self, form: Mapping[str, str], to: str) -> tuple[list[str], int | None]:
        """What will be told of it, and by which error it fails if not by the usual one."""
        final = ["undelivered"] if to.endswith("0002") else ["delivered"]
        return ["sent", *final, *(["read"] if to.endswith("0001") else [])], None

    def _reported(self, word: str, resource: Mapping[str, Any]) -> dict[str, str]:
        """What else stands in a status call."""
        return {"RawDlrDoneDate": datetime.now(UTC).strftime("%y%m%d%H%M")} if word == "delivered" else {}

    def _said(self, sender: str, text: str) -> dict[str, str]:
        """What else stands in a call that brings her words."""
        return {}

    def _inbound(self, sid: str, sender: str, recipient: str, text: str, now: datetime) -> dict[str, Any]:
        told = {"direction": "inbound", "status": "received", "date_sent": rfc2822(now)}
        parties = self.prefix + sender, self.prefix + recipient
        return new_resource(self._account.account_sid, sid, *parties, text, now) | told


def _strike(ending: Fault | None) -> None:
    """The faults that end in an answer; those that end in none are the caller's."""
    if ending is Fault.SERVER_ERROR:
        raise TwilioError(500, 20500, "An internal server error has occurred")
    if ending is Fault.THROTTLE:
        raise TwilioError(429, 20429, "Too Many Requests", {"Retry-After": "1"})
    if ending is Fault.REJECT:
        raise TwilioError(
            400, 21408, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number"
        )


async def _form(request: web.Request) -> dict[str, str]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise TwilioError(415, 20415, "Content-Type must be application/x-www-form-urlencoded")
    body = b""
    async for part in request.content.iter_any():
        body += part
        if len(body) > REQUEST_BYTES_MAX:
            raise TwilioError(413, 20413, "Request entity too large")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict"))
    except ValueError:
        raise TwilioError(400, 20001, "The body is not a form in UTF-8") from None
