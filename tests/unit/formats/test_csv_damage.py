"""CSV under rules 2: a damaged record costs no other one its value, and every cut decides alike."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from chalicelib.core.model import Dialect, Format
from chalicelib.rows import canonical
from chalicelib.rows.text import normalise
from tests.support import csv_reference
from tests.support.examples import many
from tests.support.pipeline import outcome


def dialect(width: int = 3, **changes: Any) -> Dialect:
    names = tuple(f"c{number}" for number in range(width))
    return Dialect(Format.CSV, data_start=0, rules=2, columns=names, **changes)


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
        "a,b,c\n",
        "\\",
        "\t",
    ),
    *('"a,b\n', 'c"\n', 'a,"b"c,d\n', "é", "\ufeff", "c0,c1,c2\n", ",,\n"),
)
NASTY = st.lists(
    st.sampled_from([token.encode() for token in TOKENS] + [b"\0", b"\xff"]), max_size=40
).map(b"".join)  # fmt: skip
DIALECTS = {
    "plain": dialect(),
    "two columns": dialect(2),
    "one column": dialect(1),
    "escapes": dialect(escape="\\"),
    "comments": dialect(comment="a"),
    "blanks": dialect(delimiter="blanks"),
    "blanks after delimiters": dialect(skip_initial_space=True),
    "CRLF": dialect(2, crlf=True),
    "no quotes, CRLF": dialect(quote="", crlf=True),
}


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=many(150))
@given(NASTY, st.integers(1, 60), st.integers(1, 60), st.sampled_from([3, 17, 1000]))
@example(b'a,"b,c\n' + b"a,b,c\n" * 5 + b'a,b"c,"d\n', 8, 5, 1000)
@example(b'"a\n' + b"a,b,c\n" * 6 + b'",b,c\na,b,c\na,b,c\na,b,c\n', 8, 5, 17)
@example(b'a,"b,c\na,b,c\na,"b,c\n' + b"a,b,c\n" * 5, 8, 5, 17)
@example(b'a,"b,c\na,b,c\na,"b,c\n' + b"a,b,c\n" * 5 + b'a,"b",c\n', 8, 5, 1000)
@example(b'a,"b,c\na,b",c\n' * 2 + b"a,b,c\n" * 5, 8, 5, 17)
@example(b"a,b\nc\r\na,b\r\n\na\nb\nc,d\r\n", 3, 2, 1000)
def test_any_cut_gives_the_same(name: str, data: bytes, block_size: int, chunk: int, max_record: int) -> None:
    read_as = DIALECTS[name]
    found = outcome(data, read_as, block_size=block_size, chunk=chunk, max_record=max_record)
    whole = outcome(data, read_as, max_record=max_record)
    # another table is told, or rejected, as far as a block shows it
    assume("second-table" not in {code for code, _ in [*found.rejects, *whole.rejects]})
    assert replace(found, warnings=()) == replace(whole, warnings=())  # notes look at a block at a time


@dataclass(frozen=True)
class Style:
    """A way to write CSV."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = ""
    ending: str = "\n"
    always_quoted: bool = False

    @property
    def dialect(self) -> dict[str, Any]:
        return {
            "delimiter": self.delimiter,
            "quote": self.quote,
            "escape": self.escape or None,
            "crlf": self.ending == "\r\n",
        }

    def cell(self, text: str) -> str:
        special = (self.delimiter, "\n", "\r", self.quote)
        if not self.quote:
            return "".join(char for char in text if char not in special or not char)
        if not self.always_quoted and not any(char in text for char in special):
            return self.escaped(text)
        if self.escape:
            return self.quote + self.escaped(text).replace(self.quote, self.escape + self.quote) + self.quote
        return self.quote + text.replace(self.quote, self.quote * 2) + self.quote

    def escaped(self, text: str) -> str:
        return text.replace(self.escape, self.escape * 2) if self.escape else text

    def text(self, cell: str) -> str:
        """Return what is left of a cell that is written so."""
        return cell if self.quote else self.cell(cell)

    def row(self, cells: list[str]) -> str:
        return self.delimiter.join(map(self.cell, cells)) + self.ending


STYLES = [
    *(Style(delimiter) for delimiter in ",;\t|:^~\x01"),
    *(Style(quote="'"), Style(quote=""), Style(escape="\\"), Style(always_quoted=True)),
    *(Style(ending="\r\n"), Style(";", "'", "\\", "\r\n", always_quoted=True)),
]


def damaged(row: str, style: Style, kind: str, at: int) -> str:
    """Return a record that was damaged at or near a place."""
    content = row.removesuffix(style.ending)
    place = at % (len(content) + 1)
    quotes = [index for index, char in enumerate(content) if char == style.quote]
    missing = quotes[at % len(quotes)] if quotes else len(content)
    before, after = content[:place], content[place:]
    outcomes = {
        "cell more": content + style.delimiter + "x",
        "cell less": content.rpartition(style.delimiter)[0],
        "stray quote": before + style.quote + after,
        "quote left open": content[:missing] + content[missing + 1 :],  # a quote is missing
        "quote closed early": before + style.quote + "x" + after,
        "bad byte": before + "\udcff" + after,
        "NUL": before + "\0" + after,
        "cut short": before,
    }
    return outcomes[kind] + style.ending


KINDS = (
    *("cell more", "cell less", "stray quote", "quote left open", "quote closed early"),
    *("bad byte", "NUL", "cut short"),
)
CELLS = st.lists(
    st.sampled_from(["a", "b", "c d", ",", ";", '"', "'", "\n", "\\", "\r\n", "5", "é"]), max_size=5
).map("".join)


def holds_a_record(rows: list[list[str]], style: Style) -> bool:
    """Return whether a cell holds a line that could be a record of the table by itself.

    Where the quotes around such a cell are damaged, a line in it cannot be told from a record.
    """
    lines = (line for row in rows for cell in row for line in cell.replace("\r", "\n").split("\n"))
    return any(line.count(style.delimiter) >= len(rows[0]) - 1 for line in lines)


def is_regular_by_chance(text: bytes, read_as: Dialect, start: int, end: int) -> bool:
    """Return whether the damaged record at ``start`` is regular, but has another end than was written.

    Then a quote of the next one closes a cell of it, and what follows may be regular, too.
    """
    lines, error = csv_reference.read(text, read_as)
    if error is not None and error.start == start:
        return False
    return not any(line.start == start and line.end == end for line in lines)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=many(200), suppress_health_check=[HealthCheck.filter_too_much])
@given(st.data())
def test_no_other_record_gets_a_value_that_it_does_not_have(kind: str, data: st.DataObject) -> None:
    style = data.draw(st.sampled_from(STYLES))
    width = data.draw(st.integers(2, 4))
    rows = data.draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=2, max_size=8))
    assume(not holds_a_record(rows, style))
    victim = data.draw(st.integers(0, len(rows) - 1))
    lines = [style.row(row) for row in rows]
    lines[victim] = damaged(lines[victim], style, kind, data.draw(st.integers(0, 30)))
    encoded = [line.encode("utf-8", "surrogateescape") for line in lines]
    text, read_as = b"".join(encoded), dialect(width, **style.dialect)
    start = sum(map(len, encoded[:victim]))
    assume(not is_regular_by_chance(text, read_as, start, start + len(encoded[victim])))
    found = outcome(text, read_as)
    others = {record_of(row, style) for index, row in enumerate(rows) if index != victim}
    strange = found.records - others
    if kind in {"cell more", "bad byte", "NUL"}:
        assert strange == set()
    else:  # the damaged record may be one still, with another value
        assert len(strange) <= 1


def record_of(row: list[str], style: Style) -> str:
    values = (normalise(style.text(cell)) for cell in row)
    return canonical.record({f"c{number}": value for number, value in enumerate(values)})
