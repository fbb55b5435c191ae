"""What Telegram says on the wire: the table by which ``test_every_adapter`` tries ``adapters/telegram_bot.py``.

Shapes: https://core.telegram.org/bots/api.
"""

import hmac
import json
from collections.abc import Mapping
from hashlib import sha256

from adapters.kit.port import Hook
from adapters.kit.testing import Demands, Says

TOKEN = "110201543:canary-AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
SECRET = "canary-secret-of-the-webhook"
BOT = "cobranza_c1_bot"
CHAT = 573001230000
MESSAGE = 4711
JSON = {"Content-Type": "application/json"}
#: The secret that ``test_every_adapter`` marks attempts with.
SENT_ID = f"{MESSAGE}-{hmac.new(b'canary-secret-that-marks-attempts', f'telegram chat {CHAT}'.encode(), sha256).hexdigest()[:12]}"

PERSON = {"id": CHAT, "is_bot": False, "first_name": "Ana", "language_code": "es"}
PRIVATE = {"id": CHAT, "type": "private", "first_name": "Ana"}


def message(**told: object) -> dict[str, object]:
    """A message as it stands in answers and updates."""
    whole: dict[str, object] = {"message_id": MESSAGE, "date": 1_795_000_000, "chat": PRIVATE, "from": PERSON}
    return whole | told


def says(status: int, told: object) -> Says:
    return Says(status=status, body=json.dumps(told).encode(), headers=JSON)


def error(status: int, description: str, **more: object) -> Says:
    return says(status, {"ok": False, "error_code": status, "description": description} | more)


def table(base_url: str) -> Mapping[str, object]:
    return {"kind": "telegram", "token": TOKEN, "secret": SECRET, "bot": BOT, "base_url": base_url}


def hook(
    update: Mapping[str, object], url: str = "https://tregua.example/in/hooks/way-one", secret: str = SECRET
) -> Hook:
    headers = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": secret}
    return Hook(method="POST", url=url, kind="any", headers=headers, body=json.dumps(update).encode())


def wrote(text: str, **told: object) -> dict[str, object]:
    return {"update_id": 10_000, "message": message(text=text, **told)}


def _no_reports(_url: str, _word: str) -> Hook:
    raise AssertionError("Telegram reports nothing about what was sent")


DEMANDS = Demands(
    table=table,
    secrets=(TOKEN, SECRET),
    sent=says(200, {"ok": True, "result": message(text="Hola canary")}),
    sent_id=SENT_ID,
    rejected=error(400, "Bad Request: not enough rights to write to 573001230000"),
    opted_out=error(403, "Forbidden: bot was blocked by the user"),
    address_invalid=error(400, "Bad Request: chat not found"),
    throttled=error(429, "Too Many Requests: retry after 7", parameters={"retry_after": 7}),
    throttled_seconds=7.0,
    server_fault=error(500, "Internal Server Error"),
    found=lambda _lost, _identity: [],
    absent=[],
    statuses={},
    unknown_status="",
    status_hook=_no_reports,
    inbound_hook=lambda url, text: hook(wrote(text), url),
    signature_header="X-Telegram-Bot-Api-Secret-Token",
    to=str(CHAT),
    lists=False,
    reports=False,
    signs=frozenset(),
)
