"""What a creditor does in the simulated month: to whom it writes when, with which words, and whom its people call."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from sandbox.people import Simulated
from vocabulary.channel import Channel

TEMPLATE: Final = "cuota"
CAMPAIGNS: Final = ("preventive", "early", "late")

_TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "es": {
        "text": "Hola {{name|first}}, su cuota de {{amount}} con C1 vence el {{due|date:medium}}. Responda BAJA para no recibir más.",
        "voice": "Hola, le recordamos que tiene una cuota pendiente con C1. Si no desea más llamadas, dígalo ahora.",
        "subject": "Su cuota vence el {{due|date:medium}}",
    },
    # What Mexico's law wants said first: who collects for whom, how much as of when, and where to complain.
    "es-MX": {
        "text": "Hola {{name|first}}, A1 cobra por cuenta de C1: adeuda {{amount}} al {{due|date:medium}}. "
        "Quejas: UNE de C1, 55 5000 0000. Responda BAJA para no recibir más.",
        "voice": "Hola, A1 llama por cuenta de C1: adeuda {{amount}} al {{due|date:medium}}. Quejas: UNE de C1. "
        "Si no desea más llamadas, dígalo.",
        "subject": "A1 por cuenta de C1: su adeudo al {{due|date:medium}}",
    },
    "pt": {
        "text": "Olá {{name|first}}, sua parcela de {{amount}} com C1 vence em {{due|date:medium}}. Responda SAIR para não receber mais.",
        "voice": "Olá, lembramos que há uma parcela pendente com C1. Se não quiser mais ligações, diga agora.",
        "subject": "Sua parcela vence em {{due|date:medium}}",
    },
    "en": {
        "text": "Hello {{name|first}}, your payment of {{amount}} to C1 is due on {{due|date:medium}}. Reply STOP to opt out.",
        "voice": "Hello, this is a reminder that you have a payment due with C1. If you want no more calls, say so now.",
        "subject": "Your payment is due on {{due|date:medium}}",
    },
}
_PLAIN: Final = {
    "es": "Le recordamos su obligación con C1. Responda BAJA para no recibir más mensajes.",
    "pt": "Lembramos sua parcela com C1. Responda SAIR para não receber mais mensagens.",
    "en": "This is a reminder of your account with C1. Reply STOP to opt out.",
}
#: What the words of a locale say that a law asks for, as the creditor vouches.
_SAYS: Final = {"es-MX": ("collector", "creditor", "amount", "calculation_date", "complaints_unit")}
_CURRENCIES: Final = {
    "CO": "COP", "MX": "MXN", "PE": "PEN", "CL": "CLP", "BR": "BRL", "AR": "ARS", "ES": "EUR", "US-FL": "USD",
}  # fmt: skip

#: When a campaign is handed over, hours of the creditor's day in UTC, and how many of a hundred messages go with it: mornings and
#: afternoons of the Americas, and one that nobody looked at the clock for.
_SESSIONS: Final = ((14, 48), (19, 44), (3, 8))


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """Somebody of the creditor's calls a person; ``outcome`` as the CRM tells it."""

    at: datetime
    person: int
    outcome: str


@dataclass(frozen=True, slots=True, order=True)
class Send:
    """One message to one person."""

    at: datetime
    person: int
    number: int


def template(ways: Mapping[str, list[str]]) -> dict[str, Any]:
    """The creditor's template: three languages, words for calls, and approved on every way of WhatsApp."""
    registered = {way: {"reference": "cuota_recordatorio", "language": "es"} for way in ways.get("whatsapp", ())}
    locales: dict[str, Any] = {}
    for language, words in _TEXTS.items():
        locales[language] = {
            "any": {"text": words["text"]},
            "email": {"subject": words["subject"], "text": words["text"]},
            "voice": {"text": words["voice"]},
        }
        if registered:
            locales[language]["whatsapp"] = {
                "text": words["text"],
                "registered": {
                    way: {**each, "language": language.replace("-", "_")} for way, each in registered.items()
                },
            }
    return {
        "default": "es",
        "variables": {"name": {"type": "name"}, "amount": {"type": "money"}, "due": {"type": "date"}},
        "locales": locales,
    }


def plan(person: int, who: Simulated, begins: datetime, days: int, seed: int) -> Iterator[Send | Call]:
    """Everything that the creditor does about one person."""
    random = Random(f"plan {seed} {person}")  # noqa: S311
    day = random.uniform(0, min(5.0, days / 2))
    number = 0
    while day < days:
        session = random.choices([hour for hour, _ in _SESSIONS], [share for _, share in _SESSIONS])[0]
        midnight = (begins + timedelta(days=int(day))).replace(hour=0, minute=0, second=0, microsecond=0)
        at = midnight + timedelta(hours=session)
        if at < begins:
            at += timedelta(days=1)
        if at < begins + timedelta(days=days):
            yield Send(at, person, number)
        number += 1
        # In a short month everything comes closer together.
        day += random.uniform(2.5, 6.0) * min(1.0, 0.2 + days / 12)
    if random.random() < 0.012 * days:
        at = begins + timedelta(days=random.randrange(max(1, days)), hours=random.uniform(15, 20) - begins.hour)
        if begins < at < begins + timedelta(days=days):
            outcome = random.choices(("conversation", "no_answer", "voicemail_left"), (40, 45, 15))[0]
            yield Call(at, person, outcome)


def message(
    send: Send, who: Simulated, *, first: bool, allowed_at: datetime, sendable: frozenset[str]
) -> dict[str, Any]:
    """One item of a batch. ``first``: the person comes along whole; ``sendable``: channels that have a way here."""
    random = Random(f"message {who.seed} {send.number}")  # noqa: S311
    profile = who.contact(allowed_at)
    profile["addresses"] = [each for each in profile["addresses"] if each["channel"] in sendable]
    due = (send.at + timedelta(days=random.randrange(1, 9))).date()
    debt = f"{who.id}-loan"
    body: dict[str, Any] = {
        "idempotency_key": f"month-{allowed_at:%Y%m%dT%H%M%S}-{who.seed.replace(' ', '-')}-{send.number}",
        "contact": profile if first else who.id,
        "purpose": "collection" if random.random() < 0.8 else "reminder",
        "debts": [
            {
                "id": debt,
                "creditor": "C1",
                "contract_signed": "2025-02-03",
                "due": (send.at - timedelta(days=random.randrange(3, 60))).date().isoformat(),
                "contacts": [{"contact": who.id, "role": "debtor"}],
            }
            if first
            else debt
        ],
        "content": {
            "template": TEMPLATE,
            "variables": {
                "name": who.name,
                "amount": f"{who.amount} {_CURRENCIES[who.place.code]}",
                "due": due.isoformat(),
            },
        },
        "metadata": {"campaign": CAMPAIGNS[min(2, send.number // 3)]},
    }
    has = [each["channel"] for each in profile["addresses"]]
    kind = random.random()
    if kind < 0.5:
        body["channel"] = "auto"
        if random.random() < 0.2:
            body["best_hour"] = True
    elif kind < 0.75 or Channel.SMS not in has:
        body["channels"] = has
    else:
        body["channel"] = "sms"
        body["content"] = {"text": _PLAIN[who.place.language]}
    # The plain words of a hurried campaign do not say it: there the law holds the first one back.
    if "template" in body["content"] and who.place.locale in _SAYS:
        body["content"]["states"] = list(_SAYS[who.place.locale])
    if random.random() < 0.3:
        body["expires_at"] = (send.at + timedelta(hours=random.choice((20, 44)))).isoformat()
    if random.random() < 0.5:
        body["spread_seconds"] = 7200
    return body
