"""Templates as a CRM meets them: judged by the law when they are saved, and shown as each channel would say them."""

from collections.abc import Mapping
from typing import Any

from adapters.kit.segments import segmented
from gateway.asks import Rendering
from gateway.costs.expected import Costs
from gateway.refusals import Flaw, NotThere, Refused
from gateway.templates.asks import PreviewAsk, TemplateAsk
from gateway.templates.duties import Finding, findings, unknown_packs
from gateway.templates.text import Value, foreign, values_of
from gateway.templates.versions import ANY, Template, Templates, Version, compiled, rendering, unused
from jurisdictions.library import Library
from storage import people
from storage.clock import LegalClock
from storage.database import Connection, Database
from storage.people import ContactRow
from vocabulary.channel import SENDABLE, Channel


class TemplateDesk:
    """Saves, checks and previews. ``kinds``: of the way that is tried first on each channel."""

    def __init__(
        self,
        *,
        database: Database,
        clock: LegalClock,
        templates: Templates,
        law: Library,
        costs: Costs,
        kinds: Mapping[Channel, str],
    ) -> None:
        self._database = database
        self._clock = clock
        self._templates = templates
        self._law = law
        self._costs = costs
        self._kinds = kinds

    async def put(self, tenant: str, name: str, ask: TemplateAsk, /) -> dict[str, Any]:
        """Put a body in force; its version and what the law would warn of. Raises Refused."""
        template = compiled(ask)
        flaws = unknown_packs(ask, self._law) + _foreign(ask)
        now, _ = await self._database.read(self._clock.now)
        found = findings(ask, template, self._law, self._costs.names, self._kinds, now)
        flaws += [each.flaw for each in found if each.refused]
        if flaws:
            raise Refused(flaws)
        version, added = await self._templates.put(tenant, name, ask)
        return {
            "name": name,
            "version": version,
            "new": added,
            "warnings": [_shown(each) for each in found],
            "unused": unused(template),
        }

    async def document(self, tenant: str, name: str, version: int | None, /) -> dict[str, Any]:
        """One version. Raises NotThere."""
        return await self._templates.document(tenant, name, version)

    async def listed(self, tenant: str, after: str | None, limit: int, /) -> list[dict[str, Any]]:
        """Templates by name."""
        return await self._templates.listed(tenant, after, limit)

    async def versions(self, tenant: str, name: str, before: int | None, limit: int, /) -> list[dict[str, Any]]:
        """Versions, newest first. Raises NotThere."""
        return await self._templates.versions(tenant, name, before, limit)

    async def preview(self, tenant: str, name: str, ask: PreviewAsk, /) -> dict[str, Any]:
        """What each channel would say, in how many segments and for how much. Raises NotThere or Refused."""

        async def job(connection: Connection) -> tuple[Version, ContactRow | None]:
            key = (tenant, name, ask.version or 0)
            version = (await self._templates.find(connection, [key])).get(key)
            if version is None:
                raise NotThere
            if ask.contact is None:
                return version, None
            contact = (await people.contacts(connection, [(tenant, ask.contact)])).get((tenant, ask.contact))
            if contact is None:
                raise Refused([Flaw("/contact", "there is no contact with this id")])
            return version, contact

        version, contact = await self._database.read(job)
        template = version.template
        wanted = ask.locale or (contact.locale if contact else None)
        flaws: list[Flaw] = []
        channels = self._channels(template, ask, wanted, flaws)
        variants = {channel: template.variant(channel, wanted) for channel in channels}
        needed = set[str]().union(*(variant.names() for variant in variants.values() if variant is not None))
        values = values_of(ask.variables, template.variables, needed, "/variables", flaws)
        if flaws:
            raise Refused(flaws)
        shown = [self._preview(template, channel, values, wanted, contact, flaws) for channel in channels]
        if flaws:
            raise Refused(flaws)
        return {"name": version.name, "version": version.version, "channels": shown}

    def _channels(self, template: Template, ask: PreviewAsk, wanted: str | None, flaws: list[Flaw]) -> list[Channel]:
        if ask.channels is not None:
            for index, channel in enumerate(ask.channels):
                if template.variant(channel, wanted) is None:
                    flaws.append(Flaw(f"/channels/{index}", f"the template has no words for {channel}"))
            return [Channel(channel) for channel in dict.fromkeys(ask.channels)]
        named = {name for _, name in template.variants}
        wanted_for = (SENDABLE & named) | (self._costs.channels if ANY in named else frozenset[Channel]())
        return sorted(Channel(channel) for channel in wanted_for if template.variant(channel, wanted) is not None)

    def _preview(
        self,
        template: Template,
        channel: Channel,
        values: Mapping[str, Value],
        wanted: str | None,
        contact: ContactRow | None,
        flaws: list[Flaw],
    ) -> dict[str, Any]:
        variant = template.variant(channel, wanted)
        assert variant is not None
        ways = self._costs.names.get(channel, ())
        said = rendering(template, variant, channel, values, wanted=wanted, ways=ways, pointer="", flaws=flaws)
        text = said.content.text or ""
        address = next((row.address for row in contact.on(channel)), "") if contact else ""
        return {
            "channel": channel.value,
            "locale": variant.locale,
            "text": text,
            "subject": said.content.subject,
            "html": said.content.html,
            "characters": len(text),
            "cost": self._costs.quoted(channel, address, text) or _counted(channel, text),
            "registered": _registered(said),
        }


def _foreign(ask: TemplateAsk) -> list[Flaw]:
    """What is written in the spelling of another kind of template; looked for where a body is new, for what stands stands."""
    return [
        flaw
        for locale, channels in ask.locales.items()
        for channel, given in channels.items()
        for name in ("subject", "text", "html", "speech")
        if (text := getattr(given, name)) is not None
        for flaw in foreign(text, ask.variables, f"/locales/{locale}/{channel}/{name}")
    ]


def _counted(channel: Channel, text: str) -> dict[str, Any] | None:
    """Segments of an SMS for which no way has a price."""
    if channel is not Channel.SMS:
        return None
    counted = segmented(text)
    return {"segments": counted.segments, "encoding": counted.encoding, "amount": None, "currency": None}


def _registered(said: Rendering) -> list[dict[str, Any]]:
    return [
        {"way": way, "reference": each.reference, "language": each.language, "values": list(each.values)}
        for way, each in said.registered_by.items()
    ]


def _shown(finding: Finding) -> dict[str, Any]:
    return {
        "pointer": finding.pointer,
        "channel": finding.channel,
        "rule": finding.rule,
        "pack": finding.pack,
        "force": finding.force,
        "citation": finding.citation,
        "observed": finding.observed,
        "limit": finding.limit,
    }
