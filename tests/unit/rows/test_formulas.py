"""The escape that keeps spreadsheet programs from changing a text."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.rows.formulas import BEGINNINGS, escape, unescape, unescape_column
from chalicelib.rows.text import WHITESPACE

signs = st.text(st.sampled_from("'\"=+-@\t\r\n \xa0\ufeffx\uff1d5é\u200b\x01"), max_size=6)
pieces = (
    "0",
    "7",
    "12",
    "99999999999",
    "'",
    '"',
    " ",
    ".",
    ",",
    "/",
    ":",
    "-",
    "e",
    "T",
    "pm",
    "May",
    "jan",
    "true",
    "年",
    "x",
)
numbers = st.lists(st.sampled_from(pieces), max_size=6).map("".join)
texts = st.text() | signs | numbers


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("-5", "'-5"),
        ("+49 30 1", "'+49 30 1"),
        ("'=x", "''=x"),
        ("''-1", "'''-1"),
        ("  @SUM(A1)", "'  @SUM(A1)"),
        ('"=1"', '\'"=1"'),
        ("\tx", "'\tx"),
        ("\r\nx", "'\r\nx"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("007", "'007"),
        ("'007", "''007"),
        ("1.50", "'1.50"),
        ("12 ", "'12 "),
        ("123456789012", "'123456789012"),
        ("1e5", "'1e5"),
        ("5%", "'5%"),
        ("3/4", "'3/4"),
        ("(5)", "'(5)"),
        ("€ 5", "'€ 5"),
        ("12:30 pm", "'12:30 pm"),
        ("2024-01-05T10:00:00Z", "'2024-01-05T10:00:00Z"),
        ("5. März 2024", "'5. März 2024"),
        ("SEPT2", "'SEPT2"),
        ("31 x", "'31 x"),
        ("2024年1月5日", "'2024年1月5日"),
        ("true", "'true"),
        ("0", "0"),
        ("42", "42"),
        ("12 Main Street", "12 Main Street"),
        ("AB-12", "AB-12"),
        ("true story", "true story"),
        ("Maybe", "Maybe"),
        ("'x", "'x"),
        ("x=1", "x=1"),
        ("'", "'"),
        ("", ""),
    ],
)
def test_what_a_program_would_change_gets_an_apostrophe(value: str, escaped: str) -> None:
    assert escape(value) == escaped
    assert unescape(escaped) == value


@given(texts)
def test_the_escape_is_taken_back(value: str) -> None:
    assert unescape(escape(value)) == value


@given(texts, st.text(st.sampled_from(" \t\xa0"), min_size=1))
def test_the_escape_is_taken_back_behind_blanks(value: str, blanks: str) -> None:
    escaped = escape(value)
    if escaped != value:
        assert unescape(blanks + escaped) == value


@given(texts)
def test_no_escaped_text_begins_like_a_formula_even_when_it_is_trimmed(value: str) -> None:
    escaped = escape(value)

    assert not escaped.startswith(tuple(BEGINNINGS))
    assert not escaped.strip(f'{WHITESPACE}"').startswith(tuple(BEGINNINGS))


@given(texts)
def test_only_one_apostrophe_is_added(value: str) -> None:
    assert escape(value) in (value, f"'{value}")


@given(st.lists(st.none() | texts))
def test_a_column_is_unescaped_as_its_values_are(values: list[str | None]) -> None:
    column = pa.array(values, pa.string())

    expected = [None if value is None else unescape(value) for value in values]
    assert unescape_column(column).to_pylist() == expected


@given(st.lists(texts))
def test_a_column_comes_through_a_round_trip(values: list[str]) -> None:
    column = pa.array(list(map(escape, values)), pa.string())

    assert unescape_column(column).to_pylist() == values
