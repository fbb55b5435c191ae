"""A link by which a person opens her chat with the bot: the only way in which a bot may ever write to her."""

from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta, Struct

from gateway.api.problems import Slug
from gateway.api.routes import Call, Route, answer
from gateway.asks import Id, Instant
from gateway.tenants.keys import Scope


class StartOffered(Struct, frozen=True):
    """A link that binds the chat in which it is opened to the person. Whoever opens it is taken for her: give it to her alone."""

    url: Annotated[str, Meta(description="Single use.")]
    expires_at: Instant


async def offer_start(call: Call) -> web.StreamResponse:
    """A new link."""
    return answer(await call.desk.starts.offer(call.tenant, call.path_as("id", Id)), 201)


ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/contacts/{id}/telegram",
        handler=offer_start,
        name="offerTelegramStart",
        tag="Contacts",
        summary="Make a link that binds her Telegram chat",
        description="A bot cannot write first. The link opens a chat with it; when the person presses Start there, the chat "
        "becomes an address of hers and her consent to Telegram is kept, unless she ever took it back: a link lifts nothing. "
        "It works once, for seven days. No body.",
        scope=Scope.CONTACTS,
        answers={201: StartOffered},
        problems=(Slug.NOT_FOUND,),
    ),
)
