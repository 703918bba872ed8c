"""Erased values, known by their hashes."""

import hashlib
import hmac
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import interruption
from chalicelib.core.erased_values import ErasedValue, ErasedValues, hash_of, hmac_pads

SALT = b"salt" * 8
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
WORDS = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True), min_size=1, max_size=4)


def erased(*values: str, field: str = "email") -> ErasedValues:
    return ErasedValues(SALT, [ErasedValue.of(SALT, field, [value]) for value in values])


@given(TEXTS, TEXTS)
def test_a_value_is_known_in_its_field_and_no_other_is(value: str, other: str) -> None:
    known = erased(value)
    assert known.among("email", [value.encode(), other.encode()]) == [True, value == other]
    assert known.fields == {"email"}
    assert known.sizes("email") == [len(value.encode())]
    assert hash_of(SALT, "email", value) != hash_of(SALT, "name", value)
    assert hash_of(SALT, "email", value) != hash_of(b"another", "email", value)


@given(TEXTS, TEXTS)
def test_postgres_computes_the_same_hash_with_two_hashes(field: str, value: str) -> None:
    inner, outer = hmac_pads(SALT)
    text = f"{field}\x01{value}".encode()
    by_hand = hashlib.sha256(outer + hashlib.sha256(inner + text).digest()).digest()
    assert by_hand == hash_of(SALT, field, value) == hmac.new(SALT, text, "sha256").digest()


@given(
    WORDS, st.text(" ,;|\t\"'{}[]:.-_@/", min_size=1, max_size=3), st.randoms(), st.lists(WORDS, max_size=3)
)
def test_a_value_is_found_by_its_words_whatever_is_around_them(
    words: list[str], between: str, random: object, others: list[list[str]]
) -> None:
    known = erased(" ".join(words))
    shuffled = list(words)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    text = between.join([*(word for it in others for word in it), *shuffled, "end"])
    assert known.may_be_in(text)
    assert known.may_be_in(text.upper())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ada@example.org", '3,"ADA@Example.org",x'),
        ("O'Hara, Ann", "1;\"ann o'hara"),
        ("1990-01-31", "x,31.1.1990,y"),
        ("1990-01-31", "1/31/1990"),
        ("Zoë", r'{"name":"Zo\u00eb"'),
        ("Zoë", r"1,Zo\xeb,2"),  # cp1252, as an excerpt shows it
        ("Łukasz Żak", r"1,\xa3ukasz \xafak,more"),  # cp1250
        ("Łukasz Żak", r"1,\x9dukasz \xbdak,more"),  # cp852
        ("Иван", r"1,\xc9\xd7\xc1\xce,2"),  # koi8-r, in lower case
        ("山田", r"1,\x8eR\x93c,2"),  # Shift JIS
        ("Zoë", r"1,Zo\xc3\xab,2"),  # UTF-8 in a text of another encoding
        ("Ann", r'{"note":"x\nAnn"'),
        ("007", "7,x"),
        ("Straße", "STRASSE"),
    ],
)
def test_what_is_found_in_text_that_cannot_be_split(value: str, text: str) -> None:
    assert erased(value).may_be_in(text)


def test_text_is_also_read_in_the_encoding_of_its_file() -> None:
    """It may be UTF-8 by chance, and its encoding none of the usual ones."""
    text = "1,Ă„ăă".encode("cp1250").decode("utf-8", "backslashreplace")
    assert erased("Ă„ăă").may_be_in(text, "cp1250")
    by_chance = "Ă„".encode("cp1250").decode()
    assert erased("Ă").may_be_in(by_chance, "cp1250")
    assert not erased("Ă").may_be_in(by_chance)
    rare = "ЂЃ".encode("mac_cyrillic").decode("utf-8", "backslashreplace")
    assert erased("ЂЃ").may_be_in(rare, "mac_cyrillic")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Ann", "Anna"),
        ("ada@example.org", "ada@example.net"),
        ("a b", "a x b"),
        ("***", "***"),
        ("1990-01-31", "1990-01-30"),
    ],
)
def test_what_is_not_found(value: str, text: str) -> None:
    assert not erased(value).may_be_in(text)


def test_nothing_is_found_without_values() -> None:
    assert not ErasedValues(b"", []).may_be_in("anything")
    assert not ErasedValues(b"", []).fields


# Bombs of words


def test_of_a_value_of_many_words_the_first_are_compared() -> None:
    long = " ".join(f"w{n}" for n in range(500))
    assert ErasedValue.of(SALT, "note", [long]).words == 20
    assert erased(long).may_be_in(f"x,{long},y")
    assert not erased(long).may_be_in(long.removeprefix("w0 "))


def test_a_text_takes_a_hash_for_each_word_however_many_values_were_erased(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashed: list[bytes] = []
    known = erased(*(" ".join(f"w{n}" for n in range(words)) for words in range(1, 501)))

    def counted(salt: bytes, text: bytes, name: str) -> bytes:
        hashed.append(text)
        return hmac.digest(salt, text, name)

    monkeypatch.setattr("chalicelib.core.erased_values.digest", counted)
    started = time.monotonic()
    assert not known.may_be_in("a " * 2500)
    assert len(hashed) == 2500
    assert time.monotonic() - started < 2


def test_a_very_long_text_may_hold_anything() -> None:
    assert erased("Ann").may_be_in("x" * 100_000)
    assert not erased("Ann").may_be_in("x" * 60_000)
    assert not erased("***").may_be_in("x" * 100_000)  # it has no words


def test_a_search_for_words_is_interrupted() -> None:
    with interruption.interruptible(lambda: False), pytest.raises(interruption.Interrupted):
        erased("Ann").may_be_in("a b")
