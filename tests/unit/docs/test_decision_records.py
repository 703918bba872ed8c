"""Architecture decision records have one form, and the index lists them."""

import re
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.docpages import CODE, ROOT, page, table

FOLDER = ROOT / "docs" / "adr"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
LONGEST = 110  # characters of a line; a row of a table is one line and may be longer
SHORT, LONG = 80, 320  # words
STATUS = r"Accepted|Superseded by \[(?P<number>\d{4})\]\((?P=number)-[a-z0-9-]+\.md\)"
FORM = re.compile(
    r"# (?P<title>[^\n]+)\n\n"
    rf"Date: (?P<date>\d{{4}}-\d\d-\d\d)\. Status: (?P<status>{STATUS})\.\n\n"
    r"## Context\n\n.+\n\n## Decision\n\n.+\n\n## Consequences\n\n.+\n",
    re.DOTALL,
)


class Record(NamedTuple):
    title: str
    date: str
    status: str
    successor: str | None


def read(path: Path) -> Record:
    found = FORM.fullmatch(path.read_text("utf-8"))
    assert found, path.name
    return Record(found["title"], found["date"], found["status"], found["number"])


def test_records_are_numbered_without_a_gap_in_the_order_of_their_dates() -> None:
    assert all(re.fullmatch(r"\d{4}(-[a-z0-9]+)+", path.stem) for path in RECORDS)
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))
    dates = [date.fromisoformat(read(path).date) for path in RECORDS]
    assert dates == sorted(dates)


def test_the_index_lists_every_record_and_no_other() -> None:
    rows = table(page("adr/index.md"), "number", "title", "date", "status")

    assert rows == [
        [f"[{path.name[:4]}]({path.name})", *record[:3]] for path in RECORDS for record in [read(path)]
    ]
    assert {path.name for path in FOLDER.iterdir()} == {"index.md", *(path.name for path in RECORDS)}


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_is_short(path: Path) -> None:
    text = path.read_text("utf-8")

    assert [line for line in text.splitlines() if len(line) > LONGEST and not line.startswith("|")] == []
    assert SHORT <= len(CODE.sub("", text).split()) <= LONG


def test_the_successor_of_a_superseded_record_is_a_later_record_that_names_it() -> None:
    superseded = [(path, successor) for path in RECORDS if (successor := read(path).successor)]

    assert superseded
    for path, successor in superseded:
        assert successor > path.name[:4]
        (later,) = (it for it in RECORDS if it.name.startswith(successor))
        assert path.name in later.read_text("utf-8"), later.name
