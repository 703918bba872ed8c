"""Tables of texts: columns of several types, in one language."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from bench.reading import values
from bench.reading.values import LANGUAGES, Language, Make


@dataclass(frozen=True)
class Column:
    """A column: its name, and what makes its cells."""

    name: str
    make: Make
    is_value: bool = True  # its cells are numbers, dates and the like, which a header cell is not
    empty: float = 0.0  # the share of its cells that are empty


@dataclass
class Table:
    """A header and rows of cells, all of one width."""

    columns: Sequence[Column]
    rows: list[list[str]]

    @property
    def header(self) -> list[str]:
        """Return the header's cells."""
        return [column.name for column in self.columns]

    @property
    def width(self) -> int:
        """Return the number of columns."""
        return len(self.columns)


_COMMON = {name: place for place, name in enumerate(values.COMMON)}


def language(rng: random.Random) -> Language:
    """Return a language: English every third time."""
    return LANGUAGES["en"] if rng.random() < 0.35 else rng.choice(list(LANGUAGES.values()))


def named(words: Language, name: str) -> str:
    """Return a column's name in a language, in English if it has none."""
    return words.columns[_COMMON[name]] if name in _COMMON and words.columns else name


def key_column(rng: random.Random, words: Language) -> Column:
    """Return a column that has a value in each row, and another in each."""
    name = named(words, "id")
    return rng.choice(
        (
            Column(name, values.number_in_sequence),
            Column(name, lambda _, row: f"{row + 1001}"),
            Column(name, lambda _, row: f"C-{row:05}"),
            Column("uuid", values.uuid),
            Column(named(words, "email"), values.email),
        )
    )


def text_column(rng: random.Random, words: Language) -> Column:
    """Return a column of short texts."""
    return rng.choice(
        (
            Column(
                named(words, "name"),
                lambda r, _: f"{r.choice(words.first)} {r.choice(words.last)}",
                is_value=False,
            ),
            Column(
                named(words, "name"),
                lambda r, _: f"{r.choice(words.last)}, {r.choice(words.first)}",
                is_value=False,
            ),
            Column(
                named(words, "city"),
                lambda r, _: r.choice(words.cities),
                is_value=False,
                empty=rng.choice((0, 0, 0.1)),
            ),
            Column(
                named(words, "street"),
                lambda r, _: f"{r.choice(words.streets)} {r.randrange(1, 200)}",
                is_value=False,
            ),
            Column(named(words, "status"), lambda r, _: r.choice(words.words), is_value=False),
            Column(
                named(words, "note"),
                lambda r, _: values.sentence(r, words, r.randrange(1, 12)),
                is_value=False,
                empty=rng.choice((0, 0.3, 0.7)),
            ),
        )
    )


VALUES: Sequence[tuple[str, Make]] = (
    ("date", values.iso_date),
    ("date", values.dotted_date),
    ("date", values.slashed_date),
    ("shipped", values.written_date),
    ("time", values.time_of_day),
    ("updated_at", values.timestamp),
    ("created", values.iso_timestamp),
    ("quantity", values.integer),
    ("amount", values.decimal_point),
    ("amount", values.decimal_point),
    ("amount", values.decimal_comma),
    ("total", values.thousands_comma),
    ("total", values.thousands_point),
    ("price", values.money),
    ("share", values.percent),
    ("weight", values.measure),
    ("lat", values.coordinate),
    ("position", values.comma_pair),
    ("uuid", values.uuid),
    ("ip", values.ip_address),
    ("mac", values.mac_address),
    ("url", values.url),
    ("email", values.email),
    ("phone", values.phone),
    ("active", values.boolean),
    ("paid", values.yes_no),
    ("sku", values.code),
)
LISTS: Sequence[tuple[str, Make]] = (
    ("colours", values.semicolon_list),
    ("tags", values.comma_list),
    ("genres", values.bar_list),
    ("position", values.comma_pair),
    ("time", values.time_of_day),
    ("mac", values.mac_address),
    ("amount", values.decimal_comma),
    ("total", values.thousands_comma),
)
LONG: Sequence[tuple[str, Make]] = (
    ("data", values.json_text),
    ("list", values.json_list),
    ("title", values.quotation),
    ("html", values.html),
    ("code", values.source_code),
    ("path", values.windows_path),
    ("file", values.unix_path),
    ("url", values.url),
)


def value_column(rng: random.Random, words: Language, choices: Sequence[tuple[str, Make]] = VALUES) -> Column:
    """Return a column of numbers, dates and the like."""
    name, make = rng.choice(choices)
    return Column(named(words, name), make, empty=rng.choice((0, 0, 0, 0, 0.05, 0.5)))


def sized(rng: random.Random, least: int = 0) -> int:
    """Return a number of rows: mostly few, seldom 2,000, very seldom 20,000."""
    chance = rng.random()
    if chance < 0.32:
        rows = rng.choice((0, 1, 1, 1, 2, 2, 3, 3, 4, 5))
    elif chance < 0.73:
        rows = rng.randrange(6, 40)
    elif chance < 0.98:
        rows = rng.randrange(100, 300)
    elif chance < 0.999:
        rows = rng.randrange(1500, 2500)
    else:
        rows = rng.randrange(15_000, 20_001)
    return rows if rows >= least else rng.randrange(least, least + 30)


def table(
    rng: random.Random,
    rows: int,
    width: int | None = None,
    *,
    extra: Sequence[Column] = (),
    ensure_values: int = 1,
) -> Table:
    """Return a table of ``rows`` rows. Its first column is never empty, and no two rows are equal.

    ``ensure_values`` columns beside the first have numbers, dates and the like in most rows.
    """
    words = language(rng)
    width = width or rng.choice((2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 12))
    rest = list(extra)
    while len(rest) < width - 1:
        many = len([column for column in rest if column.is_value]) >= ensure_values
        if many and rng.random() < 0.55:
            rest.append(text_column(rng, words))
        else:
            column = value_column(rng, words)
            rest.append(column if many else Column(column.name, column.make))
    rng.shuffle(rest)
    columns = [key_column(rng, words), *rest][:width]
    return Table(_distinct(columns), cells(rng, columns, rows))


def cells(rng: random.Random, columns: Sequence[Column], rows: int, first: int = 0) -> list[list[str]]:
    """Return rows of cells for the columns."""
    return [
        ["" if column.empty and rng.random() < column.empty else column.make(rng, row) for column in columns]
        for row in range(first, first + rows)
    ]


def _distinct(columns: Sequence[Column]) -> list[Column]:
    """Append numbers to names that are there already."""
    seen: dict[str, int] = {}
    named_columns = []
    for column in columns:
        seen[column.name] = seen.get(column.name, 0) + 1
        number = seen[column.name]
        name = column.name if number == 1 else f"{column.name} {number}"
        named_columns.append(Column(name, column.make, column.is_value, column.empty))
    return named_columns
