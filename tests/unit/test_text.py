"""Normalisation: the rule for one value, and that columns follow it."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.steps.clean import clean
from chalicelib.steps.text import WHITESPACE, excerpt, normalise

EXAMPLES = {
    "  Ada \t": "Ada",
    "\u00a0\u3000x\u2028": "x",
    "\u200bx": "\u200bx",  # a zero width space is not white space
    "\x1fx": "\x1fx",  # nor are the separators that str.strip() would take
    "Ada.Lovelace@Example.COM": "ada.lovelace@example.com",
    "Ada@localhost": "Ada@localhost",  # no dot: not clearly an address
    "Write to Ada@Example.com": "Write to Ada@Example.com",
    "e\u0301": "\u00e9",
    "2025/09/24": "2025-09-24",
    "2024/02/29": "2024-02-29",
    "2025/02/30": "2025/02/30",
    "2025/13/01": "2025/13/01",
    "2025/9/4": "2025/9/4",  # may be an invoice's number
    "24/09/2025": "24/09/2025",
    "05/07/2025": "05/07/2025",
    "20250924": "20250924",
    "2025-09-24": "2025-09-24",
    "2025-09-24 10:11": "2025-09-24T10:11",
    "2025/09/24 10:11:12.5Z": "2025-09-24T10:11:12.5Z",
    "2025-09-24 10:11:12 +02:00": "2025-09-24T10:11:12+02:00",
    "2025-09-24 24:00": "2025-09-24 24:00",
    "2025-09-24\n10:11": "2025-09-24\n10:11",
}


@pytest.mark.parametrize(("value", "normal"), EXAMPLES.items())
def test_examples(value: str, normal: str) -> None:
    assert normalise(value) == normal


def assigned() -> st.SearchStrategy[str]:
    """Texts of characters that every version of Unicode since 6.0 knows, and many that matter here."""
    anything = st.characters(blacklist_categories=("Cs", "Cn"), max_codepoint=0x2FFFF).filter(
        lambda char: (unicodedata.category(char) != "Cn" and ord(char) < 0x1E000) or char in WHITESPACE
    )
    telling = st.sampled_from(
        [*EXAMPLES, *WHITESPACE, "@", ".", "/", "-", ":", "a", "é", "e\u0301", "\u212b"]
    )
    return st.lists(st.one_of(telling, anything), max_size=6).map("".join)


@given(assigned())
def test_normalising_twice_changes_nothing(value: str) -> None:
    assert normalise(normalise(value)) == normalise(value)


@given(st.lists(st.none() | assigned(), max_size=8))
@example([None, " "])
@example(["A@B.c", None, "2025/09/24 ", "\u00a0"])
def test_columns_are_normalised_as_single_values_are(values: list[str | None]) -> None:
    expected = [None if value is None else normalise(value) or None for value in values]
    assert clean(pa.array(values, pa.string())).to_pylist() == expected


@given(st.lists(st.none() | assigned(), min_size=3, max_size=8))
def test_a_slice_of_a_column_is_normalised_alike(values: list[str | None]) -> None:
    expected = [None if value is None else normalise(value) or None for value in values]
    assert clean(pa.array(values, pa.string()).slice(1, 2)).to_pylist() == expected[1:3]


def test_excerpts_can_be_stored_and_shown() -> None:
    assert excerpt(b"a\0\xffb\r\n") == "a\\x00\\xffb"
    assert excerpt(b"x" * 600) == "x" * 500 + " …"
    assert excerpt(b"\x1b[31mred\xc2\x9bX\ta") == "\\x1b[31mred\\x9bX\ta"


def test_endless_combining_marks_take_no_endless_time() -> None:
    value = "e" + "\u0301\u0316" * 100_000
    assert normalise(value) == value
    assert clean(pa.array([value, "e\u0301", None, "x" * 600 + "e\u0301"], pa.string())).to_pylist() == [
        value,
        "\u00e9",
        None,
        "x" * 600 + "\u00e9",
    ]
