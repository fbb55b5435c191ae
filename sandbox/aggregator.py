"""A simulated SMS aggregator behind the carriers' door: magic numbers, faults, receipts and replies, in either dialect."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from aiohttp import web

from adapters.kit.segments import segmented
from sandbox.aggregator_words import TEXT_CHARACTERS_MAX, Asked, No, RefusedError, dialect
from sandbox.carrier import Surroundings, Telling
from sandbox.faults import Fault
from sandbox.hooks import taken
from sandbox.settings import AggregatorAccount
from sandbox.truth import Line

CHANNEL: Final = "sms"

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


class AggregatorCarrier(Telling[AggregatorAccount]):
    """One account at one aggregator. Its paths begin with the operator's name for it."""

    channel = CHANNEL
    kind: Final = "sms_http"

    def __init__(self, around: Surroundings, account: AggregatorAccount) -> None:
        super().__init__(around, account)
        self._dialect = dialect(account)
        # By id, the newest last: what its own list knows. What was swallowed is in the truth, but not here.
        self._messages: dict[str, dict[str, Any]] = {}
        for line in self._truth:
            if line["type"] == "arrived" and line["provider"] == self.provider and line["resource"] is not None:
                self._messages[line["id"]] = dict(line["resource"])
            elif line["type"] == "status" and line["id"] in self._messages:
                self._messages[line["id"]]["status"] = line["status"]

    def is_address(self, text: str) -> bool:
        """Whether a person can write from there."""
        return _E164.fullmatch(text) is not None

    def routes(self) -> list[web.RouteDef]:
        """Its paths: a send by either method, for each dialect answers its own only, and the list."""
        base = f"/{self.provider}"
        return [
            web.post(f"{base}/messages", self._create),
            web.get(f"{base}/messages", self._list),
            web.get(f"{base}/enviar", self._create),
        ]

    async def reply(self, sender: str, text: str) -> dict[str, Any]:
        """The person writes: recorded, then told. Returns the id and what the gateway answered."""
        identifier = uuid4().hex[:12]
        recipient = self._account.sender
        await self._heard(identifier, sender, recipient, text)
        status = await self._hooks.post_until_taken(self._dialect.reply(identifier, sender, recipient, text))
        return {"id": identifier, "hook": {"status": status, "taken": taken(status)}}

    # What the gateway asks of it

    async def _create(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self._settings.answer_seconds)
        ending = None
        to = ""
        try:
            if not self._dialect.authenticated(request):
                raise RefusedError(No.STRANGER)  # noqa: TRY301 - each refusal leaves by the one door
            asked = await self._dialect.asked(request)
            to = asked.to
            ending = self._faults.take_call(self.provider)
            _strike(ending)
            self._check(asked)
        except RefusedError as error:
            self._refused(to, error.why.value)
            return self._dialect.refused(error.why)
        if to.endswith("0004"):
            await self._arrived(asked, None, None)
            return await self._unanswered(request)
        identifier = uuid4().hex[:12]
        message = {"id": identifier, "reference": asked.reference, "status": "accepted"}
        struck = self._faults.take_receipts(self.provider)
        final = ["undelivered"] if to.endswith("0002") else ["delivered"]
        plan = {
            "receipts": ["sent", *final, *(["read"] if to.endswith("0001") else [])],
            "callback": asked.callback,
            "validity": asked.validity_seconds,
            "faults": sorted(struck),
            "accepted": datetime.now(UTC).isoformat(),
        }
        await self._arrived(asked, message, plan)
        answer = self._dialect.taken(identifier, segmented(asked.text).segments)
        return await self._answered(request, answer, identifier, plan, ending)

    async def _list(self, request: web.Request) -> web.Response:
        if not self._dialect.authenticated(request):
            return self._dialect.refused(No.STRANGER)
        reference = request.query.get("reference")
        return self._dialect.listed([m for m in self._messages.values() if reference in (None, m["reference"])])

    def _check(self, asked: Asked) -> None:
        if asked.sender != self._account.sender or not asked.reference or asked.validity_seconds < 1:
            raise RefusedError(No.MALFORMED)
        if not 0 < len(asked.text) <= TEXT_CHARACTERS_MAX:
            raise RefusedError(No.MALFORMED)
        if not _E164.fullmatch(asked.to) or asked.to.endswith("0003"):
            raise RefusedError(No.ADDRESS_INVALID)
        if asked.to.endswith("0005"):
            raise RefusedError(No.OPTED_OUT)

    # What it tells the gateway

    def _words(self, plan: Mapping[str, Any]) -> Sequence[str]:
        words: Sequence[str] = plan["receipts"]
        until = datetime.fromisoformat(plan["accepted"]) + timedelta(seconds=plan["validity"])
        return ["expired"] if words[0] == "sent" and datetime.now(UTC) > until else words

    async def _turn(self, identifier: str, word: str, plan: Mapping[str, Any]) -> None:
        self._became(identifier, word)
        self._messages[identifier]["status"] = word

    async def _tell(self, identifier: str, word: str, plan: Mapping[str, Any], *, forged: bool = False) -> None:
        if Fault.DROP_RECEIPT in plan["faults"] and not forged:
            return
        call = self._dialect.receipt(self._messages[identifier], word, plan["callback"], forged=forged)
        if call is not None:
            await self._post(identifier, word, plan, call, forged=forged)

    async def _arrived(self, asked: Asked, message: dict[str, Any] | None, plan: Line | None) -> None:
        identifier = None if message is None else message["id"]
        await self._took(identifier, asked.to, asked.sender, asked.text, resource=message, plan=plan)
        if message is not None:
            self._messages[message["id"]] = dict(message)


def _strike(ending: Fault | None) -> None:
    """The faults that end in an answer; those that end in none are the caller's."""
    if ending is Fault.SERVER_ERROR:
        raise RefusedError(No.FAULT)
    if ending is Fault.THROTTLE:
        raise RefusedError(No.THROTTLED)
    if ending is Fault.REJECT:
        raise RefusedError(No.REFUSED)
