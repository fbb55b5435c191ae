"""An account at Twilio, whatever it carries: who may ask, the forms that come in, the lists that go out, and the signed calls."""

import base64
import binascii
import contextlib
import hmac
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import dropwhile, islice
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from aiohttp import web
from twilio.request_validator import RequestValidator

from sandbox.carrier import Surroundings, Telling
from sandbox.faults import Fault
from sandbox.settings import TwilioAccount, VoiceAccount
from sandbox.twilio_words import E164, TwilioError
from sandbox.wire import Call, bounded

REQUEST_BYTES_MAX: Final = 256 * 1024
PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 1_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
A = TypeVar("A", bound=TwilioAccount | VoiceAccount)


class AtTwilio(Telling[A]):
    """One account with one number."""

    #: What it answers to a number that may not be reached.
    rejection: TwilioError

    def __init__(self, around: Surroundings, account: A) -> None:
        super().__init__(around, account)
        self._validator = RequestValidator(account.auth_token)

    def is_address(self, text: str) -> bool:
        """Whether a person can write or call from there."""
        return E164.fullmatch(text) is not None

    @abstractmethod
    def _keys(self) -> Sequence[str]:
        """Each ``user:password`` that may ask."""

    def _answering(self, handler: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                self._authenticate(request)
                return await handler(request)
            except TwilioError as error:
                return error.response()

        return answer

    def _authenticate(self, request: web.Request) -> None:
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        given = b""
        if scheme.lower() == "basic":
            with contextlib.suppress(binascii.Error, ValueError):
                given = base64.b64decode(encoded, validate=True)
        genuine = any(hmac.compare_digest(given, pair.encode()) for pair in self._keys())
        if not genuine or request.match_info["account"] != self._account.account_sid:
            raise TwilioError(401, 20003, "Authenticate")

    def _strike(self, ending: Fault | None) -> None:
        """The faults that end in an answer; those that end in none are the caller's."""
        if ending is Fault.SERVER_ERROR:
            raise TwilioError(500, 20500, "An internal server error has occurred")
        if ending is Fault.THROTTLE:
            raise TwilioError(429, 20429, "Too Many Requests", {"Retry-After": "1"})
        if ending is Fault.REJECT:
            raise self.rejection

    def _signed(self, url: str, form: Mapping[str, str], *, forged: bool = False) -> Call:
        """A call as https://www.twilio.com/docs/usage/webhooks/webhooks-security has it; a stranger has another token."""
        validator = RequestValidator(uuid4().hex) if forged else self._validator
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": str(uuid4()),
            "X-Twilio-Signature": validator.compute_signature(url, dict(form)),
        }
        return Call(url=url, body=urlencode(form).encode(), headers=headers)


async def fields(request: web.Request) -> list[tuple[str, str]]:
    """The form that is asked with; a name may stand in it several times."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise TwilioError(415, 20415, "Content-Type must be application/x-www-form-urlencoded")
    body = await bounded(request.content, REQUEST_BYTES_MAX)
    if body is None:
        raise TwilioError(413, 20413, "Request entity too large")
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        raise TwilioError(400, 20001, "The body is not a form in UTF-8") from None


def page(
    request: web.Request,
    name: str,
    kept: dict[str, dict[str, Any]],
    shows: Callable[[Mapping[str, Any]], bool],
    told: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> web.Response:
    """One page of what is ``kept``, newest first (https://www.twilio.com/docs/usage/twilios-response#pagination).

    Only as far as the page reaches is anything looked at: a list of a hundred thousand has a thousand pages.
    """
    query = request.query
    size, number = query.get("PageSize", str(PAGE_SIZE)), query.get("Page", "0")
    if not (size.isascii() and size.isdigit() and number.isascii() and number.isdigit()):
        raise TwilioError(400, 20001, "Page and PageSize must be numbers")
    page_size, index = min(max(int(size[:9]), 1), PAGE_SIZE_MAX), int(number[:9])
    start = 0
    newest_first: Iterator[str] = reversed(kept)
    token = query.get("PageToken")
    if token is not None:
        # The token names the last one of the page before, so that newer ones do not shift the pages.
        last = token[2:]
        if last not in kept:
            raise TwilioError(400, 20001, "PageToken is not known")
        start = index * page_size
        newest_first = islice(dropwhile(lambda sid: sid != last, newest_first), 1, None)
    found = list(islice((kept[sid] for sid in newest_first if shows(kept[sid])), page_size + 1))
    shown = [told(resource) for resource in found[:page_size]]
    following = None
    if len(found) > page_size:
        following = _page_uri(request, page_size, index + 1, "PA" + found[page_size - 1]["sid"])
    return web.json_response(
        {
            "first_page_uri": _page_uri(request, page_size, 0, None),
            "end": start + len(shown) - 1 if shown else start,
            "previous_page_uri": _page_uri(request, page_size, index - 1, None) if index == 1 else None,
            name: shown,
            "uri": request.path_qs,
            "page_size": page_size,
            "start": start,
            "next_page_uri": following,
            "page": index,
        }
    )


def _page_uri(request: web.Request, page_size: int, page: int, token: str | None) -> str:
    """Where another page of the same list is."""
    kept = [(name, value) for name, value in request.query.items() if name not in ("PageSize", "Page", "PageToken")]
    kept += [("PageSize", str(page_size)), ("Page", str(page))]
    if token is not None:
        kept.append(("PageToken", token))
    return f"{request.path}?{urlencode(kept)}"
