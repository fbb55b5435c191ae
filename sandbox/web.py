"""A person's browser: told that something waits on her page, it opens the page, shows what lies there, and answers in its box.

It knows what a browser knows: an address, and the page that stands there. It reads no database and signs nothing.
"""

import asyncio
import hmac
import json
import re
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp import web

from sandbox.carrier import Simulated, Surroundings
from sandbox.faults import Fault
from sandbox.settings import WebAccount

CHANNEL: Final = "web"
PAGE_BYTES_MAX: Final = 1024 * 1024
PAGE_SECONDS_MAX: Final = 10.0
#: The message lies there once its ending is stored, a moment after the announcement: looked for so often.
LOOKS_MAX: Final = 60
LOOK_SECONDS: Final = 0.1

_CONTACT: Final = re.compile(r"[A-Za-z0-9._:@+~-]{1,128}")
#: What a browser says of a tap on a button of a page (https://www.w3.org/TR/fetch-metadata/).
_TAP: Final = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1"}
_SCRIPT: Final = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}


class WebPerson(Simulated[WebAccount]):
    """Everybody's browser at once. Meets ``sandbox.app.Carrier``."""

    channel = CHANNEL
    kind: Final = "web_inbox"

    def __init__(self, around: Surroundings, account: WebAccount) -> None:
        super().__init__(around, account)
        self._pages: dict[str, str] = {}
        self._session: aiohttp.ClientSession | None = None
        for line in self._truth:
            if line.get("provider") == account.provider and isinstance(line.get("page"), str):
                self._pages[line["to"]] = line["page"]

    def is_address(self, text: str) -> bool:
        """Whether it may be a contact's id."""
        return _CONTACT.fullmatch(text) is not None

    def routes(self) -> list[web.RouteDef]:
        """Where announcements come in."""
        return [web.post("/web/announce", self._announced)]

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()

    async def reply(self, sender: str, text: str) -> dict[str, Any]:
        """She opens her page and writes in its box; what the page answered."""
        url = self._pages.get(sender)
        page = None if url is None else await self._open(url)
        status = None
        if url is not None and page is not None:
            fields = {"form": page.form, "do": "answer", "text": text}
            status = await self._post(f"{url}/do", fields, _TAP)
        await self._heard(None, sender, self.provider, text)
        return {"channel": CHANNEL, "from": sender, "text": text, "hook": {"status": status, "taken": status == 303}}

    async def _announced(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._account.secret}".encode()):
            return web.Response(status=401)
        try:
            told = json.loads(await request.read())
            contact, attempt, url = str(told["contact"]), str(told["attempt"]), str(told["url"])
        except (ValueError, KeyError, TypeError):
            return web.Response(status=400)
        if urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"):
            return web.Response(status=422)
        self._hooks.start(self._arrives(contact, attempt, url))
        return web.Response(status=204)

    async def _arrives(self, contact: str, attempt: str, url: str) -> None:
        """The page is opened until the message lies there; then her browser tells that it has it, as the page's script does."""
        for _ in range(LOOKS_MAX):
            page = await self._open(url)
            if page is not None and attempt in page.notes:
                break
            await asyncio.sleep(LOOK_SECONDS)
        else:
            return
        self._pages[contact] = url
        more = {"audio_url": page.audio.get(attempt), "resource": None, "plan": None, "page": url}
        await self._took(attempt, contact, self.provider, page.notes[attempt], **more)
        if Fault.DROP_RECEIPT in self._faults.take_receipts(self.provider):
            return
        words = ["open", "read"] if contact.endswith("0001") else ["open"]
        for word in words:
            await self._post(f"{url}/seen", {"form": page.form, word: attempt}, _SCRIPT)
            self._became(attempt, {"open": "delivered", "read": "read"}[word])

    async def _open(self, url: str) -> "_Page | None":
        try:
            async with self._browser().get(url) as answer:
                if answer.status != 200:
                    return None
                html = (await answer.content.read(PAGE_BYTES_MAX)).decode("utf-8", "replace")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
        page = _Page(url)
        page.feed(html)
        return page

    async def _post(self, url: str, fields: dict[str, str], headers: dict[str, str]) -> int | None:
        try:
            async with self._browser().post(url, data=fields, headers=headers, allow_redirects=False) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    def _browser(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=PAGE_SECONDS_MAX),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "text/html", "User-Agent": "sandbox browser"},
            )
        return self._session


class _Page(HTMLParser):
    """What of the page a person sees: the form's token, and each message with its words."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.form = ""
        self.notes: dict[str, str] = {}
        self.audio: dict[str, str] = {}
        self._url = url
        self._note: str | None = None
        self._in_text = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes begin, their words begin, and the form's token stands in a hidden field."""
        told = dict(attrs)
        if tag == "li" and told.get("data-note"):
            self._note = str(told["data-note"])
            self.notes[self._note] = ""
        elif tag == "p" and self._note is not None and told.get("class") == "text":
            self._in_text = True
        elif tag == "audio" and self._note is not None and told.get("src"):
            self.audio[self._note] = urljoin(self._url, str(told["src"]))
        elif tag == "input" and told.get("name") == "form":
            self.form = told.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        """And end."""
        if tag == "p":
            self._in_text = False
        elif tag == "li":
            self._note = None

    def handle_data(self, data: str) -> None:
        """The words of a note."""
        if self._in_text and self._note is not None:
            self.notes[self._note] += data
