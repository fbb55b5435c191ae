"""What a CRM writes into a template, as types: languages, channels, texts, and variables that are declared with their kind."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gateway.asks import TEXT_CHARS_MAX, VALUE_CHARS_MAX, VARIABLES_MAX, Id, PackCode, Sendable, Value
from vocabulary.channel import Purpose

LOCALES_MAX: Final = 50
HTML_CHARS_MAX: Final = 200_000
#: Ways for which one variant names a template that the provider has approved.
WAYS_MAX: Final = 10
#: What fills an approved template, in order.
SLOTS_MAX: Final = 50

NAME_PATTERN: Final = r"^[a-z][a-z0-9_]{0,39}(?![\s\S])"

VariableName = Annotated[str, Meta(pattern=NAME_PATTERN, description="Small letters, digits and underscores.")]
Locale = Annotated[
    str,
    Meta(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*(?![\s\S])", description="BCP 47, as `es-CO`."),
]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}(?![\s\S])", description="ISO 4217.")]
#: ``any``: whatever channel has no words of its own in that language.
VariantOf = Literal["any", "sms", "email", "whatsapp", "telegram", "voice", "web"]
Stated = Literal["collector", "creditor", "amount", "calculation_date", "complaints_unit"]


class VariableAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One variable: its kind, and for money the currency of values that name none.

    Values: `text` and `name` as strings; `number` and `money` as integers or decimal strings with a point, money also
    with a currency behind it (`120000.50 COP`); `date` as `YYYY-MM-DD`.
    """

    type: Literal["text", "name", "money", "date", "number"]
    currency: Currency | None = None
    chars_max: Annotated[int, Meta(ge=1, le=VALUE_CHARS_MAX)] = 200
    example: Value | None = None


class RegisteredAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A template that the provider has approved: its own id there (a Content SID, a name), its language, and what fills it.

    `values` are placeholders without their braces (`amount|money`), in the order of the provider's; left out, those of the
    text in the order in which they stand there first.
    """

    reference: Annotated[str, Meta(min_length=1, max_length=200)]
    language: Annotated[str, Meta(min_length=2, max_length=35)]
    values: Annotated[list[Annotated[str, Meta(min_length=1, max_length=80)]], Meta(max_length=SLOTS_MAX)] | None = None


class VariantAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The words for one channel in one language. `speech` is what a voice note or a call says instead of `text`."""

    text: Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS_MAX)] | None = None
    subject: Annotated[str, Meta(min_length=1, max_length=998)] | None = None
    html: Annotated[str, Meta(min_length=1, max_length=HTML_CHARS_MAX)] | None = None
    speech: Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS_MAX)] | None = None
    registered: Annotated[dict[Id, RegisteredAsk], Meta(max_length=WAYS_MAX)] = {}


class TemplateAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A template. `jurisdictions` and `purpose` say under which law its words are judged when it is saved."""

    default: Locale
    locales: Annotated[dict[Locale, dict[VariantOf, VariantAsk]], Meta(min_length=1, max_length=LOCALES_MAX)]
    variables: Annotated[dict[VariableName, VariableAsk], Meta(max_length=VARIABLES_MAX)] = {}
    purpose: Purpose = Purpose.COLLECTION
    jurisdictions: Annotated[list[PackCode], Meta(max_length=20)] = []
    states: Annotated[list[Stated], Meta(max_length=5)] | None = None


class PreviewAsk(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to fill a template with to see it. `contact` lends her language and her numbers, from which prices follow."""

    variables: Annotated[dict[str, Value], Meta(max_length=VARIABLES_MAX)] = {}
    version: Annotated[int, Meta(ge=1, le=2_000_000_000)] | None = None
    locale: Locale | None = None
    channels: Annotated[list[Sendable], Meta(min_length=1, max_length=6)] | None = None
    contact: Id | None = None
