"""What she wrote, and what her mail program put around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.mail_text import TEXT_CHARACTERS_MAX, her_words, of_html

OURS = "> Hola Ana, su cuota de julio está lista.\n> Responda BAJA para no recibir más mensajes.\n>"
BARE = "Hola Ana, su cuota de julio está lista.\nResponda BAJA para no recibir más mensajes."

TEXTS = {
    "nothing quoted": ("Ya pagué ayer", "Ya pagué ayer"),
    "Gmail in Spanish": (
        f"Ya pagué\n\nEl mar, 24 nov 2026 a las 10:00, Cobranza C1 (<avisos@cobranza.example>) escribió:\n\n{OURS}",
        "Ya pagué",
    ),
    "Gmail in Spanish, broken at the column": (
        f"Ya pagué\n\nEl mar, 24 nov 2026 a las 10:00, Cobranza C1\n(<avisos@cobranza.example>) escribió:\n{OURS}",
        "Ya pagué",
    ),
    "Gmail in English": (
        f"I paid\n\nOn Tue, Nov 24, 2026 at 10:00 AM Cobranza <avisos@cobranza.example> wrote:\n{OURS}",
        "I paid",
    ),
    "Gmail in Portuguese": (
        f"Já paguei\n\nEm ter., 24 de nov. de 2026 às 10:00, Cobranza <avisos@cobranza.example> escreveu:\n\n{OURS}",
        "Já paguei",
    ),
    "Apple Mail": (
        f"Ya pagué\n\n> El 24 nov 2026, a las 10:00, Cobranza <a@b.example> escribió:\n> \n{OURS}",
        "Ya pagué",
    ),
    "Outlook in Spanish": (
        "Ya pagué\n\n________________________________\nDe: Cobranza C1 <avisos@cobranza.example>\n"
        f"Enviado: martes, 24 de noviembre de 2026 10:00\nPara: Ana\nAsunto: Su cuota\n\n{BARE}",
        "Ya pagué",
    ),
    "Outlook in English, without a rule": (
        f"I paid\n\nFrom: Cobranza C1\nSent: Tuesday, November 24, 2026 10:00 AM\nTo: Ana\nSubject: x\n\n{BARE}",
        "I paid",
    ),
    "Outlook in Portuguese, with stars": (
        f"Já paguei\n\n*De:* Cobranza\n*Enviada em:* terça-feira\n*Para:* Ana\n*Assunto:* x\n\n{BARE}",
        "Já paguei",
    ),
    "an old Outlook": (f"Ya pagué\n\n-----Mensaje original-----\nDe: x\n\n{BARE}", "Ya pagué"),
    "an attribution whose quotation has no marks": (
        f"Ya pagué\n\nEl mar, 24 nov 2026 a las 10:00, Cobranza (<avisos@cobranza.example>) escribió:\n\n{BARE}",
        "Ya pagué",
    ),
    "below the quotation": (f"El mar, 24 nov 2026, Cobranza escribió:\n{OURS}\n\nBAJA", "BAJA"),
    "between quoted lines": ("> su cuota está lista\nya la pagué\n> Responda BAJA\nno más", "ya la pagué\nno más"),
    "a signature": ("BAJA\n-- \nAna Pérez\nGerente", "BAJA"),
    "a telephone that says so": ("BAJA\n\nEnviado desde mi iPhone", "BAJA"),
    "Outlook on a telephone": (
        f"BAJA\n\nObtener Outlook para Android\n\nDe: x <a@b>\nEnviado: hoy\nPara: Ana\n{BARE}",
        "BAJA",
    ),
    "line ends of every kind": ("BAJA\r\n> x\r> y\n", "BAJA"),
    # What people say must stay, though it looks like what programs say.
    "she tells who wrote": ("El banco me escribió:\nque ya no debo nada", "El banco me escribió:\nque ya no debo nada"),
    "she tells where from": ("De: mi casa no salgo\nBAJA", "De: mi casa no salgo\nBAJA"),
    "she tells to whom": ("Para: el banco\nAsunto: mi deuda\nno más", "Para: el banco\nAsunto: mi deuda\nno más"),
    "dashes": ("BAJA\n---\nno más", "BAJA\n---\nno más"),
    "an arrow": ("a -> b", "a -> b"),
    "nothing of hers": (f"El mar, 24 nov 2026 a las 10:00, C1 escribió:\n{OURS}", ""),
    "empty": ("", ""),
}


@pytest.mark.parametrize("label", list(TEXTS))
def test_her_words_of_a_text(label: str):
    written, hers = TEXTS[label]
    assert her_words(written) == hers


PAGES = {
    "Gmail": (
        '<div dir="ltr">BAJA</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">El mar escribió:<br></div>'
        '<blockquote class="gmail_quote"><div>Responda BAJA <div>x</div></div></blockquote></div>',
        "BAJA",
    ),
    "Outlook": (
        '<html><body><p>no más</p><div id="appendonsend"></div><hr><div id="divRplyFwdMsg">De: x</div>BAJA',
        "no más",
    ),
    "Outlook through another": ('<p>no más</p><div id="x_divRplyFwdMsg">BAJA</div>', "no más"),
    "Yahoo": ('<div>no más</div><div class="ydp yahoo_quoted">El x escribió: BAJA</div>', "no más"),
    "Thunderbird": (
        '<p>no más</p><div class="moz-cite-prefix">El x escribió:</div><blockquote type="cite">BAJA</blockquote>',
        "no más",
    ),
    "below a quotation": ("<blockquote>Responda BAJA</blockquote><p>ya pagué</p>", "ya pagué"),
    "a quotation in a quotation": ("<blockquote>a<blockquote>b</blockquote>c</blockquote>d", "d"),
    "lines": ("uno<br>dos<br/>tres<p>cuatro</p>\n cinco", "uno\ndos\ntres\ncuatro\ncinco"),
    "letters by name": ("Se&ntilde;ora &#8364; &lt;b&gt; &amp;amp;", "Señora € <b> &amp;"),
    "style and script": ("<style>p{}</style><script>if (a<b) alert('BAJA')</script><title>x</title>hola", "hola"),
    "a comment": ("hola<!-- <p>BAJA</p> --> sí", "hola sí"),
    "a comment without end": ("hola<!-- BAJA", "hola"),
    "a tag without end": ("hola <b BAJA", "hola"),
    "less than": ("1 < 2", "1"),
    "no markup": ("hola", "hola"),
    "capitals": ("<P>uno</P><BLOCKQUOTE>dos</BLOCKQUOTE>", "uno"),
    "attributes in every dress": ("<div class='gmail_quote'>a</div><div class=gmail_quote>b</div>c", "c"),
}


@pytest.mark.parametrize("label", list(PAGES))
def test_her_words_of_a_page(label: str):
    written, hers = PAGES[label]
    assert of_html(written) == hers


@given(st.text(max_size=3_000))
def test_what_is_left_is_hers_and_fit_to_be_kept(text: str):
    for found in (her_words(text), her_words(of_html(text))):
        assert len(found) <= TEXT_CHARACTERS_MAX
        assert "\x00" not in found
        found.encode()
    assert not any(line.startswith(">") for line in her_words(text).split("\n"))
