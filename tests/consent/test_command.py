"""``tregua intents classify`` as it is typed."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.intents import app

REPLIES = Path(__file__).with_name("replies.tsv")


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["classify", *arguments], input=stdin)


def test_each_row_gets_its_intent_in_order() -> None:
    result = run("--tsv", str(REPLIES))
    assert result.exit_code == 0
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    ids = [line.split("\t")[0] for line in REPLIES.read_text(encoding="utf-8").splitlines()[1:]]
    assert [line[0] for line in lines] == ids
    assert dict(lines)["k01"] == "stop_all"
    assert dict(lines)["k61"] == "unsure"
    assert dict(lines)["k59"] == "stop_all"
    assert dict(lines)["f01"] == "start"
    assert dict(lines)["o61"] == "promise_to_pay"


def test_a_table_of_two_columns_is_enough() -> None:
    table = b'id\ttext\n1\tSTOP\n2\thola\\n> BAJA\n3\t\n4\t"stop"\n5\tcancelar'
    result = run("--tsv", "-", stdin=table)
    assert result.exit_code == 0
    assert result.stdout == "1\tstop_all\n2\tother\n3\tother\n4\tstop_all\n5\tunsure\n"


def test_country_and_language_settle_what_two_languages_share() -> None:
    table = b"country\tid\tlang\ttext\tcontext\nBR\t1\t\tcancelar\treminder\nCO\t2\t\tcancelar\t\nCO\t3\tpt\tcancelar\tnone\n"
    assert run("--tsv", "-", stdin=table).stdout == "1\tstop_all\n2\tunsure\n3\tstop_all\n"


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (b"", "no column 'id'"),
        (b"id\tmessage\n1\tSTOP\n", "no column 'text'"),
        (b"id\ttext\ttext\n1\tSTOP\ta\n", "twice"),
        (b"id\ttext\n1\tSTOP\t?\n", "line 2 has 3 columns"),
        (b"id\ttext\n1\n", "line 2 has 1 columns"),
        (b"id\ttext\n1\t\xff\n", "line 2 is not UTF-8"),
        (b"id\ttext\tcontext\n1\ta\tsometimes\n", "line 2: its context is none of reminder"),
    ],
)
def test_a_table_that_cannot_be_read_is_exit_2(table: bytes, reason: str) -> None:
    result = run("--tsv", "-", stdin=table)
    assert result.exit_code == 2
    assert reason in " ".join(result.output.replace("│", " ").split())


def test_wrong_use_is_exit_2(tmp_path: Path) -> None:
    for arguments in ([], ["--tsv"], ["--tsv", str(tmp_path / "missing.tsv")], ["--tsv", str(tmp_path)]):
        assert run(*arguments).exit_code == 2


def test_it_needs_no_server_code() -> None:
    script = "import sys, gateway.cli.intents; print([m for m in ('aiohttp', 'asyncpg', 'redis', 'arq') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
