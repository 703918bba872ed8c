"""CSV: the fast reader equals Python's `csv`, and the outcome does not depend on blocks or reads."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.core.model import Dialect, Format
from chalicelib.formats.csv import quotes as csv_quotes
from chalicelib.formats.csv.rules_1 import decode as csv_decode
from chalicelib.formats.csv.rules_1 import framing as csv_framing
from chalicelib.formats.csv.rules_1 import records as csv_records
from chalicelib.formats.interface import Location
from chalicelib.reading.blocks import Segment
from chalicelib.rows import canonical, rules
from chalicelib.rows.text import normalise
from tests.support.examples import many
from tests.support.pipeline import Outcome, outcome, runs

NAMES = ("a", "b")

TOKENS = (
    *(
        "a",
        "b",
        ",",
        ",",
        '"',
        '"',
        "\n",
        "\n",
        "\r",
        "\r\n",
        " ",
        '""',
        '","',
        '"\n"',
        "é",
        ";",
        "\\",
        "x@Y.z",
    ),
    *("2025/01/02", "'", "#", "\\\n", "05.07.2025", "1,5", "1.234", "n/a", "\t", "\t"),
)
NASTY = st.lists(
    st.sampled_from([token.encode() for token in TOKENS] + [b"\0", b"\xff", b"\xc3", b"\xef\xbb\xbf"]),
    max_size=40,
).map(b"".join)


def dialect(names: tuple[str, ...] = NAMES, **changes: Any) -> Dialect:
    return Dialect(Format.CSV, data_start=0, columns=names, **changes)


DIALECTS = {
    "plain": dialect(),
    "semicolons and single quotes": dialect(delimiter=";", quote="'"),
    "no quotes": dialect(quote=""),
    "escapes": dialect(escape="\\"),
    "comments": dialect(comment="#"),
    "one byte a character": dialect(encoding="cp1252"),
    "rules": dialect(decimal=",", date_order="DMY", missing_values=("n/a", "b"), delimiter="\t"),
    "a column of numbers": dialect(decimal=",", decimal_columns=("b",), date_order="DMY", delimiter="\t"),
}


def reference(data: bytes, max_record: int, read_as: Dialect) -> Outcome:
    """Return the outcome of a file by the simplest method: `csv`, one record at a time."""
    records, rejects, start = [], [], 0
    while start < len(data):
        for row in csv_records.read(data[start:], read_as):
            whole = data[start + row.start : start + row.end]
            code = "unterminated-quote" if row.open else None
            if code := "record-too-large" if len(whole) > max_record else code:
                rejects.append((code, start + row.start))
                start += row.start + len(next(iter(whole.splitlines(keepends=True))))
                break
            if not row.cells:
                continue
            if code := fault(whole, row.cells, read_as):
                rejects.append((code, start + row.start))
            else:
                records.append(canonical.record(dict(zip(NAMES, values(row.cells, read_as), strict=True))))
        else:
            break
    return Outcome(set(records), len(records), rejects, len(rejects), runs(rejects))


def values(cells: list[str], read_as: Dialect) -> list[str]:
    texts = (cell.encode("latin-1").decode(read_as.encoding) for cell in cells)
    return [
        rules.apply(normalise(text), rules.Rules.of(read_as, name))
        for name, text in zip(NAMES, texts, strict=True)
    ]


def fault(raw: bytes, cells: list[str], read_as: Dialect) -> str | None:
    if b"\0" in raw:
        return "nul-character"
    try:
        raw.decode(read_as.encoding)
    except UnicodeDecodeError:
        return "encoding-error"
    if len(cells) != len(NAMES):
        return "missing-cell" if len(cells) < len(NAMES) else "extra-cell"
    return None if any(values(cells, read_as)) else "blank-row"


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=many(200))
@given(NASTY, st.integers(1, 60), st.integers(1, 60), st.sampled_from([3, 17, 1000]))
@example(b'a,b\n"x\ny",z\n', 4, 1, 1000)
@example(b'"a\r\nb",c\r\n', 5, 4, 1000)
@example(b'x,"a', 2, 1, 1000)
@example(b'a"b,c\n"d"e,"f" \n', 3, 5, 1000)
@example(b'5",6"\na,b\n', 3, 2, 1000)
@example(b"a,b\r\r\nc,d", 4, 4, 1000)
@example(b",\n,\n", 1, 1, 1000)
def test_any_split_gives_what_csv_gives(
    name: str, data: bytes, block_size: int, chunk: int, max_record: int
) -> None:
    read_as = DIALECTS[name]
    found = outcome(data, read_as, block_size=block_size, chunk=chunk, max_record=max_record)
    assert replace(found, warnings=()) == reference(data, max_record, read_as)


@settings(max_examples=many(200))
@given(NASTY, st.integers(1, 60), st.integers(1, 60), st.sampled_from([1, 2, 9]))
@example(b"a,b\r\nc,d", 4, 60, 1)
@example(b'a,"b"\nc,"d"e\n', 9, 60, 4)
@example(b'a,"b\n"\nc,d\n', 5, 60, 1)
def test_a_border_may_be_anywhere_behind_a_block(
    data: bytes, block_size: int, max_record: int, near: int
) -> None:
    with patch.object(csv_framing, "_NEAR", near):
        found = outcome(data, dialect(), block_size=block_size, chunk=5, max_record=max_record)
    assert found == reference(data, max_record, dialect())


@settings(max_examples=many(300))
@given(NASTY)
def test_the_fast_reader_gives_what_the_slow_one_gives(data: bytes) -> None:
    regular = csv_records.regular_ends(data, dialect()) is not None
    if any(row.open for row in csv_records.read(data, dialect())):
        return  # no such segment is ever cut
    fast = csv_decode.decode(Segment(7, data, regular), dialect())
    slow = csv_decode.decode(Segment(7, data, regular=False), dialect())
    assert fast.records == slow.records
    assert fast.rejections == slow.rejections
    assert fast.table is not None
    assert slow.table is not None
    assert fast.table.to_pydict() == slow.table.to_pydict()


@pytest.mark.parametrize(
    ("data", "places"),
    [
        (b'"a",b,"c ""d"""\r\n"","\n"\r"e"', [0, 2, 6, 9, 10, 12, 13, 14, 17, 18, 20, 22, 24, 26]),
        (b'"a,b', [0]),
        (b"a,b", []),
        (b'a,"b" \n', None),
        (b'"a,"b\n', None),
        (b'a"b"\n', None),
        (b' "a"\n', None),
        (b'a"', None),
    ],
)
def test_quotes_are_regular_where_rfc_4180_has_them(data: bytes, places: list[int] | None) -> None:
    quotes = csv_records.quotes(data, dialect())
    assert (None if quotes is None else quotes.to_pylist()) == places


@settings(max_examples=many(300))
@given(NASTY)
def test_regular_ends_are_the_ends_that_csv_finds(data: bytes) -> None:
    ends = csv_records.regular_ends(data, dialect())
    if ends is None:
        return
    rows = list(csv_records.read(data, dialect()))
    certain = [row.end for row in rows if not row.open and data[row.end - 1 : row.end] in (b"\n", b"\r")]
    if data.endswith(b"\r"):
        certain = [end for end in certain if end < len(data)]
    assert ends.to_pylist() == certain


@settings(max_examples=many(300))
@given(NASTY)
@example(b'"\n",a\r\n"\r","\n')
def test_the_first_end_is_one_of_the_regular_ends(data: bytes) -> None:
    quotes, ends = csv_records.quotes(data, dialect()), csv_records.regular_ends(data, dialect())
    assert (quotes is None) == (ends is None)
    if quotes is None or ends is None:
        return
    for start in range(1, len(data) + 1):
        expected = next((end for end in ends.to_pylist() if end >= start), None)
        assert csv_quotes.first_end(data, quotes.to_pylist(), start) == expected


CELLS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)


@given(
    st.lists(st.tuples(CELLS, CELLS), max_size=12),
    # the writer leaves a line ending unquoted that is not its own
    st.sampled_from([("\n", csv.QUOTE_ALL), ("\r", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)]),
    st.integers(1, 50),
)
def test_what_csv_writes_is_read_back_whole(
    rows: list[tuple[str, str]], style: tuple[str, Literal[0, 1]], block_size: int
) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=style[0], quoting=style[1]).writerows(rows)
    found = outcome(file.getvalue().encode(), dialect(), block_size=block_size, chunk=7)
    kept = [row for row in rows if any(map(normalise, row))]
    assert found.records == {canonical.record(dict(zip(NAMES, row, strict=True))) for row in kept}
    assert found.accepted == len(kept)
    assert found.rejected == len(rows) - len(kept)
    assert {code for code, _ in found.rejects} <= {"blank-row"}


def test_every_record_is_in_the_block_in_which_it_begins() -> None:
    data = b"".join(f"{n},{'x' * (n % 9)}\n".encode() for n in range(200))
    starts = list(line_starts(data))
    found = outcome(data, dialect(), block_size=64, chunk=50)
    assert found.accepted == 200
    for block in found.blocks:
        assert block.start in starts
        begun = [start for start in starts if block.start <= start < block.end]
        assert all(start // 64 == block.no for start in begun)


def line_starts(data: bytes) -> Iterator[int]:
    start = 0
    for line in data.splitlines(keepends=True):
        yield start
        start += len(line)


@pytest.mark.parametrize("chunk", [1, 10, 1000])
def test_a_record_over_the_limit_is_set_apart_with_its_line_alone(chunk: int) -> None:
    data = b"1,2\n" + b"x" * 500 + b",y\n" + b'"never closed,3\n4,5\n' + b"z,z\n" * 30
    found = outcome(data, dialect(), block_size=16, chunk=chunk, max_record=100)
    assert found.rejects == [("record-too-large", 4), ("record-too-large", 507)]
    assert found.records == {'{"a":"1","b":"2"}', '{"a":"4","b":"5"}', '{"a":"z","b":"z"}'}
    assert found.accepted == 32


def test_rejected_records_are_located() -> None:
    data = b'a,b\n\n\r\nc\n"d\n",e,f\ng,h'
    segment = Segment(100, data, regular=True)
    decoded = csv_decode.decode(segment, dialect())
    assert [(rejection.ordinal, rejection.code) for rejection in decoded.rejections] == [
        (1, "missing-cell"),
        (2, "extra-cell"),
    ]
    assert csv_decode.locate(segment, [1, 2], dialect()) == [
        Location(107, b"c\n"),
        Location(109, b'"d\n",e,f\n'),
    ]
    assert decoded.table_ordinals() == pa.array([0, 3])
