"""What a person asked for holds everywhere, also where no law says so: no more here, not then, not there, not at this address.

Laws differ in whether a stop ends collection; whoever is told by us that she will receive no more receives no more. These rules
are asked where the law by itself lets a message pass, so that where a law stops it the law's own reasons stand alone.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any, Final

from jurisdictions.compile import Context, Rule, compile_rule
from jurisdictions.house import Policy
from jurisdictions.rule import Exemption, Lift
from vocabulary.channel import Channel
from vocabulary.event import Consented, ConsentState, Event, Inconvenient, NotAssociated, StatusKind, StatusSet
from vocabulary.verdict import Force

#: What must reach her, what she asked for, and the one answer to her stop.
_STILL: Final = ["legal_notice", "requested_info", "fraud_alert", "optout_confirmation"]

_RULES: Final[tuple[dict[str, Any], ...]] = (
    {
        "id": "HOUSE-STOP",
        "cite": "her own word",
        "says": {
            "en": "nothing where she asked for no more",
            "es": "nada donde pidió no recibir más",
            "pt": "nada onde pediu para não receber mais",
        },
        "forbids": {"withdrawn": True},
        "purposes_except": _STILL,
        "unless": ["answer"],
    },
    {
        "id": "HOUSE-STRANGER",
        "cite": "word of whoever has the address",
        "says": {
            "en": "nothing to an address that turned out to be somebody else's",
            "es": "nada a una dirección que resultó ser de otra persona",
            "pt": "nada a um endereço que é de outra pessoa",
        },
        "forbids": {"stranger": True},
    },
    {
        "id": "HOUSE-NOT-THEN",
        "cite": "her own word",
        "says": {
            "en": "not at a time when she asked not to be contacted",
            "es": "no en un momento en que pidió que no la contacten",
            "pt": "não em um horário em que pediu para não ser contatada",
        },
        "forbids": {"inconvenient_time": True},
        "purposes_except": _STILL,
        "unless": ["answer"],
    },
    {
        "id": "HOUSE-NOT-THERE",
        "cite": "her own word",
        "says": {
            "en": "not at a place where she asked not to be contacted",
            "es": "no en un lugar en que pidió que no la contacten",
            "pt": "não em um lugar onde pediu para não ser contatada",
        },
        "forbids": {"inconvenient_place": True},
        "purposes_except": _STILL,
        "unless": ["answer"],
    },
)


def with_her_word(policy: Policy, history: Iterable[Event]) -> Policy:
    """The policy with the rules that keep her word; the very same object where she said nothing of the kind."""
    if not any(_asks(event) for event in history):
        return policy
    return replace(policy, asked=(*(policy.asked or policy.rules), *_rules()))


def _asks(event: Event) -> bool:
    match event:
        case Consented():
            return event.state is ConsentState.WITHDRAWN
        case StatusSet():
            return event.status is StatusKind.WRONG_PARTY
        case Inconvenient() | NotAssociated():
            return True
        case _:
            return False


@cache
def _rules() -> tuple[Rule, ...]:
    context = Context(
        code="HOUSE",
        label="HOUSE",
        groups={channel.value: (channel,) for channel in Channel},
        calendars={},
        words={},
        # Who wrote since is answered once, as the laws that know a stop have it.
        exemptions={"answer": Exemption(name="answer", lift=Lift.ANSWER)},
        readings={},
    )
    return tuple(compile_rule({**raw, "force": Force.HOUSE.value}, "", context) for raw in _RULES)
