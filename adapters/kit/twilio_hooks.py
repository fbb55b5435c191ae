"""Twilio's hooks: the signature over the address and every field, statuses, and which attempt of ours an address names."""

import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from multidict import MultiDict
from twilio.request_validator import RequestValidator, add_port, remove_port

from adapters.kit.port import Forged, Hook, Unreadable
from adapters.kit.signing import attempt_marked
from adapters.kit.twilio_client import MESSAGE_SID, STATUS_WORD
from vocabulary.outcome import Receipt, ReceiptKind

FORM_FIELDS_MAX: Final = 200
MEDIA_MAX: Final = 10

#: https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
#: ``receiving`` and ``received`` are for what people send us; ``partially_delivered`` is not explained there: none of
#: the three is guessed at. ``canceled`` is a scheduled message that was stopped before it left.
STATUSES: Final[Mapping[str, ReceiptKind]] = {
    "accepted": ReceiptKind.ACCEPTED,
    "scheduled": ReceiptKind.ACCEPTED,
    "queued": ReceiptKind.ACCEPTED,
    "sending": ReceiptKind.ACCEPTED,
    "sent": ReceiptKind.SENT,
    "failed": ReceiptKind.FAILED,
    "canceled": ReceiptKind.FAILED,
    "undelivered": ReceiptKind.UNDELIVERED,
    "delivered": ReceiptKind.DELIVERED,
    "read": ReceiptKind.READ,
}

_ERROR_CODE: Final = re.compile(r"[0-9]{1,6}")


class Signatures:
    """Verifies ``X-Twilio-Signature``. https://www.twilio.com/docs/usage/webhooks/webhooks-security."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._validators = tuple(RequestValidator(token) for token in tokens)

    def verified(self, hook: Hook) -> MultiDict[str]:
        """The form of a genuine hook; raises ``Forged`` for any other."""
        headers = {name.lower(): value for name, value in hook.headers.items()}
        signature = headers.get("x-twilio-signature", "")
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if not signature.isascii() or content_type != "application/x-www-form-urlencoded":
            raise Forged("not signed as Twilio signs forms")
        try:
            form = MultiDict(
                parse_qsl(hook.body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS_MAX)
            )
            # Twilio's own senders do not agree whether the port belongs to the signed address; most sign what they were given.
            if self._fits((hook.url,), form, signature):
                return form
            parts = urlsplit(hook.url)
            urls = {add_port(parts), remove_port(parts)} - {hook.url}
        except ValueError:
            # Not a form or not an address, so there is nothing that could have been signed.
            raise Forged("not a form") from None
        if not self._fits(urls, form, signature):
            raise Forged("signature does not fit")
        return form

    def _fits(self, urls: Iterable[str], form: MultiDict[str], signature: str) -> bool:
        return any(
            hmac.compare_digest(validator.compute_signature(url, form), signature)
            for url in urls
            for validator in self._validators
        )


def receipt(
    form: MultiDict[str], attempt: UUID | None, opted_out: frozenset[str], address_invalid: frozenset[str]
) -> Receipt:
    """A status call. https://www.twilio.com/docs/messaging/guides/track-outbound-message-status."""
    sid = form.get("MessageSid", form.get("SmsSid", ""))
    word = form.get("MessageStatus", form.get("SmsStatus", ""))
    code = form.get("ErrorCode", "")
    if not MESSAGE_SID.fullmatch(sid) or not STATUS_WORD.fullmatch(word):
        raise Unreadable("no MessageSid or no MessageStatus")
    return Receipt(
        key=f"{sid}:{word}",
        kind=STATUSES.get(word, ReceiptKind.UNREADABLE),
        provider_status=word,
        attempt=attempt,
        provider_id=sid,
        error_code=code if _ERROR_CODE.fullmatch(code) and code != "0" else None,
        opted_out=code in opted_out,
        address_invalid=code in address_invalid,
    )


def attempt_in(url: str, mark_secret: bytes) -> UUID | None:
    """The attempt that the address of a status call names; raises ``Forged`` when its mark is not ours."""
    query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    if "a" not in query and "k" not in query:
        # A message of this account that did not come from us, or an address set in Twilio's console.
        return None
    attempt = attempt_marked(mark_secret, query.get("a", ""), query.get("k", ""))
    if attempt is None:
        # Whoever holds the auth token can sign for Twilio, but cannot mark for us.
        raise Forged("mark does not fit")
    return attempt


def media_in(form: MultiDict[str]) -> tuple[str, ...]:
    """Where Twilio keeps what came with a message of hers."""
    return tuple(form[f"MediaUrl{index}"] for index in range(MEDIA_MAX) if f"MediaUrl{index}" in form)
