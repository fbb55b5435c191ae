"""The newcomer's inboxes on people's pages, and the browsers in the sandbox that open them."""

import json
from collections.abc import Mapping
from typing import Any, Final

from sandbox.settings import WebAccount

WEB_PROVIDER: Final = "web-sandbox"


def web_lines(carrier_port: int, secret: str) -> list[str]:
    """The table of ``tregua.toml``."""
    return [
        f"[providers.{WEB_PROVIDER}]",
        'kind = "web_inbox"',
        f'announce_url = "http://127.0.0.1:{carrier_port}/web/announce"',
        f"announce_secret = {json.dumps(secret)}",
        "",
    ]


def web_account(provider: Mapping[str, Any]) -> WebAccount:
    """The same way as the sandbox's browsers know it."""
    return WebAccount(provider=WEB_PROVIDER, secret=provider["announce_secret"])
