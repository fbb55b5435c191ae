"""Meta's own description of what we say to the Cloud API and what it says, in facts: names, kinds and which must be there.

Transcribed from https://github.com/facebook/openapi (``business-messaging-api_v23.0.yaml``: ``TextMessage``,
``AudioMessage``, ``InteractiveMessage``, ``TemplateMessage``, ``MessageResponsePayload``, ``GraphAPIError``, ``Statuses``,
``IncomingMessage`` and its kinds) and, where that file lags behind, from the pages under
https://developers.facebook.com/documentation/business-messaging/whatsapp: ``biz_opaque_callback_data`` and ``voice``
(…/messages/audio-messages), ``played`` and the fields of a status (…/webhooks/reference/messages/status),
``user_preferences`` (…/webhooks/reference/user_preferences).
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator


def _object(required: str, **properties: Any) -> dict[str, Any]:
    """An object with these fields and no other; those that must be there are named in one text."""
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


TEXT = {"type": "string"}
SOME = {"type": "string", "minLength": 1}
DIGITS = {"type": "string", "pattern": r"^[0-9]+$"}
ID = {"type": "string", "pattern": r"^wamid\.[A-Za-z0-9+/=_-]+$"}


def _list(of: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": of, **more}


def _message(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return _object(
        f"messaging_product recipient_type to type {kind}",
        messaging_product={"const": "whatsapp"},
        recipient_type={"enum": ["individual", "group"]},
        to={"type": "string", "pattern": r"^\+?[0-9]{7,15}$"},
        type={"const": kind},
        context=_object("message_id", message_id=ID),
        biz_opaque_callback_data={"type": "string", "maxLength": 512},
        **{kind: content},
    )


_PARAMETER = _object("type text", type={"const": "text"}, text={"type": "string", "maxLength": 32768})
_BUTTON = _object(
    "type reply", type={"const": "reply"}, reply=_object("id title", id=SOME, title={**SOME, "maxLength": 20})
)

REQUESTS: dict[str, dict[str, Any]] = {
    "text": _message("text", _object("body", body={**SOME, "maxLength": 4096}, preview_url={"type": "boolean"})),
    "audio": _message(
        "audio",
        {
            "oneOf": [
                _object("id", id=SOME, voice={"type": "boolean"}),
                _object("link", link={"type": "string", "pattern": "^https?://"}, voice={"type": "boolean"}),
            ]
        },
    ),
    "interactive": _message(
        "interactive",
        _object(
            "type body action",
            type={"const": "button"},
            body=_object("text", text={**SOME, "maxLength": 1024}),
            action=_object("buttons", buttons=_list(_BUTTON, minItems=1, maxItems=3)),
        ),
    ),
    "template": _message(
        "template",
        _object(
            "name language",
            name={**SOME, "pattern": "^[a-z0-9_]+$"},
            language=_object("policy code", policy={"const": "deterministic"}, code=SOME),
            components=_list(
                _object("type", type={"enum": ["header", "body", "button"]}, parameters=_list(_PARAMETER))
            ),
        ),
    ),
}

SENT = _object(
    "messaging_product contacts messages",
    messaging_product={"const": "whatsapp"},
    contacts=_list(_object("input wa_id", input=SOME, wa_id=DIGITS), minItems=1, maxItems=1),
    messages=_list(
        _object(
            "id",
            id=ID,
            message_status={"enum": ["accepted", "held_for_quality_assessment", "paused"]},
        ),
        minItems=1,
        maxItems=1,
    ),
)
UPLOADED = _object("id", id=DIGITS)
REFUSED = _object(
    "error",
    error=_object(
        "message type code",
        message=TEXT,
        type=SOME,
        code={"type": "integer"},
        error_subcode={"type": "integer"},
        error_data=_object("messaging_product details", messaging_product={"const": "whatsapp"}, details=TEXT),
        is_transient={"type": "boolean"},
        error_user_title=TEXT,
        error_user_msg=TEXT,
        fbtrace_id=SOME,
    ),
)

_ERROR = _object(
    "code title message",
    code={"type": "integer"},
    title=SOME,
    message=SOME,
    error_data=_object("details", details=SOME),
    href=SOME,
)
STATUS = _object(
    "id status timestamp recipient_id",
    id=ID,
    status={"enum": ["sent", "delivered", "read", "played", "failed"]},
    timestamp=DIGITS,
    recipient_id=DIGITS,
    biz_opaque_callback_data={"type": "string", "maxLength": 512},
    conversation={"type": "object"},
    pricing=_object(
        "billable pricing_model category",
        billable={"type": "boolean"},
        pricing_model={"enum": ["CBP", "PMP"]},
        type=SOME,
        category=SOME,
    ),
    errors=_list(_ERROR, minItems=1),
)

_CONTEXT = _object("from id", **{"from": DIGITS, "id": ID})
_MEDIUM = {"mime_type": SOME, "sha256": SOME, "id": DIGITS, "url": SOME}
_KINDS: dict[str, dict[str, Any]] = {
    "text": _object("body", body=TEXT),
    "button": _object("payload text", payload=SOME, text=SOME),
    "interactive": _object(
        "type button_reply", type={"const": "button_reply"}, button_reply=_object("id title", id=SOME, title=SOME)
    ),
    "reaction": _object("message_id", message_id=ID, emoji=TEXT),
    "audio": _object("mime_type sha256 id voice", voice={"type": "boolean"}, **_MEDIUM),
}


def _said(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    shown = {"from": DIGITS, "id": ID, "timestamp": DIGITS, "type": {"const": kind}, "context": _CONTEXT, kind: content}
    return _object(f"from id timestamp type {kind}", **shown)


_METADATA = _object("display_phone_number phone_number_id", display_phone_number=DIGITS, phone_number_id=DIGITS)
_CONTACT = _object("profile wa_id", profile=_object("name", name=SOME), wa_id=DIGITS)
_PRODUCT = {"const": "whatsapp"}
_VALUE = {
    "oneOf": [
        _object(
            "messaging_product metadata statuses",
            messaging_product=_PRODUCT,
            metadata=_METADATA,
            contacts=_list(_CONTACT),
            statuses=_list(STATUS, minItems=1),
        ),
        _object(
            "messaging_product metadata contacts messages",
            messaging_product=_PRODUCT,
            metadata=_METADATA,
            contacts=_list(_CONTACT, minItems=1),
            messages=_list({"oneOf": [_said(*kind) for kind in _KINDS.items()]}, minItems=1),
        ),
    ]
}
CALL = _object(
    "object entry",
    object={"const": "whatsapp_business_account"},
    entry=_list(
        _object(
            "id changes",
            id=DIGITS,
            changes=_list(_object("value field", value=_VALUE, field={"const": "messages"}), minItems=1),
        ),
        minItems=1,
    ),
)

_PATH = re.compile(r"/v[0-9]+\.[0-9]+/[0-9]+/(messages|media)")


def holds(schema: Mapping[str, Any], value: object) -> None:
    """Fails unless Meta describes such a thing."""
    Draft202012Validator(dict(schema)).validate(value)


def check_request(method: str, target: str, headers: Mapping[str, str], body: bytes) -> str:
    """Fails unless Meta describes such a call; ``messages`` or ``media``, whichever it is."""
    found = _PATH.fullmatch(urlsplit(target).path)
    assert method == "POST"
    assert found is not None, f"Meta has no {target}"
    assert urlsplit(target).query == ""
    told = {name.lower(): value for name, value in headers.items()}
    assert told["authorization"].startswith("Bearer ")
    if found[1] == "media":
        assert told["content-type"].startswith("multipart/form-data; boundary=")
        for field in (b'name="messaging_product"', b'name="type"', b'name="file"; filename='):
            assert field in body
        return "media"
    assert told["content-type"] == "application/json"
    asked = json.loads(body)
    holds(REQUESTS[asked["type"]], asked)
    return "messages"


def check_answer(target: str, status: int, told: object) -> None:
    """Fails unless Meta describes such an answer."""
    if status >= 300:
        holds(REFUSED, told)
    elif urlsplit(target).path.endswith("/media"):
        holds(UPLOADED, told)
    else:
        holds(SENT, told)


def check_hook(body: bytes) -> dict[str, Any]:
    """Fails unless Meta describes such a call of its webhook; what it says."""
    told: dict[str, Any] = json.loads(body)
    assert body.isascii(), "Meta escapes what is not ASCII, and signs what is escaped"
    holds(CALL, told)
    return told
