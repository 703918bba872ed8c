"""The text of a file of rejected records, for a person to correct and to upload again.

`docs/reference/rejects.md` says what stands in it. Of CSV files it is CSV that
:mod:`chalicelib.formats.csv.rejects_file` reads again; of NDJSON and JSON files it is NDJSON.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import msgspec

from chalicelib.core.jobs import Job
from chalicelib.core.model import Dialect, WholeReject
from chalicelib.formats.csv.reject_cells import RejectCells, readable
from chalicelib.formats.csv.rejects_file import AddedColumns
from chalicelib.reading import encodings
from chalicelib.rows.formulas import escape

DELIMITERS = (",", ";", "\t")  # that spreadsheet programs write
_PIECE = 1 << 16  # bytes: a piece has so many, and one record more at most
_LINE_ENDINGS = re.compile(r"[\r\n]+")
_CUT = " Only the beginning of this record is here: the record is larger than the limit."
_EXCERPT = " Only an excerpt of this record was kept."


def rejects_name(dialect: Dialect) -> str:
    """Return the name of the file that holds the rejects of a file with that dialect."""
    return "rejects.csv" if dialect.format.is_table else "rejects.ndjson"


def rejects_text(
    job: Job, dialect: Dialect, rejects: Iterable[WholeReject], *, longest: int
) -> Iterator[bytes]:
    """Yield the file of rejects in pieces.

    ``job`` and ``dialect``: those that rejected the records. ``rejects`` are taken one by one, in order.
    ``longest``: the size of the longest record that can be read, in bytes.
    """
    lines = (
        _csv_lines(job, dialect, rejects, longest) if dialect.format.is_table else map(_json_line, rejects)
    )
    buffer = bytearray()
    for line in lines:
        buffer += line.encode()
        if len(buffer) >= _PIECE:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def _csv_lines(job: Job, dialect: Dialect, rejects: Iterable[WholeReject], longest: int) -> Iterator[str]:
    columns = dialect.own_columns
    added = AddedColumns.beside(columns, job.id)
    writer = _Writer(dialect.delimiter if dialect.delimiter in DELIMITERS else ",")
    yield "\ufeff" + writer.line([*columns, *added])
    reader = RejectCells(dialect)
    for reject in rejects:
        cells, raw = None, ""
        if reject.is_excerpt:
            raw = readable(reject.raw, encodings.UTF8)
        elif reject.is_cut or (cells := reader.of(reject.code, reject.raw)) is None:
            raw = reader.text(reject.raw)
        place = (_number(reject.place.line), raw, _number(reject.place.record))
        row = [*(cells or [""] * len(columns)), _reason(reject), *place]
        line = writer.line(row)
        if len(line) > longest or len(line.encode()) > longest:  # lines of such a record may become rows
            line = writer.line(_LINE_ENDINGS.sub(" ", cell) for cell in row)
        yield line


def _reason(reject: WholeReject) -> str:
    alike = f" ({reject.count:,} in a row)" if reject.count > 1 else ""
    return f"{reject.message}{alike}{_CUT if reject.is_cut else ''}{_EXCERPT if reject.is_excerpt else ''}"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


class _Writer:
    """Write records as RFC 4180 has them, their cells safe from being taken for formulas."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        # other delimiters, too: a program may take any of them for one
        self._needs_quotes = re.compile(rf'[{"".join(DELIMITERS)}"\r\n]|\A\ufeff').search

    def line(self, cells: Iterable[str]) -> str:
        """Return a header or a record."""
        return f"{self._delimiter.join(map(self._cell, cells))}\r\n"

    def _cell(self, value: str) -> str:
        if not value:
            return value
        value = escape(value)
        return '"' + value.replace('"', '""') + '"' if self._needs_quotes(value) else value


def _json_line(reject: WholeReject) -> str:
    line, record_number = (_number(it) or "null" for it in (reject.place.line, reject.place.record))
    numbers = f'"_line": {line}, "_record_number": {record_number}'
    members = f'"_reason": {_to_json(_reason(reject))}, "_code": {_to_json(reject.code)}, {numbers}'
    record = None if reject.is_cut or reject.is_excerpt else _json_value(reject.raw)
    if record is not None:
        return f'{{{members}, "record": {record}}}\n'
    raw = readable(reject.raw.strip(b" \t\r\n"), encodings.UTF8)
    return f'{{{members}, "_raw": {_to_json(raw)}}}\n'


def _json_value(raw: bytes) -> str | None:
    """Return a record in one line, without line endings between its tokens; None if it is not valid JSON.

    A comma behind it is not a part of it.
    """
    try:
        text = raw.decode().strip(" \t\r\n")
    except UnicodeDecodeError:
        return None
    text = text.removesuffix(",")
    if not _is_json(text):
        return None
    return _LINE_ENDINGS.sub(" ", text) if "\n" in text or "\r" in text else text


def _is_json(text: str) -> bool:
    try:
        _skim(text)
    except RecursionError:
        return False
    except ValueError:
        return _HALF in text.lower() and _is_valid(text)
    return True


def _is_valid(text: str) -> bool:
    try:
        _decoder.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _as_is(lexeme: str) -> Any:  # noqa: ANN401 - nothing is made of numbers
    return lexeme


_to_json = json.JSONEncoder(ensure_ascii=False).encode
_skim = msgspec.json.Decoder(
    msgspec.Raw
).decode  # fast, and refuses half of a surrogate pair, which JSON may hold
_HALF = "\\ud"  # begins one, in either case
_decoder = json.JSONDecoder(parse_float=_as_is, parse_int=_as_is, parse_constant=_no_constant)
