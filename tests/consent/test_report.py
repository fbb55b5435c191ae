"""What the report says of replies kept apart holds, and each means earns its place."""

import inspect
import shutil
import zlib
from pathlib import Path
from typing import Final

import pytest

from consent import intents, normal, phrases
from consent import learned as resemblance
from consent import lexicon as lexicons
from consent.intents import Context, Intent, classify
from consent.learned import Learned, ModelError, learned
from consent.lexicon import lexicon
from consent.normal import tokens
from tests.consent import report
from tools import fit_intents
from tools.fit_intents import ROOT


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, report.Measured]]:
    ways = report.ways()["rules, mending, model"]
    tables = {"first": report.HELD_OUT, "second": report.HELD_OUT_NEW, "fourth": report.HELD_OUT_LAST}
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


#: What each later table measured, of each language: stops neither caught nor held, false stops, and held of neither. Nothing may get
#: worse. The targets are 0.99, 0.01 and 0.10; of the fourth table Spanish misses the first (3 of 138) and English the second (3 of 186),
#: of the second English the first: docs/intents.md says so.
LATER: Final = {
    ("second", "es"): (0, 2, 0.08),
    ("second", "en"): (2, 1, 0.09),
    ("second", "pt"): (0, 0, 0.093),
    ("fourth", "es"): (3, 1, 0.10),
    ("fourth", "en"): (1, 3, 0.06),
    ("fourth", "pt"): (0, 1, 0.06),
}


@pytest.mark.parametrize(("table", "language"), LATER)
def test_of_the_harder_tables_no_more_is_missed_than_was(
    measured: dict[str, dict[str, report.Measured]], table: str, language: str
) -> None:
    found = measured[table][language]
    assert found.count["stops"] >= 110
    missed, false, held = LATER[table, language]
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
    last = report.table(report.HELD_OUT_LAST)
    for language in ("es", "en", "pt"):
        told = [Intent(row["intent"]) for row in last if row["lang"] == language]
        stops = sum(intent in report.STOPS for intent in told)
        assert len(told) >= 300
        assert stops >= 110
        assert len(told) - stops - told.count(Intent.UNSURE) >= 130
    every = [*rows, *held_out, *harder, *last]
    assert len({row["id"] for row in every}) == len(every)
    for language in ("es", "en", "pt"):
        mine = [row["intent"] for row in every if row["lang"] == language]
        assert all(mine.count(intent) >= 15 for intent in set(mine))
        assert len(set(mine)) == 15
    for table in (held_out, harder, last):
        assert {row["context"] for row in table} == {"reminder", "stop_prompt", "payment_offer", "none"}
        assert {row["country"] for row in table} >= {"CO", "PE", "MX", "CL", "AR", "BR", "US", "UK", "ES", "PT"}


def _words(row: report.Row) -> str:
    return " ".join(tokens(row["text"]))


def _apart(*paths: Path) -> set[str]:
    return {_words(row) for path in paths for row in report.table(path)}


def test_nothing_that_is_judged_by_was_learned_from() -> None:
    """The same words under another id or another dress are the same reply."""
    apart = _apart(report.HELD_OUT, report.HELD_OUT_NEW, report.HELD_OUT_LAST)
    assert len(apart) > 2_500
    tables = {path.name: {_words(row) for row in report.table(path)} & apart for path in report.LEARNED_FROM[:-1]}
    assert tables == {path.name: set() for path in report.LEARNED_FROM[:-1]}
    # The table that the rules are held to has the bare keywords too, and the courtesies are said by everybody; the fit leaves them out.
    apart |= _apart(report.GENUINE)
    assert not {_words(row) for row in fit_intents.training()} & apart


def test_no_person_is_taken_for_a_machine() -> None:
    """Thanks, "I'll look at it tonight", questions about opening hours: whatever was said to her before."""
    rows = report.table(report.GENUINE)
    assert {row["lang"] for row in rows} == {"es", "en", "pt"}
    taken = [
        (row["text"], context.value)
        for row in rows
        for context in Context
        if classify(row["text"], context=context, locale=f"{row['lang']}-{row['country']}") is Intent.AUTO_REPLY
    ]
    assert not taken


@pytest.mark.campaign
def test_the_weights_are_what_the_fit_gives(campaign_long: bool) -> None:
    """By the digests of all that they follow from, every day; fitted again in a campaign."""
    rows = fit_intents.training()
    assert fit_intents.stale(rows) == []
    if campaign_long:
        assert fit_intents.differs(rows) is None


def test_what_the_weights_follow_from_is_told_when_it_is_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = fit_intents.training()
    assert fit_intents.stale([*rows[:-1], {**rows[-1], "intent": "abuse"}]) == ["rows"]
    assert fit_intents.stale(rows[:-1]) == ["rows"]
    with monkeypatch.context() as other:
        other.setattr(fit_intents, "version", lambda _name: "0.1")
        assert fit_intents.stale(rows) == ["scikit-learn"]
    with monkeypatch.context() as other:
        other.setattr(fit_intents, "CODE", fit_intents.CODE[1:])
        assert fit_intents.stale(rows) == ["code"]
    for name, path in (("common.txt", "COMMON"), ("word lists", "WEIGHTS"), ("model.bin", "WEIGHTS")):
        folder = tmp_path / name.replace(" ", "-")
        shutil.copytree(fit_intents.WEIGHTS.parent, folder)
        changed = folder / ("es.toml" if name == "word lists" else name)
        changed.write_bytes(changed.read_bytes() + b"\n")
        with monkeypatch.context() as other:
            other.setattr(fit_intents, path, folder / getattr(fit_intents, path).name)
            assert fit_intents.stale(rows) == [name]


def test_the_code_is_held_as_it_runs() -> None:
    """A comment changes nothing; every file that makes traits out of replies is among those that are held."""
    named = {ROOT / name for name in fit_intents.CODE}
    assert named >= {Path(inspect.getfile(each)) for each in (intents, normal, lexicons, phrases, resemblance)}


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
