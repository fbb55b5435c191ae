"""What is sealed opens for the right key and the right entry alone, and its leaf outlives it."""

from uuid import uuid4

import pytest

from tracelog.sealed import PAYLOAD_BYTES_MAX, Sealed, UnopenableError, fresh_key, seal, unseal

KEY = fresh_key()
ENTRY = uuid4()
WORDS = "Hola Ana, su cuota está lista".encode()


def test_what_is_sealed_opens_again() -> None:
    sealed = seal(KEY, WORDS, tenant="acme", entry=ENTRY)
    assert WORDS not in sealed.nonce + sealed.ciphertext
    assert unseal(KEY, sealed, tenant="acme", entry=ENTRY) == WORDS


def test_nothing_of_it_is_shown_in_a_log() -> None:
    sealed = seal(KEY, WORDS, tenant="acme", entry=ENTRY)
    assert "ciphertext" not in repr(sealed)


def test_the_same_words_are_sealed_differently_each_time() -> None:
    first, second = (seal(KEY, WORDS, tenant="acme", entry=ENTRY) for _ in range(2))
    assert first.nonce != second.nonce
    assert first.digest() != second.digest()


def test_it_opens_for_no_other_key_entry_or_tenant() -> None:
    sealed = seal(KEY, WORDS, tenant="acme", entry=ENTRY)
    for key, tenant, entry in [(fresh_key(), "acme", ENTRY), (KEY, "acne", ENTRY), (KEY, "acme", uuid4())]:
        with pytest.raises(UnopenableError):
            unseal(key, sealed, tenant=tenant, entry=entry)


def test_no_altered_bit_of_it_opens_and_every_one_changes_the_digest() -> None:
    sealed = seal(KEY, b"17 bytes of words", tenant="acme", entry=ENTRY)
    whole = sealed.nonce + sealed.ciphertext
    for bit in range(len(whole) * 8):
        altered = bytearray(whole)
        altered[bit // 8] ^= 1 << bit % 8
        other = Sealed(bytes(altered[:12]), bytes(altered[12:]))
        assert other.digest() != sealed.digest()
        with pytest.raises(UnopenableError):
            unseal(KEY, other, tenant="acme", entry=ENTRY)


@pytest.mark.parametrize(("nonce", "ciphertext"), [(b"", b""), (b"n" * 11, b"c" * 40), (b"n" * 12, b"c" * 15)])
def test_what_cannot_be_a_payload_does_not_open(nonce: bytes, ciphertext: bytes) -> None:
    with pytest.raises(UnopenableError):
        unseal(KEY, Sealed(nonce, ciphertext), tenant="acme", entry=ENTRY)


def test_wrong_sizes_are_refused_before_anything_is_sealed() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        seal(b"short", WORDS, tenant="acme", entry=ENTRY)
    with pytest.raises(ValueError, match="at most"):
        seal(KEY, bytes(PAYLOAD_BYTES_MAX + 1), tenant="acme", entry=ENTRY)
