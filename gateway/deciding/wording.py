"""The words of an explanation in English, Spanish and Portuguese: frames of sentences, names of things, and what rules saw.

A table and nothing else, so that whoever files the sentences can correct them. Rules say themselves what they ask, in their
packs; what they saw is said in English by the engine and turned here, phrase by phrase.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from jurisdictions.localtime import zone

LANGUAGES: Final = ("en", "es", "pt")

_Three = tuple[str, str, str]

#: Whole sentences. Every language names the same things in braces.
FRAMES: Final[Mapping[str, _Three]] = {
    "asked": (
        "On {when} the law was asked whether a message by {channel} with the purpose “{purpose}” may go to a person "
        "who is {role}.",
        "El {when} se consultó si un mensaje por {channel} con el propósito de “{purpose}” puede salir hacia una persona "
        "que es {role}.",
        "Em {when} consultou-se se uma mensagem por {channel} com o propósito de “{purpose}” pode sair para uma pessoa "
        "que é {role}.",
    ),
    "as_it_stands": (
        "What follows explains {message} as it stands now.",
        "Lo que sigue explica {message} tal como está ahora.",
        "O que segue explica {message} tal como está agora.",
    ),
    "as_of": (
        "What follows explains {message} as the law and the facts stood on {when}.",
        "Lo que sigue explica {message} tal como estaban las normas y los hechos el {when}.",
        "O que segue explica {message} tal como estavam as normas e os fatos em {when}.",
    ),
    "as_decided": (
        "What follows explains {message} as it was decided on {when}; the trace keeps that decision as entry {index}.",
        "Lo que sigue explica {message} tal como se decidió el {when}; la traza guarda esa decisión como asiento {index}.",
        "O que segue explica {message} tal como se decidiu em {when}; o registro guarda essa decisão como entrada {index}.",
    ),
    "unlike_trace": (
        "The trace says “{outcome}”: what has become known since makes it come out otherwise today.",
        "La traza dice “{outcome}”: lo que se supo después hace que hoy resulte distinto.",
        "O registro diz “{outcome}”: o que se soube depois faz com que hoje resulte diferente.",
    ),
    "asked_for": (
        "The rules were asked about the instant for which the message is wanted, {when}.",
        "Las normas se consultaron para el instante en que se quiere el mensaje, {when}.",
        "As normas foram consultadas para o instante em que se quer a mensagem, {when}.",
    ),
    "zones": (
        "The clocks that count for the person are those of {zones}.",
        "Los relojes que cuentan para la persona son los de {zones}.",
        "Os relógios que contam para a pessoa são os de {zones}.",
    ),
    "pack": (
        "The pack {pack} was asked because of this fact: {because}.",
        "Se consultó el paquete {pack} por este hecho: {because}.",
        "Consultou-se o pacote {pack} por este fato: {because}.",
    ),
    "no_pack": (
        "No pack of law was asked.",
        "No se consultó ningún paquete de normas.",
        "Nenhum pacote de normas foi consultado.",
    ),
    "allow": ("The message may go now.", "El mensaje puede salir ahora.", "A mensagem pode sair agora."),
    "defer": (
        "The message waits: if nothing else happens, the next instant at which it may go is {until}.",
        "El mensaje espera: si no ocurre nada más, el próximo instante en que puede salir es {until}.",
        "A mensagem espera: se nada mais acontecer, o próximo instante em que pode sair é {until}.",
    ),
    "defer_open": (
        "The message waits, and no rule names the hour at which it may go.",
        "El mensaje espera, y ninguna norma nombra la hora en que puede salir.",
        "A mensagem espera, e nenhuma norma indica a hora em que pode sair.",
    ),
    "deny": (
        "The message may not go, and waiting does not change that.",
        "El mensaje no puede salir, y esperar no lo cambia.",
        "A mensagem não pode sair, e esperar não muda isso.",
    ),
    "blocks": (
        "{rule} ({citation}; {force}; {pack}) blocks the message: {says}.",
        "{rule} ({citation}; {force}; {pack}) impide el mensaje: {says}.",
        "{rule} ({citation}; {force}; {pack}) impede a mensagem: {says}.",
    ),
    "passes": (
        "{rule} ({citation}; {force}; {pack}) lets the message pass: {says}.",
        "{rule} ({citation}; {force}; {pack}) permite el mensaje: {says}.",
        "{rule} ({citation}; {force}; {pack}) permite a mensagem: {says}.",
    ),
    "exempt": (
        "{rule} ({citation}; {force}; {pack}) does not bind this message, which is exempt as {why}: {says}.",
        "{rule} ({citation}; {force}; {pack}) no obliga a este mensaje, exento como {why}: {says}.",
        "{rule} ({citation}; {force}; {pack}) não obriga esta mensagem, isenta como {why}: {says}.",
    ),
    "set_aside": (
        "{rule} ({citation}; {force}; {pack}) is set aside by an override: {says}. {why}",
        "{rule} ({citation}; {force}; {pack}) está sin efecto por una excepción aprobada: {says}. {why}",
        "{rule} ({citation}; {force}; {pack}) está sem efeito por uma exceção aprovada: {says}. {why}",
    ),
    "authority": (
        "The override was ordered by {authority} for this reason: {reason}.",
        "La excepción la ordenó {authority} por esta razón: {reason}.",
        "A exceção foi ordenada por {authority} por esta razão: {reason}.",
    ),
    "not_in_force": (
        "{rule} ({citation}; {force}; {pack}) is not in force at this instant ({why}): {says}.",
        "{rule} ({citation}; {force}; {pack}) no está en vigor en este instante ({why}): {says}.",
        "{rule} ({citation}; {force}; {pack}) não está em vigor neste instante ({why}): {says}.",
    ),
    "shadow": (
        "{rule} ({citation}; {pack}) is in shadow and no part of the decision; in force, it would have blocked the message: {says}.",
        "{rule} ({citation}; {pack}) está en observación y no forma parte de la decisión; en vigor, habría impedido el mensaje: {says}.",
        "{rule} ({citation}; {pack}) está em observação e não faz parte da decisão; em vigor, teria impedido a mensagem: {says}.",
    ),
    "limit": (
        "The limit of {rule} is {limit}.",
        "El límite de {rule} es {limit}.",
        "O limite de {rule} é {limit}.",
    ),
    "span": (
        "For {rule} the window runs {span}.",
        "Para {rule} la ventana corre {span}.",
        "Para {rule} a janela corre {span}.",
    ),
    "counted": (
        "{rule} counts {events}.",
        "{rule} cuenta {events}.",
        "{rule} conta {events}.",
    ),
    "counted_none": (
        "{rule} counts no contact in its window.",
        "{rule} no cuenta ningún contacto en su ventana.",
        "{rule} não conta nenhum contato em sua janela.",
    ),
    "rests": (
        "{rule} rests on {events}.",
        "{rule} se apoya en {events}.",
        "{rule} se apoia em {events}.",
    ),
    "hours": (
        "The hours of {rule}: {windows}.",
        "El horario de {rule}: {windows}.",
        "O horário de {rule}: {windows}.",
    ),
    "seen": (
        "What {rule} saw: {observed}.",
        "Lo que {rule} vio: {observed}.",
        "O que {rule} viu: {observed}.",
    ),
    "reading": (
        "{rule} was read under {reading}.",
        "{rule} se leyó según {reading}.",
        "{rule} foi lida segundo {reading}.",
    ),
    "until": (
        "By {rule} alone the message may go from {until} on.",
        "Por {rule} sola, el mensaje puede salir a partir de {until}.",
        "Só por {rule}, a mensagem pode sair a partir de {until}.",
    ),
    "never": (
        "By {rule} alone no waiting lets the message go.",
        "Por {rule} sola, ninguna espera deja salir el mensaje.",
        "Só por {rule}, nenhuma espera deixa sair a mensagem.",
    ),
    "no_hour": (
        "{rule} names no hour at which it lets the message go.",
        "{rule} no nombra una hora en que deje salir el mensaje.",
        "{rule} não indica uma hora em que deixe sair a mensagem.",
    ),
    "duty": (
        "The message must meet the duty {rule} ({citation}; {pack}), which blocks nothing: {says}.",
        "El mensaje debe cumplir el deber {rule} ({citation}; {pack}), que no impide nada: {says}.",
        "A mensagem deve cumprir o dever {rule} ({citation}; {pack}), que não impede nada: {says}.",
    ),
}

#: Parts of sentences.
PARTS: Final[Mapping[str, _Three]] = {
    "event": ("{channel} {when}, {outcome}", "{channel} {when}, {outcome}", "{channel} {when}, {outcome}"),
    "inbound_call": ("her call {when}", "su llamada {when}", "a ligação dela {when}"),
    "reply": (
        "her message by {channel} {when}",
        "su mensaje por {channel} {when}",
        "a mensagem dela por {channel} {when}",
    ),
    "status": ("{status} since {when}", "{status} desde {when}", "{status} desde {when}"),
    "notice": ("the {notice} notice of {when}", "el aviso {notice} de {when}", "o aviso {notice} de {when}"),
    "consent": ("the consent of {when}", "la autorización de {when}", "a autorização de {when}"),
    "consent_profile": (
        "the consent that the profile states",
        "la autorización que consta en el perfil",
        "a autorização que consta no perfil",
    ),
    "debt": (" (debt {debt})", " (obligación {debt})", " (dívida {debt})"),
    "somebody": (" (to {role} on the same debt)", " (a {role} de la misma obligación)", " (a {role} da mesma dívida)"),
    "from_to": ("from {begins} to {ends}", "de {begins} a {ends}", "de {begins} a {ends}"),
    "begins": ("from {day} on", "a partir del {day}", "a partir de {day}"),
    "ends": ("until {day}", "hasta el {day}", "até {day}"),
    "closed": ("closed", "cerrado", "fechado"),
    "unlimited": ("not limited by this rule", "sin límite por esta norma", "sem limite por esta norma"),
    "at_most": ("at most {number} in {period}", "no más de {number} en {period}", "no máximo {number} em {period}"),
    "apart": ("at least {period} apart", "al menos {period} de distancia", "pelo menos {period} de distância"),
    "one_channel": ("one channel in {period}", "un solo canal en {period}", "um só canal em {period}"),
    "wait": (
        "a wait of {number} local dates, that of the event being the first",
        "una espera de {number} fechas locales, siendo la del hecho la primera",
        "uma espera de {number} datas locais, sendo a do fato a primeira",
    ),
    "date": ("one local date", "una fecha local", "uma data local"),
    "dates": ("{number} local dates", "{number} fechas locales", "{number} datas locais"),
    "iso_week": (
        "a week from Monday to Sunday",
        "una semana de lunes a domingo",
        "uma semana de segunda-feira a domingo",
    ),
    "month": ("a calendar month", "un mes calendario", "um mês civil"),
    "hours": ("{number} hours", "{number} horas", "{number} horas"),
    "minutes": ("{number} minutes", "{number} minutos", "{number} minutos"),
    "clear_days": ("{number} clear days", "{number} días enteros", "{number} dias inteiros"),
}

_SAME: Final = {"es": 1, "pt": 2}

#: Names of things, by what they are.
NAMES: Final[Mapping[str, Mapping[str, _Three]]] = {
    "channel": {
        "sms": ("SMS", "SMS", "SMS"),
        "email": ("e-mail", "correo electrónico", "e-mail"),
        "whatsapp": ("WhatsApp", "WhatsApp", "WhatsApp"),
        "telegram": ("Telegram", "Telegram", "Telegram"),
        "voice": ("automated call", "llamada automática", "chamada automática"),
        "web": ("web chat", "chat web", "chat web"),
        "call_live": ("call by an agent", "llamada de un agente", "ligação de um atendente"),
        "visit": ("visit", "visita", "visita"),
        "letter": ("letter", "carta", "carta"),
    },
    "outcome": {
        "attempted": (
            "attempted, result not known",
            "intento de resultado desconocido",
            "tentativa de resultado desconhecido",
        ),
        "not_connected": ("not connected", "sin conexión", "sem conexão"),
        "no_answer": ("no answer", "sin respuesta", "sem resposta"),
        "voicemail_reached": ("reached a voicemail", "llegó a un buzón de voz", "chegou a uma caixa postal"),
        "voicemail_left": ("left a voicemail", "dejó un mensaje de voz", "deixou uma mensagem de voz"),
        "delivered": ("delivered", "entregado", "entregue"),
        "read": ("read", "leído", "lido"),
        "connected": ("connected", "conectado", "conectado"),
        "conversation": ("conversation", "conversación", "conversa"),
        "failed": ("failed", "fallido", "falhou"),
    },
    "purpose": {
        "collection": ("collection", "cobranza", "cobrança"),
        "reminder": ("reminder", "recordatorio", "lembrete"),
        "requested_info": ("requested information", "información solicitada", "informação solicitada"),
        "fraud_alert": ("fraud alert", "alerta de fraude", "alerta de fraude"),
        "prior_notice": ("prior notice", "aviso previo", "aviso prévio"),
        "legal_notice": ("legal notice", "notificación legal", "notificação legal"),
        "marketing": ("marketing", "publicidad", "publicidade"),
        "service": ("service", "servicio", "serviço"),
        "optout_confirmation": ("opt-out confirmation", "confirmación de baja", "confirmação de descadastro"),
    },
    "role": {
        "debtor": ("a debtor", "deudor", "devedor"),
        "codebtor": ("a codebtor", "codeudor", "codevedor"),
        "guarantor": ("a guarantor", "fiador", "fiador"),
        "spouse": ("a spouse", "cónyuge", "cônjuge"),
        "reference": ("a reference", "referencia", "referência"),
        "family": ("a family member", "familiar", "familiar"),
        "employer": ("an employer", "empleador", "empregador"),
        "attorney": ("an attorney", "abogado", "advogado"),
        "unknown": ("of a role not known", "de calidad desconocida", "de qualidade desconhecida"),
    },
    "status": {
        "cease_requested": ("request to cease", "pedido de cese", "pedido de cessação"),
        "attorney": ("represented by an attorney", "representación por abogado", "representação por advogado"),
        "dispute": ("dispute", "disputa de la obligación", "contestação da dívida"),
        "claim_pending": ("claim pending", "reclamo pendiente", "reclamação pendente"),
        "lawsuit": ("lawsuit", "demanda judicial", "ação judicial"),
        "insolvency": ("insolvency", "insolvencia", "insolvência"),
        "moratorium": ("moratorium", "moratoria", "moratória"),
        "plan": ("payment plan", "plan de pagos", "plano de pagamento"),
        "deceased": ("deceased", "fallecimiento", "falecimento"),
        "minor": ("minor of age", "minoría de edad", "menoridade"),
        "wrong_party": ("wrong party", "persona equivocada", "pessoa errada"),
        "paid": ("paid", "pagado", "pago"),
        "hardship": ("cannot pay now", "no puede pagar ahora", "não pode pagar agora"),
    },
    "notice": {
        "validation": ("validation", "de validación", "de validação"),
        "written": ("written", "escrito", "escrito"),
        "debt_transfer": ("debt transfer", "de cesión de la obligación", "de cessão da dívida"),
    },
    "place": {
        "personal": ("personal", "personal", "pessoal"),
        "work": ("work", "laboral", "de trabalho"),
        "shared": ("shared", "compartida", "compartilhado"),
        "unknown": ("unknown", "desconocida", "desconhecido"),
    },
    "source": {
        "supplied": ("supplied", "suministrada por la persona", "fornecido pela pessoa"),
        "contract": ("contract", "del contrato", "do contrato"),
        "skip_traced": ("skip traced", "hallada por búsqueda", "achado por busca"),
        "third_party": ("third party", "dada por un tercero", "dado por um terceiro"),
        "unknown": ("unknown", "desconocida", "desconhecida"),
    },
    "force": {
        "binding": ("binding", "vinculante", "vinculante"),
        "presumption": ("presumption", "presunción", "presunção"),
        "guidance": ("guidance", "orientación", "orientação"),
        "code": ("code of conduct", "código de conducta", "código de conduta"),
        "house": ("house rule", "regla de la casa", "regra da casa"),
    },
    "lift": {
        "answer": ("an answer to her own message", "respuesta a un mensaje suyo", "resposta a uma mensagem dela"),
        "requested_info": ("information that she asked for", "información que ella pidió", "informação que ela pediu"),
        "fraud_alert": ("a fraud alert", "alerta de fraude", "alerta de fraude"),
        "optout_confirmation": (
            "the one confirmation of an opt-out",
            "la única confirmación de una baja",
            "a única confirmação de um descadastro",
        ),
        "extra_calls": ("a call that she allowed", "llamada que ella permitió", "ligação que ela permitiu"),
        "consent": ("a message that she consented to", "mensaje que ella autorizó", "mensagem que ela autorizou"),
        "used_address": (
            "a message to an address that she wrote from",
            "mensaje a una dirección desde la que ella escribió",
            "mensagem a um endereço de onde ela escreveu",
        ),
        "registered_template": ("a registered template", "plantilla registrada", "modelo registrado"),
    },
    "stated": {
        "collector": ("collector", "quién cobra", "quem cobra"),
        "creditor": ("creditor", "por cuenta de quién", "em nome de quem"),
        "amount": ("amount", "el monto", "o valor"),
        "calculation_date": ("calculation date", "la fecha de cálculo", "a data de cálculo"),
        "complaints_unit": ("complaints unit", "la unidad de reclamos", "a unidade de reclamações"),
    },
    "weekday": {
        "0": ("Monday", "lunes", "segunda-feira"),
        "1": ("Tuesday", "martes", "terça-feira"),
        "2": ("Wednesday", "miércoles", "quarta-feira"),
        "3": ("Thursday", "jueves", "quinta-feira"),
        "4": ("Friday", "viernes", "sexta-feira"),
        "5": ("Saturday", "sábado", "sábado"),
        "6": ("Sunday", "domingo", "domingo"),
    },
}
#: A call by a person and one by a machine are one way, and counts that say “voice” mean both.
WAYS: Final[Mapping[str, _Three]] = {**NAMES["channel"], "voice": ("telephone", "teléfono", "telefone")}

_WHEN: Final = r"(?P<when>\d{4}-\d\d-\d\d \d\d:\d\d \S+)"
_WAY: Final = rf"(?P<way>{'|'.join(WAYS)})"
_STATUS: Final = rf"(?P<status>{'|'.join(NAMES['status'])})"
_NOTICE: Final = rf"(?P<notice>{'|'.join(NAMES['notice'])})"
_PURPOSE: Final = rf"(?P<purpose>{'|'.join(NAMES['purpose'])})"

#: What the engine says that it saw, and the same in Spanish and Portuguese. Words in braces come from the pattern; those
#: that are names of things are turned too.
PHRASES: Final[tuple[tuple[str, str, str], ...]] = (
    (r"role (?P<role>\w+)", "la persona es {role}", "a pessoa é {role}"),
    (r"channel (?P<channel>\w+)", "el canal es {channel}", "o canal é {channel}"),
    (r"address kind (?P<place>\w+)", "la dirección es {place}", "o endereço é {place}"),
    (r"address source (?P<source>\w+)", "la procedencia de la dirección es {source}", "a procedência do endereço é {source}"),
    (rf"purpose {_PURPOSE}", "el propósito es {purpose}", "o propósito é {purpose}"),
    (r"1 contact today", "1 contacto hoy", "1 contato hoje"),
    (r"(?P<n>\d+) contacts today", "{n} contactos hoy", "{n} contatos hoje"),
    (r"1 contact this week", "1 contacto esta semana", "1 contato nesta semana"),
    (r"(?P<n>\d+) contacts this week", "{n} contactos esta semana", "{n} contatos nesta semana"),
    (r"1 contact this month", "1 contacto este mes", "1 contato neste mês"),
    (r"(?P<n>\d+) contacts this month", "{n} contactos este mes", "{n} contatos neste mês"),
    (r"1 contact in (?P<m>\d+) days", "1 contacto en {m} días", "1 contato em {m} dias"),
    (r"(?P<n>\d+) contacts in (?P<m>\d+) days", "{n} contactos en {m} días", "{n} contatos em {m} dias"),
    (r"1 contact in (?P<m>\d+) hours", "1 contacto en {m} horas", "1 contato em {m} horas"),
    (r"(?P<n>\d+) contacts in (?P<m>\d+) hours", "{n} contactos en {m} horas", "{n} contatos em {m} horas"),
    (r"1 contact in (?P<m>\d+) minutes", "1 contacto en {m} minutos", "1 contato em {m} minutos"),
    (r"(?P<n>\d+) contacts in (?P<m>\d+) minutes", "{n} contactos en {m} minutos", "{n} contatos em {m} minutos"),
    (rf"last contact {_WHEN}", "último contacto {when}", "último contato {when}"),
    (rf"{_WAY} used {_WHEN}", "se usó {way} {when}", "usou-se {way} {when}"),
    (rf"conversation {_WHEN}", "conversación {when}", "conversa {when}"),
    (rf"{_STATUS} since {_WHEN}", "{status} desde {when}", "{status} desde {when}"),
    (rf"{_NOTICE} notice {_WHEN}", "aviso {notice} {when}", "aviso {notice} {when}"),
    (rf"no {_NOTICE} notice on record", "no consta un aviso {notice}", "não consta um aviso {notice}"),
    (
        rf"consent for {_PURPOSE} by {_WAY} withdrawn {_WHEN}",
        "autorización de {purpose} por {way} retirada {when}",
        "autorização de {purpose} por {way} retirada {when}",
    ),
    (rf"consent for {_WAY} withdrawn {_WHEN}", "autorización para {way} retirada {when}", "autorização para {way} retirada {when}"),
    (rf"no consent for {_PURPOSE} by {_WAY}", "sin autorización de {purpose} por {way}", "sem autorização de {purpose} por {way}"),
    (rf"no consent for {_WAY}", "sin autorización para {way}", "sem autorização para {way}"),
    (
        r"she did not turn to the sender first",
        "la persona no se dirigió antes al remitente",
        "a pessoa não se dirigiu antes ao remetente",
    ),
    (rf"she has not written on {_WAY}", "la persona no ha escrito por {way}", "a pessoa não escreveu por {way}"),
    (
        rf"she last wrote on {_WAY} {_WHEN}",
        "la persona escribió por {way} por última vez {when}",
        "a pessoa escreveu por {way} pela última vez {when}",
    ),
    (
        r"portfolio (?P<x>[A-Za-z0-9-]+) wrote to (?P<n>\d+) people first",
        "el portafolio {x} ya escribió primero a {n} personas",
        "o portfólio {x} já escreveu primeiro a {n} pessoas",
    ),
    (r"on the register (?P<x>.+)", "consta en el registro {x}", "consta no registro {x}"),
    (
        rf"the register (?P<x>.+?) was last read {_WHEN}, at most (?P<days>\d+) days may pass",
        "el registro {x} se leyó por última vez {when}; pueden pasar {days} días como máximo",
        "o registro {x} foi lido pela última vez {when}; podem passar {days} dias no máximo",
    ),
    (rf"{_WAY} refused {_WHEN}", "{way} rechazado {when}", "{way} recusado {when}"),
    (
        r"she refused contact at: (?P<place>\w+)",
        "la persona rechazó el contacto en una dirección {place}",
        "a pessoa recusou contato em endereço {place}",
    ),
    (
        r"the address turned out not to be hers",
        "la dirección resultó no ser de la persona",
        "verificou-se que o endereço não é da pessoa",
    ),
    (r"words: (?P<x>.+)", "palabras: {x}", "palavras: {x}"),
    (r"no opt-out notice", "falta el aviso para darse de baja", "falta o aviso de descadastro"),
    (r"lacks: (?P<x>.+)", "falta: {x}", "falta: {x}"),
    (r"does not state: (?P<stated>\w+)", "no indica: {stated}", "não indica: {stated}"),
    (r"caller number withheld", "número de origen oculto", "número de origem oculto"),
    (r"no registered template", "sin plantilla registrada", "sem modelo registrado"),
    # ---- the gateway's own rules ----
    (r"no pack for (?P<x>.+)", "no hay paquete para {x}", "não há pacote para {x}"),
    (r"no pack of law in force", "ningún paquete de normas en vigor", "nenhum pacote de normas em vigor"),
    (r"unknown zone (?P<x>.+)", "zona horaria desconocida: {x}", "fuso horário desconhecido: {x}"),
    (r"no zone known", "no se conoce la zona horaria", "não se conhece o fuso horário"),
    (r"the law that binds must be known", "debe conocerse la norma que obliga", "deve-se conhecer a norma que obriga"),
    (r"the clock of the person must be known", "debe conocerse el reloj de la persona", "deve-se conhecer o relógio da pessoa"),
    (r"house rule", "regla de la casa", "regra da casa"),
    (r"house rule (?P<x>HOUSE-\S+)", "regla de la casa {x}", "regra da casa {x}"),
    (r"the gateway's own margin", "margen propio de la pasarela", "margem própria do gateway"),
    (
        r"before the instant at which the message is wanted",
        "antes del instante para el que se pidió el mensaje",
        "antes do instante para o qual a mensagem foi pedida",
    ),
    (r"send_at of the message", "send_at del mensaje", "send_at da mensagem"),
    (
        r"an earlier contact is not confirmed and may still arrive",
        "un contacto anterior no está confirmado y aún puede llegar",
        "um contato anterior não está confirmado e ainda pode chegar",
    ),
    (
        r"counted at the latest instant at which it can arrive",
        "se cuenta en el último instante en que puede llegar",
        "conta-se no último instante em que pode chegar",
    ),
    (
        r"too close to closing for a message to be sure to arrive before it",
        "demasiado cerca del cierre para asegurar que el mensaje llegue antes",
        "perto demais do fechamento para garantir que a mensagem chegue antes",
    ),
    (r"at least (?P<n>\d+) s before closing", "al menos {n} s antes del cierre", "pelo menos {n} s antes do fechamento"),
    # ---- why a pack was asked ----
    (r"jurisdictions given", "jurisdicción indicada", "jurisdição indicada"),
    (r"named by the case", "indicada por el caso", "indicada pelo caso"),
    (r"she lives in (?P<x>\S+)", "la persona reside en {x}", "a pessoa reside em {x}"),
    (r"the number is of (?P<x>\S+)", "el número es de {x}", "o número é de {x}"),
    (r"the creditor's seat is in (?P<x>\S+)", "la sede del acreedor está en {x}", "a sede do credor fica em {x}"),
    (r"(?P<x>\S+) is a part of (?P<y>\S+)", "{x} es parte de {y}", "{x} é parte de {y}"),
    (
        r"the message would go by Twilio to a number of (?P<x>\S+)",
        "el mensaje saldría por Twilio a un número de {x}",
        "a mensagem sairia pelo Twilio para um número de {x}",
    ),
    (r"the message would go by (?P<x>\S+)", "el mensaje saldría por {x}", "a mensagem sairia por {x}"),
)  # fmt: skip

_COMPILED: Final = tuple((re.compile(pattern), es, pt) for pattern, es, pt in PHRASES)


def frame(name: str, language: str, **parts: object) -> str:
    """One sentence, its first letter large."""
    text = FRAMES[name][LANGUAGES.index(language)].format(**parts)
    return text[:1].upper() + text[1:]


def part(name: str, language: str, **parts: object) -> str:
    """One part of a sentence."""
    return PARTS[name][LANGUAGES.index(language)].format(**parts)


def name(kind: str, word: str, language: str) -> str:
    """What a thing is called; a word that the table does not know stays as it is."""
    table = WAYS if kind == "way" else NAMES.get(kind, {})
    three = table.get(word)
    return word if three is None else three[LANGUAGES.index(language)]


def weekday(at: datetime, zone_name: str, language: str) -> str:
    """The day of the week there."""
    return name("weekday", str(at.astimezone(zone(zone_name)).weekday()), language)


def turned(phrase: str, language: str) -> str | None:
    """One English phrase of the engine in another language; None when the table does not have it."""
    if language == "en":
        return phrase
    for pattern, *others in _COMPILED:
        found = pattern.fullmatch(phrase)
        if found is not None:
            groups = {key: name(key, value, language) for key, value in found.groupdict().items()}
            return others[_SAME[language] - 1].format(**groups)
    return None


def told(observed: str, language: str) -> str:
    """What the engine saw (phrases joined by “; ”) in a language; a phrase that is not in the table stays English."""
    whole = turned(observed, language)
    if whole is not None:
        return whole
    return "; ".join(turned(each, language) or each for each in observed.split("; "))
