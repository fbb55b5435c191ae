"""A simulator of Twilio's calls: created, listed, told of, answered by her, her voicemail or nobody, with keys to press.

What a document has the call play is fetched for real, as Twilio would. A call can be answered by keys after its last status,
for the telephone here is slower than a finger: what is pressed then goes to where the call would have waited for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from aiohttp import web

from sandbox.carrier import Surroundings
from sandbox.faults import Fault
from sandbox.hooks import taken
from sandbox.settings import VoiceAccount
from sandbox.truth import Line
from sandbox.twilio_account import AtTwilio, fields, page
from sandbox.twilio_words import VERSION, TwilioError
from sandbox.unanswered import real
from sandbox.voice_words import (
    ANSWERED_BY,
    EVENTS,
    LIVES,
    Document,
    Ending,
    call_matches,
    check_call,
    new_call,
    priced_call,
    read_document,
    turned_call,
)

CHANNEL: Final = "voice"
REQUEST_BYTES_MAX: Final = 64 * 1024
PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 1_000
KEYS_MAX: Final = 20
HOLD_STEP_SECONDS: Final = 0.05
KEYS: Final = frozenset("0123456789*#")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class VoiceCarrier(AtTwilio[VoiceAccount]):
    """One account with one number that calls and is called."""

    channel = CHANNEL
    kind: Final = "twilio_voice"
    forged_word = "completed"
    rejection = TwilioError(400, 21215, "Account not authorized to call the 'To' number")

    def __init__(self, around: Surroundings, account: VoiceAccount) -> None:
        super().__init__(around, account)
        self._calls: dict[str, dict[str, Any]] = {}
        # Where each call waits for a key: what its last document said.
        self._waits: dict[str, Document] = {}
        # By number: how its next calls go.
        self._endings: dict[str, list[Ending]] = {}
        self._remember()

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
        """Tell what a restart kept from being told; no key that was pressed before is pressed again."""
        for line, plan in self._untold():
            self._hooks.start(self._live(line["id"], {**plan, "presses": []}))

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
        await self._heard(sid, sender, self._account.number, text)
        status = None
        for said in keys if pressed else [text]:
            status = await self._answer(sid, said, pressed=pressed)
        return {"id": sid, "hook": {"status": status, "taken": taken(status)}}

    # What the gateway asks of Twilio

    def _keys(self) -> list[str]:
        return [f"{self._account.account_sid}:{self._account.auth_token}"]

    async def _create(self, request: web.Request) -> web.Response:
        asked = await fields(request)
        form = dict(asked)
        await asyncio.sleep(self._settings.answer_seconds)
        to = form.get("To", "")
        fault = self._faults.take_call(self.provider)
        try:
            self._strike(fault)
            document = check_call(form, self._account.number)
        except TwilioError as error:
            self._refused(to, error.code)
            raise
        if to.endswith("0004"):
            await self._arrived(form, document, None, None)
            return await self._unanswered(request)
        now, sid = datetime.now(UTC), "CA" + uuid4().hex
        call = new_call(self._account.account_sid, sid, form["From"], to, now)
        struck = self._faults.take_receipts(self.provider)
        ending = self._ending(to)
        plan = {
            "receipts": list(LIVES[ending]),
            "ending": ending.value,
            "detects": "MachineDetection" in form,
            "callback": form.get("StatusCallback"),
            "events": [value for name, value in asked if name == "StatusCallbackEvent"],
            "faults": sorted(struck),
            "presses": ["1"] if to.endswith("0001") else [],
        }
        await self._arrived(form, document, call, plan)
        return await self._answered(request, web.json_response(call, status=201), sid, plan, fault)

    async def _fetch(self, request: web.Request) -> web.Response:
        call = self._calls.get(request.match_info["sid"])
        if call is None:
            raise TwilioError(404, 20404, f"The requested resource {request.path} was not found")
        return web.json_response(self._priced(call))

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        return page(request, "calls", self._calls, lambda call: call_matches(call, query), self._priced)

    def _priced(self, call: Mapping[str, Any]) -> dict[str, Any]:
        return priced_call(call, datetime.now(UTC), self._settings.price_seconds)

    def _ending(self, to: str) -> Ending:
        waiting = self._endings.get(to)
        if waiting:
            return waiting.pop(0)
        return Ending.NO_ANSWER if to.endswith("0002") else Ending.ANSWERED

    # What a call does

    async def _turn(self, sid: str, word: str, plan: Mapping[str, Any]) -> None:
        self._became(sid, word, ending=plan["ending"])
        turned_call(self._calls[sid], word, datetime.now(UTC), self._detected(plan))
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
            line: Line = {"type": "played", "id": sid, "status": status, "kind": kind, "bytes": len(sound)}
            self._truth.append({**line, "real": real()})

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
        status, answered = await self._hooks.ask(self._signed(url, form))
        try:
            return status, read_document(answered) if taken(status) and answered else None
        except ValueError:
            return status, None

    # What Twilio tells

    async def _tell(self, sid: str, word: str, plan: Mapping[str, Any], *, forged: bool = False) -> None:
        callback = plan["callback"]
        if callback is None or (Fault.DROP_RECEIPT in plan["faults"] and not forged):
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
        await self._post(sid, word, plan, self._signed(callback, form, forged=forged), forged=forged)

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

    # What Twilio remembers

    def _last_call(self, person: str) -> str | None:
        parties = (person, self._account.number)
        found = [sid for sid, call in self._calls.items() if {call["to"], call["from"]} == set(parties)]
        return found[-1] if found else None

    async def _arrived(
        self, form: Mapping[str, str], document: Document, call: dict[str, Any] | None, plan: Line | None
    ) -> None:
        await self._took(
            None if call is None else call["sid"],
            form["To"],
            form["From"],
            " ".join(document.said),
            audio_url=document.played[0] if document.played else None,
            resource=call,
            document=form["Twiml"],
            plan=plan,
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
