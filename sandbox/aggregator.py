"""A simulated SMS aggregator behind the carriers' door: magic numbers, faults, receipts and replies, in either dialect."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from aiohttp import web

from adapters.kit.segments import segmented
from sandbox.aggregator_words import TEXT_CHARACTERS_MAX, Asked, No, RefusedError, dialect
from sandbox.faults import Fault, Faults
from sandbox.hooks import Hooks, taken
from sandbox.settings import AggregatorAccount, Settings
from sandbox.truth import Line, Truth
from sandbox.unanswered import hung_up, never_answer

CHANNEL: Final = "sms"
#: Receipts that a restart interrupted are told again only for messages younger than this.
RESUMED_HOURS: Final = 1

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


class AggregatorCarrier:
    """One account at one aggregator. Its paths begin with the operator's name for it."""

    channel: Final = CHANNEL
    kind: Final = "sms_http"

    def __init__(
        self,
        account: AggregatorAccount,
        settings: Settings,
        truth: Truth,
        faults: Faults,
        hooks: Hooks,
        law_now: Callable[[], Awaitable[datetime]],
    ) -> None:
        self._account = account
        self._settings = settings
        self._truth = truth
        self._faults = faults
        self._hooks = hooks
        self._law_now = law_now
        self._dialect = dialect(account)
        # By id, the newest last: what its own list knows. What was swallowed is in the truth, but not here.
        self._messages: dict[str, dict[str, Any]] = {}
        for line in truth:
            if line["type"] == "arrived" and line["provider"] == self.provider and line["resource"] is not None:
                self._messages[line["id"]] = dict(line["resource"])
            elif line["type"] == "status" and line["id"] in self._messages:
                self._messages[line["id"]]["status"] = line["status"]

    @property
    def provider(self) -> str:
        """The operator's name for this account."""
        return self._account.provider

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

    def resume(self) -> None:
        """Tell what a restart kept from being told."""
        young = datetime.now(UTC) - timedelta(hours=RESUMED_HOURS)
        for line in list(self._truth.arrived(channel=CHANNEL)):
            plan = line["plan"]
            if plan is None or line["provider"] != self.provider or datetime.fromisoformat(line["real"]) < young:
                continue
            hooks = [later for later in self._truth.about(line["id"]) if later["type"] == "hook"]
            told = {hook["word"] for hook in hooks if not hook["forged"] and taken(hook["answered"])}
            if left := [word for word in plan["receipts"] if word not in told]:
                self._hooks.start(self._live(line["id"], {**plan, "receipts": left}))

    async def reply(self, sender: str, text: str) -> dict[str, Any]:
        """The person writes: recorded, then told. Returns the id and what the gateway answered."""
        identifier = uuid4().hex[:12]
        recipient = self._account.sender
        real = datetime.now(UTC).isoformat()
        self._truth.append(
            {
                "type": "reply",
                "id": identifier,
                "channel": CHANNEL,
                "provider": self.provider,
                "from": sender,
                "to": recipient,
                "text": text,
                "at": (await self._law_now()).isoformat(),
                "real": real,
            }
        )
        told = self._dialect.reply(identifier, sender, recipient, text)
        status = await self._hooks.post_until_taken(told.url, told.body, told.headers)
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
            real = datetime.now(UTC).isoformat()
            refused = {"type": "refused", "channel": CHANNEL, "provider": self.provider, "to": to, "real": real}
            self._truth.append(refused | {"code": error.why.value})
            return self._dialect.refused(error.why)
        if to.endswith("0004"):
            await self._arrived(asked, None, None)
            return await never_answer(request, self._settings.hold_seconds)
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
        early, lost = Fault.EARLY_RECEIPT in struck, ending in (Fault.TIMEOUT, Fault.HANG_UP)
        if early:
            await self._live(identifier, plan)
        elif not lost:
            self._hooks.start(self._live(identifier, plan))
        if not lost:
            return self._dialect.taken(identifier, segmented(asked.text).segments)
        response = (
            await never_answer(request, self._settings.hold_seconds) if ending is Fault.TIMEOUT else hung_up(request)
        )
        if not early:
            # Late enough for the caller to have settled that it does not know.
            self._hooks.start(self._live(identifier, plan, self._settings.late_seconds))
        return response

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

    async def _live(self, identifier: str, plan: Mapping[str, Any], after: float = 0.0) -> None:
        """The life of a message after it was accepted, with the faults that strike it."""
        faults, settings = frozenset(plan["faults"]), self._settings
        await asyncio.sleep(after + settings.queue_seconds)
        until = datetime.fromisoformat(plan["accepted"]) + timedelta(seconds=plan["validity"])
        words: Sequence[str] = plan["receipts"]
        if words[0] == "sent" and datetime.now(UTC) > until:
            words = ["expired"]
        if Fault.FORGED_RECEIPT in faults:
            # Says more than will ever be true, so that it shows wherever it is believed.
            await self._tell(identifier, "read", plan, forged=True)
        together = faults & {Fault.REORDER_RECEIPTS, Fault.LATE_RECEIPT}
        for index, word in enumerate(words):
            if index:
                await asyncio.sleep(settings.receipt_seconds)
            real = datetime.now(UTC).isoformat()
            self._truth.append({"type": "status", "id": identifier, "status": word, "real": real})
            self._messages[identifier]["status"] = word
            if not together:
                await self._tell(identifier, word, plan)
        if together:
            if Fault.LATE_RECEIPT in faults:
                await asyncio.sleep(settings.late_seconds)
            for word in reversed(words) if Fault.REORDER_RECEIPTS in faults else words:
                await self._tell(identifier, word, plan)

    async def _tell(self, identifier: str, word: str, plan: Mapping[str, Any], *, forged: bool = False) -> None:
        faults = frozenset(plan["faults"])
        if Fault.DROP_RECEIPT in faults and not forged:
            return
        told = self._dialect.receipt(self._messages[identifier], word, plan["callback"], forged=forged)
        if told is None:
            return
        for _ in range(2 if Fault.DUPLICATE_RECEIPT in faults and not forged else 1):
            post = self._hooks.post if forged else self._hooks.post_until_taken
            status = await post(told.url, told.body, told.headers)
            real = datetime.now(UTC).isoformat()
            line: Line = {"type": "hook", "id": identifier, "word": word, "answered": status}
            self._truth.append(line | {"forged": forged, "real": real})

    async def _arrived(self, asked: Asked, message: dict[str, Any] | None, plan: Line | None) -> None:
        self._truth.append(
            {
                "type": "arrived",
                "id": None if message is None else message["id"],
                "channel": CHANNEL,
                "provider": self.provider,
                "to": asked.to,
                "from": asked.sender,
                "text": asked.text,
                "audio_url": None,
                "at": (await self._law_now()).isoformat(),
                "real": datetime.now(UTC).isoformat(),
                "resource": message,
                "plan": plan,
            }
        )
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
