"""Days, sums, channels and hours are read where they stand plainly, and nowhere else."""

from datetime import date, time
from decimal import Decimal

import pytest

from consent.wishes import Promise, Unwelcome, Ways, preferred_channel, promise, unwelcome, ways
from vocabulary.channel import AddressKind, Channel
from vocabulary.event import Weekday

SATURDAY = date(2026, 11, 21)

PROMISES = [
    ("mañana pago", date(2026, 11, 22), None),
    ("pago hoy en la mañana", SATURDAY, None),
    ("en la mañana pago", None, None),
    ("pasado mañana", date(2026, 11, 23), None),
    ("depois de amanhã eu pago", date(2026, 11, 23), None),
    ("el viernes", date(2026, 11, 27), None),
    ("pago el sábado", date(2026, 11, 28), None),
    ("segunda eu pago", date(2026, 11, 23), None),
    ("I'll pay friday", date(2026, 11, 27), None),
    ("el 15 le cancelo", date(2026, 12, 15), None),
    ("dia 10 eu pago R$ 100,50", date(2026, 12, 10), Decimal("100.50")),
    ("on the 3rd", date(2026, 12, 3), None),
    ("el 30", date(2026, 11, 30), None),
    ("el 31", date(2026, 12, 31), None),
    ("el 15 de diciembre", date(2026, 12, 15), None),
    ("Dec 15th $50", date(2026, 12, 15), Decimal(50)),
    ("el 10 de enero", date(2027, 1, 10), None),
    ("15/12 pago 200.000 pesos", date(2026, 12, 15), Decimal(200_000)),
    ("fin de mes", date(2026, 11, 30), None),
    ("50 mil el lunes", date(2026, 11, 23), Decimal(50_000)),
    ("$1,200.50 tomorrow", date(2026, 11, 22), Decimal("1200.50")),
    ("$ 1.200.000 mañana", date(2026, 11, 22), Decimal(1_200_000)),
    ("el lunes o el martes", None, None),
    ("el 15 o el 20", None, None),
    ("100 reais ou 200 reais", None, None),
    ("pago a las 5", None, None),
    ("el 10 de agosto", None, None),
    ("el 45", None, None),
    ("31/02", None, None),
    ("mi cuenta es 998877", None, None),
    ("", None, None),
]


@pytest.mark.parametrize(("text", "day", "amount"), PROMISES, ids=[text for text, *_ in PROMISES])
def test_a_promise_names_its_day_and_sum(text: str, day: date | None, amount: Decimal | None) -> None:
    assert promise(text, SATURDAY) == Promise(day, amount)


def test_the_first_number_is_the_month_where_people_write_it_so() -> None:
    assert promise("12/01", SATURDAY, month_first=True).pays_on == date(2026, 12, 1)
    assert promise("12/01", SATURDAY).pays_on == date(2027, 1, 12)


WAYS = [
    ("no me llamen, escríbanme", {Channel.VOICE}, set()),
    ("por sms no, por correo sí", {Channel.SMS}, {Channel.EMAIL}),
    ("stop the texts, email is fine", {Channel.SMS}, {Channel.EMAIL}),
    ("stop emailing, texting is fine", {Channel.EMAIL}, {Channel.SMS}),
    ("no texts please, email me instead", {Channel.SMS}, {Channel.EMAIL}),
    ("para de ligar, só whatsapp", {Channel.VOICE}, {Channel.WHATSAPP}),
    ("baja solo de los sms", {Channel.SMS}, set()),
    ("sair só do whatsapp", {Channel.WHATSAPP}, set()),
    ("unsubscribe me from texts only, keep the emails coming", {Channel.SMS}, {Channel.EMAIL}),
    ("emails only, stop texting", {Channel.SMS}, {Channel.EMAIL}),
    ("por aquí no, al correo sí", set(), {Channel.EMAIL}),
    ("hola", set(), set()),
]


@pytest.mark.parametrize(("text", "refused", "left"), WAYS, ids=[text for text, *_ in WAYS])
def test_the_channel_that_is_refused_is_told_from_the_one_left_open(
    text: str, refused: set[Channel], left: set[Channel]
) -> None:
    found = ways(text)
    assert found.refused == refused
    assert found.left <= left
    assert isinstance(found, Ways)


UNWELCOME = [
    ("después de las 6", (Unwelcome(opens=time(0), closes=time(18)),)),
    ("depois das 18h", (Unwelcome(opens=time(0), closes=time(18)),)),
    ("no antes de las 9", (Unwelcome(opens=time(0), closes=time(9)),)),
    ("not before 9am", (Unwelcome(opens=time(0), closes=time(9)),)),
    ("los domingos no", (Unwelcome(days=(Weekday.SUN,), opens=time(0)),)),
    ("no me llamen al trabajo", (Unwelcome(place=AddressKind.WORK),)),
    ("solo los sábados", ()),
    ("un mensaje al mes", ()),
    ("después de las 6 o de las 7", ()),
]


@pytest.mark.parametrize(("text", "expected"), UNWELCOME, ids=[text for text, _ in UNWELCOME])
def test_hours_and_places_only_ever_narrow(text: str, expected: tuple[Unwelcome, ...]) -> None:
    assert unwelcome(text) == expected


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("mejor por whatsapp", Channel.WHATSAPP),
        ("prefiero correo", Channel.EMAIL),
        ("no por sms", None),
        ("sms o email", None),
    ],
)
def test_a_channel_is_preferred_when_one_is_named_and_none_refused(text: str, channel: Channel | None) -> None:
    assert preferred_channel(text) == channel
