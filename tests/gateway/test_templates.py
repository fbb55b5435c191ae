"""What a template makes of a message on each channel: the nearest words, speech for who listens, each way's own approval."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from consent.intents import Context
from gateway.asks import Rendering, StoredAsk, content_for, registered_for
from gateway.receive import _context
from gateway.refusals import Flaw
from gateway.templates.asks import TemplateAsk
from gateway.templates.versions import Template, compiled, rendering
from vocabulary.channel import Form

VALUES: dict[str, Any] = {"name": "ANA PÉREZ", "amount": (Decimal(120000), "COP"), "due": date(2026, 12, 5)}


def template(**locales: Any) -> Template:
    body = {
        "default": "es",
        "variables": {
            "name": {"type": "name"},
            "amount": {"type": "money", "currency": "COP"},
            "due": {"type": "date"},
        },
        "locales": {tag.replace("_", "-"): channels for tag, channels in locales.items()},
        "states": ["creditor"],
    }
    return compiled(msgspec.convert(body, TemplateAsk))


def made(
    given: Template, channel: str, *, wanted: str | None = None, form: Form = Form.TEXT, ways: Any = ()
) -> Rendering:
    flaws: list[Flaw] = []
    variant = given.variant(channel, wanted)
    assert variant is not None
    found = rendering(given, variant, channel, VALUES, wanted=wanted, form=form, ways=ways, flaws=flaws)
    assert flaws == []
    return found


@pytest.mark.parametrize(
    ("channel", "wanted", "text"),
    [
        ("sms", "es-CO", "sms of es-CO"),
        ("email", "es-CO", "any of es-CO"),
        ("sms", "es-MX", "sms of es"),
        ("voice", "es-MX", None),
        ("sms", "pt-BR", "sms of es"),
        ("sms", None, "sms of es"),
        ("telegram", "en-GB", "any of en"),
    ],
)
def test_a_nearer_language_comes_before_a_channels_own_words(
    channel: str, wanted: str | None, text: str | None
) -> None:
    given = template(
        es={"sms": {"text": "sms of es"}},
        es_CO={"sms": {"text": "sms of es-CO"}, "any": {"text": "any of es-CO"}},
        en={"any": {"text": "any of en"}},
    )
    variant = given.variant(channel, wanted)
    assert (None if variant is None else made(given, channel, wanted=wanted).content.text) == text


def test_who_listens_hears_the_speech() -> None:
    given = template(es={"any": {"text": "Debe {{amount}}.", "speech": "Hola {{name|first}}, debe {{amount}}."}})
    assert made(given, "sms", wanted="es-CO").content.text == "Debe $120.000."
    assert made(given, "voice", wanted="es-CO").content.text == "Hola Ana, debe $120.000."
    note = made(given, "whatsapp", wanted="es-CO", form=Form.VOICE_NOTE).content
    assert note.text is None
    assert note.audio is not None
    assert note.audio.speech == "Hola Ana, debe $120.000."


REGISTERED = {
    "twilio-wa": {"reference": "HX1", "language": "es"},
    "meta-wa": {"reference": "cuota_v1", "language": "es_CO", "values": ["due|date:short", "name"]},
}


def test_each_way_leaves_by_its_own_approved_template() -> None:
    given = template(es={"whatsapp": {"text": "{{amount}} {{name|first}} {{amount}}", "registered": REGISTERED}})
    found = made(given, "whatsapp", wanted="es-CO", ways=("meta-wa", "twilio-wa"))
    stored = StoredAsk(
        channels=["whatsapp"], purpose="collection", content=found.content, role="creditor", creditor="C", collector="A",
        renderings={"whatsapp": found},
    )  # type: ignore[arg-type]  # fmt: skip
    kept = msgspec.json.decode(msgspec.json.encode(stored), type=StoredAsk)
    twilio, meta = registered_for(kept, "whatsapp", "twilio-wa"), registered_for(kept, "whatsapp", "meta-wa")
    assert twilio is not None
    assert meta is not None
    # Left out, the values are the text's own placeholders, each once.
    assert (twilio.reference, twilio.values) == ("HX1", ("$120.000", "Ana"))
    assert (meta.reference, meta.language, meta.values) == ("cuota_v1", "es_CO", ("5/12/26", "Ana Pérez"))
    assert content_for(kept, "whatsapp").text == "$120.000 Ana $120.000"
    assert registered_for(kept, "whatsapp", "another-wa") is None
    assert found.content.states == ["creditor"]


def test_a_channel_is_registered_only_where_every_way_is() -> None:
    given = template(es={"whatsapp": {"text": "{{name}}", "registered": REGISTERED}})
    assert made(given, "whatsapp", ways=("twilio-wa",)).registered is not None
    assert made(given, "whatsapp", ways=("twilio-wa", "third-wa")).registered is None
    assert made(given, "whatsapp", ways=()).registered is None
    assert made(given, "whatsapp", ways=("twilio-wa",), form=Form.VOICE_NOTE).registered is None


def test_words_that_grow_too_long_are_refused() -> None:
    given = template(es={"sms": {"text": "x" * 9_985 + "{{name}}{{due}}"}})
    flaws: list[Flaw] = []
    variant = given.variant("sms", None)
    assert variant is not None
    rendering(given, variant, "sms", VALUES, wanted=None, flaws=flaws)
    assert [flaw.pointer for flaw in flaws] == ["/content/template"]


def test_a_word_to_stop_that_a_template_offered_is_one_when_it_comes_back() -> None:
    given = template(es={"sms": {"text": "Hola {{name}}. Responda BAJA para no recibir más."}})
    plain = template(es={"sms": {"text": "Hola {{name}}. Gracias."}})

    def context(of: Template) -> Context:
        found = made(of, "sms")
        stored = {
            "channels": ["sms"], "purpose": "collection", "content": {"template": "t"}, "role": "creditor",
            "creditor": "C", "collector": "A", "renderings": {"sms": found},
        }  # fmt: skip
        return _context(msgspec.json.encode(stored).decode())

    assert context(given) is Context.STOP_PROMPT
    assert context(plain) is Context.REMINDER
