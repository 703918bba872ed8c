"""CSV records under rules 2: the patterns, and Arrow behind them, read what the slow specification reads."""

from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.core.model import BLANKS, Dialect, Format
from chalicelib.formats.csv import decode as csv_decode
from chalicelib.formats.csv.grammar import grammar_of
from chalicelib.reading.blocks import Segment
from tests.support import csv_reference
from tests.support.examples import many


def dialect(**changes: Any) -> Dialect:
    return Dialect(Format.CSV, data_start=0, rules=2, columns=("name", "city"), **changes)


DIALECTS = {
    "plain": dialect(),
    "semicolons and single quotes": dialect(delimiter=";", quote="'"),
    "tabs": dialect(delimiter="\t"),
    "no quotes": dialect(quote=""),
    "escapes": dialect(escape="\\"),
    "escapes without quotes": dialect(escape="\\", quote=""),
    "comments": dialect(comment="#"),
    "blanks": dialect(delimiter=BLANKS),
    "blanks and escapes": dialect(delimiter=BLANKS, escape="\\"),
    "blanks and comments": dialect(delimiter=BLANKS, comment="#"),
    "blanks after delimiters": dialect(skip_initial_space=True),
    "escapes after blanks": dialect(skip_initial_space=True, escape="\\"),
    "a bar and single quotes": dialect(delimiter="|", quote="'", comment="#"),
}
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
        "\t",
        '""',
        '","',
        ';"',
        "'",
        "|",
        "#",
        "\\",
    ),
    *("é", "\ufeff", '\n"', '"\n', "\\\n", ";", '\\"', '"a"', "\x00"),
)
TEXTS = st.lists(st.sampled_from(TOKENS), max_size=30).map(lambda tokens: "".join(tokens).encode())


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=many(300))
@given(TEXTS)
@example(b'"a" ,"b"\t\n5" x,y"\n')
@example(b'\xef\xbb\xbf"a",b\n\xef\xbb\xbf\n')
@example(b'a\\,b,"c\\"d"\n\\a,"\\\\"\n"a\\""",x')
@example(b' a  b \n\t"a b" c\n')
def test_records_are_those_of_the_specification(name: str, data: bytes) -> None:
    read_as = DIALECTS[name]
    grammar = grammar_of(read_as)
    lines, error = csv_reference.read(data, read_as)
    at = 0
    for line in lines:
        match = grammar.last_record.match(data, at)
        assert match is not None
        assert match.span() == (line.start, line.end)
        assert grammar.is_nothing(data, line.start, line.end) == (not line.cells)
        if line.cells:
            assert tuple(grammar.cells(data[line.start : line.end])) == line.cells
        at = line.end
    if error is None:
        assert at == len(data)
    else:
        assert error.start == at
        match = grammar.last_record.match(data, at)
        assert match is None
        fault = grammar.fault(data, at, len(data))
        assert fault is not None
        assert fault.at == error.at


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=many(200))
@given(TEXTS)
def test_simple_records_are_passed_over_to_the_first_that_is_not(name: str, data: bytes) -> None:
    read_as = DIALECTS[name]
    match = grammar_of(read_as).inline_records.match(data)
    assert match is not None
    lines, _ = csv_reference.read(data, read_as)
    assert match.end() in {0, *(line.end for line in lines)}
    for line in lines:
        if line.end > match.end():  # it spans lines, has quotes and another width, or the data end in it
            content = data[line.start : line.end]
            is_last = line.end == len(data) and not content.endswith(b"\n")
            has_quotes = bool(read_as.quote) and read_as.quote.encode() in content
            assert is_last or len(content.splitlines()) > 1 or has_quotes or b"\\" in content
            break


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=many(200))
@given(TEXTS)
@example(b'a,b\n"a""b" ,"\n"\n')
@example(b"a\n,,\na,b,c\n\n")
@example(b'name,city\n"name", city\n')
def test_segments_are_decoded_as_the_specification_reads_them(name: str, data: bytes) -> None:
    read_as = DIALECTS[name]
    lines, error = csv_reference.read(data, read_as)
    data = data[: error.start] if error else data
    segment = Segment(7, data, regular=False)
    (fast,) = csv_decode.decode(segment, read_as)
    with patch.object(csv_decode, "_plain_text", lambda *_: None):
        (slow,) = csv_decode.decode(segment, read_as)
    assert slow.table is not None
    assert fast.table is not None
    assert fast.table.to_pylist() == slow.table.to_pylist()
    assert fast.rejections == slow.rejections
    assert sorted(map(repr, fast.notes)) == sorted(map(repr, slow.notes))
    assert fast.records == slow.records

    rows, codes = [], []
    for line in lines:
        cells = [cell.decode() for cell in line.cells]
        if not cells or (len(cells) == 2 and [cell.strip() for cell in cells] == ["name", "city"]):
            continue
        if "\x00" in data[line.start : line.end].decode():
            codes.append("nul-character")
            continue
        while len(cells) > 2 and not cells[-1].strip():
            cells.pop()
        if len(cells) < 2:
            codes.append("missing-cell" if cells[0].strip() else "blank-row")
        elif len(cells) > 2:
            codes.append("extra-cell")
        else:
            rows.append({"name": cells[0] or None, "city": cells[1] or None})
    found = slow.table.to_pylist()
    assert [strip(row) for row in found] == [strip(row) for row in rows]
    assert [rejection.code for rejection in slow.rejections] == codes
    ordinals = [rejection.ordinal for rejection in fast.rejections]
    assert fast.locate(ordinals) == slow.locate(ordinals)


def strip(row: dict[str, str | None]) -> list[str]:
    """Return the cells without the blanks that may stand after a closing quote."""
    return [(cell or "").strip() for cell in row.values()]
