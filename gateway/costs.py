"""What a message is expected to cost, by the way that would be tried first on its channel."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from adapters.kit.port import Adapter
from gateway.asks import StoredAsk, content_for
from storage.messages import MessageRow
from storage.people import AddressRow, ContactRow
from vocabulary.channel import Channel


class Costs:
    """Asks the ways for their prices. ``ways`` are in the operator's order per channel; ``filled`` puts a link as long as hers."""

    def __init__(
        self, ways: Mapping[Channel, tuple[Adapter, ...]], filled: Callable[[str], str] = lambda text: text
    ) -> None:
        self._ways = ways
        self._filled = filled

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels that have a way."""
        return frozenset(channel for channel, ways in self._ways.items() if ways)

    @property
    def names(self) -> dict[Channel, tuple[str, ...]]:
        """The ways of each channel by name, in order."""
        return {channel: tuple(way.name for way in ways) for channel, ways in self._ways.items()}

    def expected(self, channel: Channel, address: AddressRow | None, ask: StoredAsk) -> dict[str, Any] | None:
        """Segments, encoding and amount in the contract's words; None where the way cannot say."""
        text = content_for(ask, channel).text
        return None if address is None or text is None else self.quoted(channel, address.address, text)

    def quoted(self, channel: Channel, to: str, text: str) -> dict[str, Any] | None:
        """The same of a text to an address; an empty one is priced as no number in particular."""
        ways = self._ways.get(channel, ())
        if not ways:
            return None
        quote = ways[0].quote(to, self._filled(text))
        if quote is None:
            return None
        return {
            "segments": quote.segments,
            "encoding": quote.encoding,
            "amount": quote.amount,
            "currency": quote.currency,
        }

    def of(self, row: MessageRow, contact: ContactRow) -> dict[str, Any] | None:
        """The expected cost of a message that is kept."""
        ask = msgspec.json.decode(row.ask, type=StoredAsk)
        for address in contact.on(row.channel):
            if ask.address is None or ask.address == address.address:
                return self.expected(Channel(row.channel), address, ask)
        return None
