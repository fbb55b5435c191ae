"""However STOP is dressed up, it is one word; and words are not made of what are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.intents import Intent, classify
from consent.normal import MARKS, tokens

DISGUISES = [
    "STOP",
    "stop",
    "Stop",
    "ＳＴＯＰ",
    "ST\u200bOP",
    "S\u200cT\u200dO\ufeffP",
    "ST\u00adOP",
    "\u202eSTOP\u202c",
    "ЅТОР",
    "ѕтор",
    "SТOP",
    "SΤΟΡ",
    "sτορ",
    "S T O P",
    "s.t.o.p",
    "S-T-O-P",
    "S_T_O_P",
    "S/T/O/P",
    "*STOP*",
    "_stop_",
    "«stop»",
    "“STOP”",
    "stop.",
    "stop!!!",
    "¡stop!",
    "  stop  ",
    "st\u0336o\u0336p",
    "S\u0301T\u0302O\u0303P",
    "ŠŤÖP",
    "𝐒𝐓𝐎𝐏",
    "𝓼𝓽𝓸𝓹",
    "ⓢⓣⓞⓟ",
    "🅢🅣🅞🅟",
    "🆂🆃🅾🅿",
    "🅂🅃🄾🄿",
    "🇸🇹🇴🇵",
    "ꜱᴛᴏᴘ",
    "st0p",
    "5top",
    "STOOOOP",
    "ssttoopp",
    "stopstop",
    "stop\nstop",
    "stop\u2028",
    "stop😡",
    "(stop)",
    "[STOP]",
    "{stop}",
    "#stop",
    "STOP\x00",
]


@pytest.mark.parametrize("text", DISGUISES, ids=ascii)
def test_stop_is_stop_in_any_dress(text: str) -> None:
    assert classify(text) is Intent.STOP_ALL


@pytest.mark.parametrize(
    "text", ["BAJA", "ВАЈА", "b.a.j.a", "ＢＡＪＡ", "báj\u200ba", "BAJAAAA", "b4j4", "𝗕𝗔𝗝𝗔", "b a j a", "baja…"]
)
def test_baja_is_baja_in_any_dress(text: str) -> None:
    assert classify(text) is Intent.STOP_ALL


@pytest.mark.parametrize("text", ["UΝSUBSCRIBE", "ΕΝD", "QUІT", "uпsubscribe"], ids=ascii)
def test_a_letter_is_what_it_looks_like_in_its_own_case(text: str) -> None:
    """A capital Greek nu looks like N, a small one like v."""
    assert classify(text) is Intent.STOP_ALL


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No me escriban más, ¡ya!", ["no", "me", "escriban", "mas", "|", "|", "ya", "|"]),
        ("don't / don’t / don´t", ["dont", "|", "dont", "|", "dont"]),
        ("¿Baja?", ["|", "baja", "?"]),
        ("a b", ["a", "b"]),
        ("y, a ver", ["y", "|", "a", "ver"]),
        ("s.t.o.p. ya", ["stop", "|", "ya"]),
        ("uno\ndos", ["uno", "\n", "dos"]),
        ("uno\n> dos\ntres", ["uno", "\n", "tres"]),
        ("uno\n-----Original Message-----\ndos", ["uno"]),
        ("uno\nEl lun, 3 nov 2026, Acme escribió:\ndos", ["uno"]),
        ("Em seg., 3 de nov. de 2026, Acme <a@b.example> escreveu:\nSAIR", []),
        ("👎 🛑", ["👎", "🛑"]),
        ("niño año", ["nino", "ano"]),
        ("3.000 pesos", ["3", "|", "000", "pesos"]),
        ("Straße", ["strasse"]),
    ],
    ids=ascii,
)
def test_words_are_these(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def test_a_long_reply_is_read_as_far_as_its_limit() -> None:
    assert tokens("a " * 50_000) == ["a" * 10_000]


@given(st.text(max_size=60))
def test_any_text_is_brought_down_to_words_in_small_letters_without_marks(text: str) -> None:
    for token in tokens(text):
        assert token
        assert " " not in token
        assert token in MARKS or tokens(token) == [token]


@given(st.sampled_from(["stop", "baja", "sair", "unsubscribe"]), st.data())
def test_characters_that_nobody_sees_change_nothing(word: str, data: st.DataObject) -> None:
    unseen = st.text(st.sampled_from("\u200b\u200c\u200d\u2060\ufeff\u00ad\u0301\u0336\u202a\u202c"), max_size=3)
    dressed = "".join(letter + data.draw(unseen) for letter in word)
    assert classify(dressed) is Intent.STOP_ALL
