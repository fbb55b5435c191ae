"""What is sent in W1: who, which words, and the bytes of each request; the same for every system, and the same in every run."""

import json
import random
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from bench.sizes import SEED, TEXT_CHARS

CREDITOR: Final = "C1"
COLLECTOR: Final = "A1"

#: ASCII, all of it in GSM 03.38: one segment holds 160 of these characters.
_WORDS: Final = (
    "Hola, su cuota de noviembre esta lista para pagar en linea o en cualquiera de nuestras oficinas. "
    "Responda BAJA para no recibir mas mensajes. Gracias por su tiempo."
)
_MARK: Final = re.compile(r"id=(\d{8}) ")


class Dialect(StrEnum):
    """How a system is asked to send."""

    GATEWAY = "gateway"
    PROTOTYPE = "prototype"


def contact_id(person: int) -> str:
    """The CRM's name for a person."""
    return f"cli-{person:06}"


def debt_id(person: int) -> str:
    """The CRM's name for her one debt."""
    return f"obl-{person:06}"


def number(person: int) -> str:
    """Her mobile number: a Colombian one, in E.164."""
    return f"+57300{1_000_000 + person:07}"


def people(contacts: int, count: int) -> list[int]:
    """Whom the messages go to, in order: uniform, without replacement, always the same."""
    # All of them are drawn, so that the first ones do not depend on how many are wanted.
    return random.Random(SEED).sample(range(contacts), contacts)[:count]


def text(message: int) -> str:
    """The words of one message: exactly 160 characters, the number of the message first."""
    words = f"id={message:08} {_WORDS}"[:TEXT_CHARS]
    assert len(words) == TEXT_CHARS
    return words


def message_of(words: str) -> int | None:
    """Which message arrived; None for words that are not ours to the last character."""
    match = _MARK.match(words)
    if match is None or words != text(int(match[1])):
        return None
    return int(match[1])


def requests(dialect: Dialect, port: int, key: str, persons: Sequence[int], first: int, count: int) -> list[bytes]:
    """Whole requests, ready for the socket: the generator must cost as little as it can."""
    made = []
    for message in range(first, first + count):
        person = persons[message]
        if dialect is Dialect.GATEWAY:
            path = "/v1/messages"
            body: dict[str, object] = {
                "contact": contact_id(person),
                "channel": "sms",
                "purpose": "collection",
                "debts": [debt_id(person)],
                "content": {"text": text(message)},
            }
        else:
            path = "/send"
            body = {"id": message, "contact": number(person), "channel": "sms", "body": text(message)}
        raw = json.dumps(body, separators=(",", ":")).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
            f"Idempotency-Key: w1-{message:08}\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
        )
        made.append(head.encode() + raw)
    return made
