"""A simulator that speaks Twilio's HTTP, version 2010-04-01: messages created, fetched and listed, statuses and inbound signed.

Shapes and error codes are Twilio's (https://www.twilio.com/docs/messaging/api/message-resource, …/docs/api/errors); the
account behaves as one whose keyword handling is switched off, so that every STOP reaches the gateway's own ears.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from aiohttp import web

from adapters.kit.segments import segmented
from sandbox.carrier import Surroundings
from sandbox.faults import Fault
from sandbox.hooks import taken
from sandbox.settings import TwilioAccount
from sandbox.truth import Line
from sandbox.twilio_account import AtTwilio, fields, page
from sandbox.twilio_words import (
    ERRORS,
    VALIDITY_SECONDS_MAX,
    VERSION,
    TwilioError,
    check,
    matches,
    new_resource,
    priced,
    rfc2822,
    turned,
)

CHANNEL: Final = "sms"
PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 1_000
REQUEST_BYTES_MAX: Final = 256 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TwilioCarrier(AtTwilio[TwilioAccount]):
    """One account with one number. What another channel of Twilio's does otherwise stands in methods of their own."""

    channel: str = CHANNEL
    kind: str = "twilio"
    #: Where its paths begin behind the carriers' door, and what stands before every number on the wire.
    base: str = ""
    prefix: str = ""
    rejection = TwilioError(
        400, 21408, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number"
    )

    def __init__(self, around: Surroundings, account: TwilioAccount) -> None:
        super().__init__(around, account)
        # The newest last, by id: what the API knows. A request that was swallowed is in the truth but not here.
        self._resources: dict[str, dict[str, Any]] = {}
        self._remember()

    def routes(self) -> list[web.RouteDef]:
        """Twilio's paths."""
        base = f"{self.base}/{VERSION}/Accounts/{{account}}/Messages"
        return [
            web.post(f"{base}.json", self._answering(self._create)),
            web.get(f"{base}.json", self._answering(self._list)),
            web.get(f"{base}/{{sid}}.json", self._answering(self._fetch)),
        ]

    async def reply(self, sender: str, text: str) -> dict[str, Any]:
        """The person writes: recorded, then told to the inbound address. Returns the id and what the gateway answered."""
        sid = "SM" + uuid4().hex
        recipient = self._account.number
        for line in self._truth.with_person(sender):
            if line["type"] == "arrived" and line["provider"] == self.provider:
                recipient = line["from"]
        self._resources[sid] = self._inbound(sid, sender, recipient, text, datetime.now(UTC))
        more = self._said(sender, text)
        await self._heard(sid, sender, recipient, text)
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
        status = await self._hooks.post_until_taken(self._signed(self._account.inbound_url, form))
        return {"id": sid, "hook": {"status": status, "taken": taken(status)}}

    # What the gateway asks of Twilio

    def _keys(self) -> list[str]:
        account = self._account
        known = [f"{account.account_sid}:{account.auth_token}"]
        if account.api_key is not None:
            known.append(f"{account.api_key}:{account.api_secret}")
        return known

    async def _create(self, request: web.Request) -> web.Response:
        form = dict(await fields(request))
        await asyncio.sleep(self._settings.answer_seconds)
        to = form.get("To", "").removeprefix(self.prefix)
        ending = self._faults.take_call(self.provider)
        try:
            self._strike(ending)
            self._check(form)
        except TwilioError as error:
            self._refused(to, error.code)
            raise
        if to.endswith("0004"):
            await self._arrived(form, resource=None, plan=None)
            return await self._unanswered(request)
        now = datetime.now(UTC)
        sid = "SM" + uuid4().hex
        sender = form.get("From") or self.prefix + self._account.number
        resource = new_resource(self._account.account_sid, sid, sender, form["To"], self._seen(form), now)
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
        return await self._answered(request, web.json_response(resource, status=201), sid, plan, ending)

    async def _fetch(self, request: web.Request) -> web.Response:
        resource = self._resources.get(request.match_info["sid"])
        if resource is None:
            raise TwilioError(404, 20404, f"The requested resource {request.path} was not found")
        return web.json_response(self._told(resource))

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        return page(request, "messages", self._resources, lambda resource: matches(resource, query), self._told)

    def _told(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        return priced(resource, datetime.now(UTC), self._settings.price_seconds)

    # What Twilio tells the gateway

    def _words(self, plan: Mapping[str, Any]) -> Sequence[str]:
        words: Sequence[str] = plan["receipts"]
        until = datetime.fromisoformat(plan["accepted"]) + timedelta(seconds=plan["validity"])
        return ["failed"] if words[0] == "sent" and datetime.now(UTC) > until else words

    async def _turn(self, sid: str, word: str, plan: Mapping[str, Any]) -> None:
        code = (plan.get("error") or ERRORS[word][0]) if word in ERRORS else None
        self._became(sid, word, **({} if code is None else {"error_code": code}))
        turned(self._resources[sid], word, datetime.now(UTC), plan.get("error"))

    async def _tell(self, sid: str, word: str, plan: Mapping[str, Any], *, forged: bool = False) -> None:
        """https://www.twilio.com/docs/messaging/guides/track-outbound-message-status."""
        callback = plan["callback"]
        if callback is None or (Fault.DROP_RECEIPT in plan["faults"] and not forged):
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
        await self._post(sid, word, plan, self._signed(callback, form, forged=forged), forged=forged)

    # What Twilio remembers

    async def _arrived(self, form: Mapping[str, str], resource: dict[str, Any] | None, plan: Line | None) -> None:
        await self._took(
            None if resource is None else resource["sid"],
            form["To"].removeprefix(self.prefix),
            form.get("From", "").removeprefix(self.prefix) or self._account.number,
            self._seen(form),
            audio_url=form.get("MediaUrl"),
            resource=resource,
            plan=plan,
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

    def _seen(self, form: Mapping[str, str]) -> str:
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
