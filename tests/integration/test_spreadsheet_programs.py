"""A rejects file is opened by a spreadsheet program, saved by it, and loaded again."""

import csv
import io
import json
import random
from pathlib import Path

import pytest

from tests.support.pipeline import look, read_file
from tests.support.spreadsheet import PROGRAM, cells_of, saved_by
from tests.support.whole_rejects import rejects_file

RECORDS = 2_000
# What programs change: formulas, numbers, dates, truth values, and what is near to them
PIECES = (
    *(
        "007",
        "1.50",
        "1,234",
        "12345678901234567",
        "42",
        "0",
        "99999999999",
        "3/4",
        "1e5",
        "0x1F",
        "5",
        "2024",
    ),
    *("-5", "+49 30 1234", "=1+1", "@SUM(A1)", '=HYPERLINK("http://a.example","x")', "'", "'=x", "\uff1d1"),
    *(
        "2024-01-05",
        "5 Jan",
        "MAR",
        "SEPT2",
        "12:30",
        "pm",
        "T",
        "Z",
        "true",
        "FALSE",
        "x",
        "Main St",
        "km",
        "id",
    ),
    *(
        " ",
        "-",
        "/",
        ".",
        ":",
        "%",
        "$",
        "€",
        "(",
        ")",
        "½",
        "é",
        "年",
        "месяц",
        '"',
        ";",
        "\n",
        "nan",
        "inf",
        "NULL",
    ),
)


@pytest.mark.parametrize("program", [PROGRAM])  # for its name in the report
def test_rejects_come_through_a_spreadsheet_program_unchanged(program: str, tmp_path: Path) -> None:
    rows = _rows(random.Random(1), RECORDS)
    original = _written([["id", "1.50", "name", "note", "last"], *rows])
    # The last cell of each record is missing: all are rejected, split into their cells.
    dialect = look(original, delimiter=",", quote='"', escape="", header=True, skip_lines=0)
    made = rejects_file(original, dialect)
    path = tmp_path / "rejects.csv"
    path.write_bytes(made)

    saved = saved_by(program, path, tmp_path)
    again = read_file(saved)

    assert len(cells_of(made)) == 1 + RECORDS
    assert cells_of(saved) == cells_of(made)
    assert not again.rejects
    assert {tuple(json.loads(record).items()) for record in again.records} == {
        tuple(json.loads(record).items()) for record in _loaded(rows)
    }


def _rows(chance: random.Random, count: int) -> list[list[str]]:
    """Return records of four cells, of which the first is their number."""
    return [[f"r{number}", *(_cell(chance) for _ in range(3))] for number in range(count)]


def _cell(chance: random.Random) -> str:
    return "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 4)))


def _written(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _loaded(rows: list[list[str]]) -> set[str]:
    """Return the records that Sluice stores of such rows."""
    padded = _written([["id", "1.50", "name", "note", "last"], *([*row, ""] for row in rows)])
    return read_file(padded, delimiter=",", quote='"', escape="", header=True, skip_lines=0).records
