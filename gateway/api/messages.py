"""Messages: accepted, shown, listed, cancelled; and the question what would be decided."""

from typing import Final
from uuid import UUID

from aiohttp import web

from gateway.api.cursors import cursor, place
from gateway.api.desk import Accepted
from gateway.api.problems import Problem, Slug
from gateway.api.reading import digest_of
from gateway.api.routes import Call, Page, Route, answer
from gateway.api.shapes import DecisionShown, ListOf, MessageShown
from gateway.asks import DecisionAsk, Id, Instant, MessageAsk
from gateway.refusals import Flaw, NotThere
from gateway.tenants.keys import Scope
from gateway.tenants.quotas import retry_after, said
from vocabulary.ids import parsed
from vocabulary.status import Status

MESSAGE_ID: Final = r"^msg_[0-9a-f]{32}(?![\s\S])"


class MessagesQuery(Page, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which messages: of one contact, with one status, accepted from `since` on and before `until`."""

    contact: Id | None = None
    status: Status | None = None
    since: Instant | None = None
    until: Instant | None = None


async def accept(call: Call) -> web.StreamResponse:
    """202 after the commit; the same again for the same key."""
    accepted = await _accepted(call)
    metrics = call.desk.metrics
    if accepted.replayed:
        metrics.messages_replayed.inc()
        return answer(accepted.document, 202, {"Idempotent-Replay": "true"})
    metrics.accepted(accepted.document["status"])
    return answer(accepted.document, 202)


async def _accepted(call: Call) -> Accepted:
    """Accept it, within the tenant's messages of the day where these are bounded. Raises Problem."""
    asked = call.tenant, call.idempotency_key, digest_of(call.raw), call.body
    if call.allowance is None:
        return await call.desk.acceptor.submit(*asked)
    standing = await call.allowance.take(1)
    if standing is not None and not standing.granted:
        raise Problem(Slug.TOO_MANY_REQUESTS, said(standing), headers=retry_after(standing))
    try:
        accepted = await call.desk.acceptor.submit(*asked)
    except Exception:
        await call.allowance.give_back(1)
        raise
    if accepted.replayed:
        await call.allowance.give_back(1)
    return accepted


async def show(call: Call) -> web.StreamResponse:
    """One message."""
    identity = _message(call)
    shown = await call.desk.database.read(lambda connection: call.desk.shelf.show(connection, call.tenant, identity))
    if shown is None:
        raise NotThere
    return answer(shown)


async def listed(call: Call) -> web.StreamResponse:
    """A page of messages, newest first."""
    query: MessagesQuery = call.query
    if query.since is not None and query.until is not None and query.until <= query.since:
        raise Problem(
            Slug.INVALID, flaws=[Flaw("/until", "is not after since, so nothing can be found")], inside="query"
        )
    before = place(query.cursor, UUID)
    found = await call.desk.database.read(
        lambda connection: call.desk.shelf.page(
            connection,
            call.tenant,
            contact=query.contact,
            status=query.status,
            since=query.since,
            until=query.until,
            before=before[0] if before else None,
            limit=query.limit + 1,
        )
    )
    items = found[: query.limit]
    more = len(found) > query.limit
    last = parsed("msg", items[-1]["id"]) if more else None
    return answer({"items": items, "next": cursor(last) if last else None})


async def cancel(call: Call) -> web.StreamResponse:
    """The message, cancelled."""
    return answer(await call.desk.canceller.cancel(call.tenant, _message(call)))


async def decide(call: Call) -> web.StreamResponse:
    """What would be decided."""
    return answer(await call.desk.adviser.decide(call.tenant, call.body))


def _message(call: Call) -> UUID:
    identity = parsed("msg", call.path("id"))
    if identity is None:
        raise NotThere
    return identity


_MESSAGE: Final = {
    "contact": "cli-1001",
    "channel": "sms",
    "purpose": "collection",
    "debts": ["obl-778"],
    "content": {
        "text": "Hola Ana, su cuota de julio está lista para pagar. Responda BAJA para no recibir más mensajes."
    },
    "metadata": {"campaign": "jul-26"},
}

ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/messages",
        handler=accept,
        name="acceptMessage",
        counted=True,
        tag="Messages",
        summary="Accept one message",
        description="Answers after the commit, with the first decision in it. The status is `queued`, `deferred` or `blocked`; a "
        "refusal by law is not an error. The same key with the same body gives the first answer again, with the header "
        "`Idempotent-Replay: true`. Keys live 90 days.",
        scope=Scope.SEND,
        body=MessageAsk,
        example=_MESSAGE,
        idempotent=True,
        answers={202: MessageShown},
    ),
    Route(
        method="GET",
        path="/v1/messages",
        handler=listed,
        name="listMessages",
        tag="Messages",
        summary="List messages, newest first",
        scope=Scope.READ,
        query=MessagesQuery,
        answers={200: ListOf[MessageShown]},
    ),
    Route(
        method="GET",
        path="/v1/messages/{id}",
        handler=show,
        name="showMessage",
        tag="Messages",
        summary="Show one message",
        description="Its status, the decision that stands, every attempt and the expected cost.",
        scope=Scope.READ,
        answers={200: MessageShown},
        problems=(Slug.NOT_FOUND,),
    ),
    Route(
        method="POST",
        path="/v1/messages/{id}/cancel",
        handler=cancel,
        name="cancelMessage",
        tag="Messages",
        summary="Cancel a message that has not left",
        scope=Scope.SEND,
        answers={200: MessageShown},
        problems=(Slug.NOT_FOUND, Slug.TOO_LATE),
    ),
    Route(
        method="POST",
        path="/v1/decisions",
        handler=decide,
        name="decide",
        tag="Messages",
        summary="Ask what would be decided",
        description="The body of a message, and optionally `at`. Nothing is sent, and nothing is stored but the trace of the "
        "question when `record` is true. With `explain` (`en`, `es` or `pt`) the decision is told in sentences too.",
        scope=Scope.READ,
        body=DecisionAsk,
        example={**_MESSAGE, "at": "2026-11-22T15:04:00-05:00"},
        answers={200: DecisionShown},
    ),
)
