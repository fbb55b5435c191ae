"""No value breaks out of its place: each is read back, by somebody else's parser, exactly as it was put in."""

import json
from email.parser import BytesParser
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.kit.documents import Format, Path, identifier, opened, scrubbed, told, wholesome, word
from adapters.kit.templates import (
    TemplateError,
    filled_form,
    filled_header,
    filled_json,
    filled_path,
    parsed,
    parsed_header,
    parsed_json,
    parsed_path,
)

KNOWN = frozenset({"text", "to", "validity_seconds", "secrets.token"})
NUMBERS = frozenset({"validity_seconds"})
SECRETS = {"token": "{{text}}%41"}

HOSTILE = [
    '"',
    '","admin":true,"x":"',
    "\\",
    '\\"',
    "\\u0022",
    "{{to}}",
    "{{secrets.token}}",
    "}}{{",
    "{%raw%}",
    "\r\nX-Evil: 1\r\n\r\nGET / HTTP/1.1",
    "a\nb",
    "&to=%2B1&x=",
    "#f?q=1",
    "../../admin",
    "/../",
    "..",
    "%2e%2e%2f",
    "\x00",
    "\x7f\x1b[2J",
    "\u2028\u2029",
    "ñandú € 😀",
    "\ufeff",
    "",
    " ",
    "+",
    "$(id)`id`${IFS}",
    "{0.__class__}%s%(x)s",
]

anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(HOSTILE)


def of(value: str) -> dict[str, str]:
    # What another name holds would show wherever a value is read as a template.
    return {"text": value, "to": "CANARY", "validity_seconds": "60", "secrets.token": SECRETS["token"]}


@given(anything)
def test_in_json_it_stays_in_its_quotes(value: str):
    template = parsed_json('{"a": "<{{text}}>", "{{text}}": [{{validity_seconds}}], "t": "{{to}}"}', KNOWN, NUMBERS)
    body = filled_json(template, of(value))
    assert body.isascii()
    pairs = json.loads(body, object_pairs_hook=list)
    assert pairs == [("a", f"<{value}>"), (value, [60]), ("t", "CANARY")]


@given(anything, anything)
def test_in_a_form_or_query_it_stays_in_its_field(value: str, name: str):
    fields = {name or "n": parsed("{{text}}", KNOWN), "x": parsed("-{{text}}-{{to}}", KNOWN)}
    form = filled_form(fields, of(value))
    assert form.isascii()
    assert not set("\r\n #\"'<>{}") & set(form)
    assert parse_qsl(form, keep_blank_values=True, strict_parsing=True) == [
        (told, template.filled(of(value))) for told, template in fields.items()
    ]


@given(anything)
def test_in_a_path_it_is_one_piece(value: str):
    path = filled_path(parsed_path("/v1/{{text}}/end", KNOWN), of(value))
    parts = urlsplit(f"https://api.example{path}?q=1")
    pieces = parts.path.split("/")
    assert (parts.netloc, parts.query, parts.fragment) == ("api.example", "q=1", "")
    assert [pieces[1], pieces[3]] == ["v1", "end"]
    assert len(pieces) == 4
    assert "." not in pieces[2]
    assert unquote(pieces[2], errors="strict") == value


@given(anything)
def test_in_a_header_it_is_one_line(value: str):
    template = parsed_header("X-Text", "<{{text}}>", KNOWN, SECRETS)
    line = filled_header(template, of(value))
    assert line.isascii()
    assert line.isprintable()
    read = BytesParser().parsebytes(f"X-Text: {line}\r\nX-Next: 1\r\n\r\n".encode())
    assert read.keys() == ["X-Text", "X-Next"]
    assert unquote(line[1:-1], errors="strict") == value


def test_a_secret_goes_into_a_header_as_it_is_and_is_never_a_template():
    template = parsed_header("Authorization", "Bearer {{secrets.token}}", KNOWN, SECRETS)
    assert filled_header(template, of("CANARY")) == "Bearer {{text}}%41"


@given(st.text(max_size=60))
@example("{{{{text}}}}")
@example("{{text}}{{")
@example("{{ text }}")
def test_any_text_is_a_template_that_says_itself_or_is_refused(text: str):
    if "{{" not in text:
        assert parsed(text, KNOWN).names == frozenset()
    try:
        template = parsed(text, KNOWN)
    except TemplateError:
        return
    assert template.names <= KNOWN
    assert template.filled({name: f"{{{{{name}}}}}" for name in KNOWN}).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    "text",
    [
        "{{nobody}}",
        "{{text",
        "{{}}",
        "{{ }}",
        "{{text.upper}}",
        "{{text|safe}}",
        "{{#if text}}",
        "{{{text}}}",
        "{{text()}}",
        "{{__class__}}",
        "{{1+1}}",
        "{{secrets.other}}",
        "{{TEXT}}",
        "{{te\nxt}}",
        "x" * 20_000,
    ],
)
def test_what_is_no_name_is_refused_at_start(text: str):
    with pytest.raises(TemplateError):
        parsed(text, KNOWN)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": {{text}}}',
        '{"a": "\\{{text}}"}',
        '{"a": "\\u00{{text}}"}',
        '{"a": "{{text}}}',
        '{"a": "{{text}}"} {}',
        '{"a": 1{{validity_seconds}}.}',
        '{"a": 0{{validity_seconds}}}',
        '"{{text}}"',
        "{{validity_seconds}}",
        '{{text}}{"a": 1}',
        "",
        "<xml>{{text}}</xml>",
        '{"a": "\n{{text}}"}',
    ],
)
def test_json_that_is_none_is_refused_at_start(text: str):
    with pytest.raises(TemplateError):
        parsed_json(text, KNOWN, NUMBERS)


def test_a_backslash_before_a_name_is_named():
    with pytest.raises(TemplateError, match="backslash"):
        parsed_json('{"a": "\\{{text}}"}', KNOWN, NUMBERS)


def test_a_number_outside_of_quotes_is_never_anything_else():
    template = parsed_json('{"a": {{validity_seconds}}}', KNOWN, NUMBERS)
    assert filled_json(template, of("") | {"validity_seconds": "007"}) == b'{"a": 7}'
    with pytest.raises(ValueError, match="invalid literal"):
        filled_json(template, of("") | {"validity_seconds": '1, "admin": true'})


@pytest.mark.parametrize(
    "text", ["v1", "", "//x", "/a b", "/a?b", "/a#b", "/a/../b", "/..", "/./a", "/ñ", "/%", "/a\n", "https://x/"]
)
def test_a_path_that_is_none_is_refused_at_start(text: str):
    if text == "//x":
        # Behind a host it is a path like any other.
        assert filled_path(parsed_path(text, KNOWN), of("")) == "//x"
        return
    with pytest.raises(TemplateError):
        parsed_path(text, KNOWN)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, "x") for name in ("", "X Y", "X:", "X\n", "Ñ")),
        *((name, "x") for name in ("Host", "content-length", "Transfer-Encoding", "Connection", "Accept-Encoding")),
        *(("X-Any", text) for text in ("a\r\nb", "ñ", "\x00", "\x7f")),
        ("X-Any", "{{nobody}}"),
    ],
)
def test_a_header_that_is_none_is_refused_at_start(name: str, text: str):
    with pytest.raises(TemplateError):
        parsed_header(name, text, KNOWN, SECRETS)


@pytest.mark.parametrize("secret", ["ñ", "a\nb", "\x00"])
def test_a_secret_that_a_header_cannot_carry_is_refused_without_being_shown(secret: str):
    with pytest.raises(TemplateError) as refusal:
        parsed_header("X-Key", "{{secrets.token}}", KNOWN, {"token": secret})
    assert secret not in str(refusal.value)


def test_a_template_is_not_shown():
    assert "Bearer" not in repr(parsed("Bearer abc {{text}}", KNOWN))


# What a provider says

BODY = (
    b'{"a": [{"b": {"0": "deep"}}, 7], "on": true, "no": null, "f": 1.5, "x.y": "whole", "n": 12345678901234567890123}'
)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.0.b.0", "deep"),
        ("a.1", "7"),
        ("on", "true"),
        ("f", "1.5"),
        ("n", "12345678901234567890123"),
        ("x.y", "whole"),
        *((path, None) for path in ("no", "a", "a.0", "a.2", "a.-1", "a.b", "a.0.b.0.0", "on.0", "nobody", "a.²", "b")),
    ],
)
def test_a_path_finds_what_stands_there_or_nothing(path: str, found: str | None):
    assert told(opened(Format.JSON, BODY), Path(path)) == found


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a b", "a\n", "x" * 65, ".".join("a" * 17)])
def test_what_is_no_path_is_refused(text: str):
    with pytest.raises(ValueError, match="path"):
        Path(text)


def test_a_form_is_read_by_whole_names_and_its_first_fields_count():
    form = opened(Format.FORM, b"a.b=1&c=%F0%9F%98%80+x&c=2&d=")
    assert [told(form, Path(path)) for path in ("a.b", "c", "d", "e")] == ["1", "😀 x", "", None]


@pytest.mark.parametrize(
    ("body", "separator", "parts"),
    [
        (b"0|id-1|OK\r\n", "|", ["0", "id-1", "OK"]),
        (b"OK 17\n", " ", ["OK", "17"]),
        (b"OK 17", None, ["OK 17"]),
        (b" \r\n", "|", None),
        (b"\xff", "|", None),
        (None, "|", None),
    ],
)
def test_a_line_is_cut_at_its_separator(body: bytes | None, separator: str | None, parts: object):
    assert opened(Format.TEXT, body, separator) == parts


@given(st.binary(max_size=80), st.sampled_from(list(Format)))
def test_nothing_that_a_provider_says_raises(body: bytes, form: Format):
    document = opened(form, body, "|")
    for path in (Path("a.0"), Path("0"), None):
        told(document, path), word(document, path), identifier(document, path)


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000, b"[1e999, NaN]"])
def test_depth_and_length_do_not_raise(deep: bytes):
    told(opened(Format.JSON, deep), Path("0"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("DELIVRD", "DELIVRD"),
        (" ok ", "ok"),
        ("", None),
        (" ", None),
        ("a\nb", None),
        ("x" * 65, None),
        ("\ud800", None),
    ],
)
def test_a_word_is_fit_to_be_shown(value: str, expected: str | None):
    assert word({"w": value}, Path("w")) == expected


def test_an_identifier_has_no_space_and_an_end():
    for value, expected in (("a-1", "a-1"), (17, "17"), ("a b", None), ("", None), ("x" * 129, None), ("ñ", None)):
        assert identifier({"w": value}, Path("w")) == expected


def test_numbers_are_taken_out_of_words():
    for text in ("no 573001234567", "no +57 300 123 4567", "no (300) 123-4567"):
        assert not any(character.isdigit() for character in scrubbed(text))
    assert scrubbed("E-1042") == "E-1042"


def test_a_text_can_be_kept_whatever_is_in_it():
    assert wholesome("\x00STOP\ud83d\ude00\ud800") == "STOP😀\ufffd"
