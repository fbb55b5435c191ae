"""What is said in a call by Twilio: documents of TwiML, the menu in three languages, and the keys that answer it.

https://www.twilio.com/docs/voice/twiml. Documents are made by Twilio's own package, which escapes what stands in them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from twilio.twiml.voice_response import VoiceResponse

#: https://www.twilio.com/docs/voice/api/call-resource#parameters
TWIML_CHARACTERS_MAX: Final = 4_000
#: How often she may have it repeated, in one call.
PRESSES_MAX: Final = 6
#: Silence after the menu before the call goes on or ends.
WAIT_SECONDS: Final = 6
NOTE_TOKEN_CHARACTERS_MAX: Final = 64

#: https://www.twilio.com/docs/voice/twiml/say#attributes-language
SPOKEN: Final[Mapping[str, str]] = {"es": "es-MX", "en": "en-US", "pt": "pt-BR"}
LANGUAGE_DEFAULT: Final = "es"


class Key(StrEnum):
    """What a key of the menu means."""

    REPEAT = "1"
    CALL_BACK = "2"
    NOT_ME = "3"
    STOP = "9"


@dataclass(frozen=True, slots=True)
class Words:
    """What is said in one language. ``says``: a pressed key in the words that she would have written."""

    greeting: str
    menu: str
    menu_repeat: str
    inbound: str
    done: Mapping[Key, str]
    heard: str
    ended: str
    says: Mapping[Key, str] = field(repr=False)


WORDS: Final[Mapping[str, Words]] = {
    "es": Words(
        greeting="Llamada de {name}.",
        menu_repeat="Para repetir el mensaje, marque 1.",
        menu="Para que le devolvamos la llamada, marque 2. Si usted no es la persona que buscamos, marque 3. "
        "Para no recibir más llamadas, marque 9.",
        inbound="Gracias por llamar a {name}. Para que le devolvamos la llamada, marque 2. Si recibe llamadas que no son para usted, "
        "marque 3. Para no recibir más llamadas, marque 9. O díganos ahora su mensaje.",
        done={
            Key.CALL_BACK: "Listo. Le devolveremos la llamada.",
            Key.NOT_ME: "Gracias por avisarnos. Queda anotado.",
            Key.STOP: "Listo. No recibirá más llamadas nuestras en este número.",
        },
        heard="Gracias. Queda anotado.",
        ended="Gracias. Hasta luego.",
        says={Key.CALL_BACK: "Llámenme", Key.NOT_ME: "Número equivocado", Key.STOP: "BAJA"},
    ),
    "en": Words(
        greeting="A call from {name}.",
        menu_repeat="To hear the message again, press 1.",
        menu="To be called back, press 2. If you are not the person we are looking for, press 3. To receive no more calls, press 9.",
        inbound="Thank you for calling {name}. To be called back, press 2. If you receive calls that are not for you, press 3. "
        "To receive no more calls, press 9. Or tell us your message now.",
        done={
            Key.CALL_BACK: "Done. We will call you back.",
            Key.NOT_ME: "Thank you for telling us. It is noted.",
            Key.STOP: "Done. You will receive no more calls from us at this number.",
        },
        heard="Thank you. It is noted.",
        ended="Thank you. Goodbye.",
        says={Key.CALL_BACK: "Call me", Key.NOT_ME: "Wrong number", Key.STOP: "STOP"},
    ),
    "pt": Words(
        greeting="Ligação de {name}.",
        menu_repeat="Para repetir a mensagem, tecle 1.",
        menu="Para que liguemos de volta, tecle 2. Se você não é a pessoa que procuramos, tecle 3. "
        "Para não receber mais ligações, tecle 9.",
        inbound="Obrigado por ligar para {name}. Para que liguemos de volta, tecle 2. Se você recebe ligações que não são para você, "
        "tecle 3. Para não receber mais ligações, tecle 9. Ou diga agora a sua mensagem.",
        done={
            Key.CALL_BACK: "Pronto. Vamos ligar de volta.",
            Key.NOT_ME: "Obrigado por avisar. Está anotado.",
            Key.STOP: "Pronto. Você não receberá mais ligações nossas neste número.",
        },
        heard="Obrigado. Está anotado.",
        ended="Obrigado. Até logo.",
        says={Key.CALL_BACK: "Me liguem", Key.NOT_ME: "Não sou essa pessoa", Key.STOP: "PARE"},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Where a call stands, as the address of the next key tells it: nothing in it is of a person."""

    language: str = LANGUAGE_DEFAULT
    note: str | None = field(default=None, repr=False)
    presses: int = 0
    inbound: bool = False


def language_of(locale: str | None, default: str = LANGUAGE_DEFAULT) -> str:
    """The language of the menu for a reader's locale."""
    first = (locale or "").partition("-")[0].lower()
    return first if first in WORDS else default


def turn_in(url: str) -> Turn:
    """What an address of ours says of its call; left out or unreadable is as at the beginning."""
    query = dict(parse_qsl(urlsplit(url).query))
    note = query.get("n")
    presses = query.get("p", "0")
    return Turn(
        language=language_of(query.get("l")),
        note=note if note and len(note) <= NOTE_TOKEN_CHARACTERS_MAX and note.replace("-", "").replace("_", "").isalnum() else None,
        presses=int(presses) if presses.isascii() and presses.isdecimal() and len(presses) <= 2 else 0,
        inbound=query.get("i") == "1",
    )  # fmt: skip


def key_url(url: str, turn: Turn) -> str:
    """Where the next key is told: the address of the hook with the mark that stands in ``url``, and the turn."""
    parts = urlsplit(url)
    path = parts.path.removesuffix("/status").removesuffix("/inbound") + "/inbound"
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name in ("a", "k")]
    told = [("l", turn.language), ("p", str(turn.presses))]
    told += [("n", turn.note)] if turn.note else []
    told += [("i", "1")] if turn.inbound else []
    return urlunsplit((parts.scheme, parts.netloc, path, urlencode([*kept, *told]), ""))


def note_url(url: str, note: str) -> str:
    """Where a note is, seen from the address of a hook of ours."""
    parts = urlsplit(url)
    return urlunsplit(
        (parts.scheme, parts.netloc, parts.path.partition("/hooks/")[0] + f"/media/{quote(note)}", "", "")
    )


def message_document(url: str, turn: Turn, *, name: str | None, text: str, note: str | None, hears: bool) -> str:
    """The note, or the words themselves, and the menu; ``hears``: words count as well as keys. ``url``: of a hook of this call."""
    words = WORDS[turn.language]
    response = VoiceResponse()
    gather = _gather(response, url, turn, hears=hears)
    if name and not turn.presses:
        gather.say(words.greeting.format(name=name), language=SPOKEN[turn.language])
    if note is not None:
        gather.play(note)
    else:
        gather.say(text, language=SPOKEN[turn.language])
    menu = f"{words.menu_repeat} {words.menu}" if turn.note else words.menu
    gather.say(menu, language=SPOKEN[turn.language])
    response.say(words.ended, language=SPOKEN[turn.language])
    return str(response)


def menu_document(url: str, turn: Turn, name: str | None, *, hears: bool) -> str:
    """What is said to whoever calls us."""
    words = WORDS[turn.language]
    response = VoiceResponse()
    said = words.inbound.format(name=name) if name else words.menu
    _gather(response, url, turn, hears=hears).say(said, language=SPOKEN[turn.language])
    response.say(words.ended, language=SPOKEN[turn.language])
    return str(response)


def done_document(language: str, key: Key | None) -> str:
    """What is said after the key that ends a call, or after words of hers."""
    words = WORDS[language]
    response = VoiceResponse()
    response.say(words.heard if key is None else words.done.get(key, words.ended), language=SPOKEN[language])
    response.hangup()
    return str(response)


def ended_document(language: str) -> str:
    """Goodbye."""
    response = VoiceResponse()
    response.say(WORDS[language].ended, language=SPOKEN[language])
    response.hangup()
    return str(response)


def _gather(response: VoiceResponse, url: str, turn: Turn, *, hears: bool) -> VoiceResponse:
    following = Turn(language=turn.language, note=turn.note, presses=turn.presses + 1, inbound=turn.inbound)
    spoken = {"speech_timeout": "auto", "language": SPOKEN[turn.language]} if hears else {}
    return response.gather(
        input="dtmf speech" if hears else "dtmf",
        num_digits=1,
        timeout=WAIT_SECONDS,
        action=key_url(url, following),
        method="POST",
        **spoken,
    )
