"""Tell a cell that two stray quotes made of two records from a text of two lines.

A text of several lines is an ordinary cell, and so is one that holds delimiters. Two records are told where
the two lines have the shape of whole records and nothing speaks for a text.
"""

from collections.abc import Sequence
from itertools import pairwise

from chalicelib.formats.csv.grammar import LINE_ENDING, Grammar
from chalicelib.formats.csv.values import Kind, kind_of

_UNTYPED = (Kind.TEXT, Kind.EMPTY)


def is_like_prose(cell: bytes, delimiter: bytes, *, skips_blanks: bool) -> bool:
    """Return whether a blank stands behind a delimiter in the cell, as in a text, and behind no other."""
    return not skips_blanks and delimiter + b" " in cell


def are_two_records(
    record: bytes, span: tuple[int, int, int], others: Sequence[bytes], grammar: Grammar
) -> bool:
    """Return whether a record of two lines is rather two records and two stray quotes.

    ``span``: number, start and end of the quoted cell that holds the line ending; the lines have the header's
    width if its quotes are text. ``others``: the same cell of the records that follow, without quotes. The
    lines are two records unless

    - a blank stands behind a delimiter in the cell, as in a text;
    - a delimiter in the cell stands between the digits of a number, as in `1,000 pieces`;
    - another record has lines in that cell, too, and not as many delimiters as two records;
    - a column has a value of a type (number, date) in one line and a word in the other;
    - no column has values of one type in both, and a delimiter stands next to the line ending or another
      record has one in that cell, too.
    """
    number, start, end = span
    delimiter, quote = grammar.delimiter, grammar.quote
    cell = record[start:end].strip(b" \t")[1:-1]
    if not delimiter or is_like_prose(cell, delimiter, skips_blanks=grammar.skips_blanks):
        return False
    shape = cell.count(delimiter)
    if any(LINE_ENDING.search(other) and other.count(delimiter) != shape for other in others):
        return False
    lines = [line.replace(quote, b"").split(delimiter) for line in LINE_ENDING.split(cell)]
    if any(_divides_number(left, right) for line in lines for left, right in pairwise(line)):
        return False
    before, after = grammar.cells(record[:start])[:number], grammar.cells(record[end:])[1:]
    rows = zip([*before, *lines[0]], [*lines[-1], *after], strict=True)
    kinds = [(_kind(one), _kind(two)) for one, two in rows]
    if any((one is Kind.TEXT) != (two is Kind.TEXT) for one, two in kinds if Kind.EMPTY not in (one, two)):
        return False
    if any(one is two and one not in _UNTYPED for one, two in kinds):
        return True
    return bool(lines[0][-1].strip() and lines[-1][0].strip()) and not any(
        delimiter in other for other in others
    )


def _divides_number(left: bytes, right: bytes) -> bool:
    """Return whether a delimiter divides a number within a text, given what stands on either side."""
    is_between_digits = left[-1:].isdigit() and right[:1].isdigit()
    return is_between_digits and Kind.TEXT in (_kind(left), _kind(right))


def _kind(cell: bytes) -> Kind:
    return kind_of(cell.decode("utf-8", "replace").strip())
