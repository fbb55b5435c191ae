"""Somebody at the console without a browser: signs in with a key, follows links, sends forms with their tokens."""

import re
from dataclasses import dataclass, field
from typing import Any

import aiohttp

TOKEN = re.compile(r'name="form" value="([^"]+)"')


@dataclass
class Visitor:
    """One browser's worth of cookies. Redirects are not followed, so that a test sees them."""

    url: str
    session: aiohttp.ClientSession
    language: str = "en"
    headers: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str = "", **more: Any) -> tuple[int, str, Any]:
        """Status, body, headers."""
        headers = {"Accept-Language": self.language, **self.headers, **more}
        address = path if path.startswith("http") else f"{self.url}/console{path}"
        async with self.session.get(address, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers

    async def post(self, path: str, fields: dict[str, str], **more: Any) -> tuple[int, str, Any]:
        """The same for a form as it is given, without a token that is not in it."""
        headers = {"Accept-Language": self.language, **self.headers, **more}
        address = f"{self.url}/console{path}"
        async with self.session.post(address, data=fields, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers

    async def form(self, path: str, at: str, **fields: str) -> tuple[int, str, Any]:
        """Send the form of the page ``at`` to ``path``."""
        _, page, _ = await self.get(at)
        found = TOKEN.search(page)
        assert found, f"no form on {at}"
        return await self.post(path, {"form": found[1], **fields})

    async def sign_in(self, key: str) -> tuple[int, str, Any]:
        """With a key."""
        return await self.form("/sign-in", "/sign-in", key=key)


def visitor(url: str) -> Visitor:
    """A new one; its session is to be closed."""
    return Visitor(url, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)))
