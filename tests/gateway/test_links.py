"""Her link: short, opaque, the same for the same attempt, and of no use to anybody who makes one up."""

from uuid import UUID

import pytest

from adapters.kit.links import TOKEN_CHARACTERS, attempt_of_token, page_token, page_url
from adapters.kit.segments import segmented
from gateway.page.links import Links
from gateway.page.settings import PageSettings, Unfit, page_settings
from vocabulary.ids import new_uuid

SECRET = b"a secret of pages for tests"
LINKS = Links(public_url="https://t.example/in/", secret=SECRET, endpoints=b"e")


def test_a_token_leads_back_to_its_attempt_and_tells_nothing_of_it() -> None:
    first = new_uuid()
    second = UUID(int=first.int ^ 1)
    token = page_token(SECRET, first)
    assert len(token) == TOKEN_CHARACTERS
    assert attempt_of_token(SECRET, token) == first
    assert page_token(SECRET, first) == token
    # One bit of the id changes about half of the token: nothing can be counted up or read off.
    other = page_token(SECRET, second)
    assert sum(a != b for a, b in zip(token, other, strict=True)) > TOKEN_CHARACTERS // 2


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a" * 21,
        "a" * 23,
        "a" * 21 + "!",
        "a" * 21 + "=",
        " " + "a" * 21,
        "ñ" * 22,
        "../" + "a" * 19,
        "a" * 100_000,
    ],
)
def test_what_is_no_token_names_nothing(token: str) -> None:
    assert attempt_of_token(SECRET, token) is None


def test_a_token_has_one_spelling_and_one_secret() -> None:
    token = page_token(SECRET, new_uuid())
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twins = [token[:-1] + last for last in alphabet if last != token[-1]]
    # The last character holds two bits and four of nothing: its twins are refused, and the rest lead elsewhere.
    attempt = attempt_of_token(SECRET, token)
    assert [twin for twin in twins if attempt_of_token(SECRET, twin) == attempt] == []
    assert attempt_of_token(b"another secret", token) != attempt


def test_every_place_is_filled_and_nothing_else_is_touched() -> None:
    attempt = new_uuid()
    url = page_url("https://t.example/in", SECRET, attempt)
    text = "{{link}} {{ link }} {{name}} {{7*7}} ${link} {{{link}}} {{link}}"
    filled = LINKS.filled(text, tenant="t", contact="c", message=new_uuid(), attempt=attempt)
    assert filled == f"{url} {{{{ link }}}} {{{{name}}}} {{{{7*7}}}} ${{link}} {{{url}}} {url}"
    assert LINKS.token(attempt) in url


def test_what_is_counted_before_sending_is_as_long_as_what_is_sent() -> None:
    text = "Hola, su estado: {{link}} BAJA"
    sent = LINKS.filled(text, tenant="t", contact="c", message=new_uuid(), attempt=new_uuid())
    assert len(LINKS.sampled(text)) == len(sent)
    assert segmented(LINKS.sampled(text)) == segmented(sent)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"link_days": 0}, "link_days"),
        ({"link_days": True}, "link_days"),
        ({"link_days": "30"}, "link_days"),
        ({"link_days": 366}, "link_days"),
        ({"help": ""}, "help"),
        ({"help": "a\nb"}, "help"),
        ({"names": []}, "names"),
        ({"names": {"C1": 3}}, "names"),
        ({"name": {}}, "knows only"),
        ([], "knows only"),
    ],
)
def test_a_wrong_table_is_refused_by_name(table: object, says: str) -> None:
    with pytest.raises(Unfit, match=says):
        page_settings(table)


def test_the_table_is_read() -> None:
    read = page_settings({"link_days": 7, "help": "+57 601 000 0000", "names": {"C1": "Banco Uno"}})
    assert read == PageSettings(link_days=7, help="+57 601 000 0000", names={"C1": "Banco Uno"})
    assert page_settings({}) == PageSettings()
