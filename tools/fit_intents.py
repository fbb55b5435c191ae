"""Fits the weights of ``consent/learned.py`` to the labelled replies, the held-out ones never among them.

Run in the repository: ``python -m tools.fit_intents [--check]``. Needs scikit-learn (a package of the tests only). The seed,
the order of the rows and the number of steps are fixed, so that the same packages give the same file; ``--folds`` prints what
five-fold cross-validation says of the limits. Beside the weights stands what they were fitted from, as digests: whoever only
wants to know whether they are stale need not fit them again.
"""

import argparse
import ast
import json
import random
import zlib
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from consent.intents import Context, Intent, Limits, Ways, prepared, read_by
from consent.learned import SCORE_UNIT, Classes, Learned, Resemblance, traits
from consent.lexicon import lexicon
from consent.normal import tokens

ROOT: Final = Path(__file__).parent.parent
TABLES: Final = (
    *(f"corpus/{name}.tsv" for name in ("es", "en", "pt", "more", "much", "plenty", "later", "slang", "further")),
    "replies.tsv",
)
KEPT_APART: Final = ("corpus/heldout.tsv", "corpus/heldout2.tsv", "corpus/heldout4.tsv", "genuine.tsv")
WEIGHTS: Final = ROOT / "consent" / "words" / "model.bin"
COMMON: Final = ROOT / "consent" / "words" / "common.txt"
#: Digests of all that the weights follow from, and of the weights.
FITTED: Final = ROOT / "consent" / "words" / "fitted.json"
#: What makes traits out of replies and weights out of traits.
CODE: Final = (
    "tools/fit_intents.py",
    *(f"consent/{name}.py" for name in ("intents", "learned", "lexicon", "normal", "phrases")),
)
SEED: Final = 20261121
BUCKETS: Final = 1 << 16
#: What a row weighs that was misspelt on purpose, beside 1 for the row as written.
MISSPELT: Final = 0.3
MISSPELT_COPIES: Final = 1
#: Shorter words are not mended.
SHORT: Final = 6
#: What a row that nobody can be sure of weighs where stops are told from the rest.
UNCLEAR: Final = 0.3
#: How freely the weights follow the rows (scikit-learn's C): where stops are told from the rest, and for each meaning.
STRENGTH_STOP: Final = 60.0
STRENGTH: Final = 20.0
STEPS_MAX: Final = 300
#: When the weights have followed them far enough (scikit-learn's tol): further steps change what is said of rows seen, not of others.
TOLERANCE: Final = 0.01
FOLDS: Final = 5
STOPS: Final = ("stop_all", "stop_channel")
#: Where the whole system holds and where it is sure, in a model's own unit (natural logarithm of the odds).
#: With a language behind it, a limit is that language's own: held from as low on as the second table's totals leave one reply in ten
#: of neither, and of Spanish a stop only from where cross-validation takes fewer than one in a hundred for a stop that is none.
LIMITS: Final = {
    "hold": -0.9,
    "hold es": -1.5,
    "hold en": -1.2,
    "stop": 2.7,
    "stop es": 3.0,
    "veto": -0.5,
    "unsure": 1.5,
}
#: The limits that cross-validation tries: where a reply is held, and from where on it is a stop.
TRIED: Final = (
    *((hold, LIMITS["stop"]) for hold in (-1.8, -1.5, -1.2, -0.9, -0.6, -0.3)),
    *((LIMITS["hold"], stop) for stop in (2.0, 3.4)),
)
#: What another processor's arithmetic may do to what is written: weights by one step, few of them.
STEPS_APART_MAX: Final = 1
APART_MAX: Final = 0.001

Row = dict[str, str]


def table(path: Path) -> list[Row]:
    """The rows of a labelled table."""
    header, *lines = [line.split("\t") for line in path.read_text(encoding="utf-8").removesuffix("\n").split("\n")]
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    for row in rows:
        row["text"] = row["text"].replace("\\n", "\n")
    return rows


def training() -> list[Row]:
    """Every labelled reply that may be learned from: none whose words stand among those kept apart."""
    apart = {_words(row) for name in KEPT_APART for row in table(ROOT / "tests" / "consent" / name)}
    rows = [row for name in TABLES for row in table(ROOT / "tests" / "consent" / name)]
    return [row for row in rows if _words(row) not in apart]


def _words(row: Row) -> str:
    return " ".join(tokens(row["text"]))


def misspelt(text: str, chance: random.Random) -> str:
    """The text with one slip of the finger in a word of four letters or more: a letter lost, doubled, swapped or wrong."""
    words = text.split(" ")
    long = [n for n, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not long:
        return text
    n = chance.choice(long)
    word = words[n]
    at = chance.randrange(1, len(word) - 1)
    words[n] = chance.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],
            word[:at] + chance.choice("aeiosnrt") + word[at + 1 :],
        )
    )
    return " ".join(words)


def common(rows: Sequence[Row]) -> str:
    """The words of the labelled replies that are no stop, a line each: none of them is a misspelling of a phrase's word."""
    words = {word for row in rows if row["intent"] not in STOPS for word in tokens(row["text"])}
    return "".join(f"{word}\n" for word in sorted(words) if word.isalpha() and word.isascii() and len(word) >= SHORT)


def matrix(rows: Sequence[tuple[str, str]]) -> csr_matrix:
    """Texts with their contexts as traits in buckets, each row of length one."""
    indices: list[int] = []
    pointers = [0]
    values: list[float] = []
    for text, context in rows:
        buckets = sorted({zlib.crc32(t.encode()) % BUCKETS for t in traits(prepared(text), context, lexicon().classes)})
        indices += buckets
        values += [len(buckets) ** -0.5] * len(buckets)
        pointers.append(len(indices))
    return csr_matrix((values, indices, pointers), shape=(len(rows), BUCKETS))


def fitted(rows: Sequence[Row]) -> bytes:
    """The file of weights for these rows."""
    chance = random.Random(SEED)  # noqa: S311 (slips of the finger, not secrets)
    texts: list[tuple[str, str]] = []
    labels: list[str] = []
    weights: list[float] = []
    for row in rows:
        copies = [row["text"], *(misspelt(row["text"], chance) for _ in range(MISSPELT_COPIES))]
        for n, text in enumerate(copies):
            texts.append((text, row["context"]))
            labels.append(row["intent"])
            weights.append(MISSPELT if n else 1.0)
    seen = matrix(texts)
    stops = [label in STOPS for label in labels]
    names, columns, intercepts = [], [], []
    # What is neither clearly a stop nor clearly none teaches little about where the line is.
    line = [w * (UNCLEAR if label == "unsure" else 1) for w, label in zip(weights, labels, strict=True)]
    told = [("stop", stops, line, STRENGTH_STOP)]
    told += [(name, [label == name for label in labels], weights, STRENGTH) for name in sorted(set(labels))]
    for name, wanted, by, strength in told:
        one = LogisticRegression(C=strength, solver="liblinear", max_iter=STEPS_MAX, tol=TOLERANCE)
        one.fit(seen, wanted, sample_weight=by)
        names.append(name)
        columns.append(one.coef_[0])
        intercepts.append(one.intercept_[0])
    grid = np.stack(columns, axis=1)
    unit = float(np.quantile(np.abs(grid[grid != 0]), 0.9995)) / 127
    whole = (np.clip(np.rint(grid / unit), -127, 127) + 128).astype(np.uint8)
    per = SCORE_UNIT / unit
    head: dict[str, Any] = {
        "buckets": BUCKETS,
        "outputs": names,
        "intercepts": [round(float(i) * per) for i in intercepts],
        "limits": {name: round(limit * per) for name, limit in LIMITS.items()},
        "unit": round(per),
        "rows": len(rows),
        "seed": SEED,
    }
    return json.dumps(head).encode() + b"\n" + zlib.compress(whole.tobytes(), 9)


def told(row: Row, ways: Ways) -> str:
    """What is made of a row."""
    locale = f"{row['lang']}-{row['country']}"
    return read_by(ways, row["text"], context=Context(row["context"]), locale=locale).intent


class Remembered(Learned):
    """Weights that say of the same words what they said before, so that many limits can be tried."""

    def __init__(self, raw: bytes) -> None:
        """Nothing is remembered yet."""
        super().__init__(raw)
        self.said: dict[tuple[str | None, tuple[str, ...]], Resemblance] = {}

    def resemblance(self, words: Sequence[str], context: str | None, classes: Classes) -> Resemblance:
        """What these words resemble, worked out once."""
        asked = (context, tuple(words))
        if asked not in self.said:
            self.said[asked] = super().resemblance(words, context, classes)
        return self.said[asked]


def folds(rows: Sequence[Row]) -> None:
    """Print what cross-validation says for several limits, by language, each row judged by weights that never saw it."""
    cut = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    models = []
    for learn, judge in cut.split(rows, [row["intent"] for row in rows]):
        models.append((Remembered(fitted([rows[i] for i in learn])), [rows[i] for i in judge]))
    for hold, stop in TRIED:
        counts: dict[str, Counter[str]] = {}
        for model, judged in models:
            per = json_unit(model)
            limits = Limits(
                hold=round(hold * per),
                stop=round(stop * per),
                veto=model.limits["veto"],
                unsure=model.limits["unsure"],
            )
            for row in judged:
                got, wanted = told(row, Ways(model=model, limits=limits)), row["intent"]
                count = counts.setdefault(row["lang"], Counter())
                count.update(["all", *(["right"] if got == wanted else [])])
                if wanted in STOPS:
                    count.update(["stops", *(["caught"] if got in STOPS else [])])
                    count["kept"] += got in STOPS or got == Intent.UNSURE
                else:
                    count.update(["others", *(["false"] if got in STOPS else [])])
                    if wanted != Intent.UNSURE:
                        count.update(["neither", *(["held"] if got == Intent.UNSURE else [])])
        for language, count in sorted(counts.items()):
            print(
                f"hold {hold} stop {stop} {language}: caught {count['caught'] / count['stops']:.4f}"
                f" or held {count['kept'] / count['stops']:.4f} false {count['false'] / count['others']:.4f}"
                f" held {count['held'] / count['neither']:.4f} right {count['right'] / count['all']:.4f}",
                flush=True,
            )


def json_unit(model: Learned) -> float:
    """How many units of a score one unit of the logarithm of the odds is."""
    return model.limits["stop"] / LIMITS["stop"]


def differs(rows: Sequence[Row]) -> str | None:
    """What in the shipped files is not what the fit gives, None when nothing is.

    On one machine they are the same to the last bit. Arithmetic of another processor may round the last digit of a weight the
    other way, which shows as a step of one in few of them.
    """
    if COMMON.read_text(encoding="utf-8") != common(rows):
        return f"{COMMON.name} is not what the replies give"
    shipped, made = WEIGHTS.read_bytes(), fitted(rows)
    if shipped == made:
        return None
    (head, body), (made_head, made_body) = (raw.split(b"\n", 1) for raw in (shipped, made))
    if json.loads(head).keys() != json.loads(made_head).keys() or _fixed(head) != _fixed(made_head):
        return f"the head of {WEIGHTS.name} is another"
    before, after = (np.frombuffer(zlib.decompress(each), np.uint8).astype(int) for each in (body, made_body))
    apart = np.abs(before - after)
    if apart.max() > STEPS_APART_MAX or (apart > 0).mean() > APART_MAX:
        return f"{(apart > 0).sum()} weights of {len(apart)} are others, by up to {apart.max()}"
    return None


def origin(rows: Sequence[Row]) -> dict[str, str]:
    """Digests of what the weights follow from, and of the files that were written: of code as it runs, whatever its comments say."""
    code = "".join(ast.dump(ast.parse((ROOT / name).read_text(encoding="utf-8"))) for name in CODE)
    lists = "".join(path.read_text(encoding="utf-8") for path in sorted(WEIGHTS.parent.glob("*.toml")))
    return {
        "rows": _digest(json.dumps(rows, sort_keys=True)),
        "code": _digest(code),
        "word lists": _digest(lists),
        "scikit-learn": version("scikit-learn"),
        "common.txt": _digest(COMMON.read_text(encoding="utf-8")),
        "model.bin": sha256(WEIGHTS.read_bytes()).hexdigest(),
    }


def stale(rows: Sequence[Row]) -> list[str]:
    """What is another than when the weights were fitted, by the names of ``origin``; nothing is fitted for it."""
    kept, now = json.loads(FITTED.read_text(encoding="utf-8")), origin(rows)
    return [name for name in now if kept.get(name) != now[name]]


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _fixed(head: bytes) -> dict[str, Any]:
    """What no arithmetic has part in."""
    told = json.loads(head)
    return {name: told[name] for name in ("buckets", "outputs", "rows", "seed")}


def main() -> None:
    """Fit, and write the file or compare."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--folds", action="store_true", help="print cross-validation and write nothing")
    asked.add_argument("--check", action="store_true", help="exit 1 when the file is not what would be written")
    args = asked.parse_args()
    rows = training()
    if args.folds:
        folds(rows)
        return
    if args.check:
        flaw = differs(rows)
        if flaw is not None:
            raise SystemExit(flaw)
        print(f"as fitted: {len(rows)} replies")
        return
    COMMON.write_text(common(rows), encoding="utf-8")
    raw = fitted(rows)
    WEIGHTS.write_bytes(raw)
    FITTED.write_text(json.dumps(origin(rows), indent=1) + "\n", encoding="utf-8")
    print(f"{len(rows)} replies, {len(raw)} bytes")


if __name__ == "__main__":
    main()
