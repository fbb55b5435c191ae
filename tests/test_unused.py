"""What nobody asks for goes: every question in SQL has somebody who asks it, every word of the console a page that says it."""

import re
import tomllib
from pathlib import Path

#: How a page puts a word's name together: by what it begins with, or by what it ends in.
BEGINS = re.compile(r"""["']([a-z_]+[._])["'] ~""")
ENDS = re.compile(r"""~ ["'](_[a-z]+)["']""")


def sources(checkout: Path, *patterns: str) -> str:
    return "".join(file.read_text("utf-8") for pattern in patterns for file in sorted(checkout.glob(pattern)))


def test_every_question_in_sql_is_asked(checkout: Path) -> None:
    modules = [file.read_text("utf-8") for file in (checkout / "storage").glob("*.py")]
    unasked = []
    for file in sorted((checkout / "storage" / "sql").glob("*.sql")):
        users = "".join(text for text in modules if re.search(rf'(queries\(|= )"{file.stem}"', text))
        names = re.findall(r"^-- name: (\S+)", file.read_text("utf-8"), re.MULTILINE)
        unasked += [f"{file.name}: {name}" for name in names if f'"{name}"' not in users]
    assert unasked == []


def test_every_word_of_the_console_is_said_somewhere(checkout: Path) -> None:
    words = tomllib.loads((checkout / "pages/console/words.toml").read_text("utf-8"))
    said = sources(checkout, "pages/console/**/*.html", "pages/console/*.py", "gateway/console/*.py")
    begun = set(BEGINS.findall(said))
    ended = set(ENDS.findall(said))
    unsaid = [
        name
        for name in words
        if not re.search(rf"\b{re.escape(name)}\b", said)
        and not name.startswith(tuple(begun))
        and not name.endswith(tuple(ended))
    ]
    assert unsaid == []
