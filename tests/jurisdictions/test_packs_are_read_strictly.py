"""A pack with a mistake stops the start, and the message names pack, rule, key and reason."""

from datetime import date
from pathlib import Path

import pytest

from jurisdictions.compile import PackError
from jurisdictions.library import Library, load, read
from vocabulary.verdict import Force

PACK = """
title = "A country"
kind = "jurisdiction"
status = "in_force"
effective_from = 2020-01-01
reviewed = 2026-01-01
sources = ["a law"]

[channels]
telephone = ["voice", "call_live"]

[readings."xx.week"]
values = ["iso", "rolling"]
default = "iso"
stricter = ["rolling"]
says = "what a week is"

[calendars.XX]
country = "CO"

[words]
rude = ["you .. rude", "pag*"]

[exemptions.answer]
lift = "answer"

[[rules]]
id = "XX-HRS"
force = "binding"
cite = "art. 1"
says.en = "by day"
channels = ["telephone"]
unless = ["answer"]
hours = { open = { Mon-Fri = "07:00-19:00" }, calendar = "XX", holidays = "closed" }

[[rules]]
id = "XX-FREQ"
force = "binding"
cite = "art. 2"
says.en = "once a week"
count = { limit = 1, period = { reading = "xx.week", iso = "iso week", rolling = "168 hours" }, counts = "left", by = [] }

[[rules]]
id = "XX-WORDS"
force = "code"
cite = "art. 3"
says.en = "politely"
content.never = ["rude"]
"""


def of(old: str, new: str) -> bytes:
    assert old in PACK
    return PACK.replace(old, new, 1).encode()


def test_the_pack_itself_can_be_read():
    pack = read("XX", PACK.encode())
    assert pack.label.startswith("XX@")
    assert len(pack.label) == len("XX@") + 12
    assert [rule.id for rule in pack.rules] == ["XX-HRS", "XX-FREQ", "XX-WORDS"]
    assert pack.rules[1].under({"xx.week": "rolling"}) is not pack.rules[1].under({"xx.week": "iso"})


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("title =", "titel =", ["titel"]),
        ('status = "in_force"', 'status = "inforce"', ["status", "inforce"]),
        ("2020-01-01", '"2020-13-01"', ["effective_from"]),
        ("2026-01-01", '"yesterday"', ["reviewed"]),
        ('force = "binding"', 'force = "strong"', ["rules[0] (XX-HRS)", "force", "strong"]),
        ("says.en", "says.fr", ["XX-HRS", "no language “fr”"]),
        ("cite =", "citation =", ["XX-HRS", "citation"]),
        ("Mon-Fri =", "Mon-Fry =", ["XX-HRS", "“Mon-Fry”"]),
        ("07:00-19:00", "07:00-7pm", ["XX-HRS", "07:00-7pm"]),
        ("07:00-19:00", "19:00-07:00", ["XX-HRS", "not in order"]),
        ('calendar = "XX"', 'calendar = "YY"', ["XX-HRS", "calendar “YY”", "XX"]),
        ('holidays = "closed"', 'holiday = "closed"', ["XX-HRS", "holiday"]),
        ('channels = ["telephone"]', 'channels = ["phone"]', ["XX-HRS", "“phone”", "telephone"]),
        ('"voice", "call_live"', '"voice", "fax"', ["telephone", "fax"]),
        ('unless = ["answer"]', 'unless = ["reply"]', ["XX-HRS", "“reply”", "answer"]),
        ('reading = "xx.week"', 'reading = "xx.weak"', ["XX-FREQ", "xx.weak", "xx.week"]),
        ('rolling = "168 hours"', 'roling = "168 hours"', ["XX-FREQ", "xx.week", "rolling"]),
        ('default = "iso"', 'default = "ISO"', ["xx.week", "ISO"]),
        ('"168 hours"', '"a while"', ["XX-FREQ", "a while"]),
        ('counts = "left"', 'counts = "sent"', ["XX-FREQ", "sent"]),
        ('content.never = ["rude"]', 'content.never = ["rood"]', ["XX-WORDS", "rood", "rude"]),
        ('content.never = ["rude"]', "content = {}", ["XX-WORDS", "asks for nothing"]),
        ('"you .. rude"', '".. rude"', [".. rude", "must begin"]),
        ('country = "CO"', 'country = "ZZ"', ["calendar XX", "ZZ"]),
        ('lift = "answer"', 'lift = "answers"', ["answers"]),
        ('id = "XX-WORDS"', 'id = "XX-HRS"', ["XX-HRS", "clause"]),
        ("[[rules]]", "[[rule]]", ["unknown field `rule`"]),
        ('content.never = ["rude"]', "", ["XX-WORDS", "exactly one of"]),
        ('content.never = ["rude"]', 'content.never = ["rude"]\nforbids.always = true', ["XX-WORDS", "exactly one of"]),
        ('content.never = ["rude"]', "forbids = {}", ["XX-WORDS", "exactly one ban"]),
        ('content.never = ["rude"]', 'requires.notice.notice = "spoken"', ["XX-WORDS", "spoken"]),
    ],
)
def test_a_mistake_is_named(old: str, new: str, named: list[str]):
    with pytest.raises(PackError) as caught:
        read("XX", of(old, new))
    message = str(caught.value)
    assert message.startswith("pack XX")
    for part in named:
        assert part in message


def test_every_choice_of_a_reading_is_read_at_load():
    """A mistake in a value that nobody chose yet is found all the same."""
    with pytest.raises(PackError, match="a fortnight"):
        read("XX", of('rolling = "168 hours"', 'rolling = "a fortnight"'))


def test_only_if_names_a_value():
    with pytest.raises(PackError, match=r"only_if.*no value “weekly”"):
        read("XX", of('content.never = ["rude"]', 'content.never = ["rude"]\nonly_if = { "xx.week" = "weekly" }'))


def test_no_toml_and_no_utf8():
    with pytest.raises(PackError, match="no TOML"):
        read("XX", b"title = ")
    with pytest.raises(PackError, match="no TOML"):
        read("XX", b'title = "\xff"')


def test_a_reading_belongs_to_one_pack():
    with pytest.raises(PackError, match=r"xx\.week"):
        Library([read("XX", PACK.encode()), read("YY", PACK.encode())])


def test_a_changed_byte_is_another_digest():
    assert read("XX", PACK.encode()).label != read("XX", PACK.encode() + b"\n").label


def test_the_folder_is_read_in_order(tmp_path: Path):
    (tmp_path / "XX.toml").write_text(PACK)
    (tmp_path / "notes.txt").write_text("not a pack")
    law = load(tmp_path)
    assert list(law.packs) == ["XX"]
    assert law.reading_values({}) == {"xx.week": "iso"}
    with pytest.raises(ValueError, match=r"xx\.wek"):
        law.reading_values({"xx.wek": "iso"})
    with pytest.raises(ValueError, match="no value “ISO”"):
        law.reading_values({"xx.week": "ISO"})


def test_a_rule_lasts_no_longer_than_its_pack():
    pack = read("XX", of("reviewed =", "effective_to = 2026-12-31\nreviewed ="))
    assert all(rule.table.effective_to == date(2026, 12, 31) for rule in pack.rules)
    assert not pack.in_effect(date(2027, 1, 1))
    assert pack.rules[0].table.force is Force.BINDING
