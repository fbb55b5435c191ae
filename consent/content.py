"""What the words must not say and must say, judged on the text as the person will read or hear it.

What strikes is told by the list's own phrase, never by the text: a text may hold a name.
"""

from jurisdictions.facts import Facts
from jurisdictions.hold import Hold, denied
from jurisdictions.rule import Key, Says
from vocabulary.message import Content

HIDDEN = "hidden"


def says(rule: Says, facts: Facts) -> list[Hold]:
    """One denial for everything that the words lack or must not contain."""
    content = facts.question.message.content
    faults: list[str] = []
    if rule.never and (content.text is not None or content.subject is not None):
        text = facts.text
        struck: list[str] = []
        for words in rule.never:
            if words.heads is None or not words.heads.isdisjoint(text.words):  # nearly never, and then no call is made
                phrase = words.struck(text)
                if phrase is not None:
                    struck.append(phrase)
        if struck:
            faults.append("words: " + ", ".join(f"“{phrase}”" for phrase in struck))
    if rule.opt_out_notice:
        if not _has_opt_out_notice(rule, content, facts):
            faults.append("no opt-out notice")
    elif rule.always and content.text is not None:
        for words in rule.always:
            if words.struck(facts.text) is None:
                faults.append(f"lacks: {words.name}")
    if rule.states and _binds(rule, facts):
        faults.extend(f"does not state: {part}" for part in rule.states if not _states(content, part))
    if rule.caller_visible and content.caller_id == HIDDEN:
        faults.append("caller number withheld")
    if rule.registered_template and content.registered_template is not True and not _left_lawful(content):
        faults.append("no registered template")
    return [denied("; ".join(faults))] if faults else []


def _left_lawful(content: Content) -> bool:
    return content.lawful and content.registered_template is None


def _has_opt_out_notice(rule: Says, content: Content, facts: Facts) -> bool:
    if content.opt_out_notice is not None and (content.lawful or content.opt_out_notice):
        return content.opt_out_notice
    if content.lawful:
        return True
    for words in rule.always:  # noqa: SIM110 - in every decision, as below: any() would cost more than looking
        if words.struck(facts.text) is not None:
            return True
    return False


def _states(content: Content, part: str) -> bool:
    if content.states is None:
        return content.lawful
    return part in content.states


def _binds(rule: Says, facts: Facts) -> bool:
    """Whether this is the first contact by the rule's keys; a rule without keys binds every one."""
    if rule.first_by is None:
        return True
    question, keys = facts.question, rule.first_by
    her, sender = question.person.person, question.sender
    creditor = sender.creditor if Key.CREDITOR in keys else None
    collector = sender.collector if Key.COLLECTOR in keys else None
    for debt in (question.message.debts if Key.DEBT in keys else ()) or (None,):
        for _, contact in facts.contacts:
            if (
                contact.person == her
                and (debt is None or debt in contact.debts)
                and (creditor is None or contact.creditor == creditor)
                and (collector is None or contact.collector == collector)
            ):
                break
        else:
            return True
    return False
