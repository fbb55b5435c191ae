"""The newcomer's number on WhatsApp: a simulated one at Meta, behind the carriers' one door."""

import json
from collections.abc import Mapping
from typing import Any, Final

from sandbox.settings import MetaAccount

WHATSAPP_PROVIDER: Final = "whatsapp-sandbox"
WHATSAPP_NUMBER: Final = "+15550783881"
#: Meta's id of the number; the one of its own examples.
WHATSAPP_NUMBER_ID: Final = "106540352242922"


def whatsapp_lines(carrier_port: int, token: str, app_secret: str, verify_token: str) -> list[str]:
    """The number's table of ``tregua.toml``."""
    return [
        f"[providers.{WHATSAPP_PROVIDER}]",
        'kind = "whatsapp_meta"',
        f'phone_number_id = "{WHATSAPP_NUMBER_ID}"',
        f"access_token = {json.dumps(token)}",
        f"app_secret = {json.dumps(app_secret)}",
        f"verify_token = {json.dumps(verify_token)}",
        f'base_url = "http://127.0.0.1:{carrier_port}"',
        "",
    ]


def whatsapp_account(provider: Mapping[str, Any], public_url: str) -> MetaAccount:
    """The same number as the simulator knows it.

    The gateway believes a CRM that calls its text a registered template; so does this number, or what the gateway let out as
    one would never arrive. What is said to be none is held back by the gateway itself (PW-24H).
    """
    return MetaAccount(
        provider=WHATSAPP_PROVIDER,
        phone_number_id=provider["phone_number_id"],
        access_token=provider["access_token"],
        app_secret=provider["app_secret"],
        number=WHATSAPP_NUMBER,
        hook_url=f"{public_url}/hooks/{WHATSAPP_PROVIDER}",
        texts_approved=True,
        files_url=f"{public_url}/sandbox/whatsapp",
    )
