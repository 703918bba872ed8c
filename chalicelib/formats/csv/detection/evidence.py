"""Weigh hypotheses about how a CSV file is to be read.

A hypothesis is a delimiter, a quote, an escape and the place where the table begins. It is as good as the
rows of the sample are consistent under it and as many of its cells look like values of a type: the idea of
CleverCSV (van den Burg, Nazábal and Sutton 2019, https://doi.org/10.1007/s10618-019-00646-y) and of DuckDB's
sniffer. Beyond these, the header counts: a delimiter that divides the header as it divides the rows is a
likely one. A ragged row is evidence of a ragged row and speaks little against a hypothesis.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chalicelib.core.model import BLANKS, Options
from chalicelib.formats.csv.detection.sample import Line, Parsed, Parser, Record
from chalicelib.formats.csv.detection.table import Shift, Table, find_table
from chalicelib.formats.csv.values import Kind, kind_of

# How usual a delimiter is.
_PRIORS = {
    ",": 1.0,
    ";": 1.0,
    "\t": 1.0,
    "|": 0.97,
    "\x01": 0.97,
    "^": 0.9,
    "~": 0.9,
    ":": 0.6,
    BLANKS: 0.5,
}
STRONG = ";\t|^~\x01"  # seldom part of a text, let alone as often in every row
_FEW, _MANY = 2, 5  # cells whose quotes do not enclose them
_LOOSE = 0.4  # of the score, if every record has quotes within cells that they do not enclose
_COVERED = 0.6  # of the score, for a table that follows a preamble of very many lines
_LAID_OUT = 0.9  # fit of a table that blanks divide
_FINALISTS, _FIRST_ROUND = 3, 200  # delimiters that are tried on all lines, after so many
_FEW_TYPED, _BLANKS_BETWEEN_VALUES = 3, 0.7  # columns that a text of values has; how usual blanks are in more
_RARE = 5  # one line in so many has a delimiter at least
_FIRST = 3  # lines that may be the header
_PAIR = 2
_LONG = 60  # characters of a text
_MOST_CELLS = 4000  # that are looked at for their kinds
# Text in which a colon or a comma is not a delimiter.
_COLONS = re.compile(
    r"(?<![0-9])[0-9]{1,2}:[0-9]{2}(?![0-9])|://|[0-9a-fA-F]{2}:[0-9a-fA-F]{2}(?![0-9a-fA-F])"
    r"|[A-Za-z]:[\\/]|: "
)


_CLOSE_COMMA = re.compile(r",(?! )")


@dataclass(frozen=True)
class Hypothesis:
    """A hypothesis with its evidence."""

    delimiter: str
    quote: str
    escape: str
    parsed: Parsed
    table: Table
    score: float

    @property
    def samples(self) -> list[Sequence[str]]:
        """The first three records of the table."""
        return [record.cells for record in self.parsed.records[self.table.first :][:3]]


def hypotheses(lines: Sequence[Line], options: Options, declared: str | None) -> list[Hypothesis]:
    """Return the hypotheses of the lines that the options allow, the best first; one for each delimiter.

    ``declared``: the only delimiter to try; None: all that occur.
    """
    joined = "\n".join(line.text for line in lines)
    found: list[Hypothesis] = []
    delimiters = list(_delimiters(lines, joined, options, declared))
    if len(delimiters) > _FINALISTS and len(lines) > _FIRST_ROUND:
        ranked = [
            (hypothesis.score, delimiter)
            for delimiter in delimiters
            if (hypothesis := _best_quoting(lines[:_FIRST_ROUND], joined, delimiter, options)) is not None
        ]
        delimiters = [delimiter for _, delimiter in sorted(ranked, reverse=True)[:_FINALISTS]]
    for delimiter in delimiters:
        hypothesis = _best_quoting(lines, joined, delimiter, options)
        if hypothesis is not None:
            found.append(hypothesis)
    _doubt_loose_quotes(found)
    return sorted(found, key=lambda hypothesis: hypothesis.score, reverse=True)


def _doubt_loose_quotes(found: list[Hypothesis]) -> None:
    """Halve the scores of hypotheses whose quotes are text, if under another they enclose most cells."""
    cells = [sum(len(record.cells) for record in hypothesis.parsed.records) for hypothesis in found]
    if any(2 * it.parsed.enclosed >= count > 1 for it, count in zip(found, cells, strict=True)):
        found[:] = [it if it.quote else replace(it, score=it.score / 2) for it in found]


def _delimiters(lines: Sequence[Line], joined: str, options: Options, declared: str | None) -> Iterator[str]:
    if declared is not None:
        yield declared
        return
    for delimiter in _PRIORS:
        char = " " if delimiter == BLANKS else delimiter
        if char in (options.quote, options.escape, options.comment):
            continue
        if (char in joined and _is_frequent(char, lines)) or (delimiter == BLANKS and "\t" in joined):
            yield delimiter


def _is_frequent(char: str, lines: Sequence[Line]) -> bool:
    """Return whether the character stands in the first line or in a good part of the others."""
    holding = sum(char in line.text for line in lines)
    return holding * _RARE >= len(lines) or any(char in line.text for line in lines[:_FIRST])


def _best_quoting(lines: Sequence[Line], joined: str, delimiter: str, options: Options) -> Hypothesis | None:
    """Return the hypothesis with this delimiter whose quotes and escapes fit best; None without records.

    Double quotes are quotes if they enclose cells at all, single quotes if no double ones do, or if these
    make most records irregular. In any other file quotes are text.
    """
    if options.quote is not None:
        return _best_escape(lines, joined, delimiter, options.quote, options)
    double = _best_escape(lines, joined, delimiter, '"', options)
    if double is None:
        return double
    are_double = double.parsed.encloses and _is_double_quoted(double.parsed)
    if are_double and 2 * double.parsed.irregular < len(double.parsed.records):
        return double
    if "'" in joined and delimiter != "'":
        single = _best_escape(lines, joined, delimiter, "'", options)
        is_regular = single is not None and (not are_double or not single.parsed.irregular)
        if single is not None and is_regular and _is_single_quoted(single, lines):
            return single
    return double if _is_double_quoted(double.parsed) else _best_escape(lines, joined, delimiter, "", options)


def _best_escape(
    lines: Sequence[Line], joined: str, delimiter: str, quote: str, options: Options
) -> Hypothesis | None:
    """Return the hypothesis with these characters, and a backslash as escape if records need it."""
    plain = _hypothesis(lines, delimiter, quote, options.escape or "", options)
    if options.escape is not None or not _may_escape(joined, delimiter, quote):
        return plain
    if plain is None or not _damaged(plain):
        return plain
    escaped = _hypothesis(lines, delimiter, quote, "\\", options)
    if escaped is None or _damaged(escaped) >= _damaged(plain):
        return plain
    return escaped


def _hypothesis(
    lines: Sequence[Line], delimiter: str, quote: str, escape: str, options: Options
) -> Hypothesis | None:
    parsed = Parser(delimiter, quote, escape).parse(lines)
    table = find_table(
        parsed.records, skip_preamble=options.skip_lines is None, has_header=options.header is not False
    )
    if table is None:
        return None
    return Hypothesis(delimiter, quote, escape, parsed, table, _score(delimiter, parsed, table))


def _damaged(hypothesis: Hypothesis) -> int:
    """Return how many rows are irregular or not of the table's width."""
    width = hypothesis.table.width
    return sum(row.is_irregular or len(row.cells) != width for row in hypothesis.table.rows)


def _may_escape(joined: str, delimiter: str, quote: str) -> bool:
    char = " " if delimiter == BLANKS else delimiter
    return (bool(quote) and "\\" + quote in joined) or "\\" + char in joined


def _is_double_quoted(parsed: Parsed) -> bool:
    """Return whether double quotes are quotes.

    They are text if several cells begin with one and go on behind the next, and these are more than quotes
    enclose, or quotes enclose few cells and none that needs them. They are text, too, if many cells begin
    with a quote that nothing closes. A few of either are damage.
    """
    quoted = parsed.enclosed + parsed.unescaped + 4 * parsed.needed
    are_idle = not parsed.needed and (parsed.enclosed + parsed.unescaped) * 2 < len(parsed.records)
    if parsed.followed >= _FEW and (parsed.followed > quoted or are_idle):
        return False
    return parsed.unclosed < _MANY or parsed.followed + parsed.unclosed <= 2 * quoted


def _is_single_quoted(hypothesis: Hypothesis, lines: Sequence[Line]) -> bool:
    """Return whether single quotes are quotes: they enclose a column, the header, or cells that need them.

    Two apostrophes that enclose a delimiter or a line ending by accident are none: without quotes, the lines
    between them are records.
    """
    parsed = hypothesis.parsed
    if not parsed.enclosed or (parsed.followed + parsed.unclosed) * 10 > parsed.enclosed:
        return False
    header = parsed.records[hypothesis.table.first]
    encloses_header = header.enclosed == len(header.cells) > 1
    filled = sum(any(record.cells) for record in parsed.records)
    encloses_column = parsed.enclosed * 10 >= 9 * max(filled - 1, 1)
    if encloses_header or encloses_column:
        return True
    plain = Parser(hypothesis.delimiter, "", hypothesis.escape)
    joined = sum(_joins_records(record, lines, plain, hypothesis.table.width) for record in parsed.records)
    return parsed.needed > joined and (parsed.needed - joined) * 2 >= parsed.enclosed - joined


def _joins_records(record: Record, lines: Sequence[Line], plain: Parser, width: int) -> bool:
    """Return whether quotes enclose what would be whole records, mostly, without them."""
    if not record.enclosed or (record.lines == 1 and len(record.cells) == width):
        return False
    texts = [line.text for line in lines[record.line : record.line + record.lines]]
    return 2 * sum(len(plain.split(text)) == width for text in texts) >= len(texts)


def _score(delimiter: str, parsed: Parsed, table: Table) -> float:
    """Return how likely the hypothesis is, from 0 to 1."""
    width = table.width
    if width <= 1:
        return 0.0
    header = parsed.records[table.first]
    prior = _PRIORS.get(delimiter, 0.8)
    if delimiter == ":":
        prior *= _share_outside_values(parsed)
    if delimiter == BLANKS and width > _FEW_TYPED and not {Kind.TEXT, Kind.EMPTY}.intersection(table.kinds):
        prior = _BLANKS_BETWEEN_VALUES
    agreement = 1.0
    if table.shift in (Shift.ROW_NAMES, Shift.UNNAMED, Shift.EMPTY):
        agreement = 0.9
    elif table.shift is Shift.UNCLEAR:
        agreement = 0.75 if len(header.cells) > 1 else 0.3
    elif table.first:
        covered = len(table.rows) / len(parsed.records)
        agreement = (0.95 if table.is_distinct else 0.45) * (_COVERED + (1 - _COVERED) * covered)
    if delimiter == BLANKS and not _is_laid_out(parsed, table):
        return 0.0
    agreement *= 1 - _LOOSE * parsed.loose / len(parsed.records)
    types = _types(delimiter, parsed, table)
    return float(prior * agreement * table.fit**2 * (0.25 + 0.75 * types) * (1 - 1 / width) ** 0.25)


def _is_laid_out(parsed: Parsed, table: Table) -> bool:
    """Return whether blanks divide columns rather than words: every row has values, or cells in quotes."""
    if table.fit < _LAID_OUT:
        return False
    typed = [kind for kind in table.kinds if kind not in (Kind.TEXT, Kind.EMPTY)]
    shows_values = len(typed) * 2 >= table.width or any(kind is not Kind.NUMBER for kind in typed)
    if table.width == _PAIR:  # two words are often one text
        shows_values = len(typed) == _PAIR
    header = parsed.records[table.first]
    if table.first == 0 and len(header.cells) == table.width > _FEW_TYPED and len(table.rows) > _FEW_TYPED:
        shows_values = shows_values or (len(typed) >= _PAIR and table.is_distinct)  # words do not go on so
    shows_quotes = parsed.needed > 0 or parsed.enclosed >= len(parsed.records)
    return shows_values or shows_quotes or parsed.runs * 2 > len(parsed.records)


def _share_outside_values(parsed: Parsed) -> float:
    """Return the share of colons that stand in no time, URL or path, roughly."""
    texts = [":".join(record.cells) for record in parsed.records[:200]]
    colons = sum(text.count(":") for text in texts)
    inside = sum(len(_COLONS.findall(text)) for text in texts)
    return max(colons - inside, 0) / colons if colons else 0.0


def _types(delimiter: str, parsed: Parsed, table: Table) -> float:
    """Return how much the cells look like values, from 0 to 1."""
    rows = table.rows or parsed.records[table.first :]
    step = max(len(rows) * table.width // _MOST_CELLS, 1)
    others = frozenset(STRONG).difference(delimiter)
    total = count = 0.0
    for row in rows[::step]:
        if row.is_irregular:
            continue
        for cell in row.cells[: table.width]:
            kind = kind_of(cell)
            if kind is Kind.EMPTY:
                total, count = total + 0.15, count + 0.25
                continue
            count += 1
            total += 1.0 if kind is not Kind.TEXT else _text_quality(cell, delimiter, others)
    return total / count if count else 0.5


def _text_quality(cell: str, delimiter: str, others: frozenset[str]) -> float:
    """Return how much a cell without a type looks like one text, and not like half of one or like several.

    ``others``: the delimiters that seldom stand in texts, without this one.
    """
    if cell[0] in "\"'" and not cell.endswith(cell[0]):
        return 0.1
    if not others.isdisjoint(cell):
        return 0.1
    if delimiter != "," and "," in cell:
        return 0.25 if _CLOSE_COMMA.search(cell) else 0.5
    if _holds_values(cell, " ") or (delimiter != ":" and _holds_values(cell, ":")):
        return 0.2
    return 0.6 if len(cell) < _LONG else 0.5


def _holds_values(cell: str, divider: str) -> bool:
    """Return whether the divider makes three pieces or more of a cell, most of which are values."""
    if cell.count(divider) < _FEW:
        return False
    pieces = cell.split(divider)
    return sum(kind_of(piece) is not Kind.TEXT for piece in pieces) * 2 > len(pieces)
