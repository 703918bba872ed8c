"""The escape that keeps spreadsheet programs from taking a text for a formula."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.rows.formulas import BEGINNINGS, escape, unescape, unescape_column
from chalicelib.rows.text import WHITESPACE

signs = st.text(st.sampled_from("'\"=+-@\t\r\n \xa0\ufeffx\uff1d5é\u200b\x01"), max_size=6)
texts = st.text() | signs


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
        ("'x", "'x"),
        ("x=1", "x=1"),
        ("'", "'"),
        ("", ""),
    ],
)
def test_what_begins_like_a_formula_gets_an_apostrophe(value: str, escaped: str) -> None:
    assert escape(value) == escaped
    assert unescape(escaped) == value


@given(texts)
def test_the_escape_is_taken_back(value: str) -> None:
    assert unescape(escape(value)) == value


@given(texts, st.text(st.sampled_from(" \t\xa0"), min_size=1))
def test_the_escape_is_taken_back_behind_blanks(value: str, blanks: str) -> None:
    escaped = escape(value)
    if escaped != value:
        assert unescape(blanks + escaped) == blanks + value


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


@given(st.lists(st.text()))
def test_a_column_comes_through_a_round_trip(values: list[str]) -> None:
    column = pa.array(list(map(escape, values)), pa.string())

    assert unescape_column(column).to_pylist() == values
