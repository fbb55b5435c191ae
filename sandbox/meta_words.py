"""Meta's words, Graph API: what a send must look like, refusals by code, and the envelope of a webhook call.

https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""

import base64
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

TEXT_CHARACTERS_MAX: Final = 4_096
BUTTONS_TEXT_CHARACTERS_MAX: Final = 1_024
BUTTONS_MAX: Final = 3
BUTTON_CHARACTERS_MAX: Final = 20
OPAQUE_CHARACTERS_MAX: Final = 512

NUMBER: Final = re.compile(r"\+?([1-9][0-9]{6,14})")
_TEMPLATE: Final = re.compile(r"[a-z0-9_]{1,512}")
_VALUE_FLAW: Final = re.compile(r"[\n\r\t]| {5,}")
_PLACE: Final = re.compile(r"\{\{([0-9]{1,2})\}\}")


class MetaError(Exception):
    """Meta says no: ``status`` is HTTP's, ``code`` is Meta's."""

    def __init__(self, status: int, code: int, title: str, details: str = "", **headers: str) -> None:
        super().__init__(title)
        self.status = status
        self.code = code
        self.title = title
        self.details = details
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> web.Response:
        """As Graph writes it."""
        error: dict[str, Any] = {
            "message": f"(#{self.code}) {self.title}",
            "type": "OAuthException",
            "code": self.code,
            "fbtrace_id": "A" + secrets.token_urlsafe(17),
        }
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        return web.json_response({"error": error}, status=self.status, headers=self.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One send: to whom (E.164), of which kind, what she sees, what may be tapped, and what comes back in each status."""

    to: str
    kind: str
    text: str
    media: str | None = None
    buttons: tuple[str, ...] = ()
    opaque: str | None = None


def asked(body: bytes, templates: Mapping[tuple[str, str], str]) -> Asked:
    """Read a send; raises what Meta says to one that it does not like. ``templates``: approved bodies by name and language.

    Without any every template counts as approved, and is shown by its name and its values.
    """
    try:
        read = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise MetaError(400, 100, "Invalid parameter", "The body is not JSON") from None
    if not isinstance(read, dict):
        raise MetaError(400, 100, "Invalid parameter", "The body is no object")
    if read.get("messaging_product") != "whatsapp":
        raise MetaError(400, 100, "The parameter messaging_product is required.")
    to = NUMBER.fullmatch(str(read.get("to") or ""))
    if to is None:
        raise MetaError(400, 131009, "Parameter value is not valid", "The recipient is not a phone number")
    opaque = read.get("biz_opaque_callback_data")
    if opaque is not None and (not isinstance(opaque, str) or len(opaque) > OPAQUE_CHARACTERS_MAX):
        raise MetaError(400, 131009, "Parameter value is not valid", "biz_opaque_callback_data is too long")
    kind = str(read.get("type") or "text")
    part = read.get(kind)
    if kind not in _READERS:
        raise MetaError(400, 131051, "Unsupported message type", f"{kind} is not simulated")
    if not isinstance(part, dict):
        raise MetaError(400, 131008, "Required parameter is missing", f"{kind} is missing")
    text, media, buttons = _READERS[kind](part, templates)
    return Asked(to="+" + to[1], kind=kind, text=text, media=media, buttons=buttons, opaque=opaque)


_Shown = tuple[str, str | None, tuple[str, ...]]


def _read_text(part: Mapping[str, Any], _templates: Mapping[tuple[str, str], str]) -> _Shown:
    return _words(part.get("body"), TEXT_CHARACTERS_MAX), None, ()


def _read_audio(part: Mapping[str, Any], _templates: Mapping[tuple[str, str], str]) -> _Shown:
    media = part.get("id")
    if not isinstance(media, str) or not media:
        raise MetaError(400, 131008, "Required parameter is missing", "audio.id is missing")
    return "", media, ()


def _read_interactive(part: Mapping[str, Any], _templates: Mapping[tuple[str, str], str]) -> _Shown:
    body, action = part.get("body"), part.get("action")
    buttons = action.get("buttons") if isinstance(action, dict) else None
    if part.get("type") != "button" or not isinstance(body, dict) or not isinstance(buttons, list):
        raise MetaError(400, 131009, "Parameter value is not valid", "interactive is not a set of reply buttons")
    titles = [str(button.get("reply", {}).get("title", "")) for button in buttons if isinstance(button, dict)]
    fit = all(0 < len(title) <= BUTTON_CHARACTERS_MAX for title in titles) and len(set(titles)) == len(titles)
    if not fit or not 1 <= len(buttons) <= BUTTONS_MAX or len(titles) != len(buttons):
        raise MetaError(400, 131009, "Parameter value is not valid", "Button titles: 1 to 3, different, 20 characters")
    return _words(body.get("text"), BUTTONS_TEXT_CHARACTERS_MAX), None, tuple(titles)


def _read_template(part: Mapping[str, Any], templates: Mapping[tuple[str, str], str]) -> _Shown:
    name, language = str(part.get("name") or ""), part.get("language")
    code = str(language.get("code") or "") if isinstance(language, dict) else ""
    if not _TEMPLATE.fullmatch(name) or not code:
        raise MetaError(400, 132001, "Template name does not exist in the translation")
    values: list[str] = []
    for component in part.get("components") or ():
        if component.get("type") == "body":
            values = [str(parameter.get("text") or "") for parameter in component.get("parameters") or ()]
    for value in values:
        if not value or _VALUE_FLAW.search(value):
            raise MetaError(400, 132018, "Template parameter is not valid", "A value is empty or holds a line break")
    if not templates:
        return " · ".join([f"[{name} {code}]", *values]), None, ()
    body = templates.get((name, code))
    if body is None:
        raise MetaError(404, 132001, "Template name does not exist in the translation", f"{name} in {code}")
    wanted = {int(place) for place in _PLACE.findall(body)}
    if len(wanted) != len(values):
        details = f"localizable_params ({len(values)}) does not match the expected number of params ({len(wanted)})"
        raise MetaError(400, 132000, "Number of parameters does not match the expected number of params", details)
    return _PLACE.sub(lambda place: values[int(place[1]) - 1], body), None, ()


_READERS: Final = {
    "text": _read_text,
    "audio": _read_audio,
    "interactive": _read_interactive,
    "template": _read_template,
}


def _words(value: object, characters_max: int) -> str:
    if not isinstance(value, str) or not value:
        raise MetaError(400, 131008, "Required parameter is missing", "The text is missing")
    if len(value) > characters_max:
        raise MetaError(400, 131009, "Parameter value is not valid", f"The text is longer than {characters_max}")
    return value


def wamid() -> str:
    """A new id of a message, as long as Meta's."""
    return "wamid." + base64.b64encode(secrets.token_bytes(36)).decode("ascii")


def taken(to: str, identifier: str, kind: str) -> dict[str, Any]:
    """The answer to a send that was taken."""
    message = {"id": identifier}
    if kind == "template":
        message["message_status"] = "accepted"
    return {
        "messaging_product": "whatsapp",
        "contacts": [{"input": to, "wa_id": to[1:]}],
        "messages": [message],
    }


#: What a status ``failed`` says, by code.
FAILURES: Final[Mapping[int, tuple[str, str]]] = {
    131047: (
        "Re-engagement message",
        "More than 24 hours have passed since the customer last replied to this number.",
    ),
    131049: (
        "This message was not delivered to maintain healthy ecosystem engagement.",
        "Meta chose not to deliver this message.",
    ),
    131053: ("Media upload error", "The media was not found."),
}


def status(
    identifier: str, word: str, to: str, at: int, opaque: str | None, kind: str, code: int | None
) -> dict[str, Any]:
    """One item of ``statuses``; ``at`` in seconds."""
    told: dict[str, Any] = {"id": identifier, "status": word, "timestamp": str(at), "recipient_id": to[1:]}
    if word in ("sent", "delivered"):
        category = "utility" if kind == "template" else "service"
        told["pricing"] = {"billable": kind == "template", "pricing_model": "PMP", "category": category}
    if code is not None:
        title, details = FAILURES[code]
        told["errors"] = [{"code": code, "title": title, "message": title, "error_data": {"details": details}}]
    if opaque is not None:
        told["biz_opaque_callback_data"] = opaque
    return told


def call(account: str, number: str, number_id: str, **value: Any) -> dict[str, Any]:
    """The envelope of one call of the webhook."""
    metadata = {"display_phone_number": number.removeprefix("+"), "phone_number_id": number_id}
    change = {"value": {"messaging_product": "whatsapp", "metadata": metadata, **value}, "field": "messages"}
    return {"object": "whatsapp_business_account", "entry": [{"id": account, "changes": [change]}]}
