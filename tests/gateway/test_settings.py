"""Settings of ways: weights, paces and shared accounts are read, and what is wrong is named without its value."""

from pathlib import Path

import pytest

from gateway.settings import Settings, Wrong, read
from gateway.ways.portfolio_settings import Tier
from throttling.pace import Pace

ENVIRONMENT = {
    "TREGUA_DATABASE_URL": "postgresql://x",
    "TREGUA_REDIS_URL": "redis://x",
    "TREGUA_PUBLIC_URL": "https://gateway.test",
    "TREGUA_SECRET_KEY": "a secret for tests, of more than thirty-two characters",
}
WAYS = """
[providers.a]
kind = "sms_http"
[providers.b]
kind = "sms_http"
[providers.c]
kind = "smtp"
[channels]
sms = ["a", "b"]
"""


def settings(folder: Path, more: str) -> Settings:
    file = folder / "tregua.toml"
    file.write_text(WAYS + more)
    return read(ENVIRONMENT, file)


def test_weights_and_paces_are_read(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        "[weights]\na = 3\nb = 1\n[pace]\na = { per_second = 5, account = 'x', tenant_per_second = 2 }\n"
        "b = { per_second = 5, account = 'x', chat_per_second = 0.5, sender_per_second = 1 }\n",
    )
    assert found.weights == {"a": 3, "b": 1}
    assert found.paces == {
        "a": Pace(per_second=5.0, burst=1, account="x", tenant=2.0),
        "b": Pace(per_second=5.0, burst=1, account="x", chat=0.5, sender=1.0),
    }


def test_portfolios_are_read_by_way(tmp_path: Path) -> None:
    found = settings(tmp_path, "[portfolios]\nacme = { people_max = 250, ways = ['a', 'c'] }\n")
    assert found.portfolios == {way: Tier(portfolio="acme", people_max=250) for way in ("a", "c")}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[portfolios]\nx = 1", r"\[portfolios\] x must look like"),
        ("[portfolios]\nx = { people_max = 250 }", r"\[portfolios\] x must look like"),
        ("[portfolios]\n'x y' = { people_max = 250, ways = ['a'] }", "letters, digits and hyphens"),
        ("[portfolios]\nx = { people_max = 0, ways = ['a'] }", "x: people_max must be a whole number"),
        ("[portfolios]\nx = { people_max = true, ways = ['a'] }", "x: people_max must be a whole number"),
        ("[portfolios]\nx = { people_max = 1, ways = [] }", "x: ways must be a list"),
        ("[portfolios]\nx = { people_max = 1, ways = [1] }", "x: ways must be a list"),
        ("[portfolios]\nx = { people_max = 1, ways = ['nobody'] }", "nobody"),
        ("[portfolios]\nx = { people_max = 1, ways = ['a'] }\ny = { people_max = 1, ways = ['a'] }", "two portfolios"),
        ("[weights]\nnobody = 1", "nobody"),
        ("[weights]\nc = 1", r"c, which stands in no list"),
        ("[weights]\na = 0", r"\[weights\] a must be a whole number"),
        ("[weights]\na = 1.5", r"\[weights\] a must be a whole number"),
        ("[weights]\na = true", r"\[weights\] a must be a whole number"),
        ("[pace]\na = { per_second = 1, chats = 1 }", "Known are: per_second, burst, account, sender_per_second"),
        ("[pace]\na = { per_second = 1, chat_per_second = 0 }", "a: chat_per_second must be a number"),
        ("[pace]\na = { per_second = 1, tenant_per_second = true }", "a: tenant_per_second must be a number"),
        ("[pace]\na = { per_second = 1, account = 7 }", "a: account must be a name"),
        (
            "[pace]\na = { per_second = 1, account = 'x' }\nb = { per_second = 2, account = 'x' }",
            "share an account and must name the same",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(Wrong, match=said):
        settings(tmp_path, more)


@pytest.mark.parametrize("name", ["TREGUA_REDIS_URL", "TREGUA_PUBLIC_URL"])
@pytest.mark.parametrize("value", ["https//cut", "http://[::1", "redis://here:sixty", "ftp://here"])
def test_an_address_that_is_none_is_named_and_not_shown(name: str, value: str) -> None:
    with pytest.raises(Wrong, match=f"{name} must look like") as refused:
        read(ENVIRONMENT | {name: value})
    assert value not in str(refused.value)
