"""CSV under rules 2: a damaged record costs no other one its value, and every cut decides alike."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from chalicelib.core.model import Dialect, Format
from chalicelib.rows import canonical
from chalicelib.rows.text import normalise
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
@settings(max_examples=150)
@given(NASTY, st.integers(1, 60), st.integers(1, 60), st.sampled_from([3, 17, 1000]))
@example(b'a,"b,c\n' + b"a,b,c\n" * 5 + b'a,b"c,"d\n', 8, 5, 1000)
@example(b'"a\n' + b"a,b,c\n" * 6 + b'",b,c\na,b,c\na,b,c\na,b,c\n', 8, 5, 17)
@example(b"a,b\nc\r\na,b\r\n\na\nb\nc,d\r\n", 3, 2, 1000)
def test_any_cut_gives_the_same(name: str, data: bytes, block_size: int, chunk: int, max_record: int) -> None:
    read_as = DIALECTS[name]
    found = outcome(data, read_as, block_size=block_size, chunk=chunk, max_record=max_record)
    assert found == outcome(data, read_as, max_record=max_record)


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
    match kind:
        case "cell more":
            return content + style.delimiter + "x" + style.ending
        case "cell less":
            return content.rpartition(style.delimiter)[0] + style.ending
        case "stray quote":
            return content[:place] + style.quote + content[place:] + style.ending
        case "quote left open":  # a quote is missing
            index = quotes[at % len(quotes)] if quotes else len(content)
            return content[:index] + content[index + 1 :] + style.ending
        case "quote closed early":
            return content[:place] + style.quote + "x" + content[place:] + style.ending
        case "bad byte":
            return content[:place] + "\udcff" + content[place:] + style.ending
        case "NUL":
            return content[:place] + "\0" + content[place:] + style.ending
        case _:  # cut short
            return content[:place] + style.ending


KINDS = (
    *("cell more", "cell less", "stray quote", "quote left open", "quote closed early"),
    *("bad byte", "NUL", "cut short"),
)
CELLS = st.lists(
    st.sampled_from(["a", "b", "c d", ",", ";", '"', "'", "\n", "\\", "\r\n", "5", "é"]), max_size=5
).map("".join)


def lines_of_records(rows: list[list[str]], style: Style) -> bool:
    """Return whether a cell holds a line that could be a record of the table by itself."""
    width = len(rows[0])
    return any(
        line.count(style.delimiter) >= width - 1
        for row in rows
        for cell in row
        for line in cell.replace("\r", "\n").split("\n")
    )


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=300)
@given(st.data())
def test_no_other_record_gets_a_value_that_it_does_not_have(kind: str, data: st.DataObject) -> None:
    style = data.draw(st.sampled_from(STYLES))
    width = data.draw(st.integers(2, 4))
    rows = data.draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=2, max_size=8))
    assume(not lines_of_records(rows, style))
    victim = data.draw(st.integers(0, len(rows) - 1))
    at = data.draw(st.integers(0, 30))
    lines = [style.row(row) for row in rows]
    lines[victim] = damaged(lines[victim], style, kind, at)
    text = "".join(lines).encode("utf-8", "surrogateescape")
    found = outcome(text, dialect(width, **style.dialect))
    names = [f"c{number}" for number in range(width)]
    whole = {
        canonical.record(dict(zip(names, (normalise(style.text(cell)) for cell in row), strict=True)))
        for index, row in enumerate(rows)
        if index != victim
    }
    # what became of the damaged record itself may be a record of its own
    assert len(found.records - whole) <= 1
    event = [row for row in found.records - whole]
    assert found.accepted <= len(rows)
    assert not event or kind in {
        "stray quote",
        "quote left open",
        "quote closed early",
        "cut short",
        "cell less",
    }
