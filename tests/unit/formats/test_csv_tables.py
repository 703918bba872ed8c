"""A CSV file that holds several tables: no record is loaded under the names of another one in silence."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.model import ExtraCells, ShortRows
from tests.support.pipeline import Outcome, read_file

SECOND = "second-table"
WORDS = [
    *("amber", "birch", "cedar", "daisy", "elder", "fern", "ginger", "hazel", "iris", "jasmine"),
    *("lilac", "maple", "nettle", "olive", "poppy", "rowan", "sage", "tulip", "violet", "willow"),
]


def codes(found: Outcome) -> set[str]:
    return {warning.code for warning in found.warnings}


def first_table(rows: int) -> str:
    return "id,name,amount\n" + "".join(f"{row},person {row},{row * 3}.50\n" for row in range(rows))


@st.composite
def second_tables(draw: st.DrawFn) -> str:
    """Return the lines of a table of texts, or of texts and numbers, two to four columns wide."""
    width, height = draw(st.integers(2, 4)), draw(st.integers(2, 6))
    words = draw(st.permutations(WORDS))
    names = [f"{word}_name" for word in words[:width]]
    rows = [
        [f"{word} {words[row]}" for word in words[-width:-1]]
        + [draw(st.sampled_from([words[row], f"{row}"]))]
        for row in range(height)
    ]
    padding = draw(st.sampled_from(["", "," * max(3 - width, 0)]))
    return "".join(",".join(row) + padding + "\n" for row in [names, *rows])


@given(
    line=st.sampled_from(["", "\n", ",,\n"]),
    title=st.sampled_from(["", "Customers\n", "Customers,,\n"]),
    table=second_tables(),
    rows=st.integers(3, 80),
    keeps=st.booleans(),
)
def test_a_table_of_texts_under_numbers_is_never_silent(
    line: str, title: str, table: str, rows: int, keeps: bool
) -> None:
    data = first_table(rows) + line + title + line * bool(title) + table
    short_rows = ShortRows.PAD if keeps else ShortRows.REJECT
    extra_cells = ExtraCells.KEEP if keeps else ExtraCells.REJECT
    found = read_file(data.encode(), short_rows=short_rows, extra_cells=extra_cells)
    specific = {SECOND, "lines-before-header"}
    if not line:  # a few wider records, as declared
        specific.add("extra-cells-kept")
    told = codes(found) & specific
    assert told or len(found.rejects) >= table.count("\n")


@pytest.mark.parametrize("line", ["\n", ",,\n"])
@pytest.mark.parametrize("title", ["", "Customers\n", "Customers,,\n"])
def test_a_table_of_texts_behind_a_blank_line_is_rejected_with_its_title(line: str, title: str) -> None:
    data = first_table(8) + line + title + "name,city,note\nAda,York,good\nBob,Cork,fine\n"
    found = read_file(data.encode())
    assert found.accepted == 8
    assert [code for code, _ in found.rejects if code != "blank-row"] == [SECOND] * (3 + bool(title))


def test_a_narrower_table_is_not_padded() -> None:
    data = first_table(8) + "\nname,city\nAda,York\nBob,Cork\n"
    found = read_file(data.encode(), short_rows=ShortRows.PAD)
    assert (found.accepted, codes(found)) == (8, {SECOND})


def test_a_table_in_the_midst_of_a_large_file_is_told() -> None:
    data = first_table(30_000) + "name,city,note\n" + "Ada,York,good\n" * 3 + first_table(30_000)
    found = read_file(data.encode())
    assert codes(found) >= {SECOND, "repeated-header"}


@given(st.permutations(WORDS), st.integers(2, 6), st.integers(1, 40), st.data())
def test_rows_under_a_header_in_another_order_are_rejected_up_to_the_next_header(
    words: list[str], width: int, rows: int, data: st.DataObject
) -> None:
    names = words[:width]
    other = data.draw(st.permutations(names).filter(lambda order: order != names))
    body = "".join(",".join(f"{word} {row}" for word in words[-width:]) + "\n" for row in range(rows))
    again = "".join(",".join(f"{row} {word}" for word in words[-width:]) + "\n" for row in range(rows))
    head = ",".join(names) + "\n"
    found = read_file(f"{head}{body}{','.join(other)}\n{body}{head}{again}".encode())
    assert codes(found) == {SECOND, "repeated-header"}
    assert [code for code, _ in found.rejects] == [SECOND] * (rows + 1)
    assert len(found.records) == 2 * rows


@pytest.mark.parametrize("other", ["id,name,price", "name,id,amount", "id,label,amount", " amount , id,name"])
def test_a_header_with_another_name_is_no_record(other: str) -> None:
    found = read_file(f"{first_table(9)}{other}\n1,a,2\n".encode())
    assert (found.accepted, codes(found)) == (9, {SECOND})


@pytest.mark.parametrize("other", ["id,name", "id,name,amount,color"])
@pytest.mark.parametrize("options", [{}, {"short_rows": ShortRows.PAD, "extra_cells": ExtraCells.KEEP}])
def test_a_header_with_a_name_more_or_less_is_no_record(other: str, options: dict[str, Any]) -> None:
    rows = "1,a,2,3"[: 2 * other.count(",") + 1]
    found = read_file(f"{first_table(9)}{other}\n{rows}\n".encode(), **options)
    assert found.accepted == 9
    assert codes(found) <= {SECOND, "short-rows", "extra-cells"}


PLAIN = {
    "codes that end in letters": "".join(f"{code},word {code},3\n" for code in [*range(60), "A", "B", "C"]),
    "texts for missing numbers": "1,a,2\n" * 30 + "NA,b,unknown\n" + "2,c,3\n" * 3 + "n/a,d,-\n",
    "empty records": "1,a,2\n" * 5 + ",,\n,,\n" + "2,b,3\n,,\n3,c,4\n,,\n",
    "groups": "1,a,2\n" * 5 + "\nNorth,b,3\n4,c,4\n5,c,7\n",
    "names of columns in texts": "1,the name,2\n2,amount,3\n3,id,4\n4,name,5\n",
}


@pytest.mark.parametrize("body", PLAIN.values(), ids=PLAIN)
def test_one_table_is_not_told(body: str) -> None:
    found = read_file(f"id,name,amount\n{body}".encode())
    assert not codes(found)
    assert {code for code, _ in found.rejects} <= {"blank-row"}
