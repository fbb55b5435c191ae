"""A simulator of Meta's Cloud API: one WhatsApp number, its media, its 24-hour window, its pair rate and its signed webhook."""

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp
from aiohttp import web

from sandbox import meta_words as words
from sandbox.carrier import Surroundings, Telling
from sandbox.faults import Fault
from sandbox.hooks import taken
from sandbox.meta_words import Asked, MetaError
from sandbox.settings import MetaAccount
from sandbox.truth import Line
from sandbox.whatsapp import CHANNEL, pressed, window_open
from sandbox.wire import Call, bounded

REQUEST_BYTES_MAX: Final = 256 * 1024
#: …/business-phone-numbers/media: an audio file.
MEDIA_BYTES_MAX: Final = 16 * 1024 * 1024
#: …/throughput: one message in six seconds to one person, up to forty-five at once.
PAIR_SECONDS: Final = 6.0
PAIR_BURST: Final = 45
#: What a person can do in a chat beside writing: ``POST /sandbox/whatsapp``.
DEEDS: Final = ("react", "sticker", "voice", "edit", "stop")


class MetaCarrier(Telling[MetaAccount]):
    """One number, and everybody who writes with it."""

    channel = CHANNEL
    kind: Final = "whatsapp_meta"

    def __init__(self, around: Surroundings, account: MetaAccount) -> None:
        super().__init__(around, account)
        self._media = around.settings.directory / "whatsapp"
        self._media.mkdir(parents=True, exist_ok=True)
        # By person: until when her pair with this number is used up, in seconds of the loop's clock.
        self._pairs: dict[str, float] = {}

    def is_address(self, text: str) -> bool:
        """Whether a person can write from there."""
        return text.startswith("+") and words.NUMBER.fullmatch(text) is not None

    def routes(self) -> list[web.RouteDef]:
        """Graph's paths."""
        base = r"/{version:v\d+\.\d+}/{number:\d+}"
        return [
            web.post(f"{base}/messages", self._answering(self._create)),
            web.post(f"{base}/media", self._answering(self._upload)),
        ]

    def file(self, name: str) -> Path | None:
        """A voice note by its name, for the telephone."""
        path = self._media / name
        return path if name.isascii() and name.isdigit() and path.is_file() else None

    async def reply(self, sender: str, text: str) -> dict[str, Any]:
        """The person writes, or presses the button that has these words; what the gateway answered."""
        asked = pressed(self._truth, self.provider, sender, text)
        if asked is None:
            return await self._said(sender, text, type="text", text={"body": text})
        button = {"id": f"b{asked['buttons'].index(text) + 1}", "title": text}
        context = {"from": self._account.number.removeprefix("+"), "id": asked["id"]}
        interactive = {"type": "button_reply", "button_reply": button}
        return await self._said(sender, text, context=context, type="interactive", interactive=interactive)

    async def deed(self, sender: str, does: str, text: str) -> dict[str, Any]:
        """The person does one of ``DEEDS``; what the gateway answered."""
        last = [line["id"] for line in self._truth.with_person(sender) if line.get("provider") == self.provider]
        medium = {"mime_type": "audio/ogg; codecs=opus", "sha256": "0" * 43 + "=", "id": "1003383421387256"}
        match does:
            case "react":
                reaction = {"message_id": last[-1] if last and last[-1] else words.wamid(), "emoji": text}
                return await self._said(sender, text, type="reaction", reaction=reaction)
            case "sticker":
                return await self._said(sender, "(sticker)", type="sticker", sticker={**medium, "animated": False})
            case "voice":
                return await self._said(sender, "(voice)", type="audio", audio={**medium, "voice": True})
            case "edit":
                changed = {"type": "text", "text": {"body": text}}
                edit = {"original_message_id": last[-1] if last else "", "message": changed}
                return await self._said(sender, f"(edited) {text}", type="edit", edit=edit)
            case _:
                return await self._stopped(sender)

    async def _stopped(self, sender: str) -> dict[str, Any]:
        """…/webhooks/reference/user_preferences."""
        preference = {
            "wa_id": sender[1:],
            "detail": "User requested to stop marketing messages",
            "category": "marketing_messages",
            "value": "stop",
            "timestamp": int(_seconds()),
        }
        told = self._call(user_preferences=[preference])
        told["entry"][0]["changes"][0]["field"] = "user_preferences"
        status = await self._hooks.post_until_taken(self._signed(told))
        return {"id": None, "hook": {"status": status, "taken": taken(status)}}

    async def _said(self, sender: str, shown: str, /, **message: Any) -> dict[str, Any]:
        """What she sent is remembered as it is ``shown``, and told."""
        identifier = words.wamid()
        await self._heard(identifier, sender, self._account.number, shown)
        said = {"from": sender[1:], "id": identifier, "timestamp": _seconds(), **message}
        contact = {"profile": {"name": "Ana"}, "wa_id": sender[1:]}
        call = self._signed(self._call(contacts=[contact], messages=[said]))
        status = await self._hooks.post_until_taken(call)
        return {"id": identifier, "hook": {"status": status, "taken": taken(status)}}

    # What the gateway asks of Meta

    def _answering(
        self, handler: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                self._authenticate(request)
                return await handler(request)
            except MetaError as error:
                return error.response()

        return answer

    def _authenticate(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, f"Bearer {self._account.access_token}".encode()):
            raise MetaError(401, 190, "Invalid OAuth access token - Cannot parse access token")
        if request.match_info["number"] != self._account.phone_number_id:
            raise MetaError(400, 100, "Unsupported post request. Object with that ID does not exist")

    async def _upload(self, request: web.Request) -> web.Response:
        """https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media."""
        if not request.content_type.startswith("multipart/"):
            raise MetaError(400, 100, "Invalid parameter", "The body is not a form with files")
        fields: dict[str, bytes] = {}
        kind = ""
        async for part in await request.multipart():
            if not isinstance(part, aiohttp.BodyPartReader) or part.name is None:
                raise MetaError(400, 100, "Invalid parameter", "A part has no name")
            value = bytearray()
            while chunk := await part.read_chunk():
                value += chunk
                if len(value) > MEDIA_BYTES_MAX:
                    raise MetaError(400, 131053, "Media upload error", "The file is too large")
            fields[part.name] = bytes(value)
            if part.name == "file":
                kind = part.headers.get("Content-Type", "")
        if fields.get("messaging_product") != b"whatsapp" or not fields.get("file"):
            raise MetaError(400, 100, "The parameter messaging_product is required.")
        if not kind.startswith("audio/ogg") or not fields["file"].startswith(b"OggS"):
            raise MetaError(400, 131053, "Media upload error", "Not a file of the type that is told")
        identifier = str(secrets.randbelow(9 * 10**15) + 10**15)
        (self._media / identifier).write_bytes(fields["file"])
        return web.json_response({"id": identifier})

    async def _create(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self._settings.answer_seconds)
        ending = self._faults.take_call(self.provider)
        to = ""
        try:
            asked = words.asked(await _body(request), self._account.templates)
            to = asked.to
            _strike(ending)
            self._check(asked)
        except MetaError as error:
            self._refused(to, error.code)
            raise
        if to.endswith("0004"):
            await self._arrived(asked, None, None)
            return await self._unanswered(request)
        identifier = words.wamid()
        struck = self._faults.take_receipts(self.provider)
        receipts, code = await self._fate(asked)
        plan: Line = {
            "receipts": receipts,
            "code": code,
            "to": to,
            "kind": asked.kind,
            "opaque": asked.opaque,
            "faults": sorted(struck),
        }
        await self._arrived(asked, identifier, plan)
        answer = web.json_response(words.taken(to, identifier, asked.kind))
        return await self._answered(request, answer, identifier, plan, ending)

    def _check(self, asked: Asked) -> None:
        if asked.to == self._account.number:
            raise MetaError(400, 131021, "Recipient cannot be sender")
        if asked.to.endswith("0003"):
            raise MetaError(403, 130497, "Business account is restricted from messaging users in this country")
        if asked.to.endswith("0005"):
            raise MetaError(400, 131050, "User has stopped receipt of marketing messages from this business")
        if asked.media is not None and self.file(asked.media) is None:
            raise MetaError(400, 131009, "Parameter value is not valid", "There is no such media")
        now = asyncio.get_running_loop().time()
        used = max(self._pairs.get(asked.to, 0.0), now)
        if used - now > PAIR_SECONDS * (PAIR_BURST - 1):
            raise MetaError(400, 131056, "(Business Account, Consumer Account) pair rate limit hit")
        self._pairs[asked.to] = used + PAIR_SECONDS

    async def _fate(self, asked: Asked) -> tuple[list[str], int | None]:
        """What will be told of it, and why it fails if it does: Meta takes a text outside the window and says so later."""
        free = asked.kind != "template" and not self._account.texts_approved
        if free and not window_open(self._truth, self.provider, asked.to, await self._law_now()):
            return ["failed"], 131047
        if asked.to.endswith("0002"):
            return ["sent", "failed"], 131049
        played = ["played"] if asked.kind == "audio" else []
        return ["sent", "delivered", *(["read", *played] if asked.to.endswith("0001") else [])], None

    async def _arrived(self, asked: Asked, identifier: str | None, plan: Line | None) -> None:
        await self._took(
            identifier,
            asked.to,
            self._account.number,
            asked.text,
            audio_url=None if asked.media is None else f"{self._account.files_url}/{asked.media}",
            buttons=list(asked.buttons),
            form=asked.kind,
            plan=plan,
        )

    # What Meta tells the gateway

    async def _turn(self, identifier: str, word: str, plan: Mapping[str, Any]) -> None:
        self._became(identifier, word)

    async def _tell(self, identifier: str, word: str, plan: Mapping[str, Any], *, forged: bool = False) -> None:
        if Fault.DROP_RECEIPT in plan["faults"] and not forged:
            return
        code = plan["code"] if word == "failed" else None
        status = words.status(identifier, word, plan["to"], int(_seconds()), plan["opaque"], plan["kind"], code)
        secret = uuid4().hex if forged else None
        await self._post(identifier, word, plan, self._signed(self._call(statuses=[status]), secret), forged=forged)

    def _call(self, **value: Any) -> dict[str, Any]:
        return words.call("419561257915477", self._account.number, self._account.phone_number_id, **value)

    def _signed(self, told: Mapping[str, Any], secret: str | None = None) -> Call:
        body = json.dumps(told).encode()
        key = self._account.app_secret if secret is None else secret
        signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua",
            "X-Hub-Signature-256": f"sha256={signature}",
        }
        return Call(url=self._account.hook_url, body=body, headers=headers)


def _strike(ending: Fault | None) -> None:
    """The faults that end in an answer; those that end in none are the caller's."""
    if ending is Fault.SERVER_ERROR:
        raise MetaError(500, 131000, "Something went wrong")
    if ending is Fault.THROTTLE:
        raise MetaError(400, 130429, "Rate limit hit", "Cloud API message throughput has been reached.")
    if ending is Fault.REJECT:
        raise MetaError(403, 130497, "Business account is restricted from messaging users in this country")


async def _body(request: web.Request) -> bytes:
    body = await bounded(request.content, REQUEST_BYTES_MAX)
    if body is None:
        raise MetaError(413, 100, "Request entity too large")
    return body


def _seconds() -> str:
    return str(int(datetime.now(UTC).timestamp()))
