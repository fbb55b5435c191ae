"""What a form may say: money as people write it, days that somebody means, and nothing that was not offered."""

from datetime import date

import pytest

from pages.debtor.forms import (
    Answers,
    BadForm,
    CallMe,
    Disputes,
    NotAt,
    NotThen,
    StopAll,
    StopHere,
    When,
    WillPay,
    Wrong,
    wish_of,
)

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("150000", "150000"),
        ("150.000", "150000"),
        ("150,000", "150000"),
        ("1.500.000,50", "1500000.50"),
        ("1,500,000.5", "1500000.5"),
        ("1 500,5", "1500.5"),
        ("$ 20'000", "20000"),
        ("0,50", "0.50"),
        ("", None),
        ("   ", None),
    ],
)
def test_money_is_read_as_people_write_it(written: str, amount: str | None) -> None:
    assert wish_of({"do": "promise", "on": "2026-12-01", "amount": written}, TODAY) == WillPay(
        date(2026, 12, 1), amount
    )


@pytest.mark.parametrize("written", ["0", "-5", "1e9", "NaN", "٣٠٠", "cien", "1" * 30, "9999999999999", "1..2", "=1+1"])
def test_what_is_no_money_is_refused(written: str) -> None:
    with pytest.raises(BadForm) as refused:
        wish_of({"do": "promise", "on": "2026-12-01", "amount": written}, TODAY)
    assert (refused.value.wrong, refused.value.name) == (Wrong.AMOUNT, "amount")


@pytest.mark.parametrize(
    ("day", "wrong"),
    [
        ("2026-11-23", Wrong.DATE_PAST),
        ("2028-01-01", Wrong.DATE),
        ("2026-02-30", Wrong.DATE),
        ("", Wrong.DATE),
        ("24/11/2026", Wrong.DATE),
    ],
)
def test_a_day_that_nobody_means_is_refused(day: str, wrong: Wrong) -> None:
    with pytest.raises(BadForm) as refused:
        wish_of({"do": "promise", "on": day}, TODAY)
    assert refused.value.wrong is wrong


def test_today_is_a_day_to_pay() -> None:
    assert wish_of({"do": "promise", "on": "2026-11-24"}, TODAY) == WillPay(TODAY, None)


@pytest.mark.parametrize(
    ("fields", "wish"),
    [
        ({"do": "stop_here"}, StopHere()),
        ({"do": "stop_all", "when": "any"}, StopAll()),
        ({"do": "dispute"}, Disputes(None)),
        ({"do": "dispute", "dispute_words": " a\r\nb "}, Disputes("a\nb")),
        ({"do": "call", "when": "any"}, CallMe(When.ANY)),
        ({"do": "hours", "not_work": "yes", "not_evening": "no"}, NotAt((NotThen.WORK,))),
        ({"do": "answer", "text": "sí"}, Answers("sí")),
    ],
)
def test_each_form_says_one_thing(fields: dict[str, str], wish: object) -> None:
    assert wish_of(fields, TODAY) == wish


@pytest.mark.parametrize("text", ["", " \r\n ", "\x00", "a\x00b", "\ud800"])
def test_an_answer_has_words(text: str) -> None:
    with pytest.raises(BadForm):
        wish_of({"do": "answer", "text": text}, TODAY)
