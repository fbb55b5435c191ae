"""How well replies are told apart, measured: ``python -m tests.consent.report``, on replies kept apart from rules and weights.

Counted per language: stops caught (as a stop) and kept (as a stop, or held); false stops among all that are none; replies held
that are neither a stop nor unclear; and how many have exactly the labelled intent.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Final

from consent.intents import Context, Intent, Ways, read_by
from consent.learned import learned

CORPUS: Final = Path(__file__).with_name("corpus")
HELD_OUT: Final = CORPUS / "heldout.tsv"
#: Written later, larger and harder, before the rules and weights that it judges were changed.
HELD_OUT_NEW: Final = CORPUS / "heldout2.tsv"
#: Written last, of all that people in debt answer, before the version that it judges was begun; judged once, and nothing was chosen by
#: what it says. The one before it (of slang) was judged once, too, and is learned from since (``slang.tsv``).
HELD_OUT_LAST: Final = CORPUS / "heldout4.tsv"
#: Courtesies and questions of people, none of which may be taken for a machine's.
GENUINE: Final = CORPUS.parent / "genuine.tsv"
LEARNED_FROM: Final = (
    *(CORPUS / f"{name}.tsv" for name in ("es", "en", "pt", "more", "much", "plenty", "later", "slang", "further")),
    CORPUS.parent / "replies.tsv",
)
STOPS: Final = frozenset({Intent.STOP_ALL, Intent.STOP_CHANNEL})
LANGUAGES: Final = ("es", "en", "pt", "all")

Row = dict[str, str]


def table(path: Path) -> list[Row]:
    """The rows of a labelled table."""
    header, *lines = [line.split("\t") for line in path.read_text(encoding="utf-8").removesuffix("\n").split("\n")]
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    for row in rows:
        row["text"] = row["text"].replace("\\n", "\n")
    return rows


@dataclass(frozen=True, slots=True)
class Measured:
    """Counts of one language."""

    count: Counter[str]

    @property
    def kept(self) -> float:
        """Of the stops: caught or held."""
        return self.count["kept"] / self.count["stops"]

    @property
    def caught(self) -> float:
        """Of the stops: taken for a stop."""
        return self.count["caught"] / self.count["stops"]

    @property
    def false(self) -> float:
        """Of those that are no stop: taken for one."""
        return self.count["false"] / self.count["others"]

    @property
    def held(self) -> float:
        """Of those that are neither a stop nor unclear: held."""
        return self.count["held"] / self.count["neither"]

    @property
    def right(self) -> float:
        """Of all: exactly the labelled intent."""
        return self.count["right"] / self.count["all"]


def measure(rows: list[Row], ways: Ways) -> dict[str, Measured]:
    """Count, by language and for all."""
    counts = {language: Counter[str]() for language in LANGUAGES}
    for row in rows:
        wanted = Intent(row["intent"])
        locale = f"{row['lang']}-{row['country']}"
        got = read_by(ways, row["text"], context=Context(row["context"]), locale=locale).intent
        told = ["all", *(["right"] if got is wanted else [])]
        if wanted in STOPS:
            told += ["stops", *(["caught"] if got in STOPS else [])]
            told += ["kept"] if got in STOPS or got is Intent.UNSURE else []
        else:
            told += ["others", *(["false"] if got in STOPS else [])]
            if wanted is not Intent.UNSURE:
                told += ["neither", *(["held"] if got is Intent.UNSURE else [])]
        for language in (row["lang"], "all"):
            counts[language].update(told)
    return {language: Measured(count) for language, count in counts.items()}


def ways() -> dict[str, Ways]:
    """What is measured: all of it, and all without each part."""
    model = learned()
    return {
        "rules, mending, model": Ways(model=model),
        "without rapidfuzz": Ways(mending=False, model=model),
        "without the model": Ways(),
        "rules alone": Ways(mending=False),
        "model alone": Ways(rules=False, model=model),
    }


def main() -> None:
    """Print the report."""
    tables = {"first": table(HELD_OUT), "second": table(HELD_OUT_NEW), "fourth": table(HELD_OUT_LAST)}
    learned_from = sum(len(table(path)) for path in LEARNED_FROM)
    sizes = ", ".join(f"{len(rows)} replies in the {name} table" for name, rows in tables.items())
    print(f"Kept apart: {sizes}. {learned_from} to learn from.\n")
    print("| | language | stops | caught | caught or held | false stops | held of neither | exact |")
    print("|---|---|---|---|---|---|---|---|")
    for name, rows in tables.items():
        for label, by in ways().items():
            for language, m in measure(rows, by).items():
                count = m.count
                print(
                    f"| {name}: {label} | {language} | {count['stops']} | {m.caught:.3f} | {m.kept:.3f} "
                    f"| {count['false']}/{count['others']} ({m.false:.3f}) | {count['held']}/{count['neither']} ({m.held:.3f}) "
                    f"| {m.right:.3f} |"
                )
    everything = ways()["rules, mending, model"]
    rows = tables["second"]
    start = process_time()
    measure(rows, everything)
    print(f"\n{(process_time() - start) / len(rows) * 1e6:.0f} µs of processor time a reply")


if __name__ == "__main__":
    main()
