"""Erased values, known by their hashes."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("Zoë", r"1,Zo\xc3\xab,2"),  # UTF-8 in a text of another encoding
        ("Ann", r'{"note":"x\nAnn"'),
        ("007", "7,x"),
        ("Straße", "STRASSE"),
    ],
)
def test_what_is_found_in_text_that_cannot_be_split(value: str, text: str) -> None:
    assert erased(value).may_be_in(text)


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
