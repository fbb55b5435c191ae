"""Signatures of mail, held against the standard's own example and against a verifier written apart from the signer."""

import base64
import hashlib
import re
import subprocess
from collections.abc import Mapping
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_public_key

from adapters import email_smtp
from adapters.kit import mail_dkim
from adapters.kit.mail_dkim import Key, private_key, signed
from adapters.kit.mail_transport import Letter, Taken
from adapters.kit.settings import SettingsError
from vocabulary.channel import Channel
from vocabulary.outcome import Parcel, Sent

# RFC 8463, appendix A: the keys, and the mail signed with both of them.
ED25519_PRIVATE = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
ED25519_PUBLIC = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
RSA_PUBLIC = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"
    "DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)
EXAMPLE = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")
NAMES = ["from", "to", "subject", "date", "message-id", "from", "subject", "date"]

MAIL = (
    b"From: Cobranza C1 <avisos@cobranza.test>\r\nTo: ana@ejemplo.test\r\nSubject: Su cuota\r\n de julio\r\n"
    b"Date: Tue, 24 Nov 2026 10:00:00 -0500\r\nMessage-ID: <m.1@mail.cobranza.test>\r\n"
    b"List-Unsubscribe: <https://x.test/1>,\r\n <mailto:stop@x.test>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"\r\nHola  Ana \r\n\r\nadi\xc3\xb3s\t\r\n\r\n\r\n"
)


def verified(mail: bytes, publics: Mapping[str, object]) -> list[str]:
    """The selectors of the signatures that hold, read by the letter of RFC 6376, with nothing of the signer's."""
    head, body = mail.split(b"\r\n\r\n", 1)
    fields = [line.split(b":", 1) for line in re.sub(rb"\r\n([ \t])", rb"\1", head).split(b"\r\n")]
    kept = re.sub(rb"[ \t]+", b" ", body)
    kept = re.sub(rb" \r\n", b"\r\n", kept)
    kept = re.sub(rb"(\r\n)*\Z", b"\r\n", kept, count=1)
    held = []
    for name, value in fields:
        if name.lower() != b"dkim-signature":
            continue
        parts = (part.split(b"=", 1) for part in value.split(b";"))
        tags = {tag.strip().decode(): told.strip().decode() for tag, told in parts}
        assert tags["c"] == "relaxed/relaxed"
        if base64.b64encode(hashlib.sha256(kept).digest()).decode() != tags["bh"].replace(" ", ""):
            continue
        stack = [(n.lower().strip(), v) for n, v in fields if n.lower() != b"dkim-signature"]
        text = b""
        for wanted in tags["h"].split(":"):
            for place in range(len(stack) - 1, -1, -1):
                if stack[place][0].decode() == wanted.strip().lower():
                    found, content = stack.pop(place)
                    text += found + b":" + b" ".join(content.split()) + b"\r\n"
                    break
        empty = re.sub(rb"(;\s*b=)[^;]*$", rb"\1", value)
        text += b"dkim-signature:" + b" ".join(empty.split())
        signature = base64.b64decode(re.sub(r"\s", "", tags["b"]))
        public = publics[tags["s"]]
        try:
            if isinstance(public, Ed25519PublicKey):
                public.verify(signature, hashlib.sha256(text).digest())
            else:
                assert isinstance(public, rsa.RSAPublicKey)
                public.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            continue
        held.append(tags["s"])
    return held


@pytest.fixture(scope="module")
def keys() -> list[Key]:
    return [
        Key(domain="cobranza.test", selector="ed", private=Ed25519PrivateKey.generate()),
        Key(domain="cobranza.test", selector="rsa", private=rsa.generate_private_key(65537, 2048)),
    ]


def publics(keys: list[Key]) -> dict[str, object]:
    return {key.selector: key.private.public_key() for key in keys}


def test_the_verifier_of_these_tests_holds_the_standard_s_own_example() -> None:
    known = {
        "brisbane": Ed25519PublicKey.from_public_bytes(base64.b64decode(ED25519_PUBLIC)),
        "test": load_der_public_key(base64.b64decode(RSA_PUBLIC)),
    }
    assert verified(EXAMPLE, known) == ["brisbane", "test"]
    assert verified(EXAMPLE.replace(b"hungry", b"angry"), known) == []
    assert verified(EXAMPLE.replace(b"Is dinner", b"Was dinner"), known) == []


def test_we_sign_the_standard_s_own_example_to_the_same_byte() -> None:
    head, _, body = EXAMPLE.partition(b"\r\n\r\n")
    fields = mail_dkim._headers(head)
    _, template = fields[0]
    empty = re.sub(rb"b=/gCr[^;]*$", b"b=", template)
    assert base64.b64encode(hashlib.sha256(mail_dkim.relaxed_body(body)).digest()).decode() in template.decode()
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(ED25519_PRIVATE))
    made = private.sign(hashlib.sha256(mail_dkim.digested(fields[2:], NAMES, empty)).digest())
    assert base64.b64encode(made).decode() == re.sub(rb"\s", b"", template.split(b"b=")[-1]).decode()


def test_what_we_sign_holds_by_both_keys(keys: list[Key]) -> None:
    mail = signed(MAIL, keys, 1_800_000_000)
    assert verified(mail, publics(keys)) == ["ed", "rsa"]
    assert mail.endswith(MAIL)
    ours = mail.removesuffix(MAIL)
    assert max(len(line) for line in ours.split(b"\r\n")) <= 78


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Hola", b"Hello"),
        (b"Subject: Su cuota", b"Subject: Tu cuota"),
        (b"To: ana", b"To: eva"),
        (b"One-Click", b"Two-Click"),
        (b"<https://x.test/1>", b"<https://x.test/2>"),
        # A second one before ours is what a reader would see.
        (b"From: Cobranza", b"From: Mallory <m@x.test>\r\nFrom: Cobranza"),
        (b"Subject: Su", b"Subject: Otra\r\nSubject: Su"),
        (b"\r\n\r\nHola", b"\r\nReply-To: m@x.test\r\n\r\nHola"),
    ],
)
def test_whoever_changes_it_on_the_way_breaks_it(keys: list[Key], before: bytes, after: bytes) -> None:
    mail = signed(MAIL, keys, 1_800_000_000)
    assert before in mail
    assert verified(mail.replace(before, after, 1), publics(keys)) == []


def test_what_hosts_may_do_on_the_way_does_not(keys: list[Key]) -> None:
    mail = signed(MAIL, keys, 1_800_000_000)
    passed_on = b"Received: by relay.test\r\n" + mail.replace(b"Su cuota\r\n de", b"Su\r\n  cuota de").replace(
        b"Hola  Ana ", b"Hola Ana"
    ).replace(b"to: ana", b"To:   ana")
    assert verified(passed_on, publics(keys)) == ["ed", "rsa"]


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n", b"x", b" \r\n"])
def test_bodies_at_the_border(keys: list[Key], body: bytes) -> None:
    canonical = mail_dkim.relaxed_body(body)
    assert canonical == {b"x": b"x\r\n"}.get(body, b"")


def pem(private: object) -> bytes:
    made: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined]
    return made


def test_keys_come_from_pem_and_what_is_none_is_named_without_being_shown() -> None:
    ed, big = Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)
    assert isinstance(private_key(pem(ed)), Ed25519PrivateKey)
    assert private_key(pem(big)).public_key().public_numbers() == big.public_key().public_numbers()  # type: ignore[union-attr]
    for wrong in (b"", b"not a key", pem(ec.generate_private_key(ec.SECP256R1()))):
        with pytest.raises(ValueError, match="must hold"):
            private_key(wrong)


def test_a_key_as_openssl_makes_it(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "dkim.pem"
    made = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)], check=False)
    if made.returncode:
        pytest.skip("no openssl here")
    assert Key(domain="d.test", selector="s", private=private_key(path.read_bytes())).algorithm == "ed25519-sha256"


def _table(tmp_path, **more: object) -> dict[str, object]:  # type: ignore[no-untyped-def]
    return {
        "kind": "smtp",
        "server": "127.0.0.1:2525",
        "tls": "none",
        "from": "Cobranza <avisos@cobranza.test>",
        "domain": "mail.cobranza.test",
        **more,
    }


async def test_a_mail_that_is_submitted_carries_both_signatures(tmp_path, keys: list[Key]) -> None:  # type: ignore[no-untyped-def]
    files = {key.selector: tmp_path / f"{key.selector}.pem" for key in keys}
    for key in keys:
        files[key.selector].write_bytes(pem(key.private))
    read = email_smtp.settings(
        "mail",
        _table(
            tmp_path,
            dkim_selector="rsa",
            dkim_key_file=str(files["rsa"]),
            second_dkim_selector="ed",
            second_dkim_key_file=str(files["ed"]),
        ),
    )
    taken: list[Letter] = []

    class _Host:
        async def submit(self, letter: Letter) -> Taken:
            taken.append(letter)
            return Taken(code=250)

    way = email_smtp.SmtpMail("mail", read, b"m" * 32, _Host())  # type: ignore[arg-type]
    parcel = Parcel(
        attempt=uuid4(),
        channel=Channel.EMAIL,
        to="ana@ejemplo.test",
        text="Hola Ana,\n\n.adiós \n",
        subject="Su cuota de julio, señora Ñáñez, que ya está lista para pagar en línea",
        html="<p>Hola</p>",
        validity_seconds=600,
        status_url="http://127.0.0.1/x",
    )
    assert isinstance(await way.send(parcel), Sent)
    assert verified(taken[0].content, publics(keys)) == ["rsa", "ed"]
    assert b" d=cobranza.test;" in taken[0].content


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"dkim_selector": "a"}, "dkim_selector and dkim_key_file"),
        ({"second_dkim_key_file": "a"}, "second_dkim_selector and second_dkim_key_file"),
        ({"dkim_selector": "a", "dkim_key_file": "/nowhere/key.pem"}, "dkim_key_file cannot be read"),
        ({"dkim_selector": "a", "dkim_key_file": __file__}, "dkim_key_file must hold a private key"),
        ({"dkim_selector": "A b", "dkim_key_file": __file__}, "dkim_selector must be labels"),
        ({"dkim_domain": "not a domain"}, "dkim_domain must be"),
    ],
)
def test_a_key_that_cannot_be_used_stops_the_start(tmp_path, more: dict[str, object], said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SettingsError, match=said):
        email_smtp.settings("mail", _table(tmp_path, **more))
