"""Say why a stretch of a CSV file is rejected, and where in it the trouble is."""

from collections.abc import Mapping

from chalicelib.core.model import Dialect
from chalicelib.formats.csv.grammar import LINE_ENDING, Problem, grammar_of
from chalicelib.formats.csv.scan import STRAY_QUOTE, UNTERMINATED
from chalicelib.formats.interface import Reason
from chalicelib.reading.blocks import TOO_LARGE
from chalicelib.rows.text import short_name

UNREADABLE: Mapping[str, str] = {
    TOO_LARGE: "The record is larger than records may be, or a quote in it is never closed. "
    "Its first line was rejected, and reading continued at the next line.",
    UNTERMINATED: "The record has a quote that is never closed. "
    "Its first line was rejected, and reading continued at the next line.",
    STRAY_QUOTE: "The record has a quote within a cell that does not begin with one, and the lines that "
    "follow complete it if a quoted cell begins there.",
}
_TOO_LARGE_WHOLE = "The record is larger than records may be. Reading continued after it."


def stretch_reason(raw: bytes, code: str, dialect: Dialect) -> Reason:
    """Return the reason to reject a stretch that the framing could not read."""
    first = LINE_ENDING.search(raw)
    is_line = first is None or first.end() == len(raw)
    if code == TOO_LARGE:
        return Reason(code, UNREADABLE[code] if is_line else _TOO_LARGE_WHOLE)
    end = first.end() if first and code == UNTERMINATED else len(raw)
    fault = grammar_of(dialect).fault(raw, 0, end)
    if fault is None:
        return Reason(code, UNREADABLE[code])
    place, name = f"cell {fault.cell + 1}", None
    if fault.cell < len(dialect.columns):
        name = short_name(dialect.columns[fault.cell])
        place += f" ({name})"
    opened = _character(raw, fault.quote, dialect)
    if code == UNTERMINATED or fault.problem is Problem.NOT_CLOSED:
        after = "" if is_line else " The lines that cannot be told apart from it were rejected with it."
        return Reason(
            code,
            f"The record opens a quote in {place}, at character {opened}, "
            f"that is not closed before the line ends.{after} Close it, or double it if it is text.",
            name,
        )
    if fault.problem is Problem.BLANK_BEFORE_QUOTE:
        return Reason(
            code,
            f"The record has a blank before the quote at character {opened}, in {place}. "
            "Readers differ on such a quote. Remove the blank, or declare skip_initial_space.",
            name,
        )
    return Reason(
        code,
        f"The record has text after a closing quote in {place}, at character "
        f"{_character(raw, fault.at, dialect)}. "
        "Double each quote that is text, or declare that there are no quotes.",
        name,
    )


def _character(raw: bytes, offset: int, dialect: Dialect) -> int:
    """Return the number of the character at a byte offset, from 1."""
    return len(raw[:offset].decode(dialect.encoding, "replace")) + 1
