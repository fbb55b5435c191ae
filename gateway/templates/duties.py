"""Judges a template's words before anybody gets them: what laws want said or unsaid, found when it is saved, with the article."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.asks import Rendering
from gateway.deciding.decide import asked_of
from gateway.refusals import Flaw
from gateway.templates.asks import TemplateAsk
from gateway.templates.text import sample
from gateway.templates.versions import ANY, Template, Variant, rendering
from jurisdictions.library import Library
from jurisdictions.resolution import packs_for, platforms_for
from jurisdictions.rule import Clause, Lift, Says
from vocabulary.channel import SENDABLE, Channel, SenderRole
from vocabulary.message import Content, Message, Person, Question, Sender
from vocabulary.verdict import Force

#: A zone, for a question must have one; what words say hangs on none.
_ZONE: Final = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One duty that the words of one variant do not meet. ``refused``: no message with them could ever go out."""

    pointer: str
    channel: str
    rule: str
    pack: str
    force: str
    citation: str
    observed: str
    limit: str
    refused: bool

    @property
    def flaw(self) -> Flaw:
        """The same as what a caller is told of a refused body."""
        return Flaw(self.pointer, f"{self.rule} ({self.citation}): {self.observed}")


def unknown_packs(ask: TemplateAsk, law: Library) -> list[Flaw]:
    """Jurisdictions that no pack here stands for: their duties cannot be checked."""
    return [
        Flaw(f"/jurisdictions/{index}", "there is no pack for it")
        for index, code in enumerate(ask.jurisdictions)
        if code not in law.packs
    ]


def findings(
    ask: TemplateAsk,
    template: Template,
    law: Library,
    ways: Mapping[Channel, tuple[str, ...]],
    kinds: Mapping[Channel, str],
    now: datetime,
) -> list[Finding]:
    """Every duty of the jurisdictions named, and of the platforms, that a variant does not meet when filled with samples.

    ``ways``: by name; ``kinds``: of the first one of each channel.
    """
    found: dict[tuple[str, str, str], Finding] = {}
    values = {name: sample(variable) for name, variable in template.variables.items()}
    for (locale, name), variant in template.variants.items():
        for channel in _channels(template, locale, name, ways):
            said = rendering(
                template,
                variant,
                channel,
                values,
                wanted=variant.locale,
                # Where nothing is configured yet, the ways that it names stand for those to come.
                ways=ways.get(channel) or tuple(variant.approved),
                flaws=[],
            )
            for each in _asked(ask, variant, name, channel, said, law, kinds.get(channel), now):
                found.setdefault((each.pointer, each.rule, each.observed), each)
    return list(found.values())


def _channels(template: Template, locale: str, name: str, ways: Mapping[Channel, tuple[str, ...]]) -> list[Channel]:
    """Whom a variant speaks for: its channel, or every one that has a way and no words of its own in that language."""
    if name != ANY:
        return [Channel(name)]
    sending = {channel for channel, names in ways.items() if names} or SENDABLE
    return sorted(channel for channel in sending if (locale, channel.value) not in template.variants)


def _asked(
    ask: TemplateAsk,
    variant: Variant,
    name: str,
    channel: Channel,
    said: Rendering,
    law: Library,
    kind: str | None,
    now: datetime,
) -> Iterator[Finding]:
    question = Question(
        message=Message(
            channel=channel,
            purpose=ask.purpose,
            content=Content(
                text=said.content.text,
                subject=said.content.subject,
                states=None if said.content.states is None else tuple(said.content.states),
                registered_template=True if said.registered is not None else None,
            ),
        ),
        sender=Sender(role=SenderRole.CREDITOR, creditor="-", collector="-"),
        person=Person(person="-", zones=(_ZONE,), authorised=frozenset()),
        debts={},
        history=(),
        now=now,
        packs={
            **packs_for(given=ask.jurisdictions),
            **platforms_for(channel=channel, way=kind, countries=()),
        },
        readings={},
    )
    facts, asked = asked_of(question, law)
    for each in asked:
        if not _about_words(each.clause) or not each.blocks(facts.now):
            continue
        head = each.clause.head
        for hold in each.holds:
            yield Finding(
                pointer=f"/locales/{variant.locale}/{name}/{'text' if variant.text is not None else 'speech'}",
                channel=channel.value,
                rule=head.rule,
                pack=head.pack,
                force=head.force.value,
                citation=head.citation,
                observed=hold.observed,
                limit=head.says["en"],
                refused=_final(each.clause, hold.observed),
            )


def _about_words(clause: Clause) -> bool:
    """Whether a clause looks at words, or would let them pass if a provider had approved them."""
    return isinstance(clause.predicate, Says) or any(each.lift is Lift.REGISTERED_TEMPLATE for each in clause.unless)


def _final(clause: Clause, observed: str) -> bool:
    """Whether no message with these words can go out: the rule binds, always, and flags of a message cannot say more."""
    rule = clause.predicate
    if not isinstance(rule, Says) or clause.head.force is not Force.BINDING or clause.unless or rule.first_by:
        return False
    return observed.startswith("words: ") or (bool(rule.always) and observed.startswith("lacks: "))
