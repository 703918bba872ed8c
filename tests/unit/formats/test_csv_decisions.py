"""CSV under rules 2, by examples: damaged records, ragged rows, lines that are not records, and notes."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from chalicelib.core.model import BLANKS, Dialect, ExtraCells, Format, Gap, ShortRows
from chalicelib.core.warnings import KINDS
from chalicelib.formats import format_of
from chalicelib.formats.csv import scan
from chalicelib.reading.blocks import Segment, cut_blocks
from chalicelib.reading.object_text import Chunk
from tests.support.pipeline import outcome, read_file


def dialect(columns: str = "abc", **changes: Any) -> Dialect:
    return Dialect(Format.CSV, data_start=0, rules=2, columns=tuple(columns), **changes)


class Read(NamedTuple):
    """What became of a file: the values of its rows, its rejects, and how often each thing is told."""

    rows: list[tuple[str, ...]]
    rejects: list[tuple[str, bytes]]
    notes: Mapping[str, int]


def read(data: bytes, read_as: Dialect, max_record: int = 1 << 20) -> Read:
    found = outcome(data, read_as, max_record=max_record)
    raws = {reject.offset: reject for block in found.blocks for reject in block.rejects}
    notes = Counter[str]()
    rejects: list[tuple[str, bytes]] = []
    rows: list[tuple[str, ...]] = []
    framing = format_of(read_as).framing(read_as, max_record, to_end=True)
    gap = Gap(0, len(data))
    for block in cut_blocks(iter([Chunk(data)]), gap, data_start=0, block_size=1 << 20, framing=framing):
        for segment in block.segments:
            assert isinstance(segment, Segment)
            for batch in format_of(read_as).decode(segment, read_as):
                for note in batch.notes:
                    assert note.code in KINDS
                    notes[note.code] += note.count
                located = batch.locate([rejection.ordinal for rejection in batch.rejections])
                rejects += [(it.code, place.raw) for it, place in zip(batch.rejections, located, strict=True)]
                assert batch.table is not None
                rows += [tuple(value or "" for value in row.values()) for row in batch.table.to_pylist()]
    blank = [code for code, _ in rejects].count("blank-row")
    assert len(raws) >= len(rejects) - blank
    return Read(rows, rejects, notes)


ROWS = b"1,x,y\n2,x,y\n3,x,y\n4,x,y\n"
FOUR = [("1", "x", "y"), ("2", "x", "y"), ("3", "x", "y"), ("4", "x", "y")]


@pytest.mark.parametrize(
    ("damaged", "code"),
    [
        (b'0,"open,z\n', "unterminated-quote"),
        (b'0,"two\nlines,z\n', "unterminated-quote"),
        (b'0,"a 5" pipe",z\n', "stray-quote"),
        (b'0,"a" pipe,z\n', "stray-quote"),
        (b'0, "NL",z\n', "stray-quote"),
        (b'0,"two\nlines with 5" pipes\nand one more",z\n', "stray-quote"),
        (b'0,"lines\nthat,look,so\nwith 5" pipes",z\n', "stray-quote"),
    ],
)
def test_a_damaged_record_is_rejected_and_no_other(damaged: bytes, code: str) -> None:
    for good in (ROWS, ROWS.replace(b"x", b'"x"'), ROWS.replace(b"y", b'"y\n,"')):
        found = read(good + damaged + good, dialect())
        assert found.rejects == [(code, damaged)]
        assert len(found.rows) == 8


def test_a_missing_quote_at_the_end_of_the_file_costs_one_record() -> None:
    assert read(b'1,"open\n2,b\n', dialect("ab")).rows == [("2", "b")]


def test_quotes_that_every_reader_takes_for_text_are_loaded() -> None:
    found = read(b'5" pipe,a"b"c,"d" \n', dialect())
    assert found == Read([('5" pipe', 'a"b"c', "d ")], [], {})


def test_rows_between_two_stray_quotes_are_rows() -> None:
    found = read(b'0,"open,z\n' + ROWS * 2 + b'5,shut",z\n' + ROWS, dialect())
    assert found.rejects == [("unterminated-quote", b'0,"open,z\n')]
    assert found.rows == [*FOUR, *FOUR, ("5", 'shut"', "z"), *FOUR]


def test_few_rows_between_two_stray_quotes_are_told() -> None:
    found = read(b'0,"open,z\n1,x,y\n5,shut",z\n', dialect())
    assert found == Read([("0", "open,z\n1,x,y\n5,shut", "z")], [], {"rows-in-cell": 1})


@pytest.mark.parametrize(
    "cell",
    [
        "Lovelace, Ada\nYoung, Cy\nVaughan, Dorothy\n" * 10,  # a list of names
        "Here it is:\na,b\n" + "1,2\n" * 50,  # an embedded table
        "12 Main Street\nSpringfield, IL\nUSA",
    ],
)
def test_a_cell_of_several_lines_is_one_cell(cell: str) -> None:
    found = read(f'1,"{cell}"\n2,b\n'.encode(), dialect("ab"))
    assert found == Read([("1", cell), ("2", "b")], [], {})


def test_a_cell_that_is_too_large_is_one_reject_if_it_is_closed() -> None:
    large = b'"' + b"x\n" * 300 + b'",b\n'
    found = read(large + b"1,2\n" * 8, dialect("ab"), max_record=100)
    assert [code for code, _ in found.rejects] == ["record-too-large"]
    assert found.rows == [("1", "2")] * 8


def test_a_cell_that_is_closed_too_late_costs_its_first_line() -> None:
    limit = scan.furthest_end(100)
    large = b'"' + b"x\n" * limit + b'",b\n'
    found = outcome(large + b"1,2\n" * 8, dialect("ab"), max_record=100)
    assert found.rejects[0] == ("record-too-large", 0)
    assert '{"a":"1","b":"2"}' in found.records


def test_an_escape_is_removed_before_what_it_makes_text_alone() -> None:
    data = rb'6\" pipe,C:\temp,"a\\b\"c""d"' + b"\n" + rb"1\,5,\\,\x" + b"\n"
    found = read(data, dialect(escape="\\"))
    assert found.rows == [('6" pipe', r"C:\temp", 'a\\b"c"d'), ("1,5", "\\", r"\x")]


def test_empty_extra_cells_are_dropped() -> None:
    found = read(b"1,2,3,, \n,,,,\n4,5,6\n", dialect())
    assert found.rows == [("1", "2", "3"), ("", "", ""), ("4", "5", "6")]
    assert found.notes == {"empty-extra-cells": 1}  # that of the blank row is not told


@pytest.mark.parametrize("times", [1, 40])
def test_a_row_that_is_shifted_has_no_empty_extra_cell(times: int) -> None:
    good, shifted = b"Ada,36,York\n" * 3, b"Young, Cy,36,\n"
    found = read(good + (shifted + b"Bob,29,,\n") * times, dialect())
    assert found.rejects == [("extra-cell", shifted)] * times
    assert found.rows == [("Ada", "36", "York")] * 3 + [("Bob", "29", "")] * times


RAGGED = b"1\n2,3,4,5\n6,7,8\n9,a,b,c,d\n\n,\n"


@pytest.mark.parametrize("times", [1, 40])  # few rows of a width are put together one by one
def test_ragged_rows_are_rejected(times: int) -> None:
    found = read(RAGGED.replace(b"\n\n", b"\n") * times, dialect())
    codes = ["missing-cell", "extra-cell", "extra-cell", "blank-row"]
    assert [code for code, _ in found.rejects] == codes * times
    assert found.rows == [("6", "7", "8")] * times
    assert found.notes == {"short-rows": times, "extra-cells": 2 * times}


@pytest.mark.parametrize("times", [1, 40])
def test_ragged_rows_are_padded_and_cut_where_that_is_declared(times: int) -> None:
    read_as = dialect(short_rows=ShortRows.PAD, extra_cells=ExtraCells.DROP)
    found = read(RAGGED * times, read_as)
    rows = [("1", "", ""), ("2", "3", "4"), ("6", "7", "8"), ("9", "a", "b"), ("", "", "")]
    assert found.rows == rows * times
    assert found.notes == {"short-rows-padded": times, "extra-cells-dropped": 2 * times}


@pytest.mark.parametrize("times", [1, 40])
def test_extra_cells_are_kept_under_free_names(times: int) -> None:
    read_as = Dialect(
        Format.CSV, 0, rules=2, columns=("a", "extra_1", "c"), extra_cells=ExtraCells.KEEP
    )  # fmt: skip
    wide = ",".join(str(number) for number in range(300))
    found = outcome(f"1,2,3,4,5\n6,7,8\n{wide}\n".encode() * times, read_as)
    records = sorted((json.loads(record) for record in found.records), key=len)
    assert records[:2] == [
        {"a": "6", "extra_1": "7", "c": "8"},
        {"a": "1", "extra_1": "2", "c": "3", "extra_1_2": "4", "extra_2": "5"},
    ]
    assert records[2]["extra_297"] == "299"
    assert len(records[2]) == 300
    assert found.accepted == 3 * times
    assert found.rejects == []


def test_rows_that_all_have_one_cell_more_are_read_together() -> None:
    found = read(b"1,2,3,\n" * 1000 + b"4,5,6\n" + b"7,8,9,0\n", dialect())
    assert found.rows == [("1", "2", "3")] * 1000 + [("4", "5", "6")]
    assert found.rejects == [("extra-cell", b"7,8,9,0\n")]
    assert found.notes == {"empty-extra-cells": 1000, "extra-cells": 1}


@pytest.mark.parametrize("times", [1, 3000])
def test_repeated_headers_and_marks_are_passed_over(times: int) -> None:
    data = ROWS * times + b'\xef\xbb\xbfa, b ,"c"\n\xef\xbb\xbf"5",x,\xef\xbb\xbfy\na,e,d\n' + ROWS
    found = read(data, dialect())
    rest = [("5", "x", "\ufeffy"), ("a", "e", "d")]
    assert found == Read([*FOUR * times, *rest, *FOUR], [], {"repeated-header": 1, "byte-order-mark": 2})


def test_a_header_that_names_fewer_columns_is_known_again() -> None:
    read_as = Dialect(Format.CSV, 0, rules=2, columns=("column_1", "name", "city"))
    found = read(b"1,Ada,York\nname,city\n2,Bob,Cork\n", read_as)
    assert found == Read([("1", "Ada", "York"), ("2", "Bob", "Cork")], [], {"repeated-header": 1})


@pytest.mark.parametrize(
    "header", ["a,a,b", "a,,b", "a\\,b,c,d", '"a ""x""",b,c', "a  b,b,c", "country,2020,2021"]
)
def test_a_header_with_odd_names_is_known_again(header: str) -> None:
    found = read_file(f"{header}\n1,2,3\n{header}\n4,5,6\n".encode(), escape="\\")
    assert found.accepted == 2
    assert {warning.code for warning in found.warnings} - {"header-like-data"} == {"repeated-header"}


def test_a_repeated_header_at_the_end_may_end_in_another_way() -> None:
    found = read(b"1,2\r\na,b\n", dialect("ab"))
    assert found == Read([("1", "2")], [], {"repeated-header": 1, "mixed-line-endings": 1})


def test_a_single_word_is_no_repeated_header() -> None:
    assert read(b"1\na\n", dialect("a")).rows == [("1",), ("a",)]
    assert read(b"a,b\n", dialect("ab", header=False)).rows == [("a", "b")]


def test_a_second_table_is_rejected_up_to_the_next_blank_line() -> None:
    found = read(b"1,2\n\nc,d\n3,4\n\n5,6\n", dialect("ab"))
    assert found.rejects == [("second-table", b"c,d\n"), ("second-table", b"3,4\n")]
    assert found.rows == [("1", "2"), ("5", "6")]
    assert found.notes == {"second-table": 2}


def test_a_second_table_of_another_width_is_never_padded() -> None:
    found = read(b"x,y,z\n\nc,d\n3,4\n", dialect(short_rows=ShortRows.PAD))
    assert found.rejects == [("second-table", b"c,d\n"), ("second-table", b"3,4\n")]


def test_what_may_be_a_second_table_is_told() -> None:
    found = read(b"Ada,1\n\nCity,People\nYork,200\n", dialect("ab"))
    assert found.rows == [("Ada", "1"), ("City", "People"), ("York", "200")]
    assert found.notes == {"second-table": 2}


@pytest.mark.parametrize("data", [b"1,2\n\n3,n/a\n\n4,5\n\n", b"Ada,x\n\nBob,y\nCy,z\n", b"1,2\n\n\n"])
def test_blank_lines_between_records_are_ordinary(data: bytes) -> None:
    found = read(data, dialect("ab"))
    assert not found.notes
    assert not found.rejects


def test_a_lone_line_feed_is_text_in_a_file_of_crlf() -> None:
    found = read(b"1,first line\nsecond line\r\n2,x\r\n", dialect("ab", crlf=True))
    assert found == Read([("1", "first line\nsecond line"), ("2", "x")], [], {"line-ending-in-cell": 1})


def test_a_lone_line_feed_between_whole_rows_ends_one() -> None:
    found = read(b"1,x\n2,y\r\n3,z\r\n", dialect("ab", crlf=True))
    assert found == Read([("1", "x"), ("2", "y"), ("3", "z")], [], {"mixed-line-endings": 1})


@pytest.mark.parametrize("rows", [4, 20_000])
@pytest.mark.parametrize("usual", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("other", ["\r\n", "\n", "\r"])
def test_lines_that_end_otherwise_are_told_in_the_header_and_below(rows: int, usual: str, other: str) -> None:
    body = f"1,x,y{usual}" * rows
    last = f"2,x,y{other}"
    found = read_file(f"a,b,c{other}{body}{last}{body}".encode())
    told = {} if usual == other else {"mixed-line-endings": 2}
    assert {warning.code: warning.count for warning in found.warnings} == told
    assert found.accepted == 2 * rows + 1


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r"])
def test_line_endings_in_cells_are_no_endings_of_records(ending: str) -> None:
    found = read_file(f'a,b{ending}1,"x\ny\rz\r\nw\nv"{ending}2,"x\n\ny\r"{ending}'.encode())
    assert not found.warnings
    assert found.accepted == 2


def test_blanks_in_runs_are_delimiters() -> None:
    found = read(b' 1  2\t"3 4" \n\n\t5 "" 6\n', dialect(delimiter=BLANKS))
    assert found == Read([("1", "2", "3 4"), ("5", "", "6")], [], {})
