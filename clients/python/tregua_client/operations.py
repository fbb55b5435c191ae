"""The operations of the gateway as methods. Made by ``generate.py`` from its description; not written by hand."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal, Protocol, cast
from urllib.parse import quote

from tregua_client import types as t
from tregua_client.request import Request, fresh_key


class _Sends(Protocol):
    def _send(self, request: Request, /) -> Any: ...


class _SendsAsync(Protocol):
    async def _send(self, request: Request, /) -> Any: ...


class Operations:
    """Everything that the gateway does for a CRM."""

    def accept_message(self: _Sends, body: t.MessageAsk, *, idempotency_key: str | None = None) -> t.MessageShown:
        """Accept one message."""
        return cast(
            "t.MessageShown",
            self._send(
                Request(
                    "POST",
                    "/v1/messages",
                    key=fresh_key() if idempotency_key is None else idempotency_key,
                    body=body,
                    reads="json",
                )
            ),
        )

    def list_messages(
        self: _Sends,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        contact: str | None = None,
        status: t.Status | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> t.ListOfMessageShown:
        """List messages, newest first."""
        return cast(
            "t.ListOfMessageShown",
            self._send(
                Request(
                    "GET",
                    "/v1/messages",
                    query={
                        "cursor": cursor,
                        "limit": limit,
                        "contact": contact,
                        "status": status,
                        "since": since,
                        "until": until,
                    },
                    reads="json",
                )
            ),
        )

    def every_messages(
        self,
        *,
        limit: int | None = None,
        contact: str | None = None,
        status: t.Status | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> Iterator[t.MessageShown]:
        """Every item of ``list_messages``, page by page."""
        cursor: str | None = None
        while True:
            page = Operations.list_messages(
                cast(Any, self), limit=limit, contact=contact, status=status, since=since, until=until, cursor=cursor
            )
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def show_message(self: _Sends, id: str) -> t.MessageShown:
        """Show one message."""
        return cast("t.MessageShown", self._send(Request("GET", f"/v1/messages/{quote(id, safe='')}", reads="json")))

    def cancel_message(self: _Sends, id: str) -> t.MessageShown:
        """Cancel a message that has not left."""
        return cast(
            "t.MessageShown", self._send(Request("POST", f"/v1/messages/{quote(id, safe='')}/cancel", reads="json"))
        )

    def decide(self: _Sends, body: t.DecisionAsk) -> t.DecisionShown:
        """Ask what would be decided."""
        return cast("t.DecisionShown", self._send(Request("POST", "/v1/decisions", body=body, reads="json")))

    def accept_batch(self: _Sends, body: list[t.BatchMessageAsk]) -> list[t.BatchResult]:
        """Accept many messages."""
        return cast("list[t.BatchResult]", self._send(Request("POST", "/v1/messages/batch", body=body, reads="json")))

    def take_media(
        self: _Sends, content: bytes, *, media_type: Literal["audio/ogg", "audio/mpeg", "audio/wav"] = "audio/ogg"
    ) -> t.MediaTaken:
        """Bring a recording for voice notes."""
        return cast(
            "t.MediaTaken",
            self._send(Request("POST", "/v1/media", content=content, media_type=media_type, reads="json")),
        )

    def show_media(self: _Sends, id: str) -> bytes:
        """Take a recording, or what came in with a reply."""
        return cast("bytes", self._send(Request("GET", f"/v1/media/{quote(id, safe='')}", reads="bytes")))

    def put_contact(self: _Sends, id: str, body: dict[str, Any]) -> t.ContactShown:
        """Put a person's profile."""
        return cast(
            "t.ContactShown", self._send(Request("PUT", f"/v1/contacts/{quote(id, safe='')}", body=body, reads="json"))
        )

    def show_contact(self: _Sends, id: str) -> t.ContactShown:
        """Show a person."""
        return cast("t.ContactShown", self._send(Request("GET", f"/v1/contacts/{quote(id, safe='')}", reads="json")))

    def erase_contact(self: _Sends, id: str) -> t.ErasureShown:
        """Erase a person."""
        return cast("t.ErasureShown", self._send(Request("DELETE", f"/v1/contacts/{quote(id, safe='')}", reads="json")))

    def add_events(
        self: _Sends,
        id: str,
        body: list[
            t.ContactEventAsk
            | t.ReplyEventAsk
            | t.InboundCallEventAsk
            | t.ConsentEventAsk
            | t.HoursRequestedEventAsk
            | t.InconvenientEventAsk
            | t.StatusEventAsk
            | t.ListedEventAsk
            | t.NotAssociatedEventAsk
            | t.NoticeEventAsk
            | t.ChannelPreferredEventAsk
            | t.LanguagePreferredEventAsk
            | t.ZoneStatedEventAsk
            | t.CallRequestedEventAsk
            | t.PromiseEventAsk
            | t.HeldEventAsk
        ]
        | t.ContactEventAsk
        | t.ReplyEventAsk
        | t.InboundCallEventAsk
        | t.ConsentEventAsk
        | t.HoursRequestedEventAsk
        | t.InconvenientEventAsk
        | t.StatusEventAsk
        | t.ListedEventAsk
        | t.NotAssociatedEventAsk
        | t.NoticeEventAsk
        | t.ChannelPreferredEventAsk
        | t.LanguagePreferredEventAsk
        | t.ZoneStatedEventAsk
        | t.CallRequestedEventAsk
        | t.PromiseEventAsk
        | t.HeldEventAsk,
    ) -> t.EventsTaken:
        """Tell what happened elsewhere."""
        return cast(
            "t.EventsTaken",
            self._send(Request("POST", f"/v1/contacts/{quote(id, safe='')}/events", body=body, reads="json")),
        )

    def show_timeline(
        self: _Sends, id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> t.ListOfTimelineItem:
        """Show everything that happened with a person, newest first."""
        return cast(
            "t.ListOfTimelineItem",
            self._send(
                Request(
                    "GET",
                    f"/v1/contacts/{quote(id, safe='')}/timeline",
                    query={"cursor": cursor, "limit": limit},
                    reads="json",
                )
            ),
        )

    def every_timeline(self, id: str, *, limit: int | None = None) -> Iterator[t.TimelineItem]:
        """Every item of ``show_timeline``, page by page."""
        cursor: str | None = None
        while True:
            page = Operations.show_timeline(cast(Any, self), id, limit=limit, cursor=cursor)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def show_consents(
        self: _Sends, id: str, *, cursor: str | None = None, limit: int | None = None, at: str | None = None
    ) -> t.ConsentsShown:
        """Show what a person allowed and took back, newest first."""
        return cast(
            "t.ConsentsShown",
            self._send(
                Request(
                    "GET",
                    f"/v1/contacts/{quote(id, safe='')}/consents",
                    query={"cursor": cursor, "limit": limit, "at": at},
                    reads="json",
                )
            ),
        )

    def put_debt(self: _Sends, id: str, body: dict[str, Any]) -> t.DebtShown:
        """Put a debt's facts."""
        return cast(
            "t.DebtShown", self._send(Request("PUT", f"/v1/debts/{quote(id, safe='')}", body=body, reads="json"))
        )

    def show_debt(self: _Sends, id: str) -> t.DebtShown:
        """Show a debt."""
        return cast("t.DebtShown", self._send(Request("GET", f"/v1/debts/{quote(id, safe='')}", reads="json")))

    def show_erasure(self: _Sends, id: str) -> t.ErasureShown:
        """Show the receipt of an erasure."""
        return cast("t.ErasureShown", self._send(Request("GET", f"/v1/erasures/{quote(id, safe='')}", reads="json")))

    def export_contact(self: _Sends, id: str) -> t.PersonExported:
        """Show a person everything that is kept of her."""
        return cast(
            "t.PersonExported", self._send(Request("GET", f"/v1/contacts/{quote(id, safe='')}/export", reads="json"))
        )

    def hold_contact(self: _Sends, id: str, body: t.HoldAsk) -> t.HoldShown:
        """Keep a person's data whatever is asked."""
        return cast(
            "t.HoldShown",
            self._send(Request("PUT", f"/v1/contacts/{quote(id, safe='')}/hold", body=body, reads="json")),
        )

    def show_hold(self: _Sends, id: str) -> t.HoldShown:
        """Show the hold that stands."""
        return cast("t.HoldShown", self._send(Request("GET", f"/v1/contacts/{quote(id, safe='')}/hold", reads="json")))

    def release_contact(self: _Sends, id: str) -> None:
        """End a hold."""
        self._send(Request("DELETE", f"/v1/contacts/{quote(id, safe='')}/hold", reads="nothing"))

    def offer_telegram_start(self: _Sends, id: str) -> t.StartOffered:
        """Make a link that binds her Telegram chat."""
        return cast(
            "t.StartOffered", self._send(Request("POST", f"/v1/contacts/{quote(id, safe='')}/telegram", reads="json"))
        )

    def show_policy(
        self: _Sends,
    ) -> t.PolicyShown:
        """Show the policy in force."""
        return cast("t.PolicyShown", self._send(Request("GET", "/v1/policy", reads="json")))

    def put_policy(self: _Sends, body: t.PolicyAsk) -> t.PolicyShown:
        """Put the tenant's policy."""
        return cast("t.PolicyShown", self._send(Request("PUT", "/v1/policy", body=body, reads="json")))

    def create_key(self: _Sends, body: t.KeyAsk) -> t.KeyMade:
        """Make a key."""
        return cast("t.KeyMade", self._send(Request("POST", "/v1/keys", body=body, reads="json")))

    def list_keys(self: _Sends, *, cursor: str | None = None, limit: int | None = None) -> t.ListOfKeyShown:
        """List keys with their last use."""
        return cast(
            "t.ListOfKeyShown",
            self._send(Request("GET", "/v1/keys", query={"cursor": cursor, "limit": limit}, reads="json")),
        )

    def every_keys(self, *, limit: int | None = None) -> Iterator[t.KeyShown]:
        """Every item of ``list_keys``, page by page."""
        cursor: str | None = None
        while True:
            page = Operations.list_keys(cast(Any, self), limit=limit, cursor=cursor)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def rotate_key(self: _Sends, id: str, body: t.RotateAsk) -> t.KeyRotated:
        """Let a new key take over."""
        return cast(
            "t.KeyRotated",
            self._send(Request("POST", f"/v1/keys/{quote(id, safe='')}/rotate", body=body, reads="json")),
        )

    def revoke_key(self: _Sends, id: str) -> None:
        """End a key."""
        self._send(Request("DELETE", f"/v1/keys/{quote(id, safe='')}", reads="nothing"))

    def read_register(
        self: _Sends,
        name: str,
        content: bytes,
        *,
        mode: Literal["add", "replace"] | None = None,
        as_of: str | None = None,
        calling_code: str | None = None,
        force: Literal["false", "true"] | None = None,
        media_type: Literal["text/csv"] = "text/csv",
    ) -> t.RegisterReport:
        """Read a do-not-contact register."""
        return cast(
            "t.RegisterReport",
            self._send(
                Request(
                    "POST",
                    f"/v1/registers/{quote(name, safe='')}/versions",
                    query={"mode": mode, "as_of": as_of, "calling_code": calling_code, "force": force},
                    content=content,
                    media_type=media_type,
                    reads="json",
                )
            ),
        )

    def show_register_versions(self: _Sends, name: str) -> t.RegisterVersionsShown:
        """Show the versions of a register, newest first."""
        return cast(
            "t.RegisterVersionsShown",
            self._send(Request("GET", f"/v1/registers/{quote(name, safe='')}/versions", reads="json")),
        )

    def show_registers(
        self: _Sends,
    ) -> t.RegistersShown:
        """Show the registers, their age and who asks them."""
        return cast("t.RegistersShown", self._send(Request("GET", "/v1/registers", reads="json")))

    def put_template(self: _Sends, name: str, body: t.TemplateAsk) -> t.TemplateKept:
        """Save a template."""
        return cast(
            "t.TemplateKept",
            self._send(Request("PUT", f"/v1/templates/{quote(name, safe='')}", body=body, reads="json")),
        )

    def show_template(self: _Sends, name: str, *, version: int | None = None) -> t.TemplateShown:
        """Show a template."""
        return cast(
            "t.TemplateShown",
            self._send(
                Request("GET", f"/v1/templates/{quote(name, safe='')}", query={"version": version}, reads="json")
            ),
        )

    def list_templates(self: _Sends, *, cursor: str | None = None, limit: int | None = None) -> t.ListOfTemplateListed:
        """List templates by name."""
        return cast(
            "t.ListOfTemplateListed",
            self._send(Request("GET", "/v1/templates", query={"cursor": cursor, "limit": limit}, reads="json")),
        )

    def every_templates(self, *, limit: int | None = None) -> Iterator[t.TemplateListed]:
        """Every item of ``list_templates``, page by page."""
        cursor: str | None = None
        while True:
            page = Operations.list_templates(cast(Any, self), limit=limit, cursor=cursor)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def list_template_versions(
        self: _Sends, name: str, *, cursor: str | None = None, limit: int | None = None
    ) -> t.ListOfVersionShown:
        """List a template's versions, newest first."""
        return cast(
            "t.ListOfVersionShown",
            self._send(
                Request(
                    "GET",
                    f"/v1/templates/{quote(name, safe='')}/versions",
                    query={"cursor": cursor, "limit": limit},
                    reads="json",
                )
            ),
        )

    def every_template_versions(self, name: str, *, limit: int | None = None) -> Iterator[t.VersionShown]:
        """Every item of ``list_template_versions``, page by page."""
        cursor: str | None = None
        while True:
            page = Operations.list_template_versions(cast(Any, self), name, limit=limit, cursor=cursor)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def preview_template(self: _Sends, name: str, body: t.PreviewAsk) -> t.TemplatePreviewed:
        """See what a template says."""
        return cast(
            "t.TemplatePreviewed",
            self._send(Request("POST", f"/v1/templates/{quote(name, safe='')}/preview", body=body, reads="json")),
        )

    def create_webhook(self: _Sends, body: t.WebhookAsk) -> t.WebhookMade:
        """Name an endpoint for events."""
        return cast("t.WebhookMade", self._send(Request("POST", "/v1/webhooks", body=body, reads="json")))

    def list_webhooks(self: _Sends, *, cursor: str | None = None, limit: int | None = None) -> t.ListOfWebhookShown:
        """List the endpoints."""
        return cast(
            "t.ListOfWebhookShown",
            self._send(Request("GET", "/v1/webhooks", query={"cursor": cursor, "limit": limit}, reads="json")),
        )

    def every_webhooks(self, *, limit: int | None = None) -> Iterator[t.WebhookShown]:
        """Every item of ``list_webhooks``, page by page."""
        cursor: str | None = None
        while True:
            page = Operations.list_webhooks(cast(Any, self), limit=limit, cursor=cursor)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def remove_webhook(self: _Sends, id: str) -> None:
        """Remove an endpoint with its deliveries."""
        self._send(Request("DELETE", f"/v1/webhooks/{quote(id, safe='')}", reads="nothing"))

    def rotate_secret(self: _Sends, id: str) -> t.SecretMade:
        """Let a new secret take over."""
        return cast(
            "t.SecretMade", self._send(Request("POST", f"/v1/webhooks/{quote(id, safe='')}/secrets", reads="json"))
        )

    def list_deliveries(
        self: _Sends, id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> t.ListOfDeliveryShown:
        """List what became of events, newest first."""
        return cast(
            "t.ListOfDeliveryShown",
            self._send(
                Request(
                    "GET",
                    f"/v1/webhooks/{quote(id, safe='')}/deliveries",
                    query={"cursor": cursor, "limit": limit},
                    reads="json",
                )
            ),
        )

    def every_deliveries(self, id: str, *, limit: int | None = None) -> Iterator[t.DeliveryShown]:
        """Every item of ``list_deliveries``, page by page."""
        cursor: str | None = None
        while True:
            page = Operations.list_deliveries(cast(Any, self), id, limit=limit, cursor=cursor)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def retry_delivery(self: _Sends, id: str, delivery: str) -> t.Queued:
        """Deliver one event again."""
        return cast(
            "t.Queued",
            self._send(
                Request(
                    "POST",
                    f"/v1/webhooks/{quote(id, safe='')}/deliveries/{quote(delivery, safe='')}/retry",
                    reads="json",
                )
            ),
        )

    def replay_events(self: _Sends, id: str, body: t.ReplayAsk) -> t.Queued:
        """Deliver every event since an instant again."""
        return cast(
            "t.Queued",
            self._send(Request("POST", f"/v1/webhooks/{quote(id, safe='')}/replay", body=body, reads="json")),
        )

    def list_trace(
        self: _Sends,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        contact: str | None = None,
        message: str | None = None,
        kind: str | None = None,
    ) -> t.ListOfTraceEntry:
        """List entries of the trace, in index order."""
        return cast(
            "t.ListOfTraceEntry",
            self._send(
                Request(
                    "GET",
                    "/v1/trace",
                    query={"cursor": cursor, "limit": limit, "contact": contact, "message": message, "kind": kind},
                    reads="json",
                )
            ),
        )

    def every_trace(
        self,
        *,
        limit: int | None = None,
        contact: str | None = None,
        message: str | None = None,
        kind: str | None = None,
    ) -> Iterator[t.TraceEntry]:
        """Every item of ``list_trace``, page by page."""
        cursor: str | None = None
        while True:
            page = Operations.list_trace(
                cast(Any, self), limit=limit, contact=contact, message=message, kind=kind, cursor=cursor
            )
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def export_trace(
        self: _Sends,
    ) -> bytes:
        """Take the whole trace out."""
        return cast("bytes", self._send(Request("GET", "/v1/trace/export", reads="bytes")))

    def show_trace_head(
        self: _Sends,
    ) -> t.HeadShown:
        """Show the signed head."""
        return cast("t.HeadShown", self._send(Request("GET", "/v1/trace/head", reads="json")))

    def prove_entry(self: _Sends, *, index: int, size: int | None = None) -> t.InclusionShown:
        """Prove that an entry stands in the trace."""
        return cast(
            "t.InclusionShown",
            self._send(Request("GET", "/v1/trace/proof", query={"index": index, "size": size}, reads="json")),
        )

    def prove_growth(self: _Sends, *, from_: int, to: int | None = None) -> t.GrowthShown:
        """Prove that the trace only grew."""
        return cast(
            "t.GrowthShown",
            self._send(Request("GET", "/v1/trace/consistency", query={"from": from_, "to": to}, reads="json")),
        )

    def show_cosignatures(self: _Sends, *, size: int | None = None) -> t.CosignedShown:
        """Show a signed head with what witnesses signed under it."""
        return cast(
            "t.CosignedShown", self._send(Request("GET", "/v1/trace/cosignatures", query={"size": size}, reads="json"))
        )

    def hand_in_cosignature(self: _Sends, body: t.CosignatureAsk) -> t.CosignedShown:
        """Hand in what a witness signed under a head."""
        return cast("t.CosignedShown", self._send(Request("POST", "/v1/trace/cosignatures", body=body, reads="json")))

    def audit_frequency(
        self: _Sends,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        contact: str | None = None,
        jurisdiction: str | None = None,
        creditor: str | None = None,
        debt: str | None = None,
        channel: Literal["email", "sms", "telegram", "voice", "web", "whatsapp"] | None = None,
        since: str | None = None,
        until: str | None = None,
        margin_max: int | None = None,
    ) -> t.ListOfFrequencyShown:
        """How close each person is to each limit."""
        return cast(
            "t.ListOfFrequencyShown",
            self._send(
                Request(
                    "GET",
                    "/v1/audit/frequency",
                    query={
                        "cursor": cursor,
                        "limit": limit,
                        "contact": contact,
                        "jurisdiction": jurisdiction,
                        "creditor": creditor,
                        "debt": debt,
                        "channel": channel,
                        "since": since,
                        "until": until,
                        "margin_max": margin_max,
                    },
                    reads="json",
                )
            ),
        )

    def every_audit_frequency(
        self,
        *,
        limit: int | None = None,
        contact: str | None = None,
        jurisdiction: str | None = None,
        creditor: str | None = None,
        debt: str | None = None,
        channel: Literal["email", "sms", "telegram", "voice", "web", "whatsapp"] | None = None,
        since: str | None = None,
        until: str | None = None,
        margin_max: int | None = None,
    ) -> Iterator[t.FrequencyShown]:
        """Every item of ``audit_frequency``, page by page."""
        cursor: str | None = None
        while True:
            page = Operations.audit_frequency(
                cast(Any, self),
                limit=limit,
                contact=contact,
                jurisdiction=jurisdiction,
                creditor=creditor,
                debt=debt,
                channel=channel,
                since=since,
                until=until,
                margin_max=margin_max,
                cursor=cursor,
            )
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def list_costs(
        self: _Sends,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        group_by: Literal["campaign", "channel", "contact", "debt", "message", "provider", "tenant"] | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> t.ListOfCostSum:
        """What was spent, added up."""
        return cast(
            "t.ListOfCostSum",
            self._send(
                Request(
                    "GET",
                    "/v1/costs",
                    query={"cursor": cursor, "limit": limit, "group_by": group_by, "since": since, "until": until},
                    reads="json",
                )
            ),
        )

    def every_costs(
        self,
        *,
        limit: int | None = None,
        group_by: Literal["campaign", "channel", "contact", "debt", "message", "provider", "tenant"] | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> Iterator[t.CostSum]:
        """Every item of ``list_costs``, page by page."""
        cursor: str | None = None
        while True:
            page = Operations.list_costs(
                cast(Any, self), limit=limit, group_by=group_by, since=since, until=until, cursor=cursor
            )
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def ask_for_report(self: _Sends, body: t.ReportAsk) -> t.ReportShown:
        """Ask for a report of contact frequency."""
        return cast("t.ReportShown", self._send(Request("POST", "/v1/reports", body=body, reads="json")))

    def show_report(self: _Sends, id: str) -> t.ReportShown:
        """See how far a report is."""
        return cast("t.ReportShown", self._send(Request("GET", f"/v1/reports/{quote(id, safe='')}", reads="json")))

    def fetch_report(self: _Sends, id: str) -> bytes:
        """Fetch a report that is ready."""
        return cast("bytes", self._send(Request("GET", f"/v1/reports/{quote(id, safe='')}/file", reads="bytes")))

    def list_ways(
        self: _Sends,
    ) -> t.WaysShown:
        """How every way out is doing."""
        return cast("t.WaysShown", self._send(Request("GET", "/v1/ways", reads="json")))

    def health(
        self: _Sends,
    ) -> t.Healthy:
        """Does the process live?."""
        return cast("t.Healthy", self._send(Request("GET", "/healthz", reads="json")))

    def readiness(
        self: _Sends,
    ) -> t.Ready:
        """Is everything there that must be?."""
        return cast("t.Ready", self._send(Request("GET", "/readyz", reads="json")))


class AsyncOperations:
    """Everything that the gateway does for a CRM, to be awaited."""

    async def accept_message(
        self: _SendsAsync, body: t.MessageAsk, *, idempotency_key: str | None = None
    ) -> t.MessageShown:
        """Accept one message."""
        return cast(
            "t.MessageShown",
            await self._send(
                Request(
                    "POST",
                    "/v1/messages",
                    key=fresh_key() if idempotency_key is None else idempotency_key,
                    body=body,
                    reads="json",
                )
            ),
        )

    async def list_messages(
        self: _SendsAsync,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        contact: str | None = None,
        status: t.Status | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> t.ListOfMessageShown:
        """List messages, newest first."""
        return cast(
            "t.ListOfMessageShown",
            await self._send(
                Request(
                    "GET",
                    "/v1/messages",
                    query={
                        "cursor": cursor,
                        "limit": limit,
                        "contact": contact,
                        "status": status,
                        "since": since,
                        "until": until,
                    },
                    reads="json",
                )
            ),
        )

    async def every_messages(
        self,
        *,
        limit: int | None = None,
        contact: str | None = None,
        status: t.Status | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> AsyncIterator[t.MessageShown]:
        """Every item of ``list_messages``, page by page."""
        cursor: str | None = None
        while True:
            page = await AsyncOperations.list_messages(
                cast(Any, self), limit=limit, contact=contact, status=status, since=since, until=until, cursor=cursor
            )
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return

    async def show_message(self: _SendsAsync, id: str) -> t.MessageShown:
        """Show one message."""
        return cast(
            "t.MessageShown", await self._send(Request("GET", f"/v1/messages/{quote(id, safe='')}", reads="json"))
        )

    async def cancel_message(self: _SendsAsync, id: str) -> t.MessageShown:
        """Cancel a message that has not left."""
        return cast(
            "t.MessageShown",
            await self._send(Request("POST", f"/v1/messages/{quote(id, safe='')}/cancel", reads="json")),
        )

    async def decide(self: _SendsAsync, body: t.DecisionAsk) -> t.DecisionShown:
        """Ask what would be decided."""
        return cast("t.DecisionShown", await self._send(Request("POST", "/v1/decisions", body=body, reads="json")))

    async def accept_batch(self: _SendsAsync, body: list[t.BatchMessageAsk]) -> list[t.BatchResult]:
        """Accept many messages."""
        return cast(
            "list[t.BatchResult]", await self._send(Request("POST", "/v1/messages/batch", body=body, reads="json"))
        )

    async def take_media(
        self: _SendsAsync, content: bytes, *, media_type: Literal["audio/ogg", "audio/mpeg", "audio/wav"] = "audio/ogg"
    ) -> t.MediaTaken:
        """Bring a recording for voice notes."""
        return cast(
            "t.MediaTaken",
            await self._send(Request("POST", "/v1/media", content=content, media_type=media_type, reads="json")),
        )

    async def show_media(self: _SendsAsync, id: str) -> bytes:
        """Take a recording, or what came in with a reply."""
        return cast("bytes", await self._send(Request("GET", f"/v1/media/{quote(id, safe='')}", reads="bytes")))

    async def put_contact(self: _SendsAsync, id: str, body: dict[str, Any]) -> t.ContactShown:
        """Put a person's profile."""
        return cast(
            "t.ContactShown",
            await self._send(Request("PUT", f"/v1/contacts/{quote(id, safe='')}", body=body, reads="json")),
        )

    async def show_contact(self: _SendsAsync, id: str) -> t.ContactShown:
        """Show a person."""
        return cast(
            "t.ContactShown", await self._send(Request("GET", f"/v1/contacts/{quote(id, safe='')}", reads="json"))
        )

    async def erase_contact(self: _SendsAsync, id: str) -> t.ErasureShown:
        """Erase a person."""
        return cast(
            "t.ErasureShown", await self._send(Request("DELETE", f"/v1/contacts/{quote(id, safe='')}", reads="json"))
        )

    async def add_events(
        self: _SendsAsync,
        id: str,
        body: list[
            t.ContactEventAsk
            | t.ReplyEventAsk
            | t.InboundCallEventAsk
            | t.ConsentEventAsk
            | t.HoursRequestedEventAsk
            | t.InconvenientEventAsk
            | t.StatusEventAsk
            | t.ListedEventAsk
            | t.NotAssociatedEventAsk
            | t.NoticeEventAsk
            | t.ChannelPreferredEventAsk
            | t.LanguagePreferredEventAsk
            | t.ZoneStatedEventAsk
            | t.CallRequestedEventAsk
            | t.PromiseEventAsk
            | t.HeldEventAsk
        ]
        | t.ContactEventAsk
        | t.ReplyEventAsk
        | t.InboundCallEventAsk
        | t.ConsentEventAsk
        | t.HoursRequestedEventAsk
        | t.InconvenientEventAsk
        | t.StatusEventAsk
        | t.ListedEventAsk
        | t.NotAssociatedEventAsk
        | t.NoticeEventAsk
        | t.ChannelPreferredEventAsk
        | t.LanguagePreferredEventAsk
        | t.ZoneStatedEventAsk
        | t.CallRequestedEventAsk
        | t.PromiseEventAsk
        | t.HeldEventAsk,
    ) -> t.EventsTaken:
        """Tell what happened elsewhere."""
        return cast(
            "t.EventsTaken",
            await self._send(Request("POST", f"/v1/contacts/{quote(id, safe='')}/events", body=body, reads="json")),
        )

    async def show_timeline(
        self: _SendsAsync, id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> t.ListOfTimelineItem:
        """Show everything that happened with a person, newest first."""
        return cast(
            "t.ListOfTimelineItem",
            await self._send(
                Request(
                    "GET",
                    f"/v1/contacts/{quote(id, safe='')}/timeline",
                    query={"cursor": cursor, "limit": limit},
                    reads="json",
                )
            ),
        )

    async def every_timeline(self, id: str, *, limit: int | None = None) -> AsyncIterator[t.TimelineItem]:
        """Every item of ``show_timeline``, page by page."""
        cursor: str | None = None
        while True:
            page = await AsyncOperations.show_timeline(cast(Any, self), id, limit=limit, cursor=cursor)
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return

    async def show_consents(
        self: _SendsAsync, id: str, *, cursor: str | None = None, limit: int | None = None, at: str | None = None
    ) -> t.ConsentsShown:
        """Show what a person allowed and took back, newest first."""
        return cast(
            "t.ConsentsShown",
            await self._send(
                Request(
                    "GET",
                    f"/v1/contacts/{quote(id, safe='')}/consents",
                    query={"cursor": cursor, "limit": limit, "at": at},
                    reads="json",
                )
            ),
        )

    async def put_debt(self: _SendsAsync, id: str, body: dict[str, Any]) -> t.DebtShown:
        """Put a debt's facts."""
        return cast(
            "t.DebtShown", await self._send(Request("PUT", f"/v1/debts/{quote(id, safe='')}", body=body, reads="json"))
        )

    async def show_debt(self: _SendsAsync, id: str) -> t.DebtShown:
        """Show a debt."""
        return cast("t.DebtShown", await self._send(Request("GET", f"/v1/debts/{quote(id, safe='')}", reads="json")))

    async def show_erasure(self: _SendsAsync, id: str) -> t.ErasureShown:
        """Show the receipt of an erasure."""
        return cast(
            "t.ErasureShown", await self._send(Request("GET", f"/v1/erasures/{quote(id, safe='')}", reads="json"))
        )

    async def export_contact(self: _SendsAsync, id: str) -> t.PersonExported:
        """Show a person everything that is kept of her."""
        return cast(
            "t.PersonExported",
            await self._send(Request("GET", f"/v1/contacts/{quote(id, safe='')}/export", reads="json")),
        )

    async def hold_contact(self: _SendsAsync, id: str, body: t.HoldAsk) -> t.HoldShown:
        """Keep a person's data whatever is asked."""
        return cast(
            "t.HoldShown",
            await self._send(Request("PUT", f"/v1/contacts/{quote(id, safe='')}/hold", body=body, reads="json")),
        )

    async def show_hold(self: _SendsAsync, id: str) -> t.HoldShown:
        """Show the hold that stands."""
        return cast(
            "t.HoldShown", await self._send(Request("GET", f"/v1/contacts/{quote(id, safe='')}/hold", reads="json"))
        )

    async def release_contact(self: _SendsAsync, id: str) -> None:
        """End a hold."""
        await self._send(Request("DELETE", f"/v1/contacts/{quote(id, safe='')}/hold", reads="nothing"))

    async def offer_telegram_start(self: _SendsAsync, id: str) -> t.StartOffered:
        """Make a link that binds her Telegram chat."""
        return cast(
            "t.StartOffered",
            await self._send(Request("POST", f"/v1/contacts/{quote(id, safe='')}/telegram", reads="json")),
        )

    async def show_policy(
        self: _SendsAsync,
    ) -> t.PolicyShown:
        """Show the policy in force."""
        return cast("t.PolicyShown", await self._send(Request("GET", "/v1/policy", reads="json")))

    async def put_policy(self: _SendsAsync, body: t.PolicyAsk) -> t.PolicyShown:
        """Put the tenant's policy."""
        return cast("t.PolicyShown", await self._send(Request("PUT", "/v1/policy", body=body, reads="json")))

    async def create_key(self: _SendsAsync, body: t.KeyAsk) -> t.KeyMade:
        """Make a key."""
        return cast("t.KeyMade", await self._send(Request("POST", "/v1/keys", body=body, reads="json")))

    async def list_keys(self: _SendsAsync, *, cursor: str | None = None, limit: int | None = None) -> t.ListOfKeyShown:
        """List keys with their last use."""
        return cast(
            "t.ListOfKeyShown",
            await self._send(Request("GET", "/v1/keys", query={"cursor": cursor, "limit": limit}, reads="json")),
        )

    async def every_keys(self, *, limit: int | None = None) -> AsyncIterator[t.KeyShown]:
        """Every item of ``list_keys``, page by page."""
        cursor: str | None = None
        while True:
            page = await AsyncOperations.list_keys(cast(Any, self), limit=limit, cursor=cursor)
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return

    async def rotate_key(self: _SendsAsync, id: str, body: t.RotateAsk) -> t.KeyRotated:
        """Let a new key take over."""
        return cast(
            "t.KeyRotated",
            await self._send(Request("POST", f"/v1/keys/{quote(id, safe='')}/rotate", body=body, reads="json")),
        )

    async def revoke_key(self: _SendsAsync, id: str) -> None:
        """End a key."""
        await self._send(Request("DELETE", f"/v1/keys/{quote(id, safe='')}", reads="nothing"))

    async def read_register(
        self: _SendsAsync,
        name: str,
        content: bytes,
        *,
        mode: Literal["add", "replace"] | None = None,
        as_of: str | None = None,
        calling_code: str | None = None,
        force: Literal["false", "true"] | None = None,
        media_type: Literal["text/csv"] = "text/csv",
    ) -> t.RegisterReport:
        """Read a do-not-contact register."""
        return cast(
            "t.RegisterReport",
            await self._send(
                Request(
                    "POST",
                    f"/v1/registers/{quote(name, safe='')}/versions",
                    query={"mode": mode, "as_of": as_of, "calling_code": calling_code, "force": force},
                    content=content,
                    media_type=media_type,
                    reads="json",
                )
            ),
        )

    async def show_register_versions(self: _SendsAsync, name: str) -> t.RegisterVersionsShown:
        """Show the versions of a register, newest first."""
        return cast(
            "t.RegisterVersionsShown",
            await self._send(Request("GET", f"/v1/registers/{quote(name, safe='')}/versions", reads="json")),
        )

    async def show_registers(
        self: _SendsAsync,
    ) -> t.RegistersShown:
        """Show the registers, their age and who asks them."""
        return cast("t.RegistersShown", await self._send(Request("GET", "/v1/registers", reads="json")))

    async def put_template(self: _SendsAsync, name: str, body: t.TemplateAsk) -> t.TemplateKept:
        """Save a template."""
        return cast(
            "t.TemplateKept",
            await self._send(Request("PUT", f"/v1/templates/{quote(name, safe='')}", body=body, reads="json")),
        )

    async def show_template(self: _SendsAsync, name: str, *, version: int | None = None) -> t.TemplateShown:
        """Show a template."""
        return cast(
            "t.TemplateShown",
            await self._send(
                Request("GET", f"/v1/templates/{quote(name, safe='')}", query={"version": version}, reads="json")
            ),
        )

    async def list_templates(
        self: _SendsAsync, *, cursor: str | None = None, limit: int | None = None
    ) -> t.ListOfTemplateListed:
        """List templates by name."""
        return cast(
            "t.ListOfTemplateListed",
            await self._send(Request("GET", "/v1/templates", query={"cursor": cursor, "limit": limit}, reads="json")),
        )

    async def every_templates(self, *, limit: int | None = None) -> AsyncIterator[t.TemplateListed]:
        """Every item of ``list_templates``, page by page."""
        cursor: str | None = None
        while True:
            page = await AsyncOperations.list_templates(cast(Any, self), limit=limit, cursor=cursor)
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return

    async def list_template_versions(
        self: _SendsAsync, name: str, *, cursor: str | None = None, limit: int | None = None
    ) -> t.ListOfVersionShown:
        """List a template's versions, newest first."""
        return cast(
            "t.ListOfVersionShown",
            await self._send(
                Request(
                    "GET",
                    f"/v1/templates/{quote(name, safe='')}/versions",
                    query={"cursor": cursor, "limit": limit},
                    reads="json",
                )
            ),
        )

    async def every_template_versions(self, name: str, *, limit: int | None = None) -> AsyncIterator[t.VersionShown]:
        """Every item of ``list_template_versions``, page by page."""
        cursor: str | None = None
        while True:
            page = await AsyncOperations.list_template_versions(cast(Any, self), name, limit=limit, cursor=cursor)
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return

    async def preview_template(self: _SendsAsync, name: str, body: t.PreviewAsk) -> t.TemplatePreviewed:
        """See what a template says."""
        return cast(
            "t.TemplatePreviewed",
            await self._send(Request("POST", f"/v1/templates/{quote(name, safe='')}/preview", body=body, reads="json")),
        )

    async def create_webhook(self: _SendsAsync, body: t.WebhookAsk) -> t.WebhookMade:
        """Name an endpoint for events."""
        return cast("t.WebhookMade", await self._send(Request("POST", "/v1/webhooks", body=body, reads="json")))

    async def list_webhooks(
        self: _SendsAsync, *, cursor: str | None = None, limit: int | None = None
    ) -> t.ListOfWebhookShown:
        """List the endpoints."""
        return cast(
            "t.ListOfWebhookShown",
            await self._send(Request("GET", "/v1/webhooks", query={"cursor": cursor, "limit": limit}, reads="json")),
        )

    async def every_webhooks(self, *, limit: int | None = None) -> AsyncIterator[t.WebhookShown]:
        """Every item of ``list_webhooks``, page by page."""
        cursor: str | None = None
        while True:
            page = await AsyncOperations.list_webhooks(cast(Any, self), limit=limit, cursor=cursor)
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return

    async def remove_webhook(self: _SendsAsync, id: str) -> None:
        """Remove an endpoint with its deliveries."""
        await self._send(Request("DELETE", f"/v1/webhooks/{quote(id, safe='')}", reads="nothing"))

    async def rotate_secret(self: _SendsAsync, id: str) -> t.SecretMade:
        """Let a new secret take over."""
        return cast(
            "t.SecretMade",
            await self._send(Request("POST", f"/v1/webhooks/{quote(id, safe='')}/secrets", reads="json")),
        )

    async def list_deliveries(
        self: _SendsAsync, id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> t.ListOfDeliveryShown:
        """List what became of events, newest first."""
        return cast(
            "t.ListOfDeliveryShown",
            await self._send(
                Request(
                    "GET",
                    f"/v1/webhooks/{quote(id, safe='')}/deliveries",
                    query={"cursor": cursor, "limit": limit},
                    reads="json",
                )
            ),
        )

    async def every_deliveries(self, id: str, *, limit: int | None = None) -> AsyncIterator[t.DeliveryShown]:
        """Every item of ``list_deliveries``, page by page."""
        cursor: str | None = None
        while True:
            page = await AsyncOperations.list_deliveries(cast(Any, self), id, limit=limit, cursor=cursor)
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return

    async def retry_delivery(self: _SendsAsync, id: str, delivery: str) -> t.Queued:
        """Deliver one event again."""
        return cast(
            "t.Queued",
            await self._send(
                Request(
                    "POST",
                    f"/v1/webhooks/{quote(id, safe='')}/deliveries/{quote(delivery, safe='')}/retry",
                    reads="json",
                )
            ),
        )

    async def replay_events(self: _SendsAsync, id: str, body: t.ReplayAsk) -> t.Queued:
        """Deliver every event since an instant again."""
        return cast(
            "t.Queued",
            await self._send(Request("POST", f"/v1/webhooks/{quote(id, safe='')}/replay", body=body, reads="json")),
        )

    async def list_trace(
        self: _SendsAsync,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        contact: str | None = None,
        message: str | None = None,
        kind: str | None = None,
    ) -> t.ListOfTraceEntry:
        """List entries of the trace, in index order."""
        return cast(
            "t.ListOfTraceEntry",
            await self._send(
                Request(
                    "GET",
                    "/v1/trace",
                    query={"cursor": cursor, "limit": limit, "contact": contact, "message": message, "kind": kind},
                    reads="json",
                )
            ),
        )

    async def every_trace(
        self,
        *,
        limit: int | None = None,
        contact: str | None = None,
        message: str | None = None,
        kind: str | None = None,
    ) -> AsyncIterator[t.TraceEntry]:
        """Every item of ``list_trace``, page by page."""
        cursor: str | None = None
        while True:
            page = await AsyncOperations.list_trace(
                cast(Any, self), limit=limit, contact=contact, message=message, kind=kind, cursor=cursor
            )
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return

    async def export_trace(
        self: _SendsAsync,
    ) -> bytes:
        """Take the whole trace out."""
        return cast("bytes", await self._send(Request("GET", "/v1/trace/export", reads="bytes")))

    async def show_trace_head(
        self: _SendsAsync,
    ) -> t.HeadShown:
        """Show the signed head."""
        return cast("t.HeadShown", await self._send(Request("GET", "/v1/trace/head", reads="json")))

    async def prove_entry(self: _SendsAsync, *, index: int, size: int | None = None) -> t.InclusionShown:
        """Prove that an entry stands in the trace."""
        return cast(
            "t.InclusionShown",
            await self._send(Request("GET", "/v1/trace/proof", query={"index": index, "size": size}, reads="json")),
        )

    async def prove_growth(self: _SendsAsync, *, from_: int, to: int | None = None) -> t.GrowthShown:
        """Prove that the trace only grew."""
        return cast(
            "t.GrowthShown",
            await self._send(Request("GET", "/v1/trace/consistency", query={"from": from_, "to": to}, reads="json")),
        )

    async def show_cosignatures(self: _SendsAsync, *, size: int | None = None) -> t.CosignedShown:
        """Show a signed head with what witnesses signed under it."""
        return cast(
            "t.CosignedShown",
            await self._send(Request("GET", "/v1/trace/cosignatures", query={"size": size}, reads="json")),
        )

    async def hand_in_cosignature(self: _SendsAsync, body: t.CosignatureAsk) -> t.CosignedShown:
        """Hand in what a witness signed under a head."""
        return cast(
            "t.CosignedShown", await self._send(Request("POST", "/v1/trace/cosignatures", body=body, reads="json"))
        )

    async def audit_frequency(
        self: _SendsAsync,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        contact: str | None = None,
        jurisdiction: str | None = None,
        creditor: str | None = None,
        debt: str | None = None,
        channel: Literal["email", "sms", "telegram", "voice", "web", "whatsapp"] | None = None,
        since: str | None = None,
        until: str | None = None,
        margin_max: int | None = None,
    ) -> t.ListOfFrequencyShown:
        """How close each person is to each limit."""
        return cast(
            "t.ListOfFrequencyShown",
            await self._send(
                Request(
                    "GET",
                    "/v1/audit/frequency",
                    query={
                        "cursor": cursor,
                        "limit": limit,
                        "contact": contact,
                        "jurisdiction": jurisdiction,
                        "creditor": creditor,
                        "debt": debt,
                        "channel": channel,
                        "since": since,
                        "until": until,
                        "margin_max": margin_max,
                    },
                    reads="json",
                )
            ),
        )

    async def every_audit_frequency(
        self,
        *,
        limit: int | None = None,
        contact: str | None = None,
        jurisdiction: str | None = None,
        creditor: str | None = None,
        debt: str | None = None,
        channel: Literal["email", "sms", "telegram", "voice", "web", "whatsapp"] | None = None,
        since: str | None = None,
        until: str | None = None,
        margin_max: int | None = None,
    ) -> AsyncIterator[t.FrequencyShown]:
        """Every item of ``audit_frequency``, page by page."""
        cursor: str | None = None
        while True:
            page = await AsyncOperations.audit_frequency(
                cast(Any, self),
                limit=limit,
                contact=contact,
                jurisdiction=jurisdiction,
                creditor=creditor,
                debt=debt,
                channel=channel,
                since=since,
                until=until,
                margin_max=margin_max,
                cursor=cursor,
            )
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return

    async def list_costs(
        self: _SendsAsync,
        *,
        cursor: str | None = None,
        limit: int | None = None,
        group_by: Literal["campaign", "channel", "contact", "debt", "message", "provider", "tenant"] | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> t.ListOfCostSum:
        """What was spent, added up."""
        return cast(
            "t.ListOfCostSum",
            await self._send(
                Request(
                    "GET",
                    "/v1/costs",
                    query={"cursor": cursor, "limit": limit, "group_by": group_by, "since": since, "until": until},
                    reads="json",
                )
            ),
        )

    async def every_costs(
        self,
        *,
        limit: int | None = None,
        group_by: Literal["campaign", "channel", "contact", "debt", "message", "provider", "tenant"] | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> AsyncIterator[t.CostSum]:
        """Every item of ``list_costs``, page by page."""
        cursor: str | None = None
        while True:
            page = await AsyncOperations.list_costs(
                cast(Any, self), limit=limit, group_by=group_by, since=since, until=until, cursor=cursor
            )
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return

    async def ask_for_report(self: _SendsAsync, body: t.ReportAsk) -> t.ReportShown:
        """Ask for a report of contact frequency."""
        return cast("t.ReportShown", await self._send(Request("POST", "/v1/reports", body=body, reads="json")))

    async def show_report(self: _SendsAsync, id: str) -> t.ReportShown:
        """See how far a report is."""
        return cast(
            "t.ReportShown", await self._send(Request("GET", f"/v1/reports/{quote(id, safe='')}", reads="json"))
        )

    async def fetch_report(self: _SendsAsync, id: str) -> bytes:
        """Fetch a report that is ready."""
        return cast("bytes", await self._send(Request("GET", f"/v1/reports/{quote(id, safe='')}/file", reads="bytes")))

    async def list_ways(
        self: _SendsAsync,
    ) -> t.WaysShown:
        """How every way out is doing."""
        return cast("t.WaysShown", await self._send(Request("GET", "/v1/ways", reads="json")))

    async def health(
        self: _SendsAsync,
    ) -> t.Healthy:
        """Does the process live?."""
        return cast("t.Healthy", await self._send(Request("GET", "/healthz", reads="json")))

    async def readiness(
        self: _SendsAsync,
    ) -> t.Ready:
        """Is everything there that must be?."""
        return cast("t.Ready", await self._send(Request("GET", "/readyz", reads="json")))
