"""A simulator of Twilio's calls: created, listed, told of, answered by her, her voicemail or nobody, with keys to press.

What a document has the call play is fetched for real, as Twilio would. A call can be answered by keys after its last status,
for the telephone here is slower than a finger: what is pressed then goes to where the call would have waited for it.
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

from sandbox.faults import Fault, Faults
from sandbox.hooks import Hooks, taken
from sandbox.settings import Settings, VoiceAccount
from sandbox.truth import Line, Truth
from sandbox.twilio_words import E164, VERSION, TwilioError, page_uri
from sandbox.unanswered import hung_up, never_answer
from sandbox.voice_words import (
    ANSWERED_BY,
    EVENTS,
    LIVES,
    Document,
    Ending,
    call_matches,
    check_call,
    new_call,
    read_document,
    turned_call,
)

CHANNEL: Final = "voice"
REQUEST_BYTES_MAX: Final = 64 * 1024
PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 1_000
KEYS_MAX: Final = 20
RESUMED_HOURS: Final = 1
HOLD_STEP_SECONDS: Final = 0.05
KEYS: Final = frozenset("0123456789*#")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class VoiceCarrier:
    """One account with one number that calls and is called."""

    channel: Final = CHANNEL
    kind: Final = "twilio_voice"

    def __init__(
        self,
        account: VoiceAccount,
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
        self._validator = RequestValidator(account.auth_token)
        self._calls: dict[str, dict[str, Any]] = {}
        # Where each call waits for a key: what its last document said.
        self._waits: dict[str, Document] = {}
        # By number: how its next calls go.
        self._endings: dict[str, list[Ending]] = {}
        self._remember()

    @property
    def provider(self) -> str:
        """The operator's name for this account."""
        return self._account.provider

    def is_address(self, text: str) -> bool:
        """Whether a person can call from there."""
        return E164.fullmatch(text) is not None

    def routes(self) -> list[web.RouteDef]:
        """Twilio's paths."""
        base = f"/{VERSION}/Accounts/{{account}}/Calls"
        return [
            web.post(f"{base}.json", self._answering(self._create)),
            web.get(f"{base}.json", self._answering(self._list)),
            web.get(f"{base}/{{sid}}.json", self._answering(self._fetch)),
        ]

    def expect(self, to: str, ending: Ending, count: int) -> None:
        """The next calls to a number go so."""
        self._endings.setdefault(to, []).extend([ending] * count)

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
                self._hooks.start(self._live(line["id"], {**plan, "receipts": left, "presses": []}))

    async def reply(self, sender: str, text: str) -> dict[str, Any]:
        """Keys go to the last call; words too where it listens, and otherwise she calls back and says them."""
        keys = text.strip()
        pressed = bool(keys) and set(keys) <= KEYS and len(keys) <= KEYS_MAX
        sid = self._last_call(sender)
        waiting = self._waits.get(sid) if sid is not None else None
        if sid is None or waiting is None or waiting.gather is None or not (pressed or waiting.hears):
            sid, status = await self._call_back(sender)
            if not taken(status):
                return {"id": sid, "hook": {"status": status, "taken": False}}
        await self._note(sid, sender, text)
        status = None
        for said in keys if pressed else [text]:
            status = await self._answer(sid, said, pressed=pressed)
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
        known = f"{self._account.account_sid}:{self._account.auth_token}".encode()
        if not hmac.compare_digest(given, known) or request.match_info["account"] != self._account.account_sid:
            raise TwilioError(401, 20003, "Authenticate")

    async def _create(self, request: web.Request) -> web.Response:
        form, events = await _form(request)
        await asyncio.sleep(self._settings.answer_seconds)
        to = form.get("To", "")
        fault = self._faults.take_call(self.provider)
        try:
            _strike(fault)
            document = check_call(form, self._account.number)
        except TwilioError as error:
            real = datetime.now(UTC).isoformat()
            refused = {"type": "refused", "channel": CHANNEL, "provider": self.provider, "to": to, "real": real}
            self._truth.append(refused | {"code": error.code})
            raise
        if to.endswith("0004"):
            await self._arrived(form, document, None, None)
            return await never_answer(request, self._settings.hold_seconds)
        now, sid = datetime.now(UTC), "CA" + uuid4().hex
        call = new_call(self._account.account_sid, sid, form["From"], to, now)
        struck = self._faults.take_receipts(self.provider)
        ending = self._ending(to)
        plan = {
            "receipts": list(LIVES[ending]),
            "ending": ending.value,
            "detects": "MachineDetection" in form,
            "callback": form.get("StatusCallback"),
            "events": events,
            "faults": sorted(struck),
            "presses": ["1"] if to.endswith("0001") else [],
        }
        await self._arrived(form, document, call, plan)
        early, lost = Fault.EARLY_RECEIPT in struck, fault in (Fault.TIMEOUT, Fault.HANG_UP)
        if early:
            await self._live(sid, plan)
        elif not lost:
            self._hooks.start(self._live(sid, plan))
        if not lost:
            return web.json_response(call, status=201)
        response = (
            await never_answer(request, self._settings.hold_seconds) if fault is Fault.TIMEOUT else hung_up(request)
        )
        if not early:
            # Late enough for the caller to have settled that it does not know.
            self._hooks.start(self._live(sid, plan, self._settings.late_seconds))
        return response

    async def _fetch(self, request: web.Request) -> web.Response:
        call = self._calls.get(request.match_info["sid"])
        if call is None:
            raise TwilioError(404, 20404, f"The requested resource {request.path} was not found")
        return web.json_response(call)

    async def _list(self, request: web.Request) -> web.Response:
        size, page = request.query.get("PageSize", str(PAGE_SIZE)), request.query.get("Page", "0")
        if not (size.isascii() and size.isdigit() and page.isascii() and page.isdigit()):
            raise TwilioError(400, 20001, "Page and PageSize must be numbers")
        page_size, index = min(max(int(size[:9]), 1), PAGE_SIZE_MAX), int(page[:9])
        chosen = [call for call in reversed(self._calls.values()) if call_matches(call, request.query)]
        start = index * page_size
        shown = chosen[start : start + page_size]
        more = len(chosen) > start + page_size
        return web.json_response(
            {
                "first_page_uri": page_uri(request, page_size, 0, None),
                "end": start + len(shown) - 1 if shown else start,
                "previous_page_uri": page_uri(request, page_size, index - 1, None) if index else None,
                "calls": shown,
                "uri": request.path_qs,
                "page_size": page_size,
                "start": start,
                "next_page_uri": page_uri(request, page_size, index + 1, None) if more else None,
                "page": index,
            }
        )

    def _ending(self, to: str) -> Ending:
        waiting = self._endings.get(to)
        if waiting:
            return waiting.pop(0)
        return Ending.NO_ANSWER if to.endswith("0002") else Ending.ANSWERED

    # What a call does

    async def _live(self, sid: str, plan: Mapping[str, Any], after: float = 0.0) -> None:
        """The life of a call after it was taken, with the faults that strike what is told of it."""
        faults, settings = frozenset(plan["faults"]), self._settings
        words: Sequence[str] = plan["receipts"]
        await asyncio.sleep(after + settings.queue_seconds)
        if Fault.FORGED_RECEIPT in faults:
            # Says more than will ever be true, so that it shows wherever it is believed.
            await self._tell(sid, "completed", plan, forged=True)
        together = faults & {Fault.REORDER_RECEIPTS, Fault.LATE_RECEIPT}
        for index, word in enumerate(words):
            if index:
                await asyncio.sleep(settings.receipt_seconds)
            await self._turn(sid, word, plan)
            if not together:
                await self._tell(sid, word, plan)
        if together:
            if Fault.LATE_RECEIPT in faults:
                await asyncio.sleep(settings.late_seconds)
            for word in reversed(words) if Fault.REORDER_RECEIPTS in faults else words:
                await self._tell(sid, word, plan)

    async def _turn(self, sid: str, word: str, plan: Mapping[str, Any]) -> None:
        now = datetime.now(UTC)
        line: Line = {"type": "status", "id": sid, "status": word, "real": now.isoformat()}
        self._truth.append(line | {"ending": plan["ending"]})
        turned_call(self._calls[sid], word, now, self._detected(plan))
        if word == "in-progress" and Ending(plan["ending"]) in (Ending.ANSWERED, Ending.VOICEMAIL):
            await self._play(sid, self._waits[sid])
            for key in plan["presses"]:
                await self._answer(sid, key, pressed=True)
        if word == "in-progress" and Ending(plan["ending"]) is not Ending.ANSWERED:
            # Nobody is there who could press anything.
            self._waits.pop(sid, None)

    def _detected(self, plan: Mapping[str, Any]) -> str | None:
        return ANSWERED_BY.get(Ending(plan["ending"])) if plan["detects"] else None

    async def _play(self, sid: str, document: Document) -> None:
        """Fetch what is to be played; a sound that cannot be fetched is not heard, and the call goes on (Twilio's 11200)."""
        for url in document.played:
            status, kind, sound = await self._hooks.get(url)
            real = datetime.now(UTC).isoformat()
            line: Line = {
                "type": "played",
                "id": sid,
                "status": status,
                "kind": kind,
                "bytes": len(sound),
                "real": real,
            }
            self._truth.append(line)

    async def _answer(self, sid: str, said: str, *, pressed: bool) -> int | None:
        """A key or words go to where the call waits for them; what is answered is what it does next."""
        waiting = self._waits.get(sid)
        if waiting is None or waiting.gather is None:
            return None
        form = self._told(sid, "in-progress")
        form |= {"Digits": said, "FinishedOnKey": ""} if pressed else {"SpeechResult": said, "Confidence": "0.93"}
        status, document = await self._ask(waiting.gather, form)
        if taken(status):
            # Without a document, or with one that is not understood, Twilio ends the call.
            self._waits[sid] = document or Document((), ())
            await self._play(sid, self._waits[sid])
        return status

    async def _call_back(self, sender: str) -> tuple[str, int | None]:
        """She calls the number that called her."""
        now, sid = datetime.now(UTC), "CA" + uuid4().hex
        call = new_call(self._account.account_sid, sid, sender, self._account.number, now)
        call |= {"direction": "inbound", "status": "in-progress", "phone_number_sid": "PN" + "0" * 32}
        self._calls[sid] = call
        status, document = await self._ask(self._account.inbound_url, self._told(sid, "ringing"))
        self._waits[sid] = document or Document((), ())
        return sid, status

    async def _ask(self, url: str, form: Mapping[str, str]) -> tuple[int | None, Document | None]:
        body, headers = self._signed(url, form)
        status, answered = await self._hooks.ask(url, body, headers)
        try:
            return status, read_document(answered) if taken(status) and answered else None
        except ValueError:
            return status, None

    # What Twilio tells

    async def _tell(self, sid: str, word: str, plan: Mapping[str, Any], *, forged: bool = False) -> None:
        callback, faults = plan["callback"], frozenset(plan["faults"])
        if callback is None or (Fault.DROP_RECEIPT in faults and not forged):
            return
        if EVENTS.get(word, "completed") not in (plan["events"] or ["completed"]):
            return
        form = self._told(sid, word)
        form |= {"SequenceNumber": str(plan["receipts"].index(word)) if word in plan["receipts"] else "0"}
        detected = self._detected(plan)
        if detected is not None and word in ("in-progress", "completed"):
            form["AnsweredBy"] = detected
        if word not in EVENTS:
            form |= {
                "CallDuration": "20" if word == "completed" else "0",
                "Duration": "1" if word == "completed" else "0",
            }
            form["SipResponseCode"] = {"busy": "486", "failed": "404", "no-answer": "487"}.get(word, "200")
        body, headers = self._signed(callback, form)
        if forged:
            headers["X-Twilio-Signature"] = RequestValidator(uuid4().hex).compute_signature(callback, form)
        for _ in range(2 if Fault.DUPLICATE_RECEIPT in faults and not forged else 1):
            post = self._hooks.post if forged else self._hooks.post_until_taken
            status = await post(callback, body, headers)
            real = datetime.now(UTC).isoformat()
            line: Line = {"type": "hook", "id": sid, "word": word, "answered": status, "forged": forged}
            self._truth.append(line | {"real": real})

    def _told(self, sid: str, word: str) -> dict[str, str]:
        # https://www.twilio.com/docs/voice/twiml#request-parameters
        call = self._calls[sid]
        return {
            "AccountSid": self._account.account_sid,
            "ApiVersion": VERSION,
            "CallSid": sid,
            "CallStatus": word,
            "Called": call["to"],
            "Caller": call["from"],
            "Direction": call["direction"],
            "From": call["from"],
            "To": call["to"],
        }

    def _signed(self, url: str, form: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": str(uuid4()),
            "X-Twilio-Signature": self._validator.compute_signature(url, dict(form)),
        }
        return urlencode(form).encode(), headers

    # What Twilio remembers

    def _last_call(self, person: str) -> str | None:
        parties = (person, self._account.number)
        found = [sid for sid, call in self._calls.items() if {call["to"], call["from"]} == set(parties)]
        return found[-1] if found else None

    async def _note(self, sid: str, sender: str, text: str) -> None:
        self._truth.append(
            {
                "type": "reply",
                "id": sid,
                "channel": CHANNEL,
                "provider": self.provider,
                "from": sender,
                "to": self._account.number,
                "text": text,
                "at": (await self._law_now()).isoformat(),
                "real": datetime.now(UTC).isoformat(),
            }
        )

    async def _arrived(
        self, form: Mapping[str, str], document: Document, call: dict[str, Any] | None, plan: Line | None
    ) -> None:
        self._truth.append(
            {
                "type": "arrived",
                "id": None if call is None else call["sid"],
                "channel": CHANNEL,
                "provider": self.provider,
                "to": form["To"],
                "from": form["From"],
                "text": " ".join(document.said),
                "audio_url": document.played[0] if document.played else None,
                "at": (await self._law_now()).isoformat(),
                "real": datetime.now(UTC).isoformat(),
                "resource": call,
                "document": form["Twiml"],
                "plan": plan,
            }
        )
        if call is not None:
            self._calls[call["sid"]] = dict(call)
            self._waits[call["sid"]] = document

    def _remember(self) -> None:
        for line in self._truth:
            if line["type"] == "arrived" and line["provider"] == self.provider and line["resource"] is not None:
                self._calls[line["id"]] = dict(line["resource"])
                self._waits[line["id"]] = read_document(line["document"])
            elif line["type"] == "status" and line["id"] in self._calls:
                turned_call(self._calls[line["id"]], line["status"], datetime.fromisoformat(line["real"]), None)


def _strike(fault: Fault | None) -> None:
    """The faults that end in an answer; those that end in none are the caller's."""
    if fault is Fault.SERVER_ERROR:
        raise TwilioError(500, 20500, "An internal server error has occurred")
    if fault is Fault.THROTTLE:
        raise TwilioError(429, 20429, "Too Many Requests", {"Retry-After": "1"})
    if fault is Fault.REJECT:
        raise TwilioError(400, 21215, "Account not authorized to call the 'To' number")


async def _form(request: web.Request) -> tuple[dict[str, str], list[str]]:
    """The form, and the events that are to be told, which stand in it several times."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise TwilioError(415, 20415, "Content-Type must be application/x-www-form-urlencoded")
    body = b""
    async for part in request.content.iter_any():
        body += part
        if len(body) > REQUEST_BYTES_MAX:
            raise TwilioError(413, 20413, "Request entity too large")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise TwilioError(400, 20001, "The body is not a form in UTF-8") from None
    return dict(pairs), [value for name, value in pairs if name == "StatusCallbackEvent"]
