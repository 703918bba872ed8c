"""The kinds of files, how many there are of each, and how one is made."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.reading import damage as d
from bench.reading import values
from bench.reading.damage import Damage
from bench.reading.draft import Draft
from bench.reading.style import BLANKS, Quoting, Style, style
from bench.reading.tables import (
    LISTS,
    LONG,
    Column,
    Table,
    cells,
    language,
    sized,
    table,
    text_column,
    value_column,
)

Base = Callable[[random.Random], Draft]


@dataclass(frozen=True)
class Kind:
    """A kind of files: undamaged ones, and the damages done to each in turn."""

    weight: int
    base: Base
    damages: Sequence[Damage] = ()


def ordinary(rng: random.Random) -> Draft:
    """Return a file of some columns of texts and values."""
    return Draft.of(rng, style(rng), table(rng, sized(rng, 1)))


def tiny(rng: random.Random) -> Draft:
    """Return a file of a header and few rows or none."""
    width = rng.choice((1, 2, 2, 3, 4))
    return Draft.of(rng, style(rng), table(rng, rng.choice((0, 1, 1, 1, 2, 3)), width, ensure_values=0))


def wide(rng: random.Random) -> Draft:
    """Return a file of 60 columns."""
    return Draft.of(rng, style(rng), table(rng, rng.choice((1, 5, 30, 200)), 60))


def lists(rng: random.Random) -> Draft:
    """Return a file whose cells hold other delimiters as regularly as the file its own."""
    words = language(rng)
    extra = [value_column(rng, words, LISTS) for _ in range(rng.choice((1, 1, 2)))]
    return Draft.of(rng, style(rng), table(rng, sized(rng, 1), rng.choice((3, 4, 5, 6)), extra=extra))


def long_texts(rng: random.Random) -> Draft:
    """Return a file with JSON, HTML, code, paths or texts of several lines in its cells."""
    words, way = language(rng), style(rng)
    ending = rng.choice(("\n", way.ending))

    def lines(source: random.Random, _row: int) -> str:
        return ending.join(
            values.sentence(source, words, source.randrange(1, 9)) for _ in range(source.randrange(1, 4))
        )

    extra = [value_column(rng, words, LONG)]
    if rng.random() < 0.5:
        extra.append(Column("text", lines, is_value=False, empty=rng.choice((0, 0.5))))
    return Draft.of(rng, way, table(rng, sized(rng, 1), rng.choice((3, 4, 5)), extra=extra))


def quoted_paths(rng: random.Random) -> Draft:
    """Return a file with paths of Windows in quotes: a backslash before the quote is not an escape."""
    way = replace(style(rng), quoting=Quoting.ALL)
    extra = [Column("path", values.windows_path)]
    return Draft.of(rng, way, table(rng, sized(rng, 3), rng.choice((2, 3, 4)), extra=extra))


def mostly_empty(rng: random.Random) -> Draft:
    """Return a file with columns that are empty in most rows."""
    words = language(rng)
    columns = [
        replace(rng.choice((text_column, value_column))(rng, words), empty=rng.choice((0.7, 0.9, 1.0)))
        for _ in range(rng.choice((2, 3, 5)))
    ]
    return Draft.of(rng, style(rng), table(rng, sized(rng, 3), len(columns) + 2, extra=columns))


def names_with_commas(rng: random.Random) -> Draft:
    """Return a file with a comma in a name of the header and in each cell below it."""
    words = language(rng)
    way = replace(_usual(rng), quoting=Quoting.MINIMAL, quote='"', delimiter=rng.choice(";;\t|"))
    names = Column(rng.choice(("Name, Vorname", "last, first", "lat,lon")), values.comma_pair)
    if names.name != "lat,lon":
        names = replace(
            names, make=lambda r, _: f"{r.choice(words.last)}, {r.choice(words.first)}", is_value=False
        )
    return Draft.of(rng, way, table(rng, sized(rng, 4), rng.choice((3, 4, 5)), extra=[names]))


def one_column(rng: random.Random) -> Draft:
    """Return a file of one column."""
    words, rows = language(rng), sized(rng, 1)
    make = rng.choice(
        (
            values.email,
            values.email,
            values.number_in_sequence,
            values.iso_date,
            values.timestamp,
            values.url,
            values.uuid,
            values.decimal_point,
            lambda r, _: r.choice(words.words),
            lambda r, _: f"{r.choice(words.first)} {r.choice(words.last)}",
            lambda r, _: values.sentence(r, words, r.randrange(3, 15)),
        )
    )
    column = Column(rng.choice(("email", "value", "word", "text", "comment")), make)
    way = style(rng)
    if rng.random() < 0.5:
        way = replace(way, quoting=Quoting.MINIMAL, quote='"', delimiter=",")
    else:
        way = replace(way, quoting=Quoting.NONE, delimiter="\x01")  # no cell has any
    return Draft.of(rng, way, Table([column], cells(rng, [column], rows)))


def typed(rng: random.Random) -> Draft:
    """Return a file with several columns of numbers and dates."""
    width = rng.choice((4, 5, 6, 8))
    return Draft.of(rng, style(rng), table(rng, sized(rng, 5), width, ensure_values=width - 2))


def unquoted(rng: random.Random) -> Draft:
    """Return a file without quotes."""
    way = replace(style(rng), quoting=Quoting.NONE, quote='"', delimiter=rng.choice("\t\t\t|;,^"))
    return Draft.of(rng, way, table(rng, sized(rng, 6)))


def rare_delimiter(rng: random.Random) -> Draft:
    """Return a file with a delimiter that is seldom one."""
    way = replace(style(rng), delimiter=rng.choice((":", "^", "~", "\x01", BLANKS)))
    return Draft.of(rng, way, table(rng, sized(rng, 1), rng.choice((2, 3, 4, 6))))


def simple(rng: random.Random) -> Draft:
    """Return a file with one of the four usual delimiters."""
    return Draft.of(rng, _usual(rng), table(rng, sized(rng, 3), ensure_values=2))


def quoted(rng: random.Random) -> Draft:
    """Return a file in which cells are in quotes."""
    way = replace(_usual(rng), quoting=rng.choice((Quoting.ALL, Quoting.TEXTS, Quoting.MINIMAL)), quote='"')
    return Draft.of(rng, way, table(rng, sized(rng, 4), rng.choice((3, 4, 5)), ensure_values=1))


def escaped(rng: random.Random) -> Draft:
    """Return a file in which texts with quotes and backslashes are in quotes."""
    way = replace(_usual(rng), quoting=rng.choice((Quoting.ALL, Quoting.TEXTS, Quoting.MINIMAL)), quote='"')
    extra = [Column("path", values.windows_path)] if rng.random() < 0.3 else []
    return Draft.of(rng, way, table(rng, sized(rng, 2), rng.choice((3, 4, 5)), extra=extra))


def header_of_lines(rng: random.Random) -> Draft:
    """Return a file in whose header a name of two lines is in quotes."""
    way = replace(_usual(rng), quoting=rng.choice((Quoting.ALL, Quoting.MINIMAL)), quote='"')
    made = table(rng, sized(rng, 1), rng.choice((3, 4, 6)))
    place = rng.randrange(made.width)
    columns = list(made.columns)
    columns[place] = replace(
        columns[place], name=f"{columns[place].name}\n({rng.choice(('EUR', 'kg', 'n'))})"
    )
    return Draft.of(rng, way, Table(columns, made.rows))


def _usual(rng: random.Random) -> Style:
    way = style(rng)
    return way if way.delimiter in ",;\t|" else replace(way, delimiter=rng.choice(",;"))


def combined(*choices: Sequence[Damage]) -> Damage:
    """Return the damage of one of each of the choices, one after the other."""

    def damage(draft: Draft) -> bool:
        return all(draft.rng.choice(choice)(draft) for choice in choices)

    return damage


_BODY = (d.extra_empty_cell, d.missing_cells, d.extra_cell, d.delimiter_at_ends_of_rows, d.apostrophes)
_BETWEEN = (d.repeated_header, d.blank_lines, d.comments_between, d.concatenated_exports)
_TAIL = (d.totals_row, d.footer, d.empty_rows)
_PREAMBLE = (d.title_lines, d.title_lines_with_delimiters, d.comment_lines, d.separator_line)

KINDS: Mapping[str, Kind] = {
    "plain": Kind(44, ordinary),
    "plain: tiny": Kind(18, tiny),
    "plain: one column": Kind(12, one_column),
    "plain: 60 columns": Kind(3, wide),
    "plain: rare delimiter": Kind(12, rare_delimiter),
    "plain: other delimiters in cells": Kind(14, lists),
    "plain: long texts": Kind(10, long_texts),
    "plain: backslash before a quote": Kind(3, quoted_paths),
    "plain: mostly empty": Kind(4, mostly_empty),
    "plain: commas in names": Kind(3, names_with_commas),
    "plain: lines in the header": Kind(3, header_of_lines),
    "plain: apostrophes": Kind(8, ordinary, [d.apostrophes]),
    "extra empty cells": Kind(6, simple, [d.extra_empty_cell]),
    "extra cells": Kind(5, simple, [d.extra_cell]),
    "missing cells": Kind(6, simple, [d.missing_cells]),
    "trailing cells left out": Kind(3, simple, [d.trailing_cells_left_out]),
    "commas in names and a ragged row": Kind(3, names_with_commas, [d.extra_empty_cell]),
    "delimiter at the end of records": Kind(3, ordinary, [d.delimiter_at_ends_of_rows]),
    "delimiter at the end of lines": Kind(3, ordinary, [d.delimiter_at_ends_of_lines]),
    "apostrophes and a ragged row": Kind(4, simple, [d.apostrophes, d.extra_empty_cell]),
    "padded cells": Kind(2, unquoted, [d.padded_cells]),
    "title lines": Kind(6, simple, [d.title_lines]),
    "title lines with delimiters": Kind(5, simple, [d.title_lines_with_delimiters]),
    "title lines of a spreadsheet": Kind(2, typed, [d.padded_title_lines]),
    "comments before the header": Kind(3, simple, [d.comment_lines]),
    "comments between records": Kind(2, simple, [d.comments_between]),
    "blank lines": Kind(4, ordinary, [d.blank_lines]),
    "every second line blank": Kind(1, ordinary, [d.every_second_line_blank]),
    "sep= line": Kind(4, ordinary, [d.separator_line]),
    "totals": Kind(4, simple, [d.totals_row]),
    "footer": Kind(4, simple, [d.footer]),
    "empty rows at the end": Kind(3, ordinary, [d.empty_rows]),
    "second header line": Kind(5, typed, [d.units_row]),
    "names left empty": Kind(3, simple, [d.empty_names]),
    "names repeated": Kind(2, simple, [d.repeated_names]),
    "years for names": Kind(2, typed, [d.numbers_in_header]),
    "no header": Kind(3, typed, [d.no_header]),
    "row names": Kind(4, simple, [d.row_names]),
    "last column without a name": Kind(1, typed, [d.unnamed_last_column]),
    "repeated header": Kind(3, simple, [d.repeated_header]),
    "concatenated with byte-order marks": Kind(3, simple, [d.concatenated_exports]),
    "second table": Kind(4, typed, [d.second_table]),
    "unescaped quotes": Kind(5, quoted, [d.unescaped_quotes]),
    "quote left open": Kind(5, quoted, [d.open_quote]),
    "quotes as text": Kind(5, unquoted, [d.quotes_as_text]),
    "quotes inside cells": Kind(4, simple, [d.inch_marks]),
    "backslash escapes": Kind(5, escaped, [d.backslash_escapes]),
    "blank after each delimiter": Kind(4, ordinary, [d.blanks_after_delimiters]),
    "blank before a quote": Kind(2, quoted, [d.blank_before_quote]),
    "blank after a quote": Kind(2, quoted, [d.blank_after_quote]),
    "text after a quote": Kind(3, quoted, [d.text_after_quote]),
    "line break in a record": Kind(2, simple, [d.line_break]),
    "line feed in a cell": Kind(3, simple, [d.lone_line_feed]),
    "mixed line endings": Kind(4, ordinary, [d.mixed_endings]),
    "UTF-16 without a mark": Kind(3, ordinary, [d.no_byte_order_mark]),
    "another encoding": Kind(3, simple, [d.another_encoding]),
    "broken bytes": Kind(2, ordinary, [d.broken_byte]),
    "NUL characters": Kind(2, ordinary, [d.nul_character]),
    "cut short": Kind(3, ordinary, [d.truncated]),
    "several damages": Kind(
        12,
        simple,
        [
            combined(_BODY, _TAIL, _PREAMBLE),
        ],
    ),
    "several damages inside": Kind(4, simple, [combined(_BODY, _BETWEEN)]),
}
