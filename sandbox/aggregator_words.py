"""Two aggregators that are nobody's, each as such APIs come: one of JSON with a bearer token, one of GET and a line of text.

Both stand in docs/channels/sms-http.md with the table that describes them. Their paths, words and codes are made up.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

from aiohttp import web

from sandbox.settings import AggregatorAccount
from sandbox.wire import Call, bounded

REQUEST_BYTES_MAX: Final = 64 * 1024
TEXT_CHARACTERS_MAX: Final = 1_600


class No(StrEnum):
    """Why a send is refused."""

    STRANGER = "stranger"
    MALFORMED = "malformed"
    REFUSED = "refused"
    ADDRESS_INVALID = "address_invalid"
    OPTED_OUT = "opted_out"
    THROTTLED = "throttled"
    FAULT = "fault"


class RefusedError(Exception):
    """The aggregator says no."""

    def __init__(self, why: No) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One send, as it was understood. ``to`` is E.164; ``callback`` is where its receipts go."""

    to: str = field(repr=False)
    sender: str
    text: str = field(repr=False)
    reference: str
    validity_seconds: int
    callback: str | None = field(repr=False)


class Dialect(Protocol):
    """How one aggregator speaks. ``forged``: as somebody would who does not know the key."""

    def authenticated(self, request: web.Request) -> bool:
        """Whether the caller holds the account."""
        ...

    async def asked(self, request: web.Request) -> Asked:
        """Read a send; raises ``RefusedError``."""
        ...

    def taken(self, identifier: str, parts: int) -> web.Response:
        """The answer to a send that was taken."""
        ...

    def refused(self, why: No) -> web.Response:
        """The answer to one that was not."""
        ...

    def listed(self, messages: Sequence[Mapping[str, Any]]) -> web.Response:
        """The answer to a look-up."""
        ...

    def receipt(self, message: Mapping[str, Any], word: str, callback: str | None, *, forged: bool) -> Call | None:
        """A status as it is told; None when nobody asked to be told."""
        ...

    def reply(self, identifier: str, sender: str, recipient: str, text: str) -> Call:
        """What a person wrote, as it is told."""
        ...


def dialect(account: AggregatorAccount) -> Dialect:
    """The dialect that an account's settings name; raises ``ValueError`` when there is none of that name."""
    match account.dialect:
        case "faro":
            return Faro(account)
        case "vereda":
            return Vereda(account)
    raise ValueError("an aggregator here speaks faro or vereda")


class Faro:
    """JSON both ways, a bearer token, errors by HTTP status and code, receipts where each send says, HMAC-SHA256."""

    STATES: Final[Mapping[str, str]] = {
        "sent": "SENT",
        "delivered": "DELIVERED",
        "undelivered": "UNDELIVERABLE",
        "read": "SEEN",
        "expired": "EXPIRED",
    }
    ERRORS: Final[Mapping[No, tuple[int, str]]] = {
        No.STRANGER: (401, "E100"),
        No.MALFORMED: (400, "E101"),
        No.REFUSED: (403, "E102"),
        No.ADDRESS_INVALID: (422, "E103"),
        No.OPTED_OUT: (422, "E104"),
        No.THROTTLED: (429, "E105"),
        No.FAULT: (500, "E500"),
    }

    def __init__(self, account: AggregatorAccount) -> None:
        self._account = account

    def authenticated(self, request: web.Request) -> bool:
        """``Authorization: Bearer``."""
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), f"Bearer {self._account.secret}".encode())

    async def asked(self, request: web.Request) -> Asked:
        """``{"to": "573001234567", "from": …, "text": …, "reference": …, "ttl": 60, "callback_url": …}``."""
        try:
            read = json.loads((await _body(request)).decode())
        except (ValueError, RecursionError):
            raise RefusedError(No.MALFORMED) from None
        known = {"to": str, "from": str, "text": str, "reference": str, "ttl": int, "callback_url": str}
        if not isinstance(read, dict) or set(read) != set(known):
            raise RefusedError(No.MALFORMED)
        if not all(isinstance(read[name], kind) for name, kind in known.items()):
            raise RefusedError(No.MALFORMED)
        return Asked(
            to="+" + read["to"],
            sender=read["from"],
            text=read["text"],
            reference=read["reference"],
            validity_seconds=read["ttl"],
            callback=_http(read["callback_url"]),
        )

    def taken(self, identifier: str, parts: int) -> web.Response:
        """202 with the message."""
        return web.json_response({"message": {"id": identifier, "state": "QUEUED", "parts": parts}}, status=202)

    def refused(self, why: No) -> web.Response:
        """An error with its code."""
        status, code = self.ERRORS[why]
        headers = {"Retry-After": "1"} if why is No.THROTTLED else {}
        return web.json_response({"error": {"code": code, "text": why.value}}, status=status, headers=headers)

    def listed(self, messages: Sequence[Mapping[str, Any]]) -> web.Response:
        """A list, which may be empty."""
        states = {"accepted": "QUEUED", **self.STATES}
        shown = [{"id": m["id"], "reference": m["reference"], "state": states[m["status"]]} for m in messages]
        return web.json_response({"messages": shown})

    def receipt(self, message: Mapping[str, Any], word: str, callback: str | None, *, forged: bool) -> Call | None:
        """Several receipts may come in one call; this simulator brings one in each."""
        if callback is None:
            return None
        told = {"id": message["id"], "reference": message["reference"], "state": self.STATES[word], "error": 0}
        if word == "undelivered":
            told["error"] = 27
        return self._signed(callback, {"event": "receipts", "items": [told]}, forged=forged)

    def reply(self, identifier: str, sender: str, recipient: str, text: str) -> Call:
        """The text is escaped down to ASCII, as many servers do."""
        told = {"id": identifier, "from": sender.removeprefix("+"), "to": recipient, "text": text}
        return self._signed(self._account.hook_url, {"event": "message", "items": [told]}, forged=False)

    def _signed(self, url: str, told: object, *, forged: bool) -> Call:
        body = json.dumps(told).encode()
        key = uuid4().hex if forged else self._account.hook_key
        mac = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        return Call(
            url=url, body=body, headers={"Content-Type": "application/json", "X-Faro-Signature": f"sha256={mac}"}
        )


class Vereda:
    """GET with everything in the query, ``code|id|word`` as the answer whatever happened, one hook for both, a shared secret."""

    STATES: Final[Mapping[str, str]] = {
        "sent": "ENVIADO",
        "delivered": "ENTREGADO",
        "undelivered": "NO_ENTREGADO",
        "read": "LEIDO",
        "expired": "CADUCADO",
    }
    CODES: Final[Mapping[No, str]] = {
        No.STRANGER: "1",
        No.MALFORMED: "2",
        No.REFUSED: "3",
        No.ADDRESS_INVALID: "4",
        No.OPTED_OUT: "5",
        No.THROTTLED: "8",
    }

    def __init__(self, account: AggregatorAccount) -> None:
        self._account = account

    def authenticated(self, request: web.Request) -> bool:
        """``usuario`` and ``clave`` in the query, as such APIs have it."""
        given = f"{request.query.get('usuario', '')}\n{request.query.get('clave', '')}"
        known = f"{self._account.user}\n{self._account.secret}"
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), known.encode())

    async def asked(self, request: web.Request) -> Asked:
        """``para`` is a national number; ``segundos`` is how long it may wait."""
        query = request.query
        names = {"usuario", "clave", "para", "de", "mensaje", "ref", "codificacion", "segundos"}
        if set(query) != names or len(query) != len(names) or not query["segundos"].isdecimal():
            raise RefusedError(No.MALFORMED)
        if query["codificacion"] not in ("0", "8"):
            raise RefusedError(No.MALFORMED)
        return Asked(
            to=self._account.country_prefix + query["para"],
            sender=query["de"],
            text=query["mensaje"],
            reference=query["ref"],
            validity_seconds=int(query["segundos"][:9]),
            callback=self._account.hook_url,
        )

    def taken(self, identifier: str, parts: int) -> web.Response:
        """Code 0."""
        return web.Response(text=f"0|{identifier}|ACEPTADO|{parts}\r\n")

    def refused(self, why: No) -> web.Response:
        """Any other code, still with 200; only a fault has a status of its own."""
        if why is No.FAULT:
            return web.Response(status=500, text="ERROR INTERNO")
        return web.Response(text=f"{self.CODES[why]}|0|{why.name}|0\r\n")

    def listed(self, messages: Sequence[Mapping[str, Any]]) -> web.Response:
        """There is no look-up."""
        return web.Response(status=404)

    def receipt(self, message: Mapping[str, Any], word: str, callback: str | None, *, forged: bool) -> Call | None:
        """A form."""
        told = {"tipo": "estado", "id": message["id"], "ref": message["reference"], "estado": self.STATES[word]}
        told["error"] = "27" if word == "undelivered" else "0"
        return self._form(told, forged=forged)

    def reply(self, identifier: str, sender: str, recipient: str, text: str) -> Call:
        """A form at the same address."""
        number = sender.removeprefix(self._account.country_prefix)
        told = {"tipo": "mensaje", "id": identifier, "origen": number, "destino": recipient, "texto": text}
        return self._form(told, forged=False)

    def _form(self, told: Mapping[str, str], *, forged: bool) -> Call:
        key = uuid4().hex if forged else self._account.hook_key
        return Call(
            url=f"{self._account.hook_url}?llave={quote(key, safe='')}",
            body=urlencode(told).encode("ascii"),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )


async def _body(request: web.Request) -> bytes:
    body = await bounded(request.content, REQUEST_BYTES_MAX)
    if body is None:
        raise RefusedError(No.MALFORMED)
    return body


def _http(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RefusedError(No.MALFORMED)
    return url
