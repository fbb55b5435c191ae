"""What a message is expected to cost, by the way that would be tried first on its channel, and what it cost after all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from adapters.kit.port import Adapter
from gateway.asks import StoredAsk, content_for
from storage.messages import AttemptRow, MessageRow
from storage.people import AddressRow, ContactRow
from vocabulary.channel import Channel, Form
from vocabulary.outcome import Quote

#: What nothing left of costs nothing.
_FREE: Final = frozenset({"not_sent", "rejected"})


@dataclass(frozen=True, slots=True)
class Price:
    """What one send by one way is expected to cost."""

    amount: Decimal
    currency: str
    segments: int


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
        text = _words(ask, channel)
        return None if address is None or text is None else self.quoted(channel, address.address, text)

    def price(self, way: Adapter, to: str, ask: StoredAsk) -> Price | None:
        """What sending by a way is expected to cost; None where no price is known."""
        text = _words(ask, way.channel)
        quote = None if text is None else way.quote(to, self._filled(text))
        return None if quote is None else _price(quote)

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

    def of(self, row: MessageRow, contact: ContactRow, attempts: Sequence[AttemptRow] = ()) -> dict[str, Any] | None:
        """The expected cost of a message that is kept and, once anything was told of its ``attempts``, the actual one."""
        ask = msgspec.json.decode(row.ask, type=StoredAsk)
        expected = None
        for address in contact.on(row.channel):
            if ask.address is None or ask.address == address.address:
                expected = self.expected(Channel(row.channel), address, ask)
                break
        actual = spent(attempts)
        if actual is None:
            return expected
        amount, currency = actual
        blank = {"segments": None, "encoding": None, "amount": None, "currency": currency}
        shown = expected or blank
        if shown["currency"] not in (None, currency):
            return shown
        return {**shown, "currency": currency, "actual": f"{amount:.4f}"}


def spent(attempts: Sequence[AttemptRow]) -> tuple[Decimal, str] | None:
    """What attempts of one message cost as far as told, and in which currency; None while nothing is, or in several."""
    told = [(amount, each.currency) for each in attempts if (amount := actual_of(each)) is not None and each.currency]
    currencies = {currency for _, currency in told}
    if len(currencies) != 1:
        return None
    return sum((amount for amount, _ in told), Decimal(0)), currencies.pop()


def actual_of(attempt: AttemptRow) -> Decimal | None:
    """What an attempt cost, once it is known: told by the provider, by its count of segments, or since nothing left."""
    if attempt.actual is not None:
        return attempt.actual
    if attempt.state in _FREE:
        return Decimal(0)
    return attempt.expected if attempt.segments is not None else None


def by_segments(attempt: AttemptRow, segments: int | None) -> Decimal | None:
    """What it cost by the provider's own count, where that differs from ours."""
    if (
        not segments
        or attempt.expected is None
        or not attempt.expected_segments
        or segments == attempt.expected_segments
    ):
        return None
    return attempt.expected / attempt.expected_segments * segments


def _price(quote: Quote) -> Price | None:
    if quote.amount is None or quote.currency is None:
        return None
    return Price(Decimal(quote.amount), quote.currency, quote.segments)


def _words(ask: StoredAsk, channel: Channel) -> str | None:
    """What is priced: the text, or what is to be spoken. A recording is reckoned as the shortest there is until it is told."""
    content = content_for(ask, channel)
    if content.text is not None or content.audio is None:
        return content.text
    if channel is not Channel.VOICE and ask.form is Form.VOICE_NOTE:
        return None
    return content.audio.speech or ""
