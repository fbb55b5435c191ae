"""One trace a message, by OpenTelemetry: the CRM's request, acceptance, decisions, reservation, the provider's call, receipts, events.

Spans hold ids of ours, names of ways and words of the contract. No person, address or text is in any of them, nor what an
exception said, since exceptions quote what they choked on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec
from aiohttp import web
from msgspec import UNSET
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.accept import Accepted, Acceptor
from gateway.asks import StoredAsk
from gateway.auto import Auto
from gateway.counting import CountingReceiver
from gateway.dispatch import Dispatcher, Flight
from gateway.notify import Notifier
from gateway.telemetry.carried import CARRIED
from gateway.telemetry.kinds import Kinds
from storage import messages
from vocabulary.ids import parsed, shown
from vocabulary.outcome import Receipt, Reply, ending_name

if TYPE_CHECKING:
    from uuid import UUID

    from adapters.kit.port import Adapter
    from gateway.asks import MessageAsk
    from gateway.judge import Case, Choice
    from storage.database import Connection
    from storage.messages import AttemptRow, MessageRow
    from storage.outbox import Delivery
    from vocabulary.outcome import Outcome, Parcel

#: Requests that are traced: the CRM's. What providers tell stands in the traces of the messages that it is about.
TRACED: Final = "/v1/"

_Kind = TypeVar("_Kind")
_FORMAT: Final = TraceContextTextMapPropagator()


class Spans:
    """Begins spans under what was carried."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def begin(
        self, name: str, parent: str | None, kind: SpanKind = SpanKind.INTERNAL, **attributes: str | int | None
    ) -> Span:
        """One that somebody will end. ``parent``: a ``traceparent``, None where a trace begins; other ones begin one, too."""
        context = _FORMAT.extract({} if parent is None else {"traceparent": parent}, context=Context())
        found = {key.replace("__", "."): value for key, value in attributes.items() if value is not None}
        return self._tracer.start_span(name, context=context, kind=kind, attributes=found, record_exception=False)


def carrier(span: Span) -> str | None:
    """The ``traceparent`` by which others come under a span; None where nobody is to keep it."""
    if not span.get_span_context().trace_flags.sampled:
        return None
    headers: dict[str, str] = {}
    _FORMAT.inject(headers, context=set_span_in_context(span, Context()))
    return headers.get("traceparent")


def of_message(ask: StoredAsk) -> str | None:
    """What a message is kept with, None where it is not traced."""
    return None if ask.trace is UNSET else ask.trace


def failed(span: Span, error: BaseException) -> None:
    """It broke off, by the name of what broke it."""
    span.set_status(Status(StatusCode.ERROR, type(error).__name__))


class _TracedAcceptor(Acceptor):
    spans: Spans

    def put(
        self, tenant: str, key: str, digest: bytes, ask: MessageAsk, *, bulk: bool = False
    ) -> asyncio.Future[Accepted]:
        """From standing in line to the commit that holds it."""
        carried = CARRIED.get()
        if carried is UNSET:
            return super().put(tenant, key, digest, ask, bulk=bulk)
        span = self.spans.begin("message.accept", carried, tregua__tenant=tenant)
        token = CARRIED.set(carrier(span) or UNSET)
        try:
            future = super().put(tenant, key, digest, ask, bulk=bulk)
        finally:
            CARRIED.reset(token)
        future.add_done_callback(lambda done: _accepted(span, done))
        return future


def _accepted(span: Span, done: asyncio.Future[Accepted]) -> None:
    if done.cancelled():
        span.set_status(StatusCode.ERROR, "cancelled")
    elif (error := done.exception()) is not None:
        failed(span, error)
    else:
        answered = done.result()
        span.set_attribute("tregua.message", answered.document["id"])
        span.set_attribute("tregua.status", answered.document["status"])
        span.set_attribute("tregua.replayed", answered.replayed)
    span.end()


class _TracedAuto(Auto):
    spans: Spans

    def accept(self, case: Case, message: UUID, now: datetime) -> Choice:
        """The first decision."""
        return self._told(case, message, lambda: super(_TracedAuto, self).accept(case, message, now))

    def dispatch(self, case: Case, message: UUID, now: datetime, expires: datetime) -> Choice:
        """A decision when it is due."""
        return self._told(case, message, lambda: super(_TracedAuto, self).dispatch(case, message, now, expires))

    def _told(self, case: Case, message: UUID, decide: Callable[[], Choice]) -> Choice:
        parent = of_message(case.ask)
        if parent is None:
            return decide()
        span = self.spans.begin("message.decide", parent, tregua__message=shown("msg", message))
        try:
            choice = decide()
            span.set_attribute("tregua.outcome", choice.verdict.answer.value)
            span.set_attribute("tregua.channel", choice.channel.value)
        except BaseException as error:
            failed(span, error)
            raise
        finally:
            span.end()
        return choice


@dataclass(frozen=True, slots=True, kw_only=True)
class _TracedFlight(Flight):
    """One whose reservation is under way in a trace: the span ends with the commit, or is never told."""

    reserving: Span


class _TracedWay:
    """A way out whose call is one span. Of a way, a flight in the air only sends."""

    def __init__(self, way: Adapter, begin: Callable[[], Span]) -> None:
        self._way = way
        self._begin = begin

    async def send(self, parcel: Parcel, /) -> Outcome:
        """The call to the provider."""
        span = self._begin()
        try:
            ending = await self._way.send(parcel)
            span.set_attribute("tregua.ending", ending_name(ending))
        except BaseException as error:
            failed(span, error)
            raise
        finally:
            span.end()
        return ending


class _TracedDispatcher(Dispatcher):
    spans: Spans

    def _allow(self, batch: Any, row: Any, case: Case, choice: Choice, *more: Any) -> Any:
        event = super()._allow(batch, row, case, choice, *more)
        parent = of_message(case.ask)
        if event is None or parent is None:
            return event
        flight: Flight = batch.flights[-1]
        facts: dict[str, Any] = {
            "tregua__message": shown("msg", row.id),
            "tregua__attempt": flight.attempt.id.hex,
            "tregua__provider": flight.attempt.provider,
            "tregua__channel": flight.attempt.channel,
        }
        way = _TracedWay(flight.way, lambda: self.spans.begin("provider.send", parent, SpanKind.CLIENT, **facts))
        batch.flights[-1] = _TracedFlight(
            attempt=flight.attempt,
            way=cast("Adapter", way),
            load=flight.load,
            lanes=flight.lanes,
            reserved_at=flight.reserved_at,
            reserving=self.spans.begin("message.reserve", parent, **facts),
        )
        return event

    async def _fly(self, flight: Flight) -> None:
        if isinstance(flight, _TracedFlight):
            flight.reserving.end()
        await super()._fly(flight)


class _TracedReceiver(CountingReceiver):
    spans: Spans

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        #: By receipt in work: the span that is to be told once it is kept.
        self._begun_for: dict[int, Span | None] = {}

    async def put(self, provider: str, received: Sequence[Receipt | Reply], raw: bytes, /) -> None:
        """From the hook to the commit that holds it."""
        receipts = [item for item in received if isinstance(item, Receipt)]
        self._begun_for.update((id(item), None) for item in receipts)
        kept = False
        try:
            await super().put(provider, received, raw)
            kept = True
        finally:
            spans = [self._begun_for.pop(id(item), None) for item in receipts]
            for span in spans:
                if span is not None and kept:
                    span.end()

    async def _receipt(
        self, connection: Connection, todo: Any, h: Any, fresh: Any, attempts: Any, tried: Any, rows: Any, *more: Any
    ) -> None:
        receipt: Receipt = h.item
        attempt = attempts.get(receipt.attempt) if receipt.attempt is not None else None
        if attempt is None:
            attempt = next((a for a in attempts.values() if a.provider_id == receipt.provider_id), None)
        if id(receipt) in self._begun_for and attempt is not None and attempt.provider == h.provider:
            self._begun_for[id(receipt)] = self._begun(receipt, attempt, rows[attempt.message])
        await super()._receipt(connection, todo, h, fresh, attempts, tried, rows, *more)

    def _begun(self, receipt: Receipt, attempt: AttemptRow, row: MessageRow) -> Span | None:
        parent = of_message(msgspec.json.decode(row.ask, type=StoredAsk))
        if parent is None:
            return None
        return self.spans.begin(
            "provider.receipt",
            parent,
            SpanKind.SERVER,
            tregua__message=shown("msg", row.id),
            tregua__attempt=attempt.id.hex,
            tregua__provider=attempt.provider,
            tregua__receipt=receipt.kind.value,
        )


class _TracedNotifier(Notifier):
    spans: Spans

    async def _deliver(
        self, delivery: Delivery, sent_at: datetime, checkpoints: Mapping[str, str]
    ) -> tuple[Delivery, int | None, str | None]:
        parent = await self._parent(delivery)
        if parent is None:
            return await super()._deliver(delivery, sent_at, checkpoints)
        span = self.spans.begin(
            "crm.deliver",
            parent,
            SpanKind.CLIENT,
            tregua__tenant=delivery.tenant,
            tregua__event=shown("evt", delivery.event),
            tregua__type=delivery.type,
            tregua__try=delivery.tries,
        )
        token = CARRIED.set(carrier(span) or UNSET)
        try:
            told = await super()._deliver(delivery, sent_at, checkpoints)
        finally:
            CARRIED.reset(token)
            span.end()
        return told

    async def _parent(self, delivery: Delivery) -> str | None:
        """The trace of the message that an event is about."""
        named = msgspec.json.decode(delivery.body).get("message")
        message = parsed("msg", named) if isinstance(named, str) else None
        if message is None:
            return None
        identity = message
        rows = await self._database.read(lambda connection: messages.get(connection, [identity]))
        return of_message(msgspec.json.decode(rows[identity].ask, type=StoredAsk)) if identity in rows else None

    def _headers(self, delivery: Delivery, body: str, sent_at: datetime) -> dict[str, str]:
        """The CRM is told under which span of its own trace this stands; nobody else is."""
        headers = super()._headers(delivery, body, sent_at)
        carried = CARRIED.get()
        return headers if carried is UNSET else {**headers, "traceparent": carried}


def _requests(spans: Spans) -> Callable[[web.Application], None]:
    @web.middleware
    async def traced_request(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if resource is None or not resource.canonical.startswith(TRACED):
            return await handler(request)
        span = spans.begin(
            f"{request.method} {resource.canonical}",
            request.headers.get("traceparent"),
            SpanKind.SERVER,
            http__request__method=request.method,
            http__route=resource.canonical,
        )
        token = CARRIED.set(carrier(span) or UNSET)
        try:
            response = await handler(request)
            span.set_attribute("http.response.status_code", response.status)
            if response.status >= web.HTTPInternalServerError.status_code:
                span.set_status(StatusCode.ERROR)
        except BaseException as error:
            failed(span, error)
            raise
        finally:
            CARRIED.reset(token)
            span.end()
        return response

    # Outside of everything else, so that refusals are traced as they are answered.
    return lambda app: app.middlewares.insert(0, traced_request)


def _with(spans: Spans, kind: type[_Kind]) -> type[_Kind]:
    """A maker that begins these spans, made as the untraced one is."""
    return cast("type[_Kind]", type(kind.__name__, (kind,), {"spans": spans}))


def traced(traces_url: str) -> Kinds:
    """Makers whose spans go to a collector. What else OpenTelemetry is told by ``OTEL_*`` its own SDK reads."""
    resource = Resource({"service.name": "tregua"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=traces_url)))
    spans = Spans(provider.get_tracer("tregua"))

    def close() -> None:
        # A collector that is away must not keep a process from ending.
        with suppress(Exception):
            provider.shutdown()

    return Kinds(
        acceptor=_with(spans, _TracedAcceptor),
        auto=_with(spans, _TracedAuto),
        dispatcher=_with(spans, _TracedDispatcher),
        receiver=_with(spans, _TracedReceiver),
        notifier=_with(spans, _TracedNotifier),
        requests=_requests(spans),
        close=close,
    )
