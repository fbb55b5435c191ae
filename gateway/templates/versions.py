"""Templates: compiled from what a CRM wrote, kept in versions that never change, and filled once, when a message is accepted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import msgspec

from gateway.asks import TEXT_CHARS_MAX, AudioAsk, ContentAsk, Rendering
from gateway.entries import Scribe
from gateway.refusals import Flaw, NotThere, Refused
from gateway.templates.asks import HTML_CHARS_MAX, RegisteredAsk, TemplateAsk, VariableAsk, VariantAsk
from gateway.templates.text import (
    LINK,
    Placeholder,
    Source,
    Value,
    fallback,
    filled,
    formatted,
    is_currency,
    is_locale,
    placeholder,
    read,
    value_of,
    written_in,
)
from gateway.templates.text import Unfit as UnfitValue
from storage import chain, templates
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.templates import TemplateKey
from vocabulary.channel import Channel, Form
from vocabulary.outcome import Registered

#: Compiled versions kept in a process; beyond it the oldest are compiled again when they are needed.
KEPT_MAX: Final = 2_000
ANY: Final = "any"
SUBJECT_CHARS_MAX: Final = 998

_SPEAKING: Final = frozenset({ANY, Channel.VOICE, Channel.WHATSAPP, Channel.TELEGRAM, Channel.WEB})
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A provider's own template, and the placeholders that fill it."""

    reference: str
    language: str
    slots: tuple[Placeholder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The words for one channel in one language, read."""

    locale: str
    text: Source | None = None
    subject: Source | None = None
    html: Source | None = None
    speech: Source | None = None
    approved: Mapping[str, Approved] = field(default_factory=dict)

    def names(self) -> set[str]:
        """The variables that it needs, whatever part of it is used."""
        sources = [source for source in (self.text, self.subject, self.html, self.speech) if source is not None]
        slots = {slot.name for each in self.approved.values() for slot in each.slots if not slot.is_link}
        return slots.union(*(source.names() for source in sources))


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A body, read. ``variants`` by language in small letters and channel (or ``any``)."""

    default: str
    variables: Mapping[str, VariableAsk]
    variants: Mapping[tuple[str, str], Variant]
    states: tuple[str, ...] | None

    def variant(self, channel: str, wanted: str | None) -> Variant | None:
        """The words for a channel: in the nearest language, there the channel's own before those for any."""
        for locale in fallback(wanted, self.default):
            for name in (channel, ANY):
                found = self.variants.get((locale, name))
                if found is not None:
                    return found
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A template in one version, as a message is made with it."""

    name: str
    version: int
    template: Template


# ---- compiling --------------------------------------------------------------------------------------------------------


def compiled(ask: TemplateAsk) -> Template:
    """Read a body. Raises Refused naming every flaw by pointer and character."""
    flaws: list[Flaw] = []
    for name, variable in ask.variables.items():
        _variable(name, variable, flaws)
    variants: dict[tuple[str, str], Variant] = {}
    seen: set[str] = set()
    for locale, channels in ask.locales.items():
        where = f"/locales/{locale}"
        if locale.lower() in seen:
            flaws.append(Flaw(where, "stands here twice, in other letters"))
        seen.add(locale.lower())
        if not is_locale(locale):
            flaws.append(Flaw(where, "is no language in which dates and sums can be written"))
        if not channels:
            flaws.append(Flaw(where, "holds no words"))
        for channel, given in channels.items():
            variants[locale.lower(), channel] = _variant(
                locale, channel, given, ask.variables, f"{where}/{channel}", flaws
            )
    if ask.default.lower() not in seen:
        flaws.append(Flaw("/default", "is none of /locales"))
    if flaws:
        raise Refused(flaws)
    return Template(
        default=ask.default,
        variables=ask.variables,
        variants=variants,
        states=None if ask.states is None else tuple(ask.states),
    )


def unused(template: Template) -> list[str]:
    """Variables that no text uses."""
    used: set[str] = set().union(*(variant.names() for variant in template.variants.values()))
    return sorted(set(template.variables) - used)


def _variable(name: str, variable: VariableAsk, flaws: list[Flaw]) -> None:
    where = f"/variables/{name}"
    if name == LINK:
        flaws.append(Flaw(where, "{{link}} is the person's own link and needs no variable"))
    if variable.currency is not None and variable.type != "money":
        flaws.append(Flaw(f"{where}/currency", "goes with the type money"))
    elif variable.currency is not None and not is_currency(variable.currency):
        flaws.append(Flaw(f"{where}/currency", "is not a currency of ISO 4217"))
    if variable.example is not None and isinstance(unfit := value_of(variable.example, variable), UnfitValue):
        flaws.append(Flaw(f"{where}/example", unfit.why))


def _variant(
    locale: str, channel: str, given: VariantAsk, variables: Mapping[str, VariableAsk], where: str, flaws: list[Flaw]
) -> Variant:
    if given.text is None and given.speech is None:
        flaws.append(Flaw(f"{where}/text", "Required, and left out."))
    if given.speech is not None and channel not in _SPEAKING:
        flaws.append(Flaw(f"{where}/speech", f"does not go with {channel}"))
    if channel == Channel.EMAIL and given.subject is None:
        flaws.append(Flaw(f"{where}/subject", "Required, and left out."))
    for name in ("subject", "html"):
        if getattr(given, name) is not None and channel != Channel.EMAIL:
            flaws.append(Flaw(f"{where}/{name}", f"does not go with {channel}"))
    if given.registered and channel != Channel.WHATSAPP:
        flaws.append(Flaw(f"{where}/registered", f"does not go with {channel}"))

    def source(name: str) -> Source | None:
        text: str | None = getattr(given, name)
        if text is None:
            return None
        if not text.strip():
            flaws.append(Flaw(f"{where}/{name}", "is blank"))
        if name == "subject" and any(ord(character) < 32 for character in text):
            flaws.append(Flaw(f"{where}/subject", "is one line without control characters"))
        return read(text, variables, f"{where}/{name}", flaws, html=name == "html")

    text = source("text")
    return Variant(
        locale=locale,
        text=text,
        subject=source("subject"),
        html=source("html"),
        speech=source("speech"),
        approved={
            way: _approved(each, text, variables, f"{where}/registered/{way}", flaws)
            for way, each in given.registered.items()
        },
    )


def _approved(
    given: RegisteredAsk, text: Source | None, variables: Mapping[str, VariableAsk], where: str, flaws: list[Flaw]
) -> Approved:
    slots: list[Placeholder] = []
    if given.values is None:
        slots = list(dict.fromkeys(text.placeholders if text is not None else ()))
    else:
        for index, inside in enumerate(given.values):
            found = placeholder(inside, variables, "character 1", f"{where}/values/{index}", flaws)
            if found is not None:
                slots.append(found)
    if any(slot.is_link for slot in slots):
        # A provider's template has its link registered with it; ours would be another.
        flaws.append(Flaw(f"{where}/values", "{{link}} cannot fill a registered template"))
    return Approved(reference=given.reference, language=given.language, slots=tuple(slots))


# ---- filling ----------------------------------------------------------------------------------------------------------


def rendering(
    template: Template,
    variant: Variant,
    channel: str,
    values: Mapping[str, Value],
    *,
    wanted: str | None,
    form: Form = Form.TEXT,
    flags: ContentAsk | None = None,
    ways: Iterable[str] = (),
    pointer: str = "/content",
    flaws: list[Flaw],
) -> Rendering:
    """What a message says on a channel. ``ways``: those of the channel; ``flags``: what the sender states beside the words."""
    locale = written_in(wanted, variant.locale)

    def said(source: Source | None, chars_max: int, *, html: bool = False, one_line: bool = False) -> str | None:
        if source is None:
            return None
        text = filled(source, values, locale, html=html, one_line=one_line)
        if len(text) > chars_max:
            flaws.append(Flaw(f"{pointer}/template", f"with these values the words are longer than {chars_max}"))
        return text

    spoken = form is Form.VOICE_NOTE or channel == Channel.VOICE
    words = (variant.speech if spoken else None) or variant.text or variant.speech
    text = said(words, TEXT_CHARS_MAX)
    assert text is not None
    approved = {
        way: Registered(
            reference=each.reference,
            language=each.language,
            # Providers refuse line feeds and runs of spaces in a parameter.
            values=tuple(" ".join(formatted(values[slot.name], slot.format, locale).split()) for slot in each.slots),
        )
        for way, each in variant.approved.items()
        if not spoken
    }
    named = list(ways)
    states = template.states
    if flags is not None and flags.states is not None:
        states = tuple(dict.fromkeys([*(states or ()), *flags.states]))
    return Rendering(
        content=ContentAsk(
            text=None if form is Form.VOICE_NOTE else text,
            audio=AudioAsk(speech=text) if form is Form.VOICE_NOTE else None,
            subject=said(variant.subject, SUBJECT_CHARS_MAX, one_line=True),
            html=said(variant.html, HTML_CHARS_MAX, html=True),
            caller_id=flags.caller_id if flags else None,
            states=None if states is None else list(states),  # type: ignore[arg-type]
            registered_template=flags.registered_template if flags else None,
            opt_out_notice=flags.opt_out_notice if flags else None,
        ),
        registered=approved[named[0]] if named and all(way in approved for way in named) else None,
        registered_by=approved,
    )


# ---- keeping ----------------------------------------------------------------------------------------------------------


class Templates:
    """A tenant's templates. Compiled versions are kept by the digest of their body: the same bytes mean the same everywhere."""

    def __init__(self, *, database: Database, clock: LegalClock, scribe: Scribe) -> None:
        self._database = database
        self._clock = clock
        self._scribe = scribe
        self._compiled: dict[bytes, Template] = {}

    async def put(self, tenant: str, name: str, ask: TemplateAsk) -> tuple[int, bool]:
        """Put a body in force, compiled before; its version, and whether it is new."""
        body = _ENCODER.encode(ask)
        digest = sha256(body).digest()

        async def job(connection: Connection) -> tuple[int, bool]:
            now, _ = await self._clock.now(connection)
            version, added, moved = await templates.put(connection, tenant, name, digest, body.decode(), now)
            if moved:
                facts = {"template": name, "version": version, "sha256": digest.hex(), "new": added}
                entry = self._scribe.entry("template", tenant=tenant, at=now, facts=facts)
                await chain.append(connection, {tenant: [entry]})
            return version, added

        return await self._database.run(job)

    async def document(self, tenant: str, name: str, version: int | None) -> dict[str, Any]:
        """One version as it was written. Raises NotThere."""
        row = await self._database.read(lambda connection: templates.get(connection, tenant, name, version or 0))
        if row is None:
            raise NotThere
        body: dict[str, Any] = msgspec.json.decode(row.body)
        return {
            "name": row.name,
            "version": row.version,
            "in_force": row.version == row.current,
            "created_at": row.created_at,
            **body,
        }

    async def listed(self, tenant: str, after: str | None, limit: int) -> list[dict[str, Any]]:
        """Templates by name."""
        return await self._database.read(lambda connection: templates.listed(connection, tenant, after, limit))

    async def versions(self, tenant: str, name: str, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Versions, newest first. Raises NotThere."""

        async def job(connection: Connection) -> list[dict[str, Any]]:
            if not await templates.named(connection, [(tenant, name, 0)]):
                raise NotThere
            return await templates.versions(connection, tenant, name, before, limit)

        return await self._database.read(job)

    async def find(self, connection: Connection, keys: Iterable[TemplateKey]) -> dict[TemplateKey, Version]:
        """The named versions that exist, ready to be filled; version 0: the one in force."""
        found: dict[TemplateKey, Version] = {}
        for key, (version, digest) in (await templates.named(connection, keys)).items():
            tenant, name, _ = key
            template = self._compiled.get(digest)
            if template is None:
                row = await templates.get(connection, tenant, name, version)
                assert row is not None, "versions are never removed"
                template = compiled(msgspec.json.decode(row.body, type=TemplateAsk))
                if len(self._compiled) >= KEPT_MAX:
                    self._compiled.pop(next(iter(self._compiled)))
                self._compiled[digest] = template
            found[key] = Version(name=name, version=version, template=template)
        return found
