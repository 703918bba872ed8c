"""CSV: two damaged quotes near each other, and cells of several lines that look like that but are whole."""

from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.core.model import Dialect, Format
from chalicelib.rows import canonical
from tests.support.pipeline import Outcome, outcome

WORDS = st.sampled_from(["red", "blue", "York", "Cork", "Ada", "Bob"])
COLUMNS = st.lists(
    st.sampled_from(
        [
            WORDS,
            st.integers(0, 99).map(str),
            st.dates().map(str),
            st.decimals(0, 99, places=2).map(str),
        ]
    ),
    min_size=2,
    max_size=5,
)
AFTER_OPEN = ("", '""')  # what is left of the closing quote: nothing, or it was doubled


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """Return some records whose columns hold values of one type each; the last few are many enough."""
    columns = draw(COLUMNS)
    return [[draw(column) for column in columns] for _ in range(draw(st.integers(12, 20)))]


def dialect(width: int) -> Dialect:
    return Dialect(Format.CSV, data_start=0, rules=2, columns=tuple(f"c{number}" for number in range(width)))


def read(rows: Sequence[Sequence[str]]) -> Outcome:
    text = "".join(",".join(row) + "\n" for row in rows)
    return outcome(text.encode(), dialect(len(rows[0])))


def records_of(rows: Sequence[Sequence[str]]) -> set[str]:
    return {canonical.record({f"c{number}": cell for number, cell in enumerate(row)}) for row in rows}


def told(found: Outcome) -> list[str]:
    return [warning.code for warning in found.warnings]


@given(tables(), st.integers(0, 5), st.integers(0, 4), st.sampled_from(AFTER_OPEN))
def test_two_records_never_become_one_in_silence(
    rows: list[list[str]], at: int, column: int, after: str
) -> None:
    column %= len(rows[0])
    others = [*rows[:at], *rows[at + 2 :]]
    rows[at][column] = f'"{rows[at][column]}{after}'
    rows[at + 1][column] += '"'
    found = read(rows)
    assert told(found) == ["rows-in-cell"]
    assert records_of(others) <= found.records


@given(tables(), st.integers(0, 3), st.integers(1, 3), st.integers(0, 4), st.integers(0, 4))
def test_two_quotes_that_are_never_closed_cost_two_records(
    rows: list[list[str]], at: int, gap: int, one: int, two: int
) -> None:
    width = len(rows[0])
    one, two = one % width, two % width
    others = [row for number, row in enumerate(rows) if number not in (at, at + gap)]
    rows[at][one] = f'"{rows[at][one]}'
    rows[at + gap][two] = f'"{rows[at + gap][two]}'
    found = read(rows)
    assert [code for code, _ in found.rejects] == ["unterminated-quote"] * 2
    assert found.records == records_of(others)


PLAIN = (
    "1 High St\nYork, UK",
    "Flat 2, High St\nYork",
    "The price went from\n1,000 to 2",
    "Ada: yes,\nBob: no",
    '{""a"":1,\n""b"":2}',
    "one line\nand another one",
)


@pytest.mark.parametrize("text", PLAIN)
@given(st.integers(2, 4), st.integers(0, 3), st.integers(0, 5))
def test_a_text_of_two_lines_is_a_cell(text: str, width: int, column: int, at: int) -> None:
    assume(column < width)
    rows = [[f"{number}x{place}" for place in range(width)] for number in range(8)]
    rows[at][column] = f'"{text}"'
    found = read(rows)
    assert (told(found), found.accepted, found.rejects) == ([], 8, [])


def test_lists_in_other_records_as_well_are_no_accident() -> None:
    rows = [[f"{number}x", '"red,big\nblue,small"', f"{number}y"] for number in range(8)]
    found = read([*rows, ["8x", '"red,big"', "8y"]])
    assert (told(found), found.accepted) == ([], 9)


def test_lines_of_other_records_as_well_are_no_accident() -> None:
    rows = [[str(number), '"8,9\n10,11"' if number == 2 else '"8\n9"', "1"] for number in range(6)]
    found = read(rows)
    assert (told(found), found.accepted) == ([], 6)
