"""Choose the hypothesis of a CSV file's head, or refuse to choose."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.core.errors import JobFailed
from chalicelib.core.model import BLANKS, ExtraCells, Options
from chalicelib.core.preview import RunnerUp
from chalicelib.formats.csv.detection.evidence import STRONG, Hypothesis, hypotheses
from chalicelib.formats.csv.detection.sample import Line, Parsed, Parser, lines_of
from chalicelib.formats.csv.detection.table import Shift, find_table
from chalicelib.formats.csv.header import MAX_HEADER
from chalicelib.formats.csv.values import Kind, kind_of
from chalicelib.reading.head import HEAD_SIZE, Head
from chalicelib.rows import text

SAMPLE = 1 << 16  # bytes that are looked at first

_FEW = 20  # records that are too few to judge a file by, if it has more
_LEAST_FIT = 0.4  # of a hypothesis that explains the head
_CLOSE = 0.92  # of the best score: another hypothesis is as likely
_FAR_WORSE = 0.6  # of the score of another one: a hypothesis that was declared in the file itself
_RUN = re.compile(r"\S {2,}\S")
_SURE = 0.9  # fit of rows whose delimiter does not occur in the header
_PAIR = 2  # cells that a comma, a colon or a blank often divides in a text
_ENOUGH = 3  # rows
_WEAK = (",", ":", BLANKS)  # delimiters that often stand in texts
_SINGLE = ",;\t|^~\x01"  # delimiters of a file of one column, in the order in which they are tried
_GLANCE = 500  # lines that are looked at before all others
_CANDIDATES = 3  # hypotheses that a message shows
_LONGEST = 60  # characters of a cell in a message


@dataclass(frozen=True)
class Choice:
    """The hypothesis of a file, and the lines of the head that it was chosen by."""

    hypothesis: Hypothesis
    lines: Sequence[Line]  # without comments
    runner_up: RunnerUp | None = None


def choose(head: Head, start: int, options: Options, separator: str | None) -> Choice:
    """Return the hypothesis of the head from ``start`` on.

    ``separator``: the delimiter that a line before the table names. Raises JobFailed `dialect-unclear` if two
    hypotheses are about equally likely, none explains the head, or the named delimiter does far worse than
    another one; `empty-file` if there are no records.
    """
    declared = options.delimiter or separator
    lines = _lines(head, start, SAMPLE, options.comment)
    weighed = found = hypotheses(lines, options, declared)
    rest = head.data[start + SAMPLE :]
    if not found or (rest and _is_one_sided(found[0], rest)):
        known = declared or (found[0].delimiter if found and found[0].score else None)
        lines = _lines(head, start, 2 * SAMPLE if found and not known else HEAD_SIZE, options.comment)
        found = hypotheses(lines, options, known)
        weighed = found if known is None else weighed
    if not any(line.text.strip(" \t") for line in lines):
        raise _no_records(len(head.data) - start)
    hypothesis = found[0] if declared is not None and found else _decide(found, lines, options)
    if separator is not None and options.delimiter is None:
        _check_separator(hypothesis, hypotheses(lines, options, None))
    if hypothesis.table.shift is Shift.UNCLEAR and options.extra_cells is ExtraCells.REJECT:
        raise _unclear_header(hypothesis)
    return Choice(hypothesis, lines, _runner_up(hypothesis.delimiter, weighed))


def _runner_up(chosen: str, weighed: Sequence[Hypothesis]) -> RunnerUp | None:
    """Return the best of the hypotheses with another delimiter than the chosen one.

    None if no other is plausible, or if the chosen one is not the best: then something else than scores spoke
    for it.
    """
    best, second = [*filter(_is_plausible, weighed), None, None][:2]
    if best is None or second is None or best.delimiter != chosen or second.score <= 0:
        return None
    return RunnerUp(second.delimiter, second.quote, second.escape or None, second.score / best.score)


def _check_separator(named: Hypothesis, found: Sequence[Hypothesis]) -> None:
    """Raise JobFailed if the delimiter that a line before the table names explains the head far worse."""
    better = [
        other
        for other in found
        if other.delimiter != named.delimiter
        and _is_plausible(other)
        and other.table.rows
        and named.score < _FAR_WORSE * other.score
    ]
    if better:
        raise _unclear([named, better[0]])


def _no_records(size: int) -> JobFailed:
    if size > MAX_HEADER:
        return JobFailed("header-too-long", f"The file begins with {size:,} bytes of blank lines.")
    return JobFailed("empty-file", "The file has only blank lines.")


def _lines(head: Head, start: int, size: int, comment: str | None) -> list[Line]:
    end = min(start + size, len(head.data))
    is_whole = end == len(head.data) < HEAD_SIZE
    lines = lines_of(head.data, start, end, head.text_encoding, is_whole=is_whole)
    return [line for line in lines if not (comment and line.text.startswith(comment))]


def _is_one_sided(best: Hypothesis, rest: bytes) -> bool:
    """Return whether the sample shows too little: few records, or no quotes that the rest has."""
    parsed = best.parsed
    return (
        len(best.table.rows) < _FEW
        or (not parsed.encloses and b'"' in rest)
        or (not parsed.followed and not best.escape and b'\\"' in rest)
    )


def _decide(found: Sequence[Hypothesis], lines: Sequence[Line], options: Options) -> Hypothesis:
    """Return the best hypothesis, or that of a file of one column. Raises JobFailed `dialect-unclear`."""
    plausible = [hypothesis for hypothesis in found if _is_plausible(hypothesis)]
    if not plausible:
        if ended := [hypothesis for hypothesis in found if _ends_records(hypothesis)]:
            return ended[0]
        single = _one_column(lines, options)
        unexplained = [hypothesis for hypothesis in found if _is_sure_but_for_the_header(hypothesis)]
        if unexplained and not _is_one_kind(single):
            raise _unclear([unexplained[0], single])
        _check_one_column(single, lines)
        return single
    plausible = _without_commas_in_texts(plausible, lines)
    best = plausible[0]
    if _divides_values(best, options) and _is_one_kind(single := _one_column(lines, options)):
        if best.delimiter == BLANKS and _divides_header_alike(best):
            raise _unclear([best, single])
        return single
    if _may_be_list(best) and _are_texts(best, lines):
        raise _unclear([best, _one_column(lines, options)])
    if best.table.fit < _LEAST_FIT and len(best.table.rows) >= _FEW:
        raise _unclear([best, _one_column(lines, options)])
    rivals = [hypothesis for hypothesis in plausible[1:] if hypothesis.score > _CLOSE * best.score]
    if rivals and best.table.rows:
        raise _unclear([best, *rivals])
    return best


def _without_commas_in_texts(plausible: list[Hypothesis], lines: Sequence[Line]) -> list[Hypothesis]:
    """Return the hypotheses without those whose delimiter rather stands in texts.

    Commas, colons and blanks stand in the names and values of columns (`Last, First`). Other delimiters
    seldom do, let alone as often in the header as in every row: one that does divides columns. Raises
    JobFailed `dialect-unclear` if commas divide header and rows as well as that one.
    """
    even = next((hypothesis for hypothesis in plausible if _is_even(hypothesis)), None)
    if even is None:
        return plausible
    found = [it for it in plausible if it.delimiter not in _WEAK or not _is_weaker(it, even, lines)]
    best = found[0]
    if best.delimiter == "," and best.table.width <= even.table.width + 1 and _is_even(even, best):
        raise _unclear([best, even])
    return found


def _is_even(hypothesis: Hypothesis, than: Hypothesis | None = None) -> bool:
    """Return whether a delimiter that seldom stands in texts divides the header as it divides the rows.

    ``than``: the rows must keep to their width as well as under that hypothesis.
    """
    table, header = hypothesis.table, hypothesis.parsed.records[hypothesis.table.first]
    return (
        hypothesis.delimiter in STRONG
        and table.shift is Shift.NONE
        and table.first == 0
        and len(header.cells) == table.usual_width
        and bool(table.rows)
        and table.fit >= max(_SURE, than.table.fit if than else 0)
    )


def _is_weaker(hypothesis: Hypothesis, even: Hypothesis, lines: Sequence[Line]) -> bool:
    """Return whether an even delimiter shows that another one stands in texts.

    Tabs do. Any other does if the other one is not a comma, divides the header into fewer cells or not as it
    divides the rows, or if a blank stands behind each comma in the header.
    """
    if not _is_even(even, hypothesis):
        return False
    table, header = hypothesis.table, lines[hypothesis.parsed.records[hypothesis.table.first].line].text
    return (
        hypothesis.delimiter != ","
        or even.delimiter == "\t"
        or table.shift is not Shift.NONE
        or table.width < even.table.width
        or header.count(",") == header.count(", ")
    )


def _is_plausible(hypothesis: Hypothesis) -> bool:
    """Return whether the hypothesis gives a table: its header has the delimiter."""
    header = hypothesis.parsed.records[hypothesis.table.first]
    is_divided = hypothesis.table.width > 1 and len(header.cells) > 1
    return is_divided and (hypothesis.score > 0 or hypothesis.delimiter not in (BLANKS, ":"))


def _ends_records(hypothesis: Hypothesis) -> bool:
    """Return whether the delimiter stands at the ends of the records of one column, and not in the header."""
    table = hypothesis.table
    header = hypothesis.parsed.records[table.first]
    ended = sum(len(row.cells) > 1 and not any(row.cells[1:]) for row in table.rows)
    may_be = hypothesis.delimiter in STRONG or (hypothesis.delimiter == "," and ended > 1)
    return may_be and len(header.cells) == 1 and ended >= max(_SURE * len(table.rows), 1)


def _is_sure_but_for_the_header(hypothesis: Hypothesis) -> bool:
    rows = hypothesis.table.rows
    usual = hypothesis.table.usual_width
    return (
        usual > 1
        and len(rows) >= _ENOUGH
        and sum(len(row.cells) == usual for row in rows) >= _SURE * len(rows)
        and (usual > _PAIR or hypothesis.delimiter not in (",", BLANKS, ":"))
        and not (hypothesis.delimiter == BLANKS and _repeats_word(hypothesis))
    )


def _repeats_word(hypothesis: Hypothesis) -> bool:
    """Return whether all records have the same word in some place, as values such as `10 x 20 cm` do."""
    usual = hypothesis.table.usual_width
    rows = [row.cells for row in hypothesis.table.rows if len(row.cells) == usual]
    return any(
        len(set(cells)) == 1 and kind_of(cells[0]) in (Kind.TEXT, Kind.EMPTY)
        for cells in zip(*rows, strict=True)
    )


def _divides_values(best: Hypothesis, options: Options) -> bool:
    """Return whether the delimiter may be a part of values: a blank, or one that the first line lacks."""
    is_headed = options.header is not False and best.table.first == 0
    may_be_text = best.delimiter == ":" or (best.delimiter == "," and best.table.first > 0)
    return best.delimiter == BLANKS or (may_be_text and not is_headed)


def _divides_header_alike(best: Hypothesis) -> bool:
    """Return whether the header has as many cells as the records, more than a short text has words."""
    own = len(best.parsed.records[best.table.first].cells)
    return best.table.first == 0 and own == best.table.usual_width > _PAIR


def _may_be_list(best: Hypothesis) -> bool:
    """Return whether the first line may name the only column, in which each value holds commas.

    It is the only line before a header that is no other than the records.
    """
    return best.delimiter == "," and best.table.first == 1 and not best.table.is_distinct


def _are_texts(best: Hypothesis, lines: Sequence[Line]) -> bool:
    """Return whether a blank stands behind each comma of the records and of their header, as in a text."""
    table = best.table
    texts = [lines[record.line].text for record in best.parsed.records[table.first :]]
    return not best.parsed.enclosed and all(line.count(",") == line.count(", ") for line in texts)


def _check_one_column(single: Hypothesis, lines: Sequence[Line]) -> None:
    """Raise JobFailed if the lines are laid out in columns, or each is quoted as a whole."""
    records = single.parsed.records
    aligned = sum(_RUN.search(line.text.strip(" \t")) is not None for line in lines)
    if len(records) > _ENOUGH and aligned >= _SURE * len(records):
        raise _unclear_lines("runs of blanks divide its lines, as in text of fixed width", single)
    widths = {len(record.cells[0].split(",")) for record in records}
    if len(records) > 1 and single.parsed.enclosed == len(records) and len(widths) == 1 and widths != {1}:
        raise _unclear_lines("each of its lines is quoted as a whole", single)


def _unclear_lines(why: str, single: Hypothesis) -> JobFailed:
    return JobFailed(
        "dialect-unclear",
        f"The file may be one column, but {why}:\n{_describe(single)}\nNothing was loaded. "
        "Correct the file, or retry the job with the option `delimiter`.",
    )


def _is_one_kind(single: Hypothesis) -> bool:
    """Return whether the lines of a file of one column are values of one type as they stand.

    Some telephone numbers look like numbers.
    """
    if single.table.kinds[0] not in (Kind.TEXT, Kind.EMPTY):
        return True
    kinds = [kind_of(row.cells[0]) for row in single.table.rows[:_GLANCE]]
    return bool(kinds) and sum(kind in (Kind.NUMBER, Kind.CODE) for kind in kinds) >= _SURE * len(kinds)


def _one_column(lines: Sequence[Line], options: Options) -> Hypothesis:
    """Return the hypothesis as one column: its delimiter divides no line."""
    quotes = ['"', "'"] if options.quote is None else [options.quote]
    hypotheses = [hypothesis for quote in quotes if (hypothesis := _one_column_quoted(lines, quote, options))]
    if not hypotheses:
        raise JobFailed("empty-file", "The file has only blank lines.")
    return hypotheses[-1] if _is_quoted(hypotheses[-1].parsed) else hypotheses[0]


def _is_quoted(parsed: Parsed) -> bool:
    """Return whether quotes enclose the first record, and every other one that is not a number."""
    first, *others = parsed.records
    return bool(first.enclosed) and all(
        record.enclosed or kind_of(record.cells[0]) is Kind.NUMBER for record in others
    )


def _one_column_quoted(lines: Sequence[Line], quote: str, options: Options) -> Hypothesis | None:
    escape = options.escape or ""
    for delimiter in _SINGLE:
        if delimiter in (quote, escape):
            continue
        if delimiter != _SINGLE[-1] and not _divides_none(
            Parser(delimiter, quote, escape).parse(lines[:_GLANCE])
        ):
            continue
        parsed = Parser(delimiter, quote, escape).parse(lines)
        if _divides_none(parsed):
            break
    table = find_table(parsed.records, skip_preamble=False, has_header=options.header is not False)
    return None if table is None else Hypothesis(delimiter, quote, escape, parsed, table, 0.0)


def _divides_none(parsed: Parsed) -> bool:
    return all(len(record.cells) == 1 for record in parsed.records)


def _unclear(candidates: Sequence[Hypothesis]) -> JobFailed:
    shown = "\n".join(map(_describe, candidates[:_CANDIDATES]))
    return JobFailed(
        "dialect-unclear",
        "The file can be read in several ways, and its beginning does not show which one is meant:\n"
        f"{shown}\nNothing was loaded. Retry the job with the option `delimiter`, `quote` or `skip_lines`.",
    )


def _unclear_header(hypothesis: Hypothesis) -> JobFailed:
    table = hypothesis.table
    own = len(hypothesis.parsed.records[table.first].cells)
    return JobFailed(
        "dialect-unclear",
        f"The header has {own} cells and the records have {table.usual_width}. It is not clear which "
        f"column has no name:\n{_describe(hypothesis)}\nNothing was loaded. Correct the header, or retry the "
        "job with the option `header` false, `extra_cells`, or `skip_lines` if the first line is not a "
        "header.",
    )


def _describe(hypothesis: Hypothesis) -> str:
    """Return the hypothesis with three of its records, for a message."""
    name = {"\t": "a tab", BLANKS: "blanks"}.get(hypothesis.delimiter, repr(hypothesis.delimiter))
    quote = repr(hypothesis.quote) if hypothesis.quote else "none"
    records = (" | ".join(map(_cell, cells)) for cells in hypothesis.samples)
    return "\n".join([f"Delimiter {name}, quote {quote}, {hypothesis.table.width} columns:", *records])


def _cell(cell: str) -> str:
    shown = text.excerpt(cell.encode(), 4 * _LONGEST)
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"
