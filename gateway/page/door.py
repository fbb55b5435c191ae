"""Puts her page together from what the house has made: one call for ``gateway.compose``."""

from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from gateway.entries import Scribe
from gateway.media.notes import NoteRoom
from gateway.page.inbox import Bell
from gateway.page.links import Links
from gateway.page.says import Hearer
from gateway.page.shown import Gatherer
from gateway.page.site import PersonPage
from gateway.receive import Receiver
from gateway.rejudged import Rejudger
from gateway.settings import Settings
from jurisdictions.library import Library
from pages.debtor.render import Press
from storage.clock import LegalClock
from storage.database import Database
from vocabulary.channel import Channel

#: Who "told" us a reply that was written on the page, where no way of the channel web is configured.
PAGE_PROVIDER: Final = "page"


def open_page(
    app: web.Application,
    *,
    settings: Settings,
    database: Database,
    clock: LegalClock,
    law: Library,
    scribe: Scribe,
    links: Links,
    receiver: Receiver,
    rejudger: Rejudger,
    notes: NoteRoom,
    secret: bytes,
    endpoint_secret: bytes,
) -> None:
    """Add her page to the application, and what keeps open pages up to date."""
    root = urlsplit(settings.public_url).path.rstrip("/")
    bell = Bell(settings.database_url)
    ways = settings.channels.get(Channel.WEB, ())
    page = PersonPage(
        database=database,
        clock=clock,
        links=links,
        gatherer=Gatherer(
            law=law, names=settings.page.names, help_text=settings.page.help, live=bool(ways), notes=notes
        ),
        hearer=Hearer(database=database, clock=clock, scribe=scribe, links=links, rejudger=rejudger),
        receiver=receiver,
        press=Press(root=root, help_text=settings.page.help),
        bell=bell,
        secret=secret,
        endpoint_secret=endpoint_secret,
        root=root,
        provider=ways[0] if ways else PAGE_PROVIDER,
    )
    app.router.add_routes(page.routes())
    app.cleanup_ctx.append(bell.running)
    app.on_shutdown.append(bell.close)
