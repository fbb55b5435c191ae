"""The tenant's policy: sender, readings, house rules, overrides."""

from typing import Any, Final

from aiohttp import web

from gateway.api.routes import Call, Route, answer
from gateway.keys import Scope


async def show(call: Call) -> web.StreamResponse:
    """What is in force."""
    return answer(await call.desk.policies.get(call.tenant))


async def put(call: Call) -> web.StreamResponse:
    """The next version, in force."""
    return answer(await call.desk.policies.put(call.tenant, call.body))


ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/policy",
        handler=show,
        name="showPolicy",
        tag="Policy",
        summary="Show the policy in force",
        scope=Scope.ADMIN,
        answers={200: dict[str, Any]},
    ),
    Route(
        method="PUT",
        path="/v1/policy",
        handler=put,
        name="putPolicy",
        tag="Policy",
        summary="Put the tenant's policy",
        description='`{"sender": {…}, "readings": {…}, "house_rules": […], "overrides": [{"rule", "authority", "reason", "until"}]}`. '
        "Left out = every default. House rules only tighten; a reading looser than the default needs authority and reason; a binding "
        "rule has no override. Versioned and traced.",
        scope=Scope.ADMIN,
        body=dict[str, Any],
        answers={200: dict[str, Any]},
    ),
)
