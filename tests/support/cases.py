"""The files in `tests/cases`, and what is right for each: `README.md` there says it in words."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bench.reading.labels import Fate, Label, LabelledFile, LeftOut
from chalicelib.rows import canonical
from tests.support.paths import CHECKOUT

FOLDER = CHECKOUT / "tests" / "cases"
Cells = Sequence[str]


@dataclass(frozen=True)
class Case:
    """A file, the options with which it is uploaded, and what is right for it."""

    file: str
    columns: tuple[str, ...]  # empty: the file is not CSV
    fates: Sequence[Fate]
    told: frozenset[str] = frozenset()  # codes of warnings; `a|b`: either
    codes: frozenset[str] = frozenset()  # of rejects
    says: Sequence[str] = ()  # texts in the messages of the rejects
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        """Return the file's content."""
        return (FOLDER / self.file).read_bytes()

    @property
    def name(self) -> str:
        """Return the file's name with the options."""
        return " ".join([self.file, *(f"{name}={value}" for name, value in self.options.items())])

    @property
    def labelled(self) -> LabelledFile:
        """Return the file with its label."""
        label = Label(self.columns, self.fates, self.told)
        return LabelledFile(0, 0, self.file, "", self.data, [label], plain=not self.told and not self.codes)


def printed(columns: Cells, cells: Cells) -> str:
    """Return a row in canonical form."""
    return canonical.record(dict(zip(columns, cells, strict=True)))


def meant(columns: Cells, *rows: Cells) -> list[Fate]:
    """Return the fates of records that are rows."""
    return [Fate((printed(columns, row),)) for row in rows]


REJECTED = Fate(left_out=LeftOut.REJECTED)


def _table(file: str, columns: str, *rows: str, **more: Any) -> Case:
    """Return a case of rows, given with bars between their cells."""
    names = tuple(columns.split("|"))
    return Case(file, names, meant(names, *(row.split("|") for row in rows)), **_sets(more))


def _sets(more: dict[str, Any]) -> dict[str, Any]:
    return {
        name: frozenset(value.split()) if name in ("told", "codes") else value for name, value in more.items()
    }


def _many(file: str, columns: str, rows: Sequence[Cells], **more: Any) -> Case:
    names = tuple(columns.split("|"))
    return Case(file, names, meant(names, *rows), **_sets(more))


def _read_lines(file: str, delimiter: str, first: int, last: int | None, width: int) -> list[list[str]]:
    """Return lines of a file that has no quotes as rows; cells beyond the width are left out."""
    lines = (FOLDER / file).read_text("utf-8").splitlines()[first:last]
    return [line.split(delimiter)[:width] for line in lines]


def _json_cases() -> list[Case]:
    lines = [Fate((f'{{"id":{number}}}',)) for number in range(1, 101)]
    text = (FOLDER / "json-envelope.json").read_text("utf-8")
    envelope = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    items = [Fate((canonical.record(item),)) for item in envelope["data"]]
    return [
        Case("ndjson-trailing-commas.jsonl", (), lines, frozenset({"commas-between-lines"})),
        Case("json-envelope.json", (), [Fate((canonical.record(envelope),))], frozenset({"json-envelope"})),
        Case("json-envelope.json", (), items, options={"records": "/data"}),
    ]


def _preamble_and_totals() -> Case:
    names = ("Country", "Date", "App", "Amount")
    rows = _read_lines("preamble-and-totals.csv", ",", 5, -1, 4)
    totals = Fate((printed(names, ("Totals:", "", "", "212.00")),), left_out=LeftOut.REJECTED)
    return Case(
        "preamble-and-totals.csv",
        names,
        [*meant(names, *rows), totals],
        frozenset({"lines-before-header"}),
    )


def _second_table() -> Case:
    names = ("a", "b")
    others = [
        Fate(told=(("second-table", printed(names, row)),), left_out=LeftOut.REJECTED)
        for row in (("c", "d"), ("3", "4"))
    ]
    fates = [*meant(names, ("1", "2")), *others]
    return Case("second-table.csv", names, fates, frozenset({"second-table"}), frozenset({"second-table"}))


def _backslash_escapes() -> Case:
    names = ("id", "name", "note")
    rows = [
        ("1", '6" pipe', "steel"),
        ("2", "Ann", 'says "hi", then goes'),
        ("4", "Bob", '{"a":1}'),
        ("5", "Cy", "plain"),
    ]
    doubtful = Fate((printed(names, ("3", "C:\\temp\\", "x")),), left_out=LeftOut.REJECTED)
    return Case(
        "backslash-escapes.csv",
        names,
        [*meant(names, *rows), doubtful],
        frozenset({"escape-detected"}),
        frozenset({"stray-quote"}),
    )


def _gzip() -> Case:
    data = zlib.decompressobj(wbits=31).decompress((FOLDER / "gzip-trailing-newline.csv.gz").read_bytes())
    header, *lines = data.decode().splitlines()
    rows = [line.split(",") for line in lines]
    return _many("gzip-trailing-newline.csv.gz", header.replace(",", "|"), rows, told="bytes-after-archive")


_PARTS = "first|last|email|phone|notes"
_UNITS = "time|temp|wind"
_HALF = ("2025-03-01 10:00|4.1|2", "2025-03-01 11:00|4.4|3")

CASES: Sequence[Case] = [
    _many(
        "delimiter-one-ragged-row.csv",
        "Name, Vorname|Strasse|PLZ|Ort",
        _read_lines("delimiter-one-ragged-row.csv", ";", 1, None, 4),
        told="empty-extra-cells",
    ),
    _many(
        "apostrophes-one-ragged-row.psv",
        "id|hotel|city|stars",
        _read_lines("apostrophes-one-ragged-row.psv", "|", 1, None, 4),
        told="empty-extra-cells",
    ),
    _table(
        "literal-quotes.tsv",
        "id|title",
        '0|"?"',
        '1|"Harbour lights" suite',
        '2|"Ōkina":_part',
        "3|plain",
        told="quotes-are-text",
    ),
    Case("unescaped-quote-in-quotes.csv", ("id", "name"), [REJECTED] * 2, codes=frozenset({"stray-quote"})),
    _backslash_escapes(),
    _table(
        "blank-before-quote.csv",
        "id|name|country",
        "1|Ann Lee|NL",
        "2|Bo, Jr|DE",
        "3|Cy|FR",
        told="blank-after-delimiter",
    ),
    _preamble_and_totals(),
    _many(
        "preamble-without-delimiter.csv",
        "Buchungstag|Empfaenger|Betrag",
        _read_lines("preamble-without-delimiter.csv", ";", 2, None, 3),
        told="lines-before-header",
    ),
    _table("units-row.csv", _UNITS, "TS|degC|m/s", *_HALF, told="second-header-line"),
    _table("units-row.csv", _UNITS, *_HALF, options={"skip_after_header": 1}),
    _table("two-header-lines.csv", "DATE|Qty", "(local)|(kg)", "28/01/2018|2", told="second-header-line"),
    _table("two-header-lines.csv", "DATE|Qty", "28/01/2018|2", options={"skip_after_header": 1}),
    _second_table(),
    _many(
        "concatenated-with-bom.csv",
        "id|name",
        [(str(number), f"N{number}") for number in range(1, 16)],
        told="repeated-header byte-order-mark",
    ),
    _table("caret-delimited.csv", "a|b|c", "1|2|3", "4|5|6"),
    _table("space-delimited.csv", "a|b|c d", "1|2|x, y", "3|4|z"),
    _table("quoted-sep-line.csv", "a|b|c", "1|2|3", "4|5|6", told="separator-line"),
    _table("row-names-without-a-header-cell.csv", "column_1|x|y", "r1|1|2", "r2|3|4", told="row-names"),
    _table("trailing-delimiter-in-rows-only.csv", "a|b|c", "1|2|3", "4|5|6", told="empty-extra-cells"),
    Case(
        "trailing-cells-left-out.csv",
        tuple(_PARTS.split("|")),
        [REJECTED, REJECTED, *meant(_PARTS.split("|"), ("Cy", "Day", "cy@example.com", "556", "hi"))],
        frozenset({"short-rows"}),
        frozenset({"missing-cell"}),
    ),
    _table(
        "trailing-cells-left-out.csv",
        _PARTS,
        "Ann|Lee|ann@example.com||",
        "Bo|Ray|bo@example.com|555|",
        "Cy|Day|cy@example.com|556|hi",
        told="short-rows-padded",
        options={"short_rows": "pad"},
    ),
    _table(
        "lf-in-last-cell-of-crlf-file.csv",
        "id|name|note",
        "1|Widget|first line\nsecond line",
        "2|Gadget|ok",
        told="line-ending-in-cell|mixed-line-endings",
    ),
    _table(
        "decimal-comma.csv",
        "datum|betrag|gps|teil",
        "01.03.2025|1.50|52.13|12,5",
        "02.03.2025|1234|48.1|3,40",
        "03.03.2025|1234.56|9.9|A-7",
        "04.03.2025|-12000|0.1|7,77",
        "05.03.2025|12|1.0|1",
        "06.03.2025|10237.65|1.0|1",
        told="number-in-text-column",
        options={"decimal": ","},
    ),
    _many(
        "utf-16-no-bom.csv",
        "id|name|city",
        [(str(number), f"Zoë {number}", "Malmö") for number in range(1, 21)],
        told="encoding-detected",
    ),
    Case(
        "cp1252.csv",
        ("id", "name"),
        [REJECTED, *meant(("id", "name"), ("2", "Ann")), REJECTED],
        codes=frozenset({"encoding-error"}),
        says=("encoding", "cp1252", "Zoë"),
    ),
    _table(
        "cp1252.csv",
        "id|name",
        "1|Zoë",
        "2|Ann",
        "3|Jürgen \u2013 \u201cx\u201d",
        options={"encoding": "cp1252"},
    ),
    *_json_cases(),
    _gzip(),
    _table("zip-with-ds-store.zip", "id|name", "1|a", "2|b", told="archive-extras"),
]
