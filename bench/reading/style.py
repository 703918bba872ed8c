"""The way in which a file is written: delimiter, quotes, line endings, encoding."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")
BLANKS = " "  # as a delimiter: runs of blanks

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_DELIMITERS = (
    (",", 36),
    (";", 25),
    ("\t", 15),
    ("|", 9),
    (":", 3),
    ("^", 3),
    ("~", 3),
    ("\x01", 3),
    (BLANKS, 3),
)
_SHOWN = {"\t": "tab", "\x01": "U+0001", BLANKS: "blanks", "\n": "LF", "\r\n": "CRLF", "\r": "CR"}


class Quoting(StrEnum):
    """Which cells are in quotes."""

    MINIMAL = "minimal"
    ALL = "all"
    TEXTS = "texts"  # all but numbers
    NONE = "none"


@dataclass(frozen=True)
class Style:
    """How a file is written."""

    delimiter: str = ","
    quoting: Quoting = Quoting.MINIMAL
    quote: str = '"'
    backslash: bool = False  # before quotes and backslashes in quoted cells, instead of doubled quotes
    ending: str = "\n"
    bom: bool = False
    final_ending: bool = True
    encoding: str = "utf-8"
    after_delimiter: str = ""

    @property
    def about(self) -> str:
        """Return the style for people."""
        parts = [_SHOWN.get(self.delimiter, self.delimiter)]
        parts.append("no quotes" if self.quoting is Quoting.NONE else f"{self.quote} around {self.quoting}")
        parts += ["backslash"] if self.backslash else []
        parts.append(_SHOWN[self.ending])
        parts += ["BOM"] if self.bom else []
        parts += [self.encoding] if self.encoding != "utf-8" else []
        return ", ".join(parts)

    def fit(self, cell: str) -> str:
        """Return the cell as it must be so that it can be written without quotes, if there are none."""
        if self.delimiter == BLANKS and self.quoting is Quoting.NONE:
            cell = re.sub(r"\s+", "_", cell) or "-"
        if self.quoting is not Quoting.NONE:
            return cell
        return re.sub(r"[\r\n\"]", " ", cell).replace(
            self.delimiter, "_" if self.delimiter == BLANKS else " "
        )

    def cell(self, cell: str) -> str:
        """Return a cell as it is written."""
        if not self._is_quoted(cell):
            return cell
        return self.quoted(cell)

    def quoted(self, cell: str) -> str:
        """Return a cell as it is written in quotes."""
        if self.backslash:
            cell = cell.replace("\\", "\\\\").replace(self.quote, "\\" + self.quote)
        else:
            cell = cell.replace(self.quote, self.quote * 2)
        return f"{self.quote}{cell}{self.quote}"

    def record(self, cells: Sequence[str]) -> str:
        """Return a record as it is written, without the line ending."""
        return self.join([self.cell(cell) for cell in cells])

    def join(self, written: Sequence[str]) -> str:
        """Return cells that are written already as a record."""
        return (self.delimiter + self.after_delimiter).join(written)

    def encode(self, text: str) -> bytes:
        """Return the text in the file's encoding, after a byte-order mark if it has one."""
        mark = "\ufeff" if self.bom else ""
        return (mark + text).encode(
            self.encoding, "surrogateescape" if self.encoding == "utf-8" else "strict"
        )

    def _is_quoted(self, cell: str) -> bool:
        match self.quoting:
            case Quoting.ALL:
                return True
            case Quoting.TEXTS:
                return not _NUMBER.fullmatch(cell)
            case Quoting.NONE:
                return False
        if self.delimiter == BLANKS and (not cell or re.search(r"\s", cell)):
            return True
        return self.delimiter in cell or self.quote in cell or "\n" in cell or "\r" in cell


def style(rng: random.Random) -> Style:
    """Return a style as files have them."""
    delimiter = pick(rng, _DELIMITERS)
    quoting = pick(rng, ((Quoting.MINIMAL, 60), (Quoting.ALL, 18), (Quoting.TEXTS, 10), (Quoting.NONE, 12)))
    # a single quote is a quote for certain only where it is around most cells
    single = quoting in (Quoting.ALL, Quoting.TEXTS) and rng.random() < 0.3
    encoding = pick(rng, (("utf-8", 94), ("utf-16-le", 4), ("utf-16-be", 1), ("utf-32-le", 1)))
    return Style(
        delimiter,
        quoting,
        "'" if single else '"',
        ending=pick(rng, (("\n", 56), ("\r\n", 38), ("\r", 6))),
        bom=encoding != "utf-8" or rng.random() < 0.18,
        final_ending=rng.random() < 0.85,
        encoding=encoding,
    )


def pick(rng: random.Random, choices: Sequence[tuple[T, int]]) -> T:
    """Return one of the choices, which have weights."""
    return rng.choices([choice for choice, _ in choices], [weight for _, weight in choices])[0]
