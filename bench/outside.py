"""The world outside in one process of its own: a carrier with Twilio's paths and signed receipts, and a CRM that takes events.

``python -m bench.outside`` reads its orders from standard input, one JSON object a line, and answers each with one line.
It ends when its standard input does. Latencies are those of the workload (``bench.sizes``).
"""

import asyncio
import base64
import hmac
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha1, sha256
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import uvloop

from bench.sizes import RECEIPT_SECONDS, RECEIPTS_OPEN_MAX, THINK_SECONDS
from bench.wire import Pool, Serving, answer, fields
from bench.workload import message_of

ACCOUNT: Final = "AC" + "0" * 32
TOKEN: Final = "token-of-the-account-of-the-bench"
NUMBER: Final = "+15005550006"
PATH: Final = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
CRM_PATH: Final = "/events"
#: A receipt that was not taken is told again so often, after so long.
TRIES_MAX: Final = 3
AGAIN_SECONDS: Final = 0.1


class Sabotage(StrEnum):
    """What is broken on purpose, to see that a run which is not valid is not taken for one that is."""

    NONE = "none"
    #: The carrier takes message 0 and answers that it did not: a sender that believes it sends again.
    TWICE = "twice"
    #: The receipt of message 0 never comes.
    LOST_RECEIPT = "lost-receipt"
    #: One byte of the trace is changed on disk, before it is exported (not here: see ``bench.w1``).
    TRACE = "trace"


class Carrier:
    """Takes messages as Twilio does, and tells of their delivery."""

    def __init__(self, sabotage: Sabotage) -> None:
        self._sabotage = sabotage
        self._authorization = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        self._signer = hmac.new(TOKEN.encode(), digestmod=sha1)
        self._pools: dict[int, Pool] = {}
        self.arrived: dict[int, float] = {}
        self.twice = 0
        self.strange = 0
        self.acknowledged: dict[int, float] = {}
        self.unacknowledged: Counter[int] = Counter()

    def close(self) -> None:
        """Let go of the connections to hooks."""
        for pool in self._pools.values():
            pool.close()

    def take(self, connection: Serving, head: bytes, body: bytes) -> None:
        """One request."""
        at = time.perf_counter()
        if head.startswith(b"GET " + PATH.encode() + b"?"):
            # A gateway that runs at a full five minutes looks whether people wrote whom no hook told of.
            connection.say(answer("200 OK", b'{"messages":[],"page":0,"next_page_uri":null}'))
            return
        form = dict(parse_qsl(body.decode(), strict_parsing=True))
        message = message_of(form.get("Body", ""))
        asked = fields(head)
        if (
            message is None
            or not head.startswith(b"POST " + PATH.encode() + b" ")
            or asked.get("authorization") != self._authorization
            or asked.get("content-type") != "application/x-www-form-urlencoded"
        ):
            self.strange += 1
            connection.say(answer("400 Bad Request", b'{"code":20001,"message":"not of this workload","status":400}'))
            return
        if message in self.arrived:
            self.twice += 1
        else:
            self.arrived[message] = at
        if message == 0 and self._sabotage is Sabotage.TWICE:
            self._sabotage = Sabotage.NONE
            denied = b'{"code":20429,"message":"Too Many Requests","status":429}'
            asyncio.get_running_loop().call_later(
                THINK_SECONDS, connection.say, answer("429 Too Many Requests", denied)
            )
            return
        asyncio.get_running_loop().call_later(THINK_SECONDS, self._answer, connection, message, form)

    def _answer(self, connection: Serving, message: int, form: Mapping[str, str]) -> None:
        sid = f"SM{message:032x}"
        connection.say(answer("201 Created", json.dumps(_resource(sid, form)).encode()))
        if message == 0 and self._sabotage is Sabotage.LOST_RECEIPT:
            return
        asyncio.get_running_loop().call_later(RECEIPT_SECONDS, self._tell, message, sid, form)

    def _tell(self, message: int, sid: str, form: Mapping[str, str]) -> None:
        url = form["StatusCallback"]
        said = {
            "AccountSid": ACCOUNT,
            "ApiVersion": "2010-04-01",
            "From": form["From"],
            "MessageSid": sid,
            "MessageStatus": "delivered",
            "SmsSid": sid,
            "SmsStatus": "delivered",
            "To": form["To"],
        }
        # https://www.twilio.com/docs/usage/webhooks/webhooks-security: the address, then every name and value, by name.
        signer = self._signer.copy()
        signer.update((url + "".join(name + value for name, value in said.items())).encode())
        parts = urlsplit(url)
        assert parts.port is not None
        body = urlencode(said).encode()
        head = (
            f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"X-Twilio-Signature: {base64.b64encode(signer.digest()).decode()}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        if parts.port not in self._pools:
            self._pools[parts.port] = Pool(parts.port, RECEIPTS_OPEN_MAX)
        self._post(self._pools[parts.port], message, head.encode() + body, 1)

    def _post(self, pool: Pool, message: int, request: bytes, tries: int) -> None:
        def told(status: int) -> None:
            if 200 <= status < 300:
                self.acknowledged.setdefault(message, time.perf_counter())
                return
            self.unacknowledged[status] += 1
            if tries < TRIES_MAX:
                asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._post, pool, message, request, tries + 1)

        pool.call(request, told)


class Crm:
    """Takes events by Standard Webhooks, checks each signature, and answers 200."""

    def __init__(self) -> None:
        self.secret = b""
        self.seen: set[str] = set()
        self.delivered: dict[str, float] = {}
        self.kinds: Counter[str] = Counter()
        self.forged = 0
        self.repeated = 0

    def take(self, connection: Serving, head: bytes, body: bytes) -> None:
        """One request."""
        asked = fields(head)
        identity = asked.get("webhook-id", "")
        # https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#verifying-signatures
        signed = b"%b.%b.%b" % (identity.encode(), asked.get("webhook-timestamp", "").encode(), body)
        signature = "v1," + base64.b64encode(hmac.digest(self.secret, signed, sha256)).decode()
        if signature not in asked.get("webhook-signature", "").split(" "):
            self.forged += 1
            connection.say(answer("401 Unauthorized", b"{}"))
            return
        connection.say(answer("200 OK", b"{}"))
        if identity in self.seen:
            self.repeated += 1
            return
        self.seen.add(identity)
        event = json.loads(body)
        self.kinds[event["type"]] += 1
        if event["type"] == "message.delivered":
            self.delivered.setdefault(event["data"]["message"], time.perf_counter())


def _resource(sid: str, form: Mapping[str, str]) -> dict[str, Any]:
    # https://www.twilio.com/docs/messaging/api/message-resource#message-properties
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
    uri = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}"
    return {
        "account_sid": ACCOUNT,
        "api_version": "2010-04-01",
        "body": form["Body"],
        "date_created": now,
        "date_sent": None,
        "date_updated": now,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": form["From"],
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "status": "queued",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": form["To"],
        "uri": f"{uri}.json",
    }


async def serve() -> None:
    """Obey orders until there are none: ``open``, ``secret``, ``count``, ``tell``."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    carrier, crm = Carrier(Sabotage.NONE), Crm()
    while line := await orders.readline():
        order = json.loads(line)
        told: dict[str, Any] = {}
        match order["do"]:
            case "open":
                carrier, crm = Carrier(Sabotage(order["sabotage"])), Crm()
                told = {"carrier_port": await _listen(carrier.take), "crm_port": await _listen(crm.take)}
            case "secret":
                # A secret of Standard Webhooks is base64 behind a prefix.
                crm.secret = base64.b64decode(order["secret"].removeprefix("whsec_"))
            case "count":
                told = {
                    "arrived": len(carrier.arrived),
                    "acknowledged": len(carrier.acknowledged),
                    "events": len(crm.delivered),
                }
            case "tell":
                told = {
                    "arrived": carrier.arrived,
                    "acknowledged": carrier.acknowledged,
                    "delivered": crm.delivered,
                    "twice": carrier.twice,
                    "strange": carrier.strange,
                    "unacknowledged": carrier.unacknowledged,
                    "kinds": crm.kinds,
                    "forged": crm.forged,
                    "repeated": crm.repeated,
                }
            case unknown:
                raise ValueError(unknown)
        print(json.dumps(told), flush=True)


async def _listen(take: Any) -> int:
    server = await asyncio.get_running_loop().create_server(lambda: Serving(take), "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    return port


if __name__ == "__main__":
    uvloop.run(serve())
