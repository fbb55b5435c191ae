"""Everything that is kept of one person, for herself: as JSON, and as a page that she can read, in her language."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from gateway.people.profiles import show_contact
from gateway.refusals import NotThere
from storage import access, people, registers
from storage.database import Connection, Database
from vocabulary.event import Listed
from vocabulary.ids import shown

LANGUAGES: Final = ("es", "pt", "en")


class Exporter:
    """Shows a person what is kept of her."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, tenant: str, contact: str) -> dict[str, Any]:
        """Everything, oldest first. Raises NotThere."""

        async def job(connection: Connection) -> dict[str, Any]:
            key = (tenant, contact)
            row = (await people.contacts(connection, [key])).get(key)
            if row is None:
                raise NotThere
            found = await access.everything(connection, tenant, contact)
            addresses = {address.endpoint: address.address for address in row.addresses}
            shared = [(key, address.endpoint) for address in row.addresses]
            listed = (await registers.facts(connection, [key], shared)).get(key, [])
            return {
                "contact": show_contact(row),
                "statements": [_statement(each, addresses) for each in found.events],
                "messages": [_message(each) for each in found.messages],
                "debts": [_plain(each) for each in found.debts],
                "registers": sorted({each.register for each in listed if isinstance(each, Listed)}),
                "told_to_the_creditor": [_plain(each) for each in found.told],
                "trace_entries": found.entries,
            }

        return await self._database.read(job)


def _statement(row: Mapping[str, Any], addresses: Mapping[str, str]) -> dict[str, Any]:
    said = _plain(row)
    detail = json.loads(said.pop("detail", None) or "{}")
    evidence = json.loads(said.pop("evidence", None) or "{}")
    evidence.pop("address", None)
    endpoint = said.pop("endpoint", None)
    found = {**said, **detail, "id": shown("evt", row["id"])}
    if endpoint in addresses:
        found["address"] = addresses[endpoint]
    if evidence:
        found["evidence"] = evidence
    return found


def _message(row: Mapping[str, Any]) -> dict[str, Any]:
    ask = json.loads(row["ask"])
    decision = json.loads(row["decision"])
    attempts = [
        {**_plain(each), "id": shown("att", each["id"]) if not isinstance(each["id"], str) else each["id"]}
        for each in json.loads(row["attempts"])
    ]
    return {
        "id": shown("msg", row["id"]),
        "at": _utc(row["created_at"]),
        "status": row["status"],
        "channel": row["channel"],
        "purpose": ask.get("purpose"),
        "creditor": ask.get("creditor"),
        "collector": ask.get("collector"),
        "debts": ask.get("debts", []),
        "content": ask.get("content"),
        "renderings": ask.get("renderings", {}),
        "decision": {
            "outcome": decision["outcome"],
            "rules": [{"rule": each["rule"], "citation": each["citation"]} for each in decision["reasons"]],
        },
        "attempts": attempts,
    }


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _utc(value)
        if isinstance(value, datetime)
        else value.isoformat()
        if hasattr(value, "isoformat")
        else value
        for name, value in dict(row).items()
        if value is not None and value != []
    }


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


# ---- her page ---------------------------------------------------------------------------------------------------------


def language_of(locale: str | None) -> str:
    """The language in which she is told: hers where it is one of ours, Spanish otherwise."""
    spoken = (locale or "").casefold()[:2]
    return spoken if spoken in LANGUAGES else "es"


def page(found: Mapping[str, Any]) -> str:
    """The same as one page of HTML without scripts: readable, printable, and complete."""
    language = language_of(found["contact"].get("locale"))
    say = {name: words[LANGUAGES.index(language)] for name, words in _WORDS.items()}
    parts = "".join(
        f"<section><h2>{escape(say[name])}</h2>{''.join(_shown(found[name], say)) or escape(say['nothing'])}</section>"
        for name in ("contact", "messages", "statements", "debts", "registers", "told_to_the_creditor")
    )
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="robots" content="noindex"><title>{escape(say["title"])}</title><style>{_STYLE}</style></head>'
        f"<body><main><h1>{escape(say['title'])}</h1><p>{escape(say['intro'])}</p>{parts}"
        f"<p>{escape(say['entries'])} {found['trace_entries']}</p></main></body></html>"
    )


def _shown(value: Any, say: Mapping[str, str]) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield "<dl>"
        for name, each in value.items():
            if each not in (None, [], {}, ""):
                yield f"<dt>{escape(say.get(name, name.replace('_', ' ')))}</dt><dd>{''.join(_shown(each, say))}</dd>"
        yield "</dl>"
    elif isinstance(value, list):
        if value:
            yield "<ol>" if len(value) > 1 else ""
            for each in value:
                inner = "".join(_shown(each, say))
                yield f"<li>{inner}</li>" if len(value) > 1 else inner
            yield "</ol>" if len(value) > 1 else ""
    else:
        yield escape(str(value))


_STYLE: Final = (
    "body{font:1rem/1.5 system-ui,sans-serif;margin:0;color:#1a1a1a;background:#fff}main{max-width:48rem;margin:auto;padding:1rem}"
    "dl{display:grid;grid-template-columns:minmax(8rem,auto) 1fr;gap:.25rem 1rem;margin:0}dt{color:#4a4a4a}"
    "dd{margin:0;overflow-wrap:anywhere}li{margin-bottom:1rem}h2{border-top:1px solid #767676;padding-top:1rem}"
)

#: es, pt, en.
_WORDS: Final[dict[str, tuple[str, str, str]]] = {
    "title": ("Sus datos", "Seus dados", "Your data"),
    "intro": (
        "Esto es todo lo que se guarda sobre usted: quién es, qué se le escribió, qué dijo y a quién se informó.",
        "Isto é tudo o que se guarda sobre você: quem é, o que lhe foi escrito, o que disse e a quem se informou.",
        "This is everything that is kept about you: who you are, what was written to you, what you said and who was told.",
    ),
    "contact": ("Quién es usted", "Quem é você", "Who you are"),
    "messages": ("Mensajes", "Mensagens", "Messages"),
    "statements": (
        "Lo que usted dijo y lo que ocurrió",
        "O que você disse e o que ocorreu",
        "What you said and what happened",
    ),
    "debts": ("Deudas", "Dívidas", "Debts"),
    "registers": ("Registros de exclusión", "Listas de exclusão", "Do-not-contact registers"),
    "told_to_the_creditor": (
        "Lo que se informó al acreedor",
        "O que se informou ao credor",
        "What the creditor was told",
    ),
    "nothing": ("Nada", "Nada", "Nothing"),
    "entries": (
        "Anotaciones en el registro inalterable:",
        "Anotações no registro inalterável:",
        "Entries in the trace:",
    ),
    "name": ("nombre", "nome", "name"),
    "role": ("papel", "papel", "role"),
    "locale": ("idioma", "idioma", "language"),
    "jurisdictions": ("leyes que la protegen", "leis que a protegem", "laws that protect you"),
    "zones": ("husos horarios", "fusos horários", "time zones"),
    "household": ("hogar", "domicílio", "household"),
    "residence": ("residencia", "residência", "residence"),
    "addresses": ("direcciones", "endereços", "addresses"),
    "channel": ("canal", "canal", "channel"),
    "address": ("dirección", "endereço", "address"),
    "kind": ("clase", "tipo", "kind"),
    "source": ("origen", "origem", "source"),
    "at": ("cuándo", "quando", "when"),
    "status": ("estado", "estado", "status"),
    "purpose": ("finalidad", "finalidade", "purpose"),
    "creditor": ("acreedor", "credor", "creditor"),
    "collector": ("cobrador", "cobrador", "collector"),
    "content": ("contenido", "conteúdo", "content"),
    "text": ("texto", "texto", "text"),
    "subject": ("asunto", "assunto", "subject"),
    "decision": ("decisión", "decisão", "decision"),
    "outcome": ("resultado", "resultado", "outcome"),
    "rules": ("reglas", "regras", "rules"),
    "citation": ("norma", "norma", "law"),
    "attempts": ("envíos", "envios", "attempts"),
    "type": ("tipo", "tipo", "type"),
    "words": ("sus palabras", "suas palavras", "your words"),
    "evidence": ("prueba", "prova", "evidence"),
    "state": ("estado", "estado", "state"),
    "instrument": ("por qué medio", "por que meio", "by what"),
    "amount": ("monto", "valor", "amount"),
    "currency": ("moneda", "moeda", "currency"),
    "pays_on": ("fecha de pago", "data de pagamento", "to be paid on"),
    "until": ("hasta", "até", "until"),
}
