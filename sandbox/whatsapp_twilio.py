"""A simulator of WhatsApp at Twilio: the same account and paths as for SMS, with ``whatsapp:`` before every number.

What only WhatsApp does: templates by ContentSid, voice notes by MediaUrl, which it fetches, the 24-hour window, which is told
afterwards (63016), read receipts and quick replies. https://www.twilio.com/docs/whatsapp/api
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from yarl import URL

from sandbox.twilio import TwilioCarrier
from sandbox.twilio_words import BODY_CHARACTERS_MAX, E164, TwilioError, check
from sandbox.whatsapp import CHANNEL, window_open

PREFIX: Final = "whatsapp:"
#: Where its paths begin behind the carriers' door: the same account may also hold a number for SMS.
BASE: Final = "/whatsapp"

MEDIA_BYTES_MAX: Final = 16 * 1024 * 1024
MEDIA_SECONDS_MAX: Final = 5.0

_CONTENT_SID: Final = re.compile(r"HX[0-9a-fA-F]{32}")


class TwilioWhatsAppCarrier(TwilioCarrier):
    """One WhatsApp sender of one account."""

    channel = CHANNEL
    kind = "whatsapp_twilio"
    base = BASE
    prefix = PREFIX

    def _check(self, form: Mapping[str, str]) -> None:
        to, sender = form.get("To", ""), form.get("From", "")
        if not to.startswith(PREFIX) or not E164.fullmatch(to.removeprefix(PREFIX)):
            raise TwilioError(400, 21211, f"Invalid 'To' Phone Number: {to}")
        if sender and not sender.startswith(PREFIX):
            raise TwilioError(400, 63007, "Twilio could not find a Channel with the specified From address")
        sid = form.get("ContentSid")
        if sid is None and not form.get("Body") and not form.get("MediaUrl"):
            raise TwilioError(400, 21619, "A text message body or media urls must be specified.")
        if sid is not None:
            _values(form)
            if not _CONTENT_SID.fullmatch(sid):
                raise TwilioError(400, 21655, "The ContentSid is Invalid.")
        bare = {
            **form,
            "To": to.removeprefix(PREFIX),
            "Body": form.get("Body") or "(content)",
            **({"From": sender.removeprefix(PREFIX)} if sender else {}),
        }
        if len(bare["Body"]) <= 4_096:
            # WhatsApp holds more than an SMS does.
            bare["Body"] = bare["Body"][:BODY_CHARACTERS_MAX]
        check(bare, self._account.number)

    def _seen(self, form: Mapping[str, str]) -> str:
        if "ContentSid" in form:
            return " · ".join([f"[{form['ContentSid']}]", *_values(form)])
        return form.get("Body", "")

    async def _fate(self, form: Mapping[str, str], to: str) -> tuple[list[str], int | None]:
        now = await self._law_now()
        if "ContentSid" not in form and not window_open(self._truth, self.provider, to, now):
            return ["failed"], 63016
        if "MediaUrl" in form and not await _fetched(form["MediaUrl"]):
            return ["failed"], 63019
        if to.endswith("0002"):
            return ["sent", "undelivered"], 63049
        return ["sent", "delivered", *(["read"] if to.endswith("0001") else [])], None

    def _reported(self, word: str, resource: Mapping[str, Any]) -> dict[str, str]:
        more = {
            "ChannelPrefix": "whatsapp",
            "ChannelInstallSid": "XE" + "0" * 32,
            "ChannelToAddress": str(resource["to"]).removeprefix(PREFIX),
            "StructuredMessage": "false",
        }
        return more | ({"EventType": "READ"} if word == "read" else {})

    def _said(self, sender: str, text: str) -> dict[str, str]:
        return {"MessageType": "text", "ProfileName": "Ana", "WaId": sender.removeprefix("+"), "ReferralNumMedia": "0"}


def _values(form: Mapping[str, str]) -> list[str]:
    try:
        read = json.loads(form.get("ContentVariables") or "{}")
    except ValueError:
        read = None
    if not isinstance(read, dict) or not all(isinstance(value, str) and value for value in read.values()):
        raise TwilioError(400, 21656, "The ContentVariables Parameter is invalid")
    return [str(value) for value in read.values()]


async def _fetched(url: str) -> bool:
    """Whether the medium can be had, as Twilio has it: by one GET without a key."""
    timeout = aiohttp.ClientTimeout(total=MEDIA_SECONDS_MAX)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(URL(url, encoded=True)) as answer:
            size = 0
            async for part in answer.content.iter_any():
                size += len(part)
                if size > MEDIA_BYTES_MAX:
                    return False
            return answer.status == 200 and answer.content_type.startswith("audio/") and size > 0
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return False
