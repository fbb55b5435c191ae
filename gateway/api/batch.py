"""Many messages in one request: an array or lines, each accepted, refused or answered again by itself, all of them in order."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
import structlog
from aiohttp import web
from msgspec import Meta

from gateway.api.openapi import LINES
from gateway.api.problems import KINDS, Problem, Slug, of_refusal
from gateway.api.reading import BODY_BYTES_MAX, convert, digest_of, parse, parse_at
from gateway.api.requests import REQUEST_ID
from gateway.api.routes import Call, Route
from gateway.api.shapes import BatchResult
from gateway.asks import KEY_CHARS_MAX, MessageAsk, is_idempotency_key
from gateway.refusals import Flaw, Refused
from gateway.tenants.keys import Scope
from gateway.tenants.quotas import said
from storage.database import DatabaseAway

MESSAGES_MAX: Final = 1_000
BATCH_BYTES_MAX: Final = 8 * 1024 * 1024
#: A whole batch arrives within this.
BATCH_SECONDS_MAX: Final = 30.0
#: Items read without letting anybody else have the loop.
TURN: Final = 25

_JSON: Final = "application/json"
_SPACE: Final = re.compile(r"[ \t\n\r]*")

log = structlog.get_logger()

Line = tuple[Any, bool] | Problem
#: A message's key, the digest of its body, and the body.
Ask = tuple[str, bytes, MessageAsk]


class BatchMessageAsk(MessageAsk, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A message with the key that makes it one of its kind: what the header says of a single one."""

    idempotency_key: Annotated[str, Meta(min_length=1, max_length=KEY_CHARS_MAX, pattern=r"^[\x20-\x7e]+(?![\s\S])")]


async def accept(call: Call) -> web.StreamResponse:
    """One result each, in order. Nothing of a request that did not arrive whole is accepted."""
    lines = call.request.content_type == LINES
    body = await _body(call.request)
    found: list[Line] = []
    for line in _in_lines(body) if lines else _in_array(body):
        if len(found) == MESSAGES_MAX:
            raise Problem(Slug.INVALID, flaws=[Flaw("", f"A batch is at most {MESSAGES_MAX} messages.")])
        found.append(line)
        if len(found) % TURN == 0:
            await asyncio.sleep(0)
    asks: list[Ask | Problem] = []
    standing = None if call.allowance is None else await call.allowance.take(len(found))
    for number, line in enumerate(found, 1):
        if standing is not None and number > standing.granted:
            asks.append(Problem(Slug.TOO_MANY_REQUESTS, said(standing)))
            continue
        asks.append(_read(line))
        if number % TURN == 0:
            await asyncio.sleep(0)
    # All at once: those that stand in line together share their commits.
    results = await _ended([_put(call, ask) for ask in asks])
    if call.allowance is not None and standing is not None:
        had = results[: standing.granted]
        await call.allowance.give_back(sum(isinstance(one, BaseException) or one.replayed for one in had))
    told = [_said(call, result, line) for result, line in zip(results, found, strict=True)]
    if lines:
        return web.Response(body=b"".join(one + b"\n" for one in told), headers={"Content-Type": LINES})
    return web.Response(body=b"[" + b",".join(told) + b"]", headers={"Content-Type": _JSON})


async def _body(request: web.Request) -> bytes:
    """The whole body. Raises Problem when it is too large, too slow, encoded, or neither JSON nor lines of it."""
    if request.headers.get("Content-Encoding"):
        raise Problem(Slug.CONTENT_ENCODING, "Send the body as it is, without Content-Encoding.")
    if request.content_type not in (_JSON, LINES) or (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise Problem(Slug.MEDIA_TYPE, f"Send {_JSON} or {LINES} in UTF-8.")
    too_large = f"A batch is at most {BATCH_BYTES_MAX} bytes."
    if (request.content_length or 0) > BATCH_BYTES_MAX:
        raise Problem(Slug.BODY_TOO_LARGE, too_large)
    body = bytearray()
    try:
        async with asyncio.timeout(BATCH_SECONDS_MAX):
            async for part in request.content.iter_any():
                body += part
                if len(body) > BATCH_BYTES_MAX:
                    raise Problem(Slug.BODY_TOO_LARGE, too_large)
    except TimeoutError:
        raise Problem(Slug.BODY_TOO_SLOW, f"A batch arrives within {BATCH_SECONDS_MAX:.0f} seconds.") from None
    return bytes(body)


def _in_lines(body: bytes) -> Iterator[Line]:
    """Each line that is not blank; one that cannot be read spoils only itself."""
    start = 0
    while start < len(body):
        end = body.find(b"\n", start)
        end = len(body) if end < 0 else end
        line = body[start:end].strip(b" \t\r")
        start = end + 1
        if not line:
            continue
        if len(line) > BODY_BYTES_MAX:
            yield Problem(Slug.BODY_TOO_LARGE, f"A message is at most {BODY_BYTES_MAX} bytes.")
            continue
        try:
            yield parse(line)
        except Problem as problem:
            yield problem


def _in_array(body: bytes) -> Iterator[Line]:
    """Each item of the array. An array that is not JSON has no items that could be told apart: Raises Problem."""
    try:
        text = str(body, "utf-8")
    except UnicodeDecodeError as error:
        raise Problem(Slug.JSON, f"The body is not UTF-8: byte {error.start}.") from None
    at = _past_space(text, 0)
    if not text.startswith("[", at):
        parse(body)
        raise Problem(Slug.INVALID, flaws=[Flaw("", "Expected an array of messages.")])
    at = _past_space(text, at + 1)
    if text.startswith("]", at):
        _nothing_after(text, at + 1)
        return
    while True:
        line: Line
        try:
            value, at, closely = parse_at(text, at)
            line = value, closely
        except Problem as problem:
            at = problem.more.pop("end")
            line = problem
        except json.JSONDecodeError as error:
            raise _unreadable(error.msg.removesuffix(" at"), error.lineno, error.colno) from None
        except RecursionError:
            raise Problem(Slug.TOO_DEEP) from None
        yield line
        at = _past_space(text, at)
        if text.startswith("]", at):
            _nothing_after(text, at + 1)
            return
        if not text.startswith(",", at):
            raise _unreadable_at(text, at, "Expecting ',' delimiter")
        at = _past_space(text, at + 1)


def _nothing_after(text: str, at: int) -> None:
    at = _past_space(text, at)
    if at < len(text):
        raise _unreadable_at(text, at, "Extra data")


def _past_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _unreadable_at(text: str, at: int, why: str) -> Problem:
    error = json.JSONDecodeError(why, text, at)
    return _unreadable(why, error.lineno, error.colno)


def _unreadable(why: str, line: int, column: int) -> Problem:
    return Problem(Slug.JSON, f"The body is not JSON: {why} (line {line}, column {column}).")


def _read(line: Line) -> Ask | Problem:
    """What one message asks for, or what is wrong with it."""
    if isinstance(line, Problem):
        return line
    value, closely = line
    if not isinstance(value, dict):
        return Problem(Slug.INVALID, flaws=[Flaw("", "Expected an object.")])
    key = value.get("idempotency_key")
    if not isinstance(key, str) or not is_idempotency_key(key):
        return Problem(Slug.KEY_MISSING, flaws=[Flaw("/idempotency_key", "1 to 255 printable ASCII characters.")])
    # Without its key it is the body of a single message: the same key there stands for the same.
    body = {name: member for name, member in value.items() if name != "idempotency_key"}
    try:
        return key, digest_of(body), convert(body, MessageAsk, closely)
    except Refused as error:
        return Problem(Slug.INVALID, flaws=error.flaws)


def _put(call: Call, ask: Ask | Problem) -> asyncio.Future[Any] | Problem:
    """Put one message in line, or say why not."""
    if isinstance(ask, Problem):
        return ask
    try:
        return call.desk.acceptor.put(call.tenant, *ask, bulk=True)
    except DatabaseAway:
        return Problem(Slug.DATABASE_AWAY)


async def _ended(waiting: list[asyncio.Future[Any] | Problem]) -> list[Any]:
    """What became of each."""
    answers = iter(await asyncio.gather(*(o for o in waiting if not isinstance(o, Problem)), return_exceptions=True))
    return [one if isinstance(one, Problem) else next(answers) for one in waiting]


def _said(call: Call, result: Any, line: Line) -> bytes:
    """One result: the message as a single request would be answered, or the problem."""
    request_id = call.request[REQUEST_ID]
    said: dict[str, Any] = {}
    if not isinstance(line, Problem) and isinstance(line[0], dict):
        key = line[0].get("idempotency_key")
        if isinstance(key, str) and is_idempotency_key(key):
            said["idempotency_key"] = key
    if isinstance(result, BaseException):
        problem = _problem(result, request_id)
        return msgspec.json.encode(
            {"status": KINDS[problem.slug].status, **said, "problem": problem.document(request_id)}
        )
    metrics = call.desk.metrics
    if result.replayed:
        metrics.messages_replayed.inc()
        said["replayed"] = True
    else:
        metrics.accepted(result.document["status"])
    return msgspec.json.encode({"status": 202, **said, "message": result.document})


def _problem(error: BaseException, request_id: str) -> Problem:
    problem = of_refusal(error)
    if problem is not None:
        return problem
    if not isinstance(error, Exception):
        raise error
    log.error("http.batch_item_failed", request=request_id, error=type(error).__name__)
    return Problem(Slug.INTERNAL)


_EXAMPLE: Final = [
    {
        "idempotency_key": "jul-26/1001",
        "contact": "cli-1001",
        "channel": "sms",
        "purpose": "collection",
        "debts": ["obl-778"],
        "content": {"template": "cuota", "variables": {"name": "Ana", "amount": "120000", "due": "2026-12-05"}},
    }
]

ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/messages/batch",
        handler=accept,
        name="acceptBatch",
        counted=True,
        tag="Messages",
        summary="Accept many messages",
        description=f"Up to {MESSAGES_MAX:,} messages, each with its own `idempotency_key` in its body, as an array "
        f"(`{_JSON}`) or one a line (`{LINES}`); answered in kind, one result each, in the order of the request. A bad one spoils "
        "only itself: its result has a `status` and the `problem` that a request of its own would have been answered with. Keys "
        "are those of single messages: after a time-out send the same batch again. Nothing of a request that did not arrive "
        "whole is accepted.",
        scope=Scope.SEND,
        body=Annotated[list[BatchMessageAsk], Meta(max_length=MESSAGES_MAX)],
        in_lines=True,
        example=_EXAMPLE,
        answers={200: list[BatchResult]},
    ),
)
