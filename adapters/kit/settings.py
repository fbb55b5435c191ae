"""Reads a provider's table of ``tregua.toml``: wrong or unknown names are refused with the list of known ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit


class SettingsError(ValueError):
    """A provider's table cannot be used. The text names the provider and the setting, never a value."""


class Table:
    """One provider's table while it is read: take each setting, then ``done`` refuses what was not asked for."""

    def __init__(self, provider: str, table: Mapping[str, object]) -> None:
        self._provider = provider
        self._left = {name: value for name, value in table.items() if name != "kind"}
        self._known: list[str] = []

    def text(self, name: str) -> str:
        """A setting that must be there."""
        value = self.text_or_none(name)
        if value is None:
            raise self.wrong(name, "is missing")
        return value

    def text_or_none(self, name: str) -> str | None:
        """A setting that may be left out; empty or blank is refused, for it is mostly an unset variable."""
        self._known.append(name)
        value = self._left.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip() or value != value.strip():
            raise self.wrong(name, "must be a text that is not empty and has no space around it")
        return value

    def labels(self, name: str, *, most: int, characters_max: int) -> tuple[str, ...]:
        """A list of different texts, each of at most ``characters_max`` characters; left out it is empty."""
        self._known.append(name)
        value = self._left.pop(name, None)
        if value is None:
            return ()
        told = value if isinstance(value, list) else [None]
        fit = all(isinstance(text, str) and text == text.strip() and 0 < len(text) <= characters_max for text in told)
        if not fit or len(set(told)) != len(told) or len(told) > most:
            raise self.wrong(name, f"must be at most {most} different texts of 1 to {characters_max} characters")
        return tuple(told)

    def base_url(self, name: str, default: str) -> str:
        """Where the provider's API stands. Credentials and addresses travel there, so http is for loopback only."""
        value = self.text_or_none(name) or default
        parts = urlsplit(value)
        if parts.username or parts.password or parts.query or parts.fragment or not parts.hostname:
            raise self.wrong(name, "must be an address such as https://host:port/path and nothing more")
        if parts.scheme != "https" and not (parts.scheme == "http" and _loopback(parts.hostname)):
            raise self.wrong(name, "must begin with https:// (http:// is for 127.0.0.1, ::1 and localhost)")
        return value.rstrip("/")

    def prices(self, name: str) -> "Prices | None":
        """A table ``{currency = "USD", default = "0.05", "+57" = "0.0280"}``: what one segment costs, by number prefix."""
        self._known.append(name)
        value = self._left.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.wrong(name, "must be a table")
        rest = dict(value)
        currency = rest.pop("currency", None)
        if not isinstance(currency, str) or len(currency) != 3 or not currency.isalpha() or not currency.isupper():
            raise self.wrong(name, 'needs a currency of three letters, as in currency = "USD"')
        per_segment: dict[str, Decimal] = {}
        for prefix, price in rest.items():
            digits = "" if prefix == "default" else prefix.removeprefix("+")
            if digits and not (digits.isascii() and digits.isdigit()):
                raise self.wrong(name, 'has prices by number prefix, as in "+57" = "0.0280", and default')
            per_segment[digits] = self._price(name, price)
        return Prices(currency=currency, per_segment=per_segment)

    def done(self) -> None:
        """Refuse every setting that nobody asked for."""
        if self._left:
            unknown = ", ".join(sorted(self._left))
            raise SettingsError(
                f"[providers.{self._provider}] has unknown settings: {unknown}. Known are: kind, {', '.join(self._known)}"
            )

    def wrong(self, name: str, what: str) -> SettingsError:
        """The error for one setting; its value is not in it."""
        return SettingsError(f"[providers.{self._provider}] {name} {what}")

    def _price(self, name: str, price: object) -> Decimal:
        # A TOML float has lost its digits already.
        if not isinstance(price, str | int) or isinstance(price, bool):
            raise self.wrong(name, 'has prices in quotes, as in "0.0280"')
        try:
            amount = Decimal(price)
        except InvalidOperation:
            raise self.wrong(name, 'has prices in quotes, as in "0.0280"') from None
        if not amount.is_finite() or amount < 0:
            raise self.wrong(name, "has prices of zero or more")
        return amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What one segment costs, by the digits that a number begins with; the empty prefix is the default."""

    currency: str
    per_segment: Mapping[str, Decimal]
    #: Digits of the longest prefix.
    digits_max: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digits_max", max(map(len, self.per_segment), default=0))

    def amount(self, to: str, segments: int) -> Decimal | None:
        """The cost in ``currency`` of so many segments to an E.164 number; None when no price is known for it."""
        prefix = self._prefix(to)
        return None if prefix is None else self.per_segment[prefix] * segments

    def shown(self, to: str, segments: int) -> str | None:
        """The same as text, with four decimals."""
        prefix = self._prefix(to)
        return None if prefix is None else _shown(self.per_segment[prefix], segments)

    def _prefix(self, to: str) -> str | None:
        digits = to.removeprefix("+")
        for length in range(min(len(digits), self.digits_max), -1, -1):
            if digits[:length] in self.per_segment:
                return digits[:length]
        return None


@lru_cache(maxsize=1024)
def _shown(price: Decimal, segments: int) -> str:
    return f"{price * segments:.4f}"


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
