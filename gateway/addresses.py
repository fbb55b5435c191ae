"""Canonical addresses: one spelling per number or mailbox, so that no limit is passed by writing it another way.

Phone numbers are E.164 (ITU-T E.164) by Google's libphonenumber data; mail addresses follow RFC 5321 with the domain in
its ASCII form.
"""

import hmac
import unicodedata
from functools import lru_cache
from typing import Final

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from jurisdictions.resolution import country_code_of, number_of
from vocabulary.channel import Channel

PHONE_CHANNELS: Final = frozenset({Channel.SMS, Channel.WHATSAPP, Channel.VOICE, Channel.CALL_LIVE})
_PUNCTUATION: Final = frozenset("-.()/")
#: A chat id of Telegram's: 52 significant bits, negative for groups (which are never persons).
_CHAT_ID_MAX: Final = 1 << 52


class Unusable(ValueError):
    """The address does not fit its channel; the text says why, without repeating it."""


def canonical(channel: Channel, address: str, *, contact: str | None = None) -> str:
    """The one spelling under which an address is kept, locked and counted. Raises Unusable."""
    if channel in PHONE_CHANNELS:
        return _phone(address)
    if channel is Channel.EMAIL:
        return _mail(address)
    if channel is Channel.TELEGRAM:
        return _chat(address)
    if channel is Channel.WEB:
        if contact is not None and address != contact:
            raise Unusable("a web address is the contact's own id")
        return address
    # A place or a post box: people go there, the gateway compares it only.
    folded = " ".join(unicodedata.normalize("NFKC", address).casefold().split())
    if not folded:
        raise Unusable("the address is empty")
    return folded


def endpoint(secret: bytes, tenant: str, channel: Channel, address: str) -> str:
    """The keyed digest by which an address is locked and counted: the same for every channel of one phone number."""
    family = "phone" if channel in PHONE_CHANNELS else channel.value
    return hmac.digest(secret, f"{tenant}\n{family}\n{address}".encode(), "sha256").hex()[:32]


def country_of(channel: Channel, address: str) -> str | None:
    """The region of a phone number (ISO 3166-1 alpha-2), None for anything else."""
    return _region(address) if channel in PHONE_CHANNELS else None


def _region(address: str) -> str | None:
    # Most country codes are one country's, which needs no look at the rest of the number.
    return _region_of_code(country_code_of(address)) or _region_of_number(address)


@lru_cache(maxsize=1024)
def _region_of_code(code: int) -> str | None:
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ())
    return regions[0] if len(regions) == 1 else None


@lru_cache(maxsize=4096)  # one message asks several times
def _region_of_number(address: str) -> str | None:
    return phonenumbers.region_code_for_number(number_of(address))


def _phone(address: str) -> str:
    folded = "".join(
        character
        for character in unicodedata.normalize("NFKC", address)
        if unicodedata.category(character) not in {"Cf", "Zs", "Pd", "Mn"} and character not in _PUNCTUATION
    )
    if not folded.startswith("+") or not folded[1:].isdecimal():
        # Letters would parse to some other number (RFC 3966 keypads): refuse them here.
        raise Unusable(
            "a phone number is written in E.164: a plus sign, the country code and the number, such as +573001234567"
        )
    try:
        number = phonenumbers.parse(folded)
    except phonenumbers.NumberParseException as error:
        raise Unusable("no country has such a number") from error
    if not phonenumbers.is_valid_number(number):
        raise Unusable("no country has such a number")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _mail(address: str) -> str:
    folded = "".join(c for c in unicodedata.normalize("NFC", address.strip()) if unicodedata.category(c) != "Cf")
    try:
        checked = validate_email(folded, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise Unusable("not a mail address that can be delivered to") from error
    # Mail hosts that tell capitals apart in the local part are a memory; two spellings of one mailbox are a way past a limit.
    local = checked.ascii_local_part or checked.local_part
    return f"{local.casefold()}@{checked.ascii_domain}"


def _chat(address: str) -> str:
    text = address.strip()
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < _CHAT_ID_MAX or text[0] == "0":
        raise Unusable("a Telegram address is the number of a private chat")
    return text
