"""Normalisation: the rule for one value, and that columns follow it."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.rows.normalise import normalise_column
from chalicelib.rows.text import WHITESPACE, excerpt, normalise, short_name
from tests.support.examples import many

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
def test_each_example_is_normalised_as_documented(value: str, normal: str) -> None:
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
    assert_alike(values)


def assert_alike(values: list[str | None]) -> None:
    """Column-wise, the values become what each becomes by itself."""
    expected = [None if value is None else normalise(value) or None for value in values]
    assert normalise_column(pa.array(values, pa.string())).to_pylist() == expected


# What a column holds as a whole decides which steps it is spared.
PALETTES = {
    "no blanks": "aZ09.@/-:",
    "blanks": "aZ \t\n\x0b\x0c\r",
    "controls that are not white space": "a\x01\x1b\x1f\x7f",
    "letters of Europe": "aé@.\u0100\u02ff\x85\xa0 ",
    "marks": "ae\u0300\u0301\u0316\u0340\u02ff ",
    "blanks of three bytes": "a\u2003\u3000\u202f\u4e00",
}


@given(
    st.sampled_from(sorted(PALETTES)).flatmap(
        lambda name: st.lists(st.none() | st.text(PALETTES[name], max_size=5), max_size=5)
    )
)
@example(["", "a"])
@example(["a ", None])
@example(["\x1fa", "b\t"])
@example(["é\xa0", "\x85"])
@example(["e\u0301"])
@example(["\u3000a"])
def test_columns_of_one_kind_are_normalised_as_single_values_are(values: list[str | None]) -> None:
    assert_alike(values)


DATE_PIECES = (
    st.sampled_from(["2025", "1999", "199", "20250"]),
    st.sampled_from("/-"),
    st.sampled_from(["01", "02", "04", "9", "12", "13"]),
    st.sampled_from("/-"),
    st.sampled_from(["01", "9", "29", "30", "31", "32"]),
    st.sampled_from(["", "", " ", "T", "  ", "x"]),
    st.sampled_from(["", "10:11", "23:59:59", "24:00", "10:11:12.123456789", "1:02"]),
    st.sampled_from(["", "", " ", "  "]),
    st.sampled_from(["", "Z", "z", "+02:00", "-0730", "+2"]),
)


@settings(max_examples=many(300))
@given(st.lists(st.tuples(*DATE_PIECES).map("".join), max_size=4))
@example(["2025/09/24", "x"])
@example(["2025/09/24T10:11"])
@example(["2025-09-24 10:11"])
@example(["2025-09-24T10:11 Z"])
@example(["2025-09-24T10:11Z"])
def test_columns_of_dates_are_normalised_as_single_values_are(values: list[str | None]) -> None:
    assert_alike(values)


ADDRESSES = st.text("aA0.@-_ é", max_size=8) | st.sampled_from(
    ["A@b.c", "a@b.c", "a@B.c", "A@b", "@B.c", "A@b.c.", "A@@b.c"]
)


@given(st.lists(st.none() | ADDRESSES, max_size=4))
@example(["A", "a@b.c"])
@example(["a@b.c", "A@b.c"])
def test_columns_of_addresses_are_normalised_as_single_values_are(values: list[str | None]) -> None:
    assert_alike(values)


def test_text_before_the_first_mark_is_in_nfc() -> None:
    early = [chr(code) for code in range(0x300)]
    assert "\u02ff".encode()[0] < 0xCC <= "\u0300".encode()[0]
    assert unicodedata.is_normalized("NFC", "".join(one + other for one in early for other in early))


@given(st.lists(st.none() | assigned(), min_size=3, max_size=8))
def test_a_slice_of_a_column_is_normalised_alike(values: list[str | None]) -> None:
    expected = [None if value is None else normalise(value) or None for value in values]
    assert normalise_column(pa.array(values, pa.string()).slice(1, 2)).to_pylist() == expected[1:3]


def test_excerpts_can_be_stored_and_shown() -> None:
    assert excerpt(b"a\0\xffb\r\n") == "a\\x00\\xffb"
    assert excerpt(b"x" * 600) == "x" * 500 + " …"
    assert excerpt(b"\x1b[31mred\xc2\x9bX\ta") == "\\x1b[31mred\\x9bX\ta"


def test_time_grows_with_the_number_of_combining_marks_only() -> None:
    value = "e" + "\u0301\u0316" * 100_000
    assert normalise(value) == value
    assert normalise_column(
        pa.array([value, "e\u0301", None, "x" * 600 + "e\u0301"], pa.string())
    ).to_pylist() == [
        value,
        "\u00e9",
        None,
        "x" * 600 + "\u00e9",
    ]


@given(st.text(st.characters(exclude_categories=())))
def test_a_short_name_suits_a_database_and_a_terminal(name: str) -> None:
    shown = short_name(name)
    shown.encode()  # it has no half of a surrogate pair
    assert not set(shown) & {chr(code) for code in (*range(9), *range(14, 32), 127)}
    if name.isalnum() and name.isascii():
        assert shown == (name if len(name) <= 100 else f"{name[:100]}…")
