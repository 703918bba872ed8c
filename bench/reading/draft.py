"""A file while it is made: its lines, each with what it means."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.reading.labels import Fate, Label, LabelledFile, LeftOut
from bench.reading.style import BLANKS, Quoting, Style
from bench.reading.tables import Table
from chalicelib.formats.csv.header import column_names
from chalicelib.rows import canonical
from chalicelib.rows.text import normalise

_SPECIAL = re.compile(r"[\x00-\x1f\"\\\ud800-\udfff]")
_RIVALS = ",;\t|:^~\x01"


@dataclass
class Line:
    """A record or another line of the file, and the cells that are right for it.

    A line without any meaning, such as a title, has neither ``meant`` nor ``told`` and is not a record.
    """

    text: str
    meant: list[list[str]] = field(default_factory=list)
    told: list[tuple[str, list[str]]] = field(default_factory=list)  # right where this code is told
    left_out: LeftOut = LeftOut.NO
    ending: str | None = None  # None: the file's

    @property
    def cells(self) -> list[str]:
        """Return the cells that are meant."""
        return self.meant[0]

    def reject(self) -> None:
        """Expect a reject instead of a row."""
        self.meant, self.left_out = [], LeftOut.REJECTED


@dataclass
class Draft:
    """A file while it is made."""

    rng: random.Random
    style: Style
    table: Table
    names: list[str]  # the header's cells as they are meant
    before: list[Line]  # the lines before the header
    header: Line | None
    lines: list[Line]
    after: list[Line] = field(default_factory=list)
    must: set[str] = field(default_factory=set)
    vital: set[str] = field(default_factory=set)
    failures: set[str] = field(default_factory=set)
    plain: bool = True
    others: list[Label] = field(default_factory=list)  # other right readings

    @classmethod
    def of(cls, rng: random.Random, style: Style, table: Table) -> "Draft":
        """Return the undamaged file of a table."""
        names = [style.fit(cell) for cell in table.header]
        rows = [[style.fit(cell) for cell in row] for row in table.rows]
        lines = [Line(style.record(row), [row]) for row in rows]
        return cls(rng, style, table, names, [], Line(style.record(names)), lines)

    @property
    def width(self) -> int:
        """Return the number of the header's cells."""
        return len(self.names)

    def rewrite(self, line: Line) -> None:
        """Write a line's cells again."""
        line.text = self.style.record(line.cells)

    def places(self, most: int) -> list[int]:
        """Return the places of one or more lines, far from the head as well, in order."""
        count = min(len(self.lines), self.rng.choice((1, 1, 1, 2, most)))
        return sorted(self.rng.sample(range(len(self.lines)), count))

    def damaged(self, *must: str) -> None:
        """Note that the file is not plain, and what must be told."""
        self.plain = False
        self.must.update(must)

    def finish(self, seed: int, number: int, kind: str) -> LabelledFile:
        """Return the file and its label."""
        header = [] if self.header is None else [self.header]
        lines = [*self.before, *header, *self.lines, *self.after]
        text = "".join(
            line.text + (self.style.ending if line.ending is None else line.ending) for line in lines
        )
        if not self.style.final_ending and text.endswith(self.style.ending) and lines[-1].text:
            text = text[: -len(self.style.ending)]
        return LabelledFile(
            number,
            seed,
            kind,
            f"{self.style.about}, {len(self.names)} columns, {len(self.lines):,} records",
            self.style.encode(text),
            [self.label(), *self.others],
            self.plain,
        )

    def label(self) -> Label:
        """Return the label of the file as it stands."""
        names = column_names(self.names)
        printer = Printer(names)
        records = [
            line for line in [*self.lines, *self.after] if line.meant or line.told or line.left_out != "no"
        ]
        fates = [
            Fate(
                tuple(printer.print(cells) for cells in line.meant),
                tuple((code, printer.print(cells)) for code, cells in line.told),
                line.left_out,
            )
            for line in records
        ]
        return Label(names, fates, frozenset(self.must), frozenset(self.vital), frozenset(self.failures))


class Printer:
    """Print records of texts as :func:`chalicelib.rows.canonical.record` does, many of them in less time."""

    def __init__(self, names: Sequence[str]) -> None:
        self._width = len(names)
        self._names = self._in_order(names)

    def print(self, cells: Sequence[str]) -> str:
        """Return the canonical record. Cells beyond the names are ``extra_1`` and so on."""
        names, count = self._names, len(cells)
        if count > self._width:
            extra = [f"extra_{number}" for number in range(1, count - self._width + 1)]
            names = self._in_order([*(name for _, name, _ in sorted(names)), *extra])
        printed = []
        for place, _, key in names:
            if place < count and (value := normalise(cells[place])):
                printed.append(key + (canonical.string(value) if _SPECIAL.search(value) else f'"{value}"'))
        return "{" + ",".join(printed) + "}"

    def _in_order(self, names: Sequence[str]) -> list[tuple[int, str, str]]:
        """Return the place, the name and the printed name of each column, in the order of members."""
        places = sorted(range(len(names)), key=lambda place: canonical.sort_key(names[place]))
        return [(place, names[place], canonical.string(names[place]) + ":") for place in places]


def has_rival(draft: Draft) -> bool:
    """Return whether another delimiter gives as many cells in each line, the header included.

    Then nothing but the values in them says which is right, and a label would be a matter of taste.
    """
    if draft.style.delimiter == BLANKS and (draft.width < 3 or len(draft.lines) < 3):
        return True  # words of a text, or columns?
    header = [] if draft.header is None else [draft.header]
    texts = [line.text for line in (*header, *draft.lines[:500])]
    quote = "" if draft.style.quoting is Quoting.NONE else draft.style.quote
    rivals = [rival for rival in _RIVALS if rival != draft.style.delimiter]
    if draft.style.delimiter != BLANKS:
        rivals.append(" ")
    for rival in rivals:
        counts = {_count(text, rival, quote) for text in texts}
        if len(counts) == 1 and counts != {0} and counts.pop() + 1 >= draft.width:
            return True
        # a header and a row or two show little: no other delimiter in all rows
        if len(draft.lines) in (1, 2) and all(_count(text, rival, quote) for text in texts):
            return True
    return False


def _count(text: str, delimiter: str, quote: str) -> int:
    """Return how often the delimiter stands outside of quotes. A run of blanks counts once."""
    outside = "".join(text.split(quote)[::2]) if quote else text
    if delimiter == " ":
        return len(outside.split()) - 1
    return outside.count(delimiter)
