"""Every operation of the surface, in one list: the router and the description are made from nothing else."""

from typing import Final

from gateway.api import (
    audit,
    batch,
    costs,
    erasure,
    keys,
    media,
    messages,
    people,
    policy,
    registers,
    reports,
    service,
    telegram,
    templates,
    trace,
    ways,
    webhooks,
)
from gateway.api.routes import Route

ROUTES: Final[tuple[Route, ...]] = (
    *messages.ROUTES,
    *batch.ROUTES,
    *media.ROUTES,
    *people.ROUTES,
    *erasure.ROUTES,
    *telegram.ROUTES,
    *policy.ROUTES,
    *keys.ROUTES,
    *registers.ROUTES,
    *templates.ROUTES,
    *webhooks.ROUTES,
    *trace.ROUTES,
    *audit.ROUTES,
    *costs.ROUTES,
    *reports.ROUTES,
    *ways.ROUTES,
    *service.ROUTES,
)
