"""What the tour does on each channel: where the person is, what opens the channel, what is sent, and what she answers."""

from dataclasses import dataclass
from typing import Any, Final

TEXT: Final = "Hola Ana, su cuota de julio está lista para pagar. Responda BAJA para no recibir más mensajes."


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One channel. ``opening`` is what she has to write before she may be written to; ``carried``: a carrier shows what arrived."""

    channel: str
    content: dict[str, Any]
    answer: str
    opening: str | None = None
    link: bool = False
    carried: bool = True


#: In the order in which they are shown. A channel that the gateway has no way for is said, and nothing else is changed.
LEGS: Final = (
    Leg(channel="sms", content={"text": TEXT}, answer="¿Puedo pagar el viernes?"),
    Leg(
        channel="email",
        content={"text": TEXT, "subject": "Su cuota de julio", "html": f"<p>{TEXT}</p>"},
        answer="Gracias, lo reviso esta noche.",
    ),
    Leg(channel="voice", content={"text": TEXT}, answer="sí, mañana pago"),
    Leg(channel="whatsapp", content={"text": TEXT}, answer="Ya les mando el comprobante", opening="Hola"),
    Leg(channel="telegram", content={"text": TEXT}, answer="¿Cuánto debo en total?", link=True),
    Leg(channel="web", content={"text": TEXT}, answer="Quisiera dos cuotas", carried=False),
)


def contact(run: str, number: str) -> dict[str, Any]:
    """A person with an address on each channel, where no law limits how many of them may be used on one day (Argentina).

    Her chat is not among them: nobody knows it before she opens the link.
    """
    identity = f"tour-{run}"
    where = {
        "sms": number,
        "email": f"ana.{run}@ejemplo.test",
        "voice": number,
        "whatsapp": number,
        "web": identity,
    }
    authorised = {"at": "2026-01-05T10:00:00-03:00", "instrument": "separate"}
    return {
        "id": identity,
        "name": "Ana",
        "role": "debtor",
        "locale": "es-AR",
        "jurisdictions": ["AR"],
        "zones": ["America/Argentina/Buenos_Aires"],
        "addresses": [
            {"channel": channel, "address": address, "kind": "personal", "source": "supplied", "authorised": authorised}
            for channel, address in where.items()
        ],
    }
