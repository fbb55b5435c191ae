"""An answer in sentences that a person in compliance can file: every rule asked, what was counted, and when it lets go."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.decide import Asked, asked_of, decide, observed
from jurisdictions.facts import Facts
from jurisdictions.house import Policy
from jurisdictions.library import Library
from jurisdictions.localtime import NEVER, dated, local_date, where_she_is, zone
from jurisdictions.rule import Count, Counted, Gap, Hours, Key, Since, Sticky
from throttling import frequency
from vocabulary.message import Question
from vocabulary.verdict import Answer, Force, Verdict

_FAR: Final = timedelta(days=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One rule that was asked. ``counted`` and ``windows`` are told where the rule counts or keeps hours."""

    rule: str
    pack: str
    force: Force
    citation: str
    says: str
    blocks: bool
    observed: str | None
    counted: tuple[str, ...]
    windows: tuple[str, ...]
    reading: str | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer and every rule that was asked for it, in the order of packs and rules."""

    verdict: Verdict
    lines: tuple[Line, ...]


def explain(question: Question, law: Library, policy: Policy | None = None, language: str = "en") -> Explanation:
    """Why the answer is what it is. ``language``: ``en``, ``es`` or ``pt`` for what the rules say."""
    facts, asked = asked_of(question, law, policy)
    return Explanation(
        verdict=decide(question, law, policy), lines=tuple(_line(each, facts, language) for each in asked)
    )


def _line(each: Asked, facts: Facts, language: str) -> Line:
    head = each.clause.head
    opens = each.after(facts.now)
    blocks = opens > facts.now
    home = facts.zones[0] if facts.zones else None
    return Line(
        rule=head.rule,
        pack=head.pack,
        force=head.force,
        citation=head.citation,
        says=head.says.get(language, head.says["en"]),
        blocks=blocks,
        observed=observed(each, facts) if blocks else None,
        counted=tuple(_counted(each, facts, home)),
        windows=tuple(_windows(each, facts)),
        reading=each.clause.reading,
        until=where_she_is(opens, home) if blocks and opens < NEVER and head.names_hour else None,
    )


def _counted(each: Asked, facts: Facts, home: str | None) -> Iterator[str]:
    predicate = each.clause.predicate
    what: Counted | None = getattr(predicate, "what", None)
    if what is None:
        return
    longest = predicate.period.longest if isinstance(predicate, Count | Gap | Sticky) else _FAR
    if isinstance(predicate, Since):
        longest = timedelta(days=predicate.days + 3)
    debts = facts.question.message.debts if Key.DEBT in what.keys else ()
    for debt in debts or (None,):
        for at, contact in frequency.counted(what, facts, debt, longest=longest):
            if (
                isinstance(predicate, Count | Gap | Sticky)
                and frequency.lets_go(at, predicate.period, facts.zones) <= facts.now
            ):
                continue
            yield f"{contact.channel} {dated(at, home)}, {contact.outcome}" + (f" ({debt})" if debt else "")


def _windows(each: Asked, facts: Facts) -> Iterator[str]:
    predicate = each.clause.predicate
    if each.clock is None:
        return
    fixed = predicate.clock if isinstance(predicate, Hours) else None
    for name in (fixed,) if fixed is not None else facts.zones:
        day = local_date(facts.now, name)
        spans = [
            f"{opens.astimezone(zone(name)):%H:%M}-{_closing(closes, name)}"
            for opens, closes in each.clock.alone(name).windows(day, name)
        ]
        yield f"{day} {' '.join(spans) or 'closed'} {name}"


def _closing(closes: datetime, name: str) -> str:
    there = closes.astimezone(zone(name))
    return "24:00" if (there.hour, there.minute) == (0, 0) else f"{there:%H:%M}"


# ---- sentences --------------------------------------------------------------------------------------------------------

_WORDS: Final = {
    "en": {
        Answer.ALLOW: "The message may go now.",
        Answer.DEFER: "The message waits until {until}.",
        Answer.DENY: "The message may not go; waiting does not change that.",
        "open": "The message waits; no law names the hour.",
        "asked": "Asked at {at} under {packs}.",
        "blocks": "blocks",
        "passes": "lets it pass",
        "seen": "Seen: {}.",
        "hours": "Open: {}.",
        "counted": "Counted: {}.",
        "reading": "Reading: {}.",
        "until": "Lets go {}.",
        "duty": "Duty {rule} ({cite}): {duty}.",
    },
    "es": {
        Answer.ALLOW: "El mensaje puede salir ahora.",
        Answer.DEFER: "El mensaje espera hasta {until}.",
        Answer.DENY: "El mensaje no puede salir; esperar no lo cambia.",
        "open": "El mensaje espera; ninguna ley nombra la hora.",
        "asked": "Consultado a las {at} según {packs}.",
        "blocks": "lo impide",
        "passes": "lo permite",
        "seen": "Visto: {}.",
        "hours": "Horario: {}.",
        "counted": "Contados: {}.",
        "reading": "Lectura: {}.",
        "until": "Cede {}.",
        "duty": "Deber {rule} ({cite}): {duty}.",
    },
    "pt": {
        Answer.ALLOW: "A mensagem pode sair agora.",
        Answer.DEFER: "A mensagem espera até {until}.",
        Answer.DENY: "A mensagem não pode sair; esperar não muda isso.",
        "open": "A mensagem espera; nenhuma lei diz a hora.",
        "asked": "Perguntado em {at} segundo {packs}.",
        "blocks": "impede",
        "passes": "permite",
        "seen": "Visto: {}.",
        "hours": "Horário: {}.",
        "counted": "Contados: {}.",
        "reading": "Leitura: {}.",
        "until": "Cede {}.",
        "duty": "Dever {rule} ({cite}): {duty}.",
    },
}


def sentences(explanation: Explanation, language: str = "en") -> Iterator[str]:
    """The explanation as lines of text; names no address and no words of a person."""
    words = _WORDS[language]
    verdict = explanation.verdict
    yield words["asked"].format(
        at=verdict.decided_at.isoformat(), packs=", ".join(used.pack for used in verdict.packs) or "-"
    )
    if verdict.answer is Answer.DEFER and verdict.until is None:
        yield words["open"]
    else:
        yield words[verdict.answer].format(until=verdict.until.isoformat() if verdict.until is not None else "")
    told = {(line.pack, line.rule) for line in explanation.lines}
    for reason in verdict.reasons:
        if (reason.pack, reason.rule) not in told:
            yield f"{reason.rule} ({reason.citation}) {words['blocks']}: {reason.limit}. " + words["seen"].format(
                reason.observed
            )
    for line in explanation.lines:
        verb = words["blocks"] if line.blocks else words["passes"]
        parts = [f"{line.rule} ({line.citation}; {line.force}; {line.pack}) {verb}: {line.says}."]
        if line.observed:
            parts.append(words["seen"].format(line.observed))
        if line.windows:
            parts.append(words["hours"].format(", ".join(line.windows)))
        if line.counted:
            parts.append(words["counted"].format("; ".join(line.counted)))
        if line.reading:
            parts.append(words["reading"].format(line.reading))
        if line.until is not None:
            parts.append(words["until"].format(line.until.isoformat()))
        yield " ".join(parts)
    for duty in verdict.obligations:
        yield words["duty"].format(rule=duty.rule, cite=duty.citation, duty=duty.duty)
