"""Puts a person's own link where ``{{link}}`` stands in a message, and finds again what a link was sent with.

A link is the attempt that carried it: nothing is stored to make one. It ends by age, by a later word that closed it, or with the
person (erasure). What the tenant wrote around it is never evaluated.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from adapters.kit.links import PATH, TOKEN_CHARACTERS, attempt_of_token, page_token, page_url
from gateway.addresses import endpoint
from gateway.page.settings import LINK_DAYS
from gateway.parcels import LINK
from storage import links, messages, people
from storage.database import Connection
from storage.messages import AttemptRow, MessageRow
from storage.people import ContactRow
from vocabulary.channel import AddressKind, Channel

_SAMPLE: Final = "x" * TOKEN_CHARACTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What stands behind a link that opens: the attempt that carried it, its message, and the person it was sent to."""

    attempt: AttemptRow
    message: MessageRow
    contact: ContactRow
    #: The keyed digest of the address that the link went to, whether or not her profile still has it.
    endpoint: str

    @property
    def kind(self) -> AddressKind:
        """Where that address is, as the CRM says."""
        for address in self.contact.on(self.attempt.channel):
            if address.address == self.attempt.address:
                return AddressKind(address.kind)
        return AddressKind.UNKNOWN


class Links:
    """Makes and opens signed links. Meets ``gateway.parcels.Links``.

    ``days``: how long one opens its page, real time. ``endpoints``: the secret under which addresses are digested.
    """

    def __init__(self, *, public_url: str, secret: bytes, endpoints: bytes, days: int = LINK_DAYS) -> None:
        self._public_url = public_url
        self._secret = secret
        self._endpoints = endpoints
        self._open_for = timedelta(days=days)

    def url(self, attempt: UUID) -> str:
        """The address of an attempt's page."""
        return page_url(self._public_url, self._secret, attempt)

    def token(self, attempt: UUID) -> str:
        """The token in that address."""
        return page_token(self._secret, attempt)

    def filled(self, text: str, /, *, tenant: str, contact: str, message: UUID, attempt: UUID) -> str:
        """``text`` with her link wherever ``{{link}}`` stands; the same for the same attempt."""
        del tenant, contact, message  # the attempt alone names all of them
        return text.replace(LINK, self.url(attempt))

    def sampled(self, text: str) -> str:
        """``text`` as long, and in the same alphabet, as it will be with its link: what is counted before there is an attempt."""
        return text.replace(LINK, f"{self._public_url.rstrip('/')}{PATH}{_SAMPLE}")

    async def open(self, connection: Connection, token: str, real: datetime) -> Opened | None:
        """What a token opens; None when it is unknown, too old, closed, or its person is gone: nobody is told which."""
        identity = attempt_of_token(self._secret, token)
        if identity is None:
            return None
        attempt = (await messages.attempts(connection, [identity])).get(identity)
        if attempt is None or real - attempt.begun_at > self._open_for:
            return None
        key = (attempt.tenant, attempt.contact)
        contact = (await people.contacts(connection, [key])).get(key)
        message = (await messages.get(connection, [attempt.message])).get(attempt.message)
        if contact is None or message is None:
            return None
        digest = endpoint(self._endpoints, attempt.tenant, Channel(attempt.channel), attempt.address)
        if await links.closed(connection, attempt.tenant, attempt.contact, digest, attempt.begun_at):
            return None
        return Opened(attempt=attempt, message=message, contact=contact, endpoint=digest)
