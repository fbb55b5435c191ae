"""Word lists find phrases whatever case, marks and punctuation, and never tell the text's own words."""

import pytest

from jurisdictions.library import load
from jurisdictions.words import bare, folded, words

LAW = load()
(MOTIVE,) = next(rule for rule in LAW.packs["CO"].rules if rule.id == "CO-CONT-7").under({}).predicate.never


@pytest.mark.parametrize(
    ("phrase", "text", "struck"),
    [
        ("motivo de su mora", "¿Cuál es el MOTIVO de su mora?", True),
        ("motivo de su mora", "motivo de su moratoria", False),
        ("pag*", "¡Pague ya!", True),
        ("pag*", "Se apaga la luz", False),
        ("por que .. pagado", "¿por qué, señora Ana, no ha pagado?", True),
        ("por que .. pagado", "por qué uno dos tres cuatro cinco pagado", False),
        ("(uno|dos) tres", "Dos, tres", True),
        ("(uno|dos mil) tres", "dos mil tres", True),
        ("(uno|dos mil) tres", "mil tres", False),
        ("último aviso", "ULTIMO   AVISO", True),
        ("ultimo aviso", "Último\u200b aviso", True),
        ("ultimo aviso", "último avi\u00adso", True),
        ("paga hoy", "paga😀hoy", True),
        ("amanha", "amanhã", True),
    ],
)
def test_phrase(phrase: str, text: str, struck: bool):
    assert (words("list", (phrase,)).struck(folded(text)) == phrase) is struck


@pytest.mark.parametrize("written", ["", "..", "a ..", ".. b", "a b*c", "(a|)", "ñ§"])
def test_a_phrase_that_cannot_be_read_is_refused(written: str):
    if written == "ñ§":
        assert words("list", (written,)).struck(folded("n"))
        return
    with pytest.raises(ValueError, match="phrase"):
        words("list", (written,))


@pytest.mark.parametrize("text", ["STOP", "stop.", " S T O P ", "ST\u200bOP", "ｓｔｏｐ", "Stóp!"])
def test_one_spelling_of_a_word_to_stop(text: str):
    assert bare(text) == "stop"


@pytest.mark.parametrize(
    "text",
    [
        "Señor Pérez, ¿por qué no ha pagado su cuota de febrero?",
        "¿Por qué se atrasó?",
        "Díganos a qué se debe el atraso.",
        "¿Cuál fue la razón del incumplimiento?",
        "¿Qué le impide pagar?",
        "Por favor indique los motivos por los que no ha pagado.",
        "Why have you not paid?",
    ],
)
def test_colombia_asks_no_motive(text: str):
    assert MOTIVE.struck(folded(text))


@pytest.mark.parametrize(
    "text",
    [
        "Le escribimos porque no ha pagado su cuota.",
        "¿Qué plan de pago le sirve?",
        "La razón de este mensaje: su cuota vence hoy.",
        "¿Por qué no aprovecha un plan de pago?",
        "Su cuota está en mora desde el 3 de marzo.",
    ],
)
def test_colombia_lets_other_words_pass(text: str):
    assert MOTIVE.struck(folded(text)) is None
