"""What replies mean, held to a labelled table: every stop that can be told is caught, and next to nothing else is."""

from collections import Counter
from pathlib import Path
from time import process_time

import pytest

from consent.intents import Context, Intent, Reading, Ways, asks_for_help, classify, limits_of, read, read_by
from consent.learned import learned

REPLIES = Path(__file__).with_name("replies.tsv")
STOPS = {Intent.STOP_ALL, Intent.STOP_CHANNEL}


#: Replies of the table that may be taken for another meaning; none of them for the other side of a stop (above).
WRONG_MAX = 20


def rows() -> list[dict[str, str]]:
    header, *lines = [line.split("\t") for line in REPLIES.read_text(encoding="utf-8").removesuffix("\n").split("\n")]
    return [dict(zip(header, line, strict=True)) for line in lines]


def read_row(row: dict[str, str]) -> Intent:
    return classify(
        row["text"].replace("\\n", "\n"), context=Context(row["context"]), locale=f"{row['lang']}-{row['country']}"
    )


def test_stops_are_caught_and_others_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """At least 99 of 100 stops, at most one of 100 others; the messages are of both sides and meant to mislead."""
    told = [(row, Intent(row["intent"]), read_row(row)) for row in rows()]
    stops = [(row, got in STOPS) for row, wanted, got in told if wanted in STOPS]
    others = [(row, got in STOPS) for row, wanted, got in told if wanted not in STOPS]
    caught, false = sum(hit for _, hit in stops), sum(hit for _, hit in others)
    with capsys.disabled():
        print(f"\nreplies: {caught} of {len(stops)} stops caught, {false} false stops in {len(others)} others")
    assert len(stops) >= 450
    assert len(others) >= 350
    assert caught / len(stops) >= 0.99, [row["text"] for row, hit in stops if not hit]
    assert false / len(others) <= 0.01, [row["text"] for row, hit in others if hit]


def test_a_stop_that_is_not_caught_is_at_least_held() -> None:
    missed = [row for row in rows() if Intent(row["intent"]) in STOPS and read_row(row) not in STOPS]
    assert [row["text"] for row in missed if read_row(row) is not Intent.UNSURE] == []


def test_what_is_told_apart_is_told_right() -> None:
    wrong = Counter[tuple[str, Intent]]()
    for row in rows():
        wanted = Intent(row["intent"])
        got = read_row(row)
        if got is not wanted:
            wrong[row["text"], got] += 1
    assert len(wrong) <= WRONG_MAX, wrong


@pytest.mark.parametrize("locale", [None, "en-US", "es-CO", "pt-BR", "de-DE", "xx"])
@pytest.mark.parametrize(
    "word", ["STOP", "baja", "sair", "unsubscribe", "no más mensajes", "pare de me mandar mensagem"]
)
def test_words_of_every_language_are_heard_in_every_locale(word: str, locale: str | None) -> None:
    assert classify(word, locale=locale) is Intent.STOP_ALL


@pytest.mark.parametrize(
    ("context", "locale", "expected"),
    [
        (Context.STOP_PROMPT, "es-CO", Intent.STOP_ALL),
        (Context.STOP_PROMPT, None, Intent.STOP_ALL),
        (Context.REMINDER, "es-CO", Intent.UNSURE),
        (Context.PAYMENT_OFFER, "es-CO", Intent.UNSURE),
        (Context.NONE, "es-CO", Intent.UNSURE),
        (None, None, Intent.UNSURE),
        (Context.REMINDER, "pt-BR", Intent.STOP_ALL),
        (Context.PAYMENT_OFFER, "pt", Intent.STOP_ALL),
    ],
)
def test_cancelar_alone_is_what_the_last_message_makes_of_it(
    context: Context | None, locale: str | None, expected: Intent
) -> None:
    for text in ("cancelar", "CANCELAR!", "Cancelar por favor", "c a n c e l a r"):
        assert classify(text, context=context, locale=locale) is expected, text


@pytest.mark.parametrize("text", ["cancel", "Cancel please", "CANCEL."])
def test_cancel_in_english_stops_whatever_came_before(text: str) -> None:
    for context in Context:
        assert classify(text, context=context, locale="en-US") is Intent.STOP_ALL


@pytest.mark.parametrize("text", ["yes", "no", "Sí", "não", "ok", "👍", "sim"])
def test_yes_and_no_are_unclear_only_after_a_stop_prompt(text: str) -> None:
    assert classify(text, context=Context.STOP_PROMPT) is Intent.UNSURE
    assert classify(text, context=Context.REMINDER) is Intent.OTHER


@pytest.mark.parametrize("text", ["", " ", "\n", "...", "?", "\u200b", "😀", "1", "12345"])
def test_a_reply_without_words_is_other(text: str) -> None:
    assert classify(text) is Intent.OTHER


@pytest.mark.parametrize("text", ["hi", "Hi!", "jaja", "KKKKK", "oi", "hey there"])
def test_a_greeting_or_a_laugh_is_nothing_and_is_not_held(text: str) -> None:
    assert read(text, context=Context.REMINDER) == Reading(Intent.OTHER, bare=True)
    assert classify(f"{text} stop") is Intent.STOP_ALL


@pytest.mark.parametrize("text", ["Número errado", "wrong number, sorry", "Número equivocado.", "engano"])
def test_a_whole_reply_that_names_a_wrong_number_says_just_that(text: str) -> None:
    assert classify(text, context=Context.REMINDER) is Intent.WRONG_PERSON
    assert classify(f"{text} stop") in STOPS
    assert classify(f"{text}?") is Intent.OTHER


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("STOP", True),
        ("Baja, por favor", True),
        ("stop texting me", False),
        ("no más mensajes", False),
        ("Ya pagué. BAJA.", False),
    ],
)
def test_a_keyword_is_told_from_words_because_it_reaches_less_far(text: str, bare: bool) -> None:
    assert read(text).intent is Intent.STOP_ALL
    assert read(text).bare is bare


@pytest.mark.parametrize(
    "text", ["Ya pagué. ¿Baja?", "stop? what does that mean", "What is this, stop?", "sair? como assim"]
)
def test_a_stop_word_that_is_asked_about_is_no_stop(text: str) -> None:
    assert classify(text) not in STOPS


def test_quoted_originals_say_nothing() -> None:
    quoted = "\n\nOn Mon, 3 Nov 2026, Acme <a@b.example> wrote:\n> Reply STOP to opt out"
    assert classify("I pay on Friday" + quoted) is Intent.PROMISE_TO_PAY
    assert classify("stop" + quoted) is Intent.STOP_ALL
    assert classify("hello\n> STOP") is Intent.OTHER
    assert classify("\n> STOP\n> or END") is Intent.OTHER


@pytest.mark.parametrize("text", ["HELP", "ayuda", "Ajuda, por favor", "info", "H E L P"])
def test_help_is_heard(text: str) -> None:
    assert asks_for_help(text)
    assert classify(text) is Intent.OTHER


@pytest.mark.parametrize("text", ["", "help me pay", "STOP", "no ayuda"])
def test_help_is_not_heard_in_other_words(text: str) -> None:
    assert not asks_for_help(text)


def test_it_answers_in_the_blink_of_an_eye() -> None:
    """Typically under 100 µs of processor time; the bound leaves room for a busy machine."""
    texts = [row["text"] for row in rows()]
    classify("warm")
    best = min(_seconds(texts) for _ in range(3))
    assert best / len(texts) < 400e-6


def _seconds(texts: list[str]) -> float:
    start = process_time()
    for text in texts:
        classify(text)
    return process_time() - start


@pytest.mark.parametrize(
    "unit", ["stop the ", "no me de que ", "s t ", "dont you ", "a|b ", "não ", "ＳＴ", "\n", "if i ", "> "]
)
def test_no_reply_takes_long(unit: str) -> None:
    start = process_time()
    classify(unit * (100_000 // len(unit)))
    assert process_time() - start < 2


def test_the_same_reply_always_means_the_same() -> None:
    first = [read_row(row) for row in rows()]
    assert [read_row(row) for row in reversed(rows())] == first[::-1]


@pytest.mark.parametrize(
    "text",
    [
        "i didn't opt in",
        "never opted in so take me out",
        "que nadie de ustedes me vuelva a mandar un texto",
        "con mucho respeto, no vuelva a mandar mensajes a este número",
    ],
)
def test_a_start_that_is_denied_is_none(text: str) -> None:
    for context in Context:
        assert classify(text, context=context) in STOPS | {Intent.UNSURE}
        assert read_by(Ways(), text, context=context).intent is not Intent.START


def test_limits_are_a_languages_own() -> None:
    limits = learned().limits
    assert limits_of(learned(), "es-MX").hold == limits["hold es"] < limits["hold"]
    assert limits_of(learned(), "es").stop == limits["stop es"] > limits["stop"]
    for locale in ("pt-BR", "de-DE", "", None):
        assert limits_of(learned(), locale).hold == limits["hold"]
