"""Segments are counted as carriers count them: 3GPP TS 23.038 and TS 23.040."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit.segments import Encoding, segmented

GSM, UCS = Encoding.GSM_7, Encoding.UCS_2

VECTORS = [
    ("an empty text costs one", "", GSM, 0, 1),
    ("a full segment", "a" * 160, GSM, 160, 1),
    ("one more makes two", "a" * 161, GSM, 161, 2),
    ("two full ones", "a" * 306, GSM, 306, 2),
    ("and three", "a" * 307, GSM, 307, 3),
    ("Spanish letters that are in the alphabet", "ñÑ¿¡éüÜäö", GSM, 9, 1),
    ("a capital cedilla is in it", "Ç", GSM, 1, 1),
    ("a small one is not", "ç", UCS, 1, 1),
    ("an acute a is not", "cuota de enero está lista", UCS, 25, 1),
    ("nor are acute i, o, u", "íóú", UCS, 3, 1),
    ("the extension costs two", "€", GSM, 2, 1),
    ("every character of the extension", "^{}\\[~]|€\f", GSM, 20, 1),
    ("eighty euros fill a segment", "€" * 80, GSM, 160, 1),
    ("an escape is not parted from its character", "a" * 152 + "€" + "a" * 10, GSM, 164, 2),
    ("and its lost septet can cost a segment", ("a" * 152 + "€") * 2, GSM, 308, 3),
    ("line ends count one each", "\r\n", GSM, 2, 1),
    ("a grave accent alone is not in it", "`", UCS, 1, 1),
    ("seventy in UCS-2", "á" * 70, UCS, 70, 1),
    ("seventy-one are two", "á" * 71, UCS, 71, 2),
    ("a hundred and thirty-four are two", "á" * 134, UCS, 134, 2),
    ("and three", "á" * 135, UCS, 135, 3),
    ("a face is two units", "😀", UCS, 2, 1),
    ("thirty-five faces fill a segment", "😀" * 35, UCS, 70, 1),
    ("a face is not parted", "á" * 66 + "😀" + "á" * 10, UCS, 78, 2),
    ("and its lost unit can cost a segment", ("á" * 66 + "😀") * 2, UCS, 136, 3),
    ("a quotation mark of a word processor turns the text", "a" * 100 + "’", UCS, 101, 2),
    ("a Greek letter that is in it", "ΔΦΓΛΩΠΨΣΘΞ", GSM, 10, 1),
    ("a Greek letter that is not", "α", UCS, 1, 1),
]


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"), [row[1:] for row in VECTORS], ids=[row[0] for row in VECTORS]
)
def test_segments(text: str, encoding: Encoding, units: int, segments: int):
    counted = segmented(text)
    assert (counted.encoding, counted.units, counted.segments) == (encoding, units, segments)


def test_the_alphabet_has_its_127_characters_and_the_extension_its_ten():
    from adapters.kit import segments

    assert (len(segments._BASIC), len(segments._EXTENSION)) == (127, 10)
    assert not segments._BASIC & segments._EXTENSION


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=700))
def test_any_text_fits_into_its_segments_and_not_into_far_fewer(text: str):
    counted = segmented(text)
    alone, joined = (160, 153) if counted.encoding is GSM else (70, 67)
    if counted.encoding is UCS:
        assert counted.units == len(text.encode("utf-16-le")) // 2
    if counted.segments == 1:
        assert counted.units <= alone
    else:
        assert alone < counted.units <= counted.segments * joined
        # At most one unit of each full segment stays empty.
        assert counted.units > (counted.segments - 1) * (joined - 1)


@given(st.text(st.sampled_from(["a", "ñ", "@", "€", "{", "\n", "á"]), max_size=400))
def test_the_short_count_is_the_long_one(text: str):
    """Most texts are counted by one pattern: it must never say anything else than counting character by character."""
    counted = segmented(text)
    if "á" in text:
        assert counted.encoding is Encoding.UCS_2
        return
    septets = [2 if character in "€{" else 1 for character in text]
    room, segments = 153, 1
    for cost in septets:
        if cost > room:
            segments, room = segments + 1, 153
        room -= cost
    assert counted.units == sum(septets)
    assert counted.segments == (1 if sum(septets) <= 160 else segments)
