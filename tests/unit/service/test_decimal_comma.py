"""Files with decimal commas: every block decides alike, and values that are not numbers are told."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.model import Dialect
from chalicelib.formats import format_of
from chalicelib.formats.interface import Note
from chalicelib.reading.blocks import Segment
from chalicelib.reading.head import HEAD_SIZE
from chalicelib.service.transform import Rejected, RejectRuns, _Printer
from tests.support import european_numbers as european
from tests.support.examples import many
from tests.support.pipeline import look, outcome

FILE = b"""\
datum;betrag;gps;teil
01.03.2025;1,50;52,13;12,5
02.03.2025;1.234;48,1;3,40
03.03.2025;1.234,56;9,9;A-7
04.03.2025;-12.000;0,1;7,77
05.03.2025;12;1,0;1
06.03.2025;10 237,65;1,0;1
"""


def numbered(**columns: Sequence[str]) -> bytes:
    """Return a file with these columns and one, `n`, that numbers the records."""
    names, cells = ["n", *columns], zip(*columns.values(), strict=True)
    lines = [";".join(names), *(";".join([f"R{no}", *row]) for no, row in enumerate(cells, start=1))]
    return ("\n".join(lines) + "\n").encode()


def notes(data: bytes, dialect: Dialect) -> list[Note]:
    """Return what is told of a file that is one segment."""
    file_format = format_of(dialect)
    segment = Segment(dialect.data_start, data[dialect.data_start :], regular=True)
    printer = _Printer(file_format, dialect, RejectRuns(dialect, list[Rejected]().append))
    return [
        note for batch in file_format.decode(segment, dialect) for note in printer.print_batch(batch).notes
    ]


@pytest.mark.parametrize("block_size", [1, 64, 1 << 20])
def test_numbers_are_read_in_columns_of_numbers_only(block_size: int) -> None:
    dialect = look(FILE, delimiter=";", decimal=",")
    records = sorted(map(json.loads, outcome(FILE, dialect, block_size=block_size).records), key=str)

    assert dialect.decimal_columns == ("betrag", "gps")
    assert sorted(record["betrag"] for record in records) == sorted(
        ["1.50", "1234", "1234.56", "-12000", "12", "10237.65"]
    )
    assert sorted(record["gps"] for record in records) == ["0.1", "1.0", "1.0", "48.1", "52.13", "9.9"]
    assert sorted(record["teil"] for record in records) == ["1", "1", "12,5", "3,40", "7,77", "A-7"]
    assert {record["datum"] for record in records} == {f"0{day}.03.2025" for day in range(1, 7)}


def test_a_block_without_a_decimal_comma_is_read_as_the_head_says() -> None:
    data = numbered(a=["1,50", *["1.234"] * 50])
    found = outcome(data, look(data, delimiter=";", decimal=","), block_size=1)

    assert len(found.blocks) == 51
    assert [json.loads(record)["a"] for record in found.records].count("1234") == 50


def test_a_value_behind_the_head_that_is_no_number_stays() -> None:
    data = numbered(a=["1,50"] * 200_000 + ["see below", "1.2", "2,50"])
    dialect = look(data, delimiter=";", decimal=",")
    records = [json.loads(record) for record in outcome(data, dialect).records]

    assert len(data) > HEAD_SIZE
    assert {record["a"] for record in records} == {"1.50", "see below", "1.2", "2.50"}


def test_values_that_are_no_numbers_are_told_with_the_first_place() -> None:
    data = numbered(a=["1,50"] * 200 + ["x", "2,50"], b=["7"] * 201 + ["y"])
    assert notes(data, look(data, delimiter=";", decimal=",")) == [Note("decimal-not-applied", 2, 200)]


def test_numbers_in_other_columns_are_told() -> None:
    dialect = look(FILE, delimiter=";", decimal=",")
    assert notes(FILE, dialect) == [Note("number-in-text-column", 3, 0)]


def test_the_place_of_a_note_counts_rejected_records() -> None:
    data = b"a;b\n" + b"1,5;7\n" * 300 + b"1\n1;2;3\nx;7\n"
    dialect = look(data, delimiter=";", decimal=",")
    assert notes(data, dialect) == [Note("decimal-not-applied", 1, 302)]


def test_without_a_decimal_comma_nothing_is_told() -> None:
    assert notes(FILE, look(FILE, delimiter=";")) == []
    assert look(FILE, delimiter=";").decimal_columns is None


def test_missing_values_and_dates_are_heeded() -> None:
    data = numbered(
        a=["1,50", "k. A.", "1.234", "12"],
        b=["24.9.2025", "1.234", "k. A.", "25.9.2025"],
        c=["1,5", "2.500", "24.09.2025", "3"],
    )
    options: dict[str, Any] = {"missing_values": ("k. A.",), "date_order": "DMY"}
    dialect = look(data, delimiter=";", decimal=",", **options)
    records = {it["n"]: it for it in map(json.loads, outcome(data, dialect).records)}

    assert dialect.decimal_columns == ("a",)
    assert [records[f"R{no}"].get("a") for no in (1, 2, 3, 4)] == ["1.50", None, "1234", "12"]
    assert [records[f"R{no}"].get("b") for no in (1, 2, 3, 4)] == ["2025-09-24", "1.234", None, "2025-09-25"]
    assert [records[f"R{no}"].get("c") for no in (1, 2, 3, 4)] == ["1,5", "2.500", "2025-09-24", "3"]


def test_a_job_that_began_under_the_first_rules_is_finished_under_them() -> None:
    dialect = replace(look(FILE, delimiter=";", decimal=","), rules=1, decimal_columns=None)
    records = [json.loads(record) for record in outcome(FILE, dialect).records]

    assert {record["betrag"] for record in records} == {
        *("1.50", "1.234", "1.234,56", "-12.000", "12", "10 237,65"),
    }
    assert {record["teil"] for record in records} == {"12.5", "3.40", "A-7", "7.77", "1"}
    assert notes(FILE, dialect) == []


@settings(max_examples=many(50))
@given(
    st.lists(european.columns(min_size=3, max_size=3), min_size=1, max_size=4),
    st.sampled_from([1, 20, 1 << 20]),
)
def test_numbers_in_any_style_are_read(columns: list[list[european.Written]], block_size: int) -> None:
    data = numbered(**{f"c{no}": [it.text for it in column] for no, column in enumerate(columns)})
    found = outcome(data, look(data, delimiter=";", decimal=","), block_size=block_size)

    assert {tuple(json.loads(record).values()) for record in found.records} == {
        (*(column[row].plain for column in columns), f"R{row + 1}") for row in range(3)
    }
