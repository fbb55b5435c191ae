"""Ways of the newcomer's gateway that stand behind the carriers' one door: the bot, and an aggregator beside the first way of SMS."""

import json
import secrets
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

from adapters.kit.signing import inbound_url
from sandbox.settings import AggregatorAccount, TelegramAccount

BOT_PROVIDER: Final = "telegram-sandbox"
BOT: Final = "tregua_sandbox_bot"
AGGREGATOR: Final = "aggregator-sandbox"
AGGREGATOR_SENDER: Final = "85432"


def bot_lines(carrier_port: int, token: str, secret: str) -> list[str]:
    """The bot's table of ``tregua.toml``."""
    return [
        f"[providers.{BOT_PROVIDER}]",
        'kind = "telegram"',
        f"token = {json.dumps(token)}",
        f"secret = {json.dumps(secret)}",
        f'bot = "{BOT}"',
        f'base_url = "http://127.0.0.1:{carrier_port}"',
        "",
    ]


def bot_account(provider: Mapping[str, Any], public_url: str) -> TelegramAccount:
    """The same bot as the simulator knows it; its webhook is set as ``tregua telegram set`` would."""
    return TelegramAccount(
        provider=BOT_PROVIDER,
        token=provider["token"],
        bot=provider["bot"],
        secret=provider["secret"],
        hook_url=f"{public_url}/hooks/{BOT_PROVIDER}",
        files_url=f"{public_url}/sandbox/telegram",
    )


def aggregator_lines(carrier_port: int, token: str, hook_key: str) -> list[str]:
    """An aggregator's table, as ``docs/channels/sms-http.md`` describes the first of its two."""
    table = resources.files("gateway.cli").joinpath("aggregator.toml").read_text("utf-8")
    for name, value in (("@PORT@", str(carrier_port)), ("@TOKEN@", token), ("@HOOK_KEY@", hook_key)):
        table = table.replace(name, value)
    return [table]


def aggregator_account(provider: Mapping[str, Any], public_url: str) -> AggregatorAccount:
    """The same aggregator as the simulator knows it."""
    return AggregatorAccount(
        provider=AGGREGATOR,
        dialect="faro",
        secret=provider["secrets"]["token"],
        hook_key=provider["secrets"]["hooks"],
        hook_url=inbound_url(public_url, AGGREGATOR),
        sender=AGGREGATOR_SENDER,
    )


def new_token() -> str:
    """A token as BotFather gives it: the bot's number and 35 letters."""
    return f"{secrets.randbelow(9 * 10**8) + 10**8}:AA{secrets.token_urlsafe(24)}"


def new_secret() -> str:
    """What two sides know."""
    return secrets.token_urlsafe(32)
