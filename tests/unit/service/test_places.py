"""The places of rejects: lines as a text editor counts them, rows as a spreadsheet program does."""

import csv
import io
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.model import Format
from tests.support.pipeline import look, outcome

WIDTH = 3
texts = st.text(st.sampled_from('ab ,"\n\r;é'), max_size=5)
rows = st.lists(texts, min_size=WIDTH, max_size=WIDTH)
ragged = st.lists(texts, min_size=WIDTH + 1, max_size=WIDTH + 2) | st.lists(texts, min_size=1, max_size=1)
endings = st.sampled_from(["\n", "\r\n", "\r"])


def quoted(cell: str) -> str:
    """Return a cell with quotes where it needs them."""
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\r\n') else cell


def rows_by_csv(text: str) -> dict[tuple[int, int], list[str]]:
    """Return the cells of each row, by its line and its number, from 1."""
    reader = csv.reader(io.StringIO(text, newline=""))
    found, line = {}, 1
    for number, cells in enumerate(reader, start=1):
        found[line, number] = cells
        line = reader.line_num + 1
    return found


def places(blocks: Sequence[PreparedBlock]) -> list[tuple[int, int]]:
    """Return line and row, from 1, of each reject."""
    found, lines, sheet_rows = [], 0, 0
    for block in blocks:
        assert block.lines is not None
        assert block.sheet_rows is not None
        for reject in block.rejects:
            assert reject.line is not None
            assert reject.sheet_row is not None
            found.append((lines + reject.line + 1, sheet_rows + reject.sheet_row + 1))
        lines, sheet_rows = lines + block.lines, sheet_rows + block.sheet_rows
    return found


@given(
    preamble=st.lists(st.just([]) | st.just(["title"]), max_size=3),
    header=st.permutations(["id", "na\nme", "city"]),
    table=st.lists(rows | ragged | st.just([]), max_size=12),
    ending=endings,
    block_size=st.sampled_from([16, 64, 1 << 20]),
)
@example([], ["id", "na\nme", "city"], [["", "", "", ""], ["", "", "\nab\n"]], "\r", 64)
def test_places_are_those_of_python(
    preamble: list[list[str]], header: list[str], table: list[list[str]], ending: str, block_size: int
) -> None:
    good = [["1", "ann", "York"], ["2", "bob", "Bonn"], ["3", "cyd", "Rome"]]
    text = "".join(",".join(map(quoted, cells)) + ending for cells in [*preamble, header, *good, *table])
    dialect = look(
        text.encode(),
        Format.CSV,
        delimiter=",",
        quote='"',
        escape="",
        skip_lines=len(preamble),
        header=True,
        skip_initial_space=False,
    )
    found = outcome(text.encode(), dialect, block_size=block_size)
    expected = rows_by_csv(text)
    rejected = places(found.blocks)
    assert all(
        len(expected[place]) != WIDTH or not any(map(str.strip, expected[place])) for place in rejected
    )
    too_long = [place for place, cells in expected.items() if any(cell.strip() for cell in cells[WIDTH:])]
    assert set(too_long) <= set(rejected)
