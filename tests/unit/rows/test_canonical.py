"""Canonical JSON, held against an independent implementation of RFC 8785."""

import json
import math
from decimal import Decimal
from hashlib import sha256
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.formats.json.parse import parse
from chalicelib.rows import canonical, flat, identify
from chalicelib.rows.canonical import RecordRejected
from chalicelib.rows.normalise import normalise_column
from chalicelib.rows.text import normalise

TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)
CLEAN_TEXT = TEXT.map(normalise).filter(bool)
NAMES = st.lists(CLEAN_TEXT, min_size=1, max_size=6, unique=True)


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-0.0)
@example(1e21)
@example(1e-7)
@example(5e-324)
def test_doubles_print_as_in_ecmascript(value: float) -> None:
    assert canonical.number(Decimal(repr(value))) == rfc8785.dumps(value).decode()


@given(st.integers(-(10**60), 10**60), st.integers(-300, 300))
def test_numbers_keep_their_exact_value(digits: int, exponent: int) -> None:
    value = Decimal(f"{digits}e{exponent}")
    assert Decimal(canonical.number(value)) == value


@given(st.integers(-(10**40), 10**40), st.integers(-(10**40), 10**40))
@example(2**53, 2**53 + 1)
def test_different_integers_never_collide(one: int, other: int) -> None:
    assert (canonical.number(Decimal(one)) == canonical.number(Decimal(other))) == (one == other)


@pytest.mark.parametrize("lexeme", ["1", "1.0", "1e0", "10e-1", "1.000"])
def test_one_number_has_one_form(lexeme: str) -> None:
    assert canonical.record(parse(f'{{"a":{lexeme}}}')) == '{"a":1}'


JSON = st.recursive(
    st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | CLEAN_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CLEAN_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(CLEAN_TEXT, JSON, max_size=5))
def test_records_print_as_in_rfc_8785(members: dict[str, Any]) -> None:
    parsed = parse(json.dumps(members))
    assert canonical.record(parsed) == rfc8785.dumps(members).decode()


def test_names_are_sorted_by_utf16_code_units() -> None:
    # the example of RFC 8785 section 3.2.3
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    order = sorted(names, key=canonical.sort_key)
    assert order == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_missing_values_are_left_out_but_keep_their_place_in_arrays() -> None:
    record = {"a": None, "b": "  ", "c": [None, " ", {"d": None}], "e": {"f": ""}, " g ": " x "}
    assert canonical.record(record) == '{"c":[null,"",{}],"e":{},"g":"x"}'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"a":1', "json-syntax"),
        ('{"a":NaN}', "json-syntax"),
        ('{"a":1} x', "json-syntax"),
        ('{"a":1,"a":2}', "duplicate-key"),
        ('{"a":1,"a ":2}', "duplicate-key"),
        ('{"a":null,"a ":2}', "duplicate-key"),
        ('{"a":"\\u0000"}', "nul-character"),
        ('{"a\\u0000":1}', "nul-character"),
        ('{"a":"\\ud800"}', "encoding-error"),
        ('{"a":1e999999}', "number-out-of-range"),
        ('{"a":1e99999999999999999999}', "number-out-of-range"),
        ('{"a":' + "9" * 5000 + "}", "number-out-of-range"),
        ('{"a":' + "[" * 200 + "]" * 200 + "}", "too-deep"),
        ('{"a":' + "[" * 100_000, "too-deep"),
    ],
)
def test_what_cannot_be_a_record_is_named(text: str, code: str) -> None:
    with pytest.raises(RecordRejected) as raised:
        canonical.record(parse(text))
    assert raised.value.code == code


@given(NAMES, st.data())
def test_columns_print_as_single_records_do(names: list[str], data: st.DataObject) -> None:
    cell = st.none() | CLEAN_TEXT | st.sampled_from(['"', "\\", "\x01", "\n", '\\"', "\x1f\x7f"]).map(str)
    rows = data.draw(st.lists(st.lists(cell, min_size=len(names), max_size=len(names)), max_size=5))
    columns = [
        normalise_column(pa.array([row[place] for row in rows], pa.string())) for place in range(len(names))
    ]
    expected = [canonical.record(dict(zip(names, row, strict=True))) for row in rows]
    assert flat.records(names, columns).to_pylist() == expected


@given(
    st.lists(
        # by column: full, or with gaps, or empty
        st.sampled_from(["x", "xx-", "x---", "-"]).flatmap(
            lambda kinds: st.lists(st.sampled_from(kinds), min_size=6, max_size=6)
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 3),
)
@example([["-", "x"] * 3, ["x", "-"] * 3, ["-"] * 5 + ["x"]], 0)
@example([["-"] * 6, ["x"] + ["-"] * 5], 2)
def test_commas_stand_between_what_there_is(cells: list[list[str]], start: int) -> None:
    names = [f"n{place}" for place in range(len(cells))]
    table = [
        [f"{row}{place}" if cell == "x" else None for row, cell in enumerate(column)]
        for place, column in enumerate(cells)
    ]
    columns = [pa.array(column, pa.string()).slice(start) for column in table]
    rows = list(zip(*table, strict=True))[start:]
    expected = [canonical.record(dict(zip(names, row, strict=True))) for row in rows]
    assert flat.records(names, columns).to_pylist() == expected


def test_rows_are_sorted_and_each_is_there_once() -> None:
    records = pa.array(['{"a":1}', '{"b":2}', '{"a":1}', "{}"], pa.string())
    rows = identify.identify(records)
    hashes = rows["content_hash"].to_pylist()
    assert hashes == sorted(hashes)
    assert sorted(rows["record"].to_pylist()) == ['{"a":1}', '{"b":2}', "{}"]


class Alike:
    """A SHA-256 whose first bytes tell little and whose last tell all."""

    def __init__(self, record: bytes) -> None:
        self._bytes = bytes(7) + record[:1] + bytes(16) + sha256(record).digest()[:8]

    def digest(self) -> bytes:
        """32 bytes."""
        return self._bytes


@given(st.lists(st.text("ab", min_size=1, max_size=3), max_size=12))
@example(["a", "ab", "a", "aa"])
def test_hashes_that_begin_alike_are_told_apart(records: list[str]) -> None:
    with patch.object(identify, "sha256", Alike):
        rows = identify.identify(pa.array(records, pa.string()))
    expected = sorted((Alike(record.encode()).digest(), record) for record in set(records))
    assert list(zip(*rows.to_pydict().values(), strict=True)) == expected


def test_many_rows_are_hashed_each_in_its_place() -> None:
    records = [str(number) for number in range(3000)]
    rows = identify.identify(pa.array(["before", *records, "behind"], pa.string()).slice(1, 3000))
    expected = sorted((sha256(record.encode()).digest(), record) for record in records)
    assert list(zip(*rows.to_pydict().values(), strict=True)) == expected


def test_no_number_is_infinite() -> None:
    with pytest.raises(RecordRejected):
        canonical.number(Decimal(math.inf))
