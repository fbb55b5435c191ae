"""What the report says of replies kept apart holds, and each means earns its place."""

import zlib
from pathlib import Path
from typing import Final

import pytest

from consent import learned as resemblance
from consent.learned import Learned, ModelError, learned
from consent.lexicon import lexicon
from consent.normal import tokens
from tests.consent import report
from tools import fit_intents


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, report.Measured]]:
    ways = report.ways()["rules, mending, model"]
    tables = {"first": report.HELD_OUT, "second": report.HELD_OUT_NEW}
    return {name: report.measure(report.table(path), ways) for name, path in tables.items()}


@pytest.mark.parametrize("language", report.LANGUAGES)
def test_stops_are_kept_and_others_are_left_alone(
    measured: dict[str, dict[str, report.Measured]], language: str
) -> None:
    """Of the first table, of 70 to 90 stops a language: at most one is neither caught nor held; of all, at most one of a hundred."""
    found = measured["first"][language]
    assert found.count["stops"] >= 70
    assert found.count["stops"] - found.count["kept"] <= (2 if language == "all" else 1)
    assert found.false <= 0.01
    assert found.held <= 0.10
    if language == "all":
        assert found.kept >= 0.99
        assert found.right >= 0.84


#: What the second table measured, of each language: stops neither caught nor held, false stops, and held of neither. Nothing may get
#: worse; where it is not yet 0.99, 0.01 and 0.10, docs/intents.md says so.
SECOND: Final = {"es": (1, 2, 0.08), "en": (4, 2, 0.08), "pt": (0, 1, 0.135)}


@pytest.mark.parametrize("language", SECOND)
def test_of_the_harder_table_no_more_is_missed_than_was(
    measured: dict[str, dict[str, report.Measured]], language: str
) -> None:
    found = measured["second"][language]
    assert found.count["stops"] >= 130
    missed, false, held = SECOND[language]
    assert found.count["stops"] - found.count["kept"] <= missed
    assert found.count["false"] <= false
    assert found.held <= held


def test_without_the_model_stops_would_be_missed() -> None:
    alone = report.measure(report.table(report.HELD_OUT), report.ways()["without the model"])
    assert alone["all"].kept < 0.95


def test_the_corpus_is_large_balanced_and_kept_apart() -> None:
    rows = [row for path in report.LEARNED_FROM[:-1] for row in report.table(path)]
    held_out = report.table(report.HELD_OUT)
    harder = report.table(report.HELD_OUT_NEW)
    assert len(rows) + len(held_out) >= 3_000
    assert len(held_out) >= 500
    assert len(harder) >= 1_000
    every = [*rows, *held_out, *harder]
    assert len({row["id"] for row in every}) == len(every)
    for language in ("es", "en", "pt"):
        mine = [row["intent"] for row in every if row["lang"] == language]
        assert all(mine.count(intent) >= 15 for intent in set(mine))
        assert len(set(mine)) == 15
    for table in (held_out, harder):
        assert {row["context"] for row in table} == {"reminder", "stop_prompt", "payment_offer", "none"}
        assert {row["country"] for row in table} >= {"CO", "PE", "MX", "CL", "AR", "BR", "US", "UK", "ES", "PT"}


def _words(row: report.Row) -> str:
    return " ".join(tokens(row["text"]))


def test_nothing_that_is_judged_by_was_learned_from() -> None:
    """The same words under another id or another dress are the same reply."""
    apart = {_words(row) for path in (report.HELD_OUT, report.HELD_OUT_NEW) for row in report.table(path)}
    assert len(apart) > 1_500
    tables = {path.name: {_words(row) for row in report.table(path)} & apart for path in report.LEARNED_FROM[:-1]}
    assert tables == {path.name: set() for path in report.LEARNED_FROM[:-1]}
    # The table that the rules are held to has the bare keywords too; the fit leaves those out.
    assert not {_words(row) for row in fit_intents.training()} & apart


def test_the_weights_are_what_the_fit_gives() -> None:
    assert fit_intents.differs(fit_intents.training()) is None


def test_other_weights_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One weight by two steps, and one in five hundred by one."""
    raw = fit_intents.WEIGHTS.read_bytes()
    monkeypatch.setattr(fit_intents, "fitted", lambda _rows: raw)
    head, _, body = raw.partition(b"\n")
    kept = bytearray(zlib.decompress(body))
    other = tmp_path / "model.bin"
    monkeypatch.setattr(fit_intents, "WEIGHTS", other)
    rows = fit_intents.training()
    for step, every, same in ((2, len(kept), False), (1, 500, False), (1, 5_000, True), (0, 1, True)):
        changed = kept.copy()
        changed[::every] = bytes(weight - step if weight > 128 else weight + step for weight in changed[::every])
        other.write_bytes(head + b"\n" + zlib.compress(bytes(changed)))
        assert (fit_intents.differs(rows) is None) is same, (step, every)


def test_scores_are_whole_numbers_and_the_same_whoever_was_scored_before() -> None:
    raw = (report.CORPUS.parents[2] / "consent" / "words" / "model.bin").read_bytes()
    assert len(raw) < 1_000_000
    first, second = Learned(raw), Learned(raw)
    texts = [tokens(row["text"]) for row in report.table(report.HELD_OUT)[:60]]
    classes = lexicon().classes
    forwards = [first.resemblance(words, "reminder", classes) for words in texts]
    backwards = [second.resemblance(words, "reminder", classes) for words in reversed(texts)]
    assert forwards == backwards[::-1]
    assert all(isinstance(score, int) for each in forwards for score in (each.stop, *each.intents.values()))


def test_a_known_reply_has_a_known_score() -> None:
    """Another machine, another Python: the very same numbers."""
    like = learned().resemblance(tokens("no me manden más mensajes"), "reminder", lexicon().classes)
    assert like.stop > learned().limits["stop"]
    assert max(like.intents, key=like.intents.__getitem__) == "stop_all"


NO_MODELS = [
    b"",
    b"{}\n",
    b'{"buckets": 1}\n',
    b"x" * 100,
    b'{"buckets":4,"limits":{},"outputs":["stop"],"intercepts":[0]}\nx',
]


@pytest.mark.parametrize("raw", NO_MODELS)
def test_what_is_no_model_is_refused(raw: bytes) -> None:
    with pytest.raises(ModelError):
        Learned(raw)


def test_a_long_reply_is_judged_by_its_ends() -> None:
    words = ["a"] * 10_000
    assert len(set(resemblance.traits(words, None, {}))) < 50
    most = [f"word{n}" for n in range(10_000)]
    assert sum(1 for _ in resemblance.traits(most, None, {})) < 5_000
