"""Signed heads: the text is C2SP's, and only what the key signed is accepted."""

from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tracelog.head import (
    ForgedError,
    Head,
    SeedSigner,
    derived_seed,
    key_id,
    opened,
    origin_of,
    pinned_key,
    sign,
    tenant_of,
    verifier_key,
    verifies,
)

SIGNER = SeedSigner(bytes(range(32)))
ROOT = sha256(b"root").digest()
SIGNED = sign(Head(origin="tregua/acme", size=20852163, root=ROOT), SIGNER)

#: The example key and note of Go's golang.org/x/mod/sumdb/note, whose format C2SP's signed-note describes.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NEUMANN_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


def test_key_ids_and_signatures_are_those_of_the_reference_implementation() -> None:
    public_key = pinned_key(NEUMANN)
    signature = b64decode(NEUMANN_SIGNATURE)
    assert key_id("PeterNeumann", public_key) == signature[:4]
    assert verifier_key("PeterNeumann", public_key) == NEUMANN
    assert verifies(public_key, signature[4:], NEUMANN_TEXT)
    assert not verifies(public_key, signature[4:], NEUMANN_TEXT.replace(b"your", b"my"))


def test_the_signer_is_that_of_rfc_8032() -> None:
    """RFC 8032 §7.1, test 2."""
    signer = SeedSigner(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert signer.public_key.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert signer.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    with pytest.raises(ValueError, match="32 bytes"):
        SeedSigner(b"short")


def test_the_note_is_a_checkpoint_as_witnesses_take_it() -> None:
    text, signature = SIGNED.note().split("\n\n")
    assert text == f"tregua/acme\n20852163\n{b64encode(ROOT).decode()}"
    assert signature.startswith("— tregua/acme ")
    raw = b64decode(signature.split(" ")[2])
    assert raw[:4] == sha256(b"tregua/acme\n\x01" + SIGNER.public_key).digest()[:4]
    Ed25519PublicKey.from_public_bytes(SIGNER.public_key).verify(raw[4:], (text + "\n").encode())
    assert opened(SIGNED.note(), SIGNER.public_key) == SIGNED


def test_signatures_of_witnesses_are_passed_over() -> None:
    note = SIGNED.note()
    text, _, own = note.rpartition("\n\n")
    witness = "— witness.example/w1 " + b64encode(b"w" * 76).decode() + "\n"
    assert opened(f"{text}\n\n{witness}{own}{witness}", SIGNER.public_key) == SIGNED
    with pytest.raises(ForgedError, match="not signed by this key"):
        opened(f"{text}\n\n{witness}", SIGNER.public_key)


def test_no_altered_bit_of_a_note_is_accepted() -> None:
    note = SIGNED.note().encode()
    for bit in range(len(note) * 8):
        altered = bytearray(note)
        altered[bit // 8] ^= 1 << bit % 8
        try:
            text = altered.decode()
        except UnicodeDecodeError:
            continue
        with pytest.raises(ForgedError):
            opened(text, SIGNER.public_key)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        SIGNED.note().replace("20852163", "020852163"),
        SIGNED.note().replace("20852163\n", "20852163\n\n"),
        SIGNED.note().replace("\n\n", "\nextension\n\n"),
        SIGNED.note()[:-1],
        SIGNED.note() + "— x\n",
        "x" * 20_000,
    ],
    ids=range(8),
)
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    with pytest.raises(ForgedError):
        opened(note, SIGNER.public_key)


def test_another_key_is_refused() -> None:
    with pytest.raises(ForgedError, match="not signed by this key"):
        opened(SIGNED.note(), SeedSigner(b"o" * 32).public_key)


@pytest.mark.parametrize("tenant", ["", "a b", "a+b", "a\nb", "a/b", "á", "-a", "x" * 101])
def test_a_tenant_whose_name_would_bend_the_note_is_refused(tenant: str) -> None:
    with pytest.raises(ValueError, match="tenant"):
        origin_of(tenant)
    assert tenant_of(f"tregua/{tenant}") is None
    with pytest.raises(ValueError, match="no head"):
        sign(Head(origin=f"tregua/{tenant}", size=1, root=ROOT), SIGNER)


@pytest.mark.parametrize(
    "head", [Head(origin="tregua/a", size=-1, root=ROOT), Head(origin="tregua/a", size=1, root=b"")]
)
def test_what_is_no_head_is_not_signed(head: Head) -> None:
    with pytest.raises(ValueError, match="no head"):
        sign(head, SIGNER)


def test_each_log_has_a_key_of_its_own_out_of_one_secret() -> None:
    seeds = {derived_seed(secret, origin) for secret in (b"s1", b"s2") for origin in ("tregua/a", "tregua/b")}
    assert len(seeds) == 4
    assert derived_seed(b"s1", "tregua/a") in seeds


def test_a_key_is_pinned_in_every_form_in_which_it_is_written() -> None:
    raw = SIGNER.public_key
    pem = Ed25519PublicKey.from_public_bytes(raw).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for text in [raw.hex(), raw.hex().upper(), b64encode(raw).decode(), verifier_key("tregua/acme", raw), pem.decode()]:
        assert pinned_key(f" {text}\n") == raw


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        SIGNER.public_key.hex()[:-2],
        b64encode(SIGNER.public_key[:-1]).decode(),
        verifier_key("tregua/acme", SIGNER.public_key).replace("acme", "acne"),
        "x+00000000+AAAA",
        generate_private_key(SECP256R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode(),
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ],
    ids=range(8),
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        pinned_key(text)
