"""The tenant's policy: sender, readings, house rules, overrides, caps."""

from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from gateway.api.routes import Call, Route, answer
from gateway.api.shapes import PolicyShown
from gateway.asks import Instant, SenderAsk
from gateway.refusals import Flaw, Refused
from gateway.tenants.keys import Scope
from jurisdictions.caps import CapAsk
from jurisdictions.house import Auto

#: A policy is written into the trace whole, and an entry's header has its limit.
POLICY_BYTES_MAX: Final = 24 * 1024

Words = Annotated[str, Meta(min_length=1, max_length=500)]


class ReadingAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A reading of a disputed rule; one looser than the default needs authority and reason."""

    value: Words
    authority: Words | None = None
    reason: Words | None = None


class OverrideAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rule set aside, by whose authority, why, and until when. A binding rule has no override."""

    rule: Words
    authority: Words
    reason: Words
    until: Instant | None = None


class PolicyAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is left out is the default. House rules are written as packs write theirs, and only tighten."""

    sender: SenderAsk | None = None
    readings: dict[str, str | ReadingAsk] = {}
    house_rules: list[dict[str, Any]] = []
    overrides: list[OverrideAsk] = []
    caps: list[CapAsk] = []
    auto: Auto | None = None


async def show(call: Call) -> web.StreamResponse:
    """What is in force."""
    return answer(await call.desk.policies.get(call.tenant))


async def put(call: Call) -> web.StreamResponse:
    """The next version, in force."""
    if len(msgspec.json.encode(call.raw)) > POLICY_BYTES_MAX:
        raise Refused([Flaw("", f"A policy is at most {POLICY_BYTES_MAX} bytes.")])
    # Null says the same as leaving it out, and is kept the same.
    body = {name: value for name, value in call.raw.items() if value is not None}
    return answer(await call.desk.policies.put(call.tenant, body))


ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/policy",
        handler=show,
        name="showPolicy",
        tag="Policy",
        summary="Show the policy in force",
        scope=Scope.ADMIN,
        answers={200: PolicyShown},
    ),
    Route(
        method="PUT",
        path="/v1/policy",
        handler=put,
        name="putPolicy",
        tag="Policy",
        summary="Put the tenant's policy",
        description="Left out = every default. House rules only tighten; a reading looser than the default needs authority and "
        "reason, as an override does; a binding rule has no override. Versioned and traced.",
        scope=Scope.ADMIN,
        body=PolicyAsk,
        example={"sender": {"role": "creditor", "creditor": "bank-1", "collector": "agency-1"}},
        answers={200: PolicyShown},
    ),
)
