"""Say why a stretch of a CSV file is rejected, and where in it the trouble is."""

from collections.abc import Mapping

from chalicelib.core.model import Dialect
from chalicelib.formats.csv.grammar import LINE_ENDING, Problem, grammar_of
from chalicelib.formats.csv.scan import STRAY_QUOTE, UNTERMINATED
from chalicelib.formats.interface import Reason
from chalicelib.reading.blocks import TOO_LARGE
from chalicelib.rows.text import short_name

UNREADABLE: Mapping[str, str] = {
    TOO_LARGE: "The record is larger than the limit, or a quote in it is never closed. "
    "Its first line was rejected, and reading continued at the next line.",
    UNTERMINATED: "The record has a quote that is never closed. "
    "Its first line was rejected, and reading continued at the next line.",
    STRAY_QUOTE: "The record has a quote within a cell that does not begin with one, and the lines that "
    "follow complete it if a quoted cell begins there.",
}
_MOST_REASONS = 1000  # that are kept
_TOO_LARGE_WHOLE = "The record is larger than the limit. Reading continued after it."


class StretchReasons:
    """Say why stretches are rejected that the framing could not read."""

    def __init__(self, dialect: Dialect) -> None:
        self._grammar = grammar_of(dialect)
        self._encoding = dialect.encoding
        self._columns = dialect.columns
        self._reasons: dict[tuple[str, Problem, int, int, bool], Reason] = {}  # many are alike

    def of(self, raw: bytes, code: str) -> Reason:
        """Return the reason to reject a stretch."""
        first = LINE_ENDING.search(raw)
        is_line = first is None or first.end() == len(raw)
        if code == TOO_LARGE:
            return Reason(code, UNREADABLE[code] if is_line else _TOO_LARGE_WHOLE)
        end = first.end() if first and code == UNTERMINATED else len(raw)
        fault = self._grammar.fault(raw, 0, end)
        if fault is None:
            return Reason(code, UNREADABLE[code])
        is_open = code == UNTERMINATED or fault.problem is Problem.NOT_CLOSED
        problem = Problem.NOT_CLOSED if is_open else fault.problem
        at = fault.at if problem is Problem.TEXT_AFTER_QUOTE else fault.quote
        key = code, problem, fault.cell, self._character(raw, at), is_line
        if key not in self._reasons:
            if len(self._reasons) == _MOST_REASONS:
                self._reasons.clear()
            self._reasons[key] = self._reason(*key)
        return self._reasons[key]

    def _reason(self, code: str, problem: Problem, cell: int, character: int, is_line: bool) -> Reason:  # noqa: FBT001 - the key of a reason
        place, name = f"cell {cell + 1}", None
        if cell < len(self._columns):
            name = short_name(self._columns[cell])
            place += f" ({name})"
        if problem is Problem.NOT_CLOSED:
            after = "" if is_line else " Lines that could be part of it were rejected with it."
            message = (
                f"The record opens a quote in {place}, at character {character}, "
                f"that is not closed before the line ends.{after} Close it, or double it if it is text."
            )
        elif problem is Problem.BLANK_BEFORE_QUOTE:
            message = (
                f"The record has a blank before the quote at character {character}, in {place}. "
                "Readers differ on such a quote. Remove the blank, or declare skip_initial_space."
            )
        else:
            message = (
                f"The record has text after a closing quote in {place}, at character {character}. "
                "Double each quote that is text, or declare that there are no quotes."
            )
        return Reason(code, message, name)

    def _character(self, raw: bytes, offset: int) -> int:
        """Return the number of the character at a byte offset, from 1."""
        return len(raw[:offset].decode(self._encoding, "replace")) + 1
