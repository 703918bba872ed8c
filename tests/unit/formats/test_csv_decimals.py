"""Which columns of a CSV file are numbers with a decimal comma."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.formats.csv.detection.decimals import MAX_RECORDS, MOST_EXCEPTIONS, decimal_columns
from tests.support import european_numbers as european
from tests.support.european_numbers import Written
from tests.support.labelled_columns import NUMBERS as NUMBER_KINDS
from tests.support.labelled_columns import OTHERS as OTHER_KINDS
from tests.support.labelled_columns import labelled_column

MANY = 500

NUMBERS: dict[str, Sequence[str]] = {
    "decimal commas": ["12,5", "3,40", "-0,75"],
    "groups, with and without decimals": ["1,50", "1.234", "1.234,56", "-12.000", "12", "10 237,65"],
    "a point between groups, as declared": ["1.234"],
    "millions": ["1.234.567", "234.567"],
    "integers": ["12", "7"],
    "integers with leading zeros": ["007", "012"],
    "small numbers": [",5", "0,05"],
    "signs": ["+1,5", "\u22122,5", "3,50-"],
    "exponents": ["1,5E+03", "2,25e-4"],
    "narrow blanks": ["1\u202f234"],
    "no-break blanks": ["1\xa0234"],
    "apostrophes": ["1'234", "12\u2019345"],
    "blanks beside decimals": ["75 001", "1,5"],
    "blanks beside small numbers": ["12 345", "987"],
    "numbers of four groups beside decimals": ["192.168.178.101", "1,5"],
    "values that are missing": ["", " ", "1,5", ""],
    "words for a missing value": ["NA", "n/a", "-", "\u2013", "#NV", "1,5", "NULL", "?"],
    "a line of units": ["EUR", "1,5"],
    "one text among many numbers": [*["1,5"] * MANY, "see below"],
    "some texts among numbers": [*["1,5"] * 40, "see below", "tbd", "3.5.1", "?a"],
    "as many decimal points as commas": ["-1,50", "1.5"],
    "decimal commas that could be groups": ["1,234", "12,345"],
    "a few decimal points among many commas": [*["1.234,5"] * MANY, "12.5"],
}
OTHERS: dict[str, Sequence[str]] = {
    "part numbers": ["12,5", "3,40", "A-7", "7,77", "1", "1"],
    "a text first": ["A-7", "12,5", "3,40"],
    "more than some texts": [*["1,5"] * MANY, *["see below"] * (MANY // 8)],
    "some codes among numbers": [*["1,5"] * 40, "A-7"],
    "some texts among codes with points": [*["1.234"] * 40, "see below", "tbd"],
    "some texts among integers": [*["12"] * 40, *["1,5"] * 10, "see below", "tbd"],
    "nothing": [],
    "empty cells": ["", " "],
    "words for a missing value, only": ["NA", "-"],
    "names": ["Ada", "Bob"],
    "dates": ["01.03.2025", "2.3.2025"],
    "times": ["12:30", "07:15"],
    "decimal points": ["12.5", "3.40"],
    "decimal points of three places": ["1.234", "0.123"],
    "decimal points among integers": [*["12"] * MANY, "12.5"],
    "a decimal point among numbers with two readings": [*["1.234"] * MANY, "12.5"],
    "more decimal points than commas": ["12.5", "12.5", "1,5"],
    "decimal points beside numbers with two readings": ["1,234", "12.5", "3,4"],
    "commas between groups": ["1,234", "1,234,567", "1,234.56"],
    "telephone numbers": ["030 123 456", "0171 234 567"],
    "telephone numbers without a zero": ["612 345 678", "+34 612 345 678", "91 234 567"],
    "postal codes": ["75 001", "92 100"],
    "IP addresses": ["192.168.178.101", "192.168.178.123", "10.0.0.1"],
    "IP addresses that look like numbers": ["192.168.178.101", "192.168.178.123"],
    "version numbers": ["1.2.3", "1.10.0"],
    "groups of two": ["12.34.56"],
    "money with its sign": ["12,50 €", "3,40 €"],
    "mixed separators": ["1.234 567,5"],
}


def is_numbers(cells: Sequence[str], **declared: Sequence[str]) -> bool:
    return decimal_columns([[cell] for cell in cells], ["a"], **declared) == ("a",)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_column_of_numbers_is_found(name: str) -> None:
    assert is_numbers(NUMBERS[name])


@pytest.mark.parametrize("name", OTHERS)
def test_another_column_is_none(name: str) -> None:
    assert not is_numbers(OTHERS[name])


def test_declared_missing_values_are_no_values() -> None:
    assert not is_numbers(["1,5", "keine"])
    assert is_numbers(["1,5", "keine"], missing=["keine"])


def test_columns_are_named_in_the_order_of_the_file() -> None:
    rows = [["1,5", "x", "1.234", ""], ["2,5", "1,5", "1,0", ""]]
    assert decimal_columns(rows, ["d", "c", "b", "a"]) == ("d", "b")


def test_ragged_records_are_no_evidence_beside_whole_ones() -> None:
    rows = [["1,5", "Ada"], ["x", "2,5", "Ada"], ["y"], ["2,5", "Bob"]]
    assert decimal_columns(rows, ["a", "b"]) == ("a",)


def test_records_that_all_lack_a_cell_are_evidence_for_the_others() -> None:
    assert decimal_columns([["1,5", "x"], ["2,5", "y"]], ["a", "b", "c"]) == ("a",)


def test_so_many_records_are_looked_at() -> None:
    rows = [["1,5"]] * MAX_RECORDS
    assert decimal_columns([*rows, *[["A-7"]] * MAX_RECORDS], ["a"]) == ("a",)


@pytest.mark.parametrize("size", [3, 8, 60, 400])
def test_labelled_columns_are_told_apart(size: int) -> None:
    source = random.Random(size)
    columns = [labelled_column(source, size) for _ in range(300)]
    wrong = {column.kind for column in columns if is_numbers(column.cells) != column.is_numbers}

    assert {column.kind for column in columns} == NUMBER_KINDS.keys() | OTHER_KINDS.keys()
    assert not wrong


@given(european.columns())
def test_a_column_in_any_style_is_one_of_numbers(column: list[Written]) -> None:
    assert is_numbers([written.text for written in column])


@given(st.integers(0, 5), st.integers(1, MANY))
@example(5, 44)
@example(5, 45)
def test_a_small_share_may_be_texts(texts: int, numbers: int) -> None:
    cells = ["1,5"] * numbers + ["see below"] * texts
    assert is_numbers(cells) == (texts <= MOST_EXCEPTIONS * len(cells))


@given(st.lists(st.sampled_from(["1,5", "1.234", "12", "A-7", "", "75 001", "12.5", "01.03.2025"])))
def test_the_order_of_the_records_is_no_evidence(cells: list[str]) -> None:
    units = [["EUR"]]  # so that no record is taken for a line of units but this one
    rows = [[cell] for cell in cells]
    assert decimal_columns(units + rows, ["a"]) == decimal_columns(units + rows[::-1], ["a"])
