"""Every way in which the surface says no (RFC 9457): one table from which answers, their pages and the description are made."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from aiohttp import web

from gateway.refusals import Flaw, Gone, KeyInWork, KeyReused, NotThere, Refused, TooLate
from storage.database import DatabaseAway

MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 2


class Slug(StrEnum):
    """The stable last part of a problem's type."""

    JSON = "unreadable-json"
    DUPLICATE_KEY = "duplicate-name"
    TOO_DEEP = "too-deep"
    NUMBER = "number-out-of-range"
    KEY_MISSING = "idempotency-key-missing"
    UNAUTHENTICATED = "no-valid-key"
    SCOPE = "scope-missing"
    NOT_FOUND = "not-found"
    METHOD = "method-not-allowed"
    BODY_TOO_SLOW = "body-too-slow"
    KEY_IN_WORK = "idempotency-key-in-work"
    TOO_LATE = "too-late"
    REPORT_NOT_READY = "report-not-ready"
    LEGAL_HOLD = "legal-hold"
    TOO_MANY_ENDPOINTS = "too-many-webhooks"
    GONE = "gone"
    BODY_TOO_LARGE = "body-too-large"
    MEDIA_TYPE = "media-type-not-supported"
    CONTENT_ENCODING = "content-encoding-not-supported"
    RANGE = "range-not-satisfiable"
    EXPECTATION = "expectation-not-met"
    INVALID = "invalid"
    KEY_REUSED = "idempotency-key-reused"
    TOO_MANY_REQUESTS = "too-many-requests"
    INTERNAL = "internal-error"
    TRACE_BROKEN = "trace-broken"
    DATABASE_AWAY = "database-away"
    OVERLOADED = "overloaded"
    NOT_READY = "not-ready"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a slug stands for: its status, its title, and what to do about it."""

    status: int
    title: str
    remedy: str


KINDS: Final[Mapping[Slug, Kind]] = {
    Slug.JSON: Kind(
        400,
        "The body is not readable as JSON",
        "The body must be one JSON value in UTF-8 (RFC 8259) without a byte order mark. ``detail`` says where reading stopped.",
    ),
    Slug.DUPLICATE_KEY: Kind(
        400,
        "An object holds one name twice",
        "Readers differ in which of the two they take, so none is taken. Send each name once.",
    ),
    Slug.TOO_DEEP: Kind(
        400,
        "The body nests too deep",
        "Arrays and objects may nest 32 deep. Nothing that this API takes is deeper than 6.",
    ),
    Slug.NUMBER: Kind(
        400,
        "A number cannot be kept",
        "NaN and Infinity are not JSON, integers are at most 64 bits, and other numbers must fit a double. "
        "Write amounts and long identifiers as strings.",
    ),
    Slug.KEY_MISSING: Kind(
        400,
        "The request needs one Idempotency-Key",
        "Send the header ``Idempotency-Key`` once, with 1 to 255 printable ASCII characters that you keep for this message and "
        "use for nothing else. Sent again after a time-out, it gives the first answer and sends nothing twice.",
    ),
    Slug.UNAUTHENTICATED: Kind(
        401,
        "The request carries no valid key",
        "Send ``Authorization: Bearer gwk_…``. The key may be mistyped, expired, revoked, or of another installation: "
        "``tregua keys list`` shows which ones hold.",
    ),
    Slug.SCOPE: Kind(
        403,
        "The key does not carry the scope",
        "``detail`` names the scope that is missing. Keys get their scopes when they are made: ``tregua keys create --scope``.",
    ),
    Slug.NOT_FOUND: Kind(
        404,
        "There is no such thing",
        "Nothing with this address exists for the tenant of the key. What belongs to another tenant is not there either.",
    ),
    Slug.METHOD: Kind(405, "The method is not allowed here", "The header ``Allow`` lists the methods that are."),
    Slug.BODY_TOO_SLOW: Kind(
        408, "The body took too long", "A body arrives whole within 10 seconds. Send the request again."
    ),
    Slug.KEY_IN_WORK: Kind(
        409,
        "The first request with this key is still in work",
        "Wait for its answer, or send this request again in a second: it then gives the first answer.",
    ),
    Slug.LEGAL_HOLD: Kind(
        409,
        "A legal hold stands",
        "The person's data must stay for the reason in ``detail``. ``DELETE /v1/contacts/{id}/hold`` ends a hold that no longer holds.",
    ),
    Slug.TOO_LATE: Kind(
        409,
        "The message can no longer be stopped",
        "It has left, is leaving right now, or has ended otherwise; ``message_status`` says where it stands.",
    ),
    Slug.REPORT_NOT_READY: Kind(
        409,
        "The report is not made yet, or cannot be made",
        "``state`` says where it stands: ask ``GET /v1/reports/{id}`` until it is ``ready``. One that is ``failed`` stays so; ask anew.",
    ),
    Slug.TOO_MANY_ENDPOINTS: Kind(
        409, "The tenant has as many webhooks as it may have", "Remove one that is not used any more."
    ),
    Slug.GONE: Kind(
        410,
        "What this key stood for was erased",
        "The message was accepted once, and its person has since been erased. It will not be sent again.",
    ),
    Slug.BODY_TOO_LARGE: Kind(413, "The body is too large", "A body is at most 1 MiB."),
    Slug.MEDIA_TYPE: Kind(
        415,
        "The body is of the wrong type",
        "Send ``Content-Type: application/json``, in UTF-8. curl's ``-d`` alone does not.",
    ),
    Slug.CONTENT_ENCODING: Kind(
        415, "Encoded bodies are not taken", "Send the body as it is, without a ``Content-Encoding``."
    ),
    Slug.RANGE: Kind(
        416,
        "The range lies outside of the file",
        "The header ``Content-Range`` says how many bytes there are; ask for fewer, or for all.",
    ),
    Slug.EXPECTATION: Kind(417, "The expectation cannot be met", "Only ``Expect: 100-continue`` is understood."),
    Slug.INVALID: Kind(
        422,
        "The request is readable, but wrong",
        "``errors`` names each flaw: ``pointer`` is a JSON Pointer (RFC 6901) into the body or, where ``in`` says ``query``, "
        "into the query's parameters. Unknown fields are flaws too. Nothing was stored.",
    ),
    Slug.KEY_REUSED: Kind(
        422,
        "The Idempotency-Key stands for another body",
        "A key belongs to one message for 90 days. Use a fresh key for a new message, the same body for the old one.",
    ),
    Slug.TOO_MANY_REQUESTS: Kind(
        429,
        "Too many requests at a time",
        "This tenant has too many requests open. Wait as long as ``Retry-After`` says; nothing was done.",
    ),
    Slug.INTERNAL: Kind(
        500,
        "Something is wrong on our side",
        "The request failed by a fault of ours, which is logged under the ``instance``. With the same Idempotency-Key it may be "
        "sent again without harm.",
    ),
    Slug.TRACE_BROKEN: Kind(
        500,
        "The trace on disk is not what was written",
        "Nothing is signed until the operator has looked. An export taken earlier shows what has changed since.",
    ),
    Slug.DATABASE_AWAY: Kind(
        503,
        "The database is away",
        "Send the same request again after ``Retry-After`` seconds. If it carried an Idempotency-Key, nothing can happen twice.",
    ),
    Slug.OVERLOADED: Kind(
        503, "The process has too much to do", "Send the same request again after ``Retry-After`` seconds."
    ),
    Slug.NOT_READY: Kind(503, "Not ready", "``failing`` names what is missing."),
}

RETRIED: Final = frozenset(
    {Slug.TOO_MANY_REQUESTS, Slug.DATABASE_AWAY, Slug.OVERLOADED, Slug.NOT_READY, Slug.KEY_IN_WORK}
)


class Problem(Exception):
    """A refusal on its way to the caller."""

    def __init__(
        self,
        slug: Slug,
        detail: str | None = None,
        *,
        flaws: Sequence[Flaw] = (),
        inside: str = "body",
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """``inside`` is what the flaws' pointers point into: the body or the query."""
        super().__init__(slug.value)
        self.slug = slug
        self.detail = detail
        self.flaws = tuple(flaws)
        self.inside = inside
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def document(self, request_id: str) -> dict[str, Any]:
        """The members of RFC 9457 §3.1, ``errors`` for flaws, and what this kind adds."""
        kind = KINDS[self.slug]
        shown: dict[str, Any] = {
            "type": f"/problems/{self.slug}",
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail or _flaws_in_short(self.flaws) or kind.remedy.replace("``", ""),
            "instance": request_id,
        }
        if self.flaws:
            shown["errors"] = [
                {"pointer": flaw.pointer, "detail": flaw.detail, "in": self.inside} for flaw in self.flaws
            ]
        return shown | self.more

    def response(self, request_id: str) -> web.Response:
        """The answer; it says when to come back where that may help."""
        if self.slug in RETRIED:
            self.headers.setdefault("Retry-After", str(RETRY_SECONDS))
        if self.slug is Slug.UNAUTHENTICATED:
            self.headers["WWW-Authenticate"] = 'Bearer realm="tregua"'
        response = web.Response(
            body=json.dumps(self.document(request_id)).encode(),
            status=KINDS[self.slug].status,
            headers=self.headers | {"Content-Type": MEDIA_TYPE},
        )
        if self.slug in {Slug.BODY_TOO_SLOW, Slug.BODY_TOO_LARGE}:
            # The rest of that body is nobody's: the connection cannot be used for a next request.
            response.force_close()
        return response


def _flaws_in_short(flaws: Sequence[Flaw]) -> str:
    if not flaws:
        return ""
    first = f"{flaws[0].pointer}: {flaws[0].detail}" if flaws[0].pointer else flaws[0].detail
    return first if len(flaws) == 1 else f"{first} (and {len(flaws) - 1} more)"


def of_refusal(error: BaseException) -> Problem | None:
    """The problem behind a refusal of the gateway's, alone in a request or one of a batch; None for what is none."""
    match error:
        case Problem():
            return error
        case Refused():
            return Problem(Slug.INVALID, flaws=error.flaws)
        case KeyReused():
            return Problem(Slug.KEY_REUSED)
        case KeyInWork():
            return Problem(Slug.KEY_IN_WORK)
        case Gone():
            return Problem(Slug.GONE)
        case NotThere():
            return Problem(Slug.NOT_FOUND)
        case TooLate():
            return Problem(Slug.TOO_LATE, f"The message is {error.status}.", more={"message_status": error.status})
        case DatabaseAway():
            return Problem(Slug.DATABASE_AWAY)
        case _:
            return None


_BY_STATUS: Final[Mapping[int, Slug]] = {
    404: Slug.NOT_FOUND,
    405: Slug.METHOD,
    413: Slug.BODY_TOO_LARGE,
    415: Slug.MEDIA_TYPE,
    417: Slug.EXPECTATION,
}


def of_http(error: web.HTTPException) -> Problem | None:
    """The problem behind an exception of the framework's; None for what is no refusal (redirects) or has no page."""
    slug = _BY_STATUS.get(error.status)
    if slug is None:
        return None
    if slug is Slug.METHOD:
        return not_allowed(error.headers["Allow"])
    return Problem(
        slug, "No call has this path: /docs and /openapi.json list all of them." if error.status == 404 else None
    )


def not_allowed(methods: str) -> Problem:
    """The problem of a method that a path does not take; ``methods`` are those that it takes, as in the header ``Allow``."""
    return Problem(Slug.METHOD, f"This path takes {', '.join(re.split('[, ]+', methods))}.", headers={"Allow": methods})
