"""Decodes many JSON records together, as Arrow columns.

The specification is :func:`chalicelib.formats.json.parse.parse_record`, which decodes, one by one, all
records that are declined here. Arrow is given the names and types that records were seen to have, and
refuses any others. So it never guesses, and neither deep nesting nor records with ever different keys make
it build large tables. Broken syntax and repeated keys are errors for it, too. The rest is checked here:

- Doubles do not hold every number; see `_LONG`. Where one may have changed, numbers are read as decimals.
- Text that is not UTF-8 or holds a NUL is found beforehand.
- Names that are the same when they are normalised cannot be columns.
- Two objects in the place of one show in the number of rows. No object takes its end from the next record:
  each begins and ends with a brace, and after a closing brace no opening one may follow within an object;
  in a string no line feed may.
"""

import re
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow

from chalicelib.formats.json import shape as json_shape
from chalicelib.rows import nested

FEWEST = 32  # records that are worth columns
LEAST = 1000  # bytes that are worth a column
_FIRST = 64  # records that the shape is learnt from at first
_MOST_MISFITS, _SPACED = 16, 128  # are searched for one by one, and one more for each so many records
_MOST_CELLS = 2  # for each byte of data

_DECIMAL = pa.decimal256(76, 38)
_NUMBER = r"[:,\[\s]-?"  # stands before the first digit of every number
# Numbers with a point or an exponent that a double may change: with more than 15 digits, or near the ends of
# its range. (Integers are checked by the size of the doubles.)
_LONG = (
    rf"{_NUMBER}(?:"
    + "|".join(rf"[0-9]{{{whole}}}\.[0-9]{{{16 - whole}}}" for whole in range(1, 16))
    + r"|[0-9]{16,}[.eE]|[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]{3})"
)
# That pattern is slow, so a faster check for a long run of these comes first.
_NUMERALS = bytes(0x30 if byte in b"0123456789.eE+-" else byte for byte in range(256))
_LONGEST = 17  # bytes, at least, of such a number that is not near the ends of the range
_LARGE, _SMALL = 1e15, 1e-90
# Numbers that do not fit into a _DECIMAL. Exponents might, but Arrow reads beyond a table for some of them.
_NO_DECIMAL = rf"{_NUMBER}(?:[0-9]{{39}}|[0-9]+\.[0-9]{{39}}|[0-9]+(?:\.[0-9]+)?[eE]|NaN|Inf)"
# Arrow's messages about a record that does not fit
_ROW = re.compile(r"in row ([0-9]+)$")
_OTHER_TYPE = re.compile(r"Column\((?:.*/)?([^/]*)\) changed from (\w+) to (\w+)")
_PLAIN_NAME = re.compile(r"[\w .:@$-]{1,99}", re.ASCII)
_MOST_PATTERNS = 8
_BEGINS = {"number": "[-0-9]", "string": '"', "boolean": "[tf]", "object": r"\{", "array": r"\["}


class _Misfit(Exception):  # noqa: N818 - named for the record
    """A record cannot be decoded with the others: the one at ``row``, if that is known.

    ``pattern``: other records that match it may not fit either.
    """

    def __init__(self, row: int | None = None, pattern: str | None = None) -> None:
        super().__init__(row, pattern)
        self.row = row
        self.pattern = pattern


class _Inexact(Exception):  # noqa: N818 - named for the numbers
    """A double may differ from the number in the file."""


class _Declined(Exception):  # noqa: N818 - named for the decision
    """The records cannot be decoded together."""


class Reader:
    """Decode records of one segment, many at a time. The shape of records is learnt on the way."""

    def __init__(self) -> None:
        self._shape: dict[str, json_shape.Shape] = {}
        self._type: pa.DataType | None = None  # of the shape
        self._patterns: list[str] = []  # of records that do not fit
        self._exact = False  # doubles are not exact enough
        self._wary = False  # many records do not fit
        self._given_up = False  # columns cost more than they save

    def read(self, records: Sequence[bytes]) -> tuple[pa.Table | None, Sequence[int]]:
        """Decode the records that fit together, in order; None if no records do.

        Returns with them the indices of all other records, in order.
        """
        wary = self._wary
        while len(records) >= FEWEST and not self._given_up:
            try:
                return self._attempt(records, wary=wary)
            except _Misfit:
                self._given_up, wary = wary, True
            except _Inexact:
                self._given_up, self._exact = self._exact, True
            except _Declined:
                self._given_up = True
        return None, range(len(records))

    def _attempt(self, records: Sequence[bytes], *, wary: bool) -> tuple[pa.Table | None, Sequence[int]]:
        data = b"\n".join(records)
        places = self._presentable(records, data)
        if wary:
            presentable, places = places, self._fitting(records, places)
            self._wary = len(presentable) - len(places) > _MOST_MISFITS
        elif not self._shape:
            self._fitting(records, places[:_FIRST])
        if not places or self._is_sparse(len(records), data):
            return None, range(len(records))
        places, table = self._table(records, places)
        if len(places) == len(records):
            return table, ()
        decoded = set(places)
        return table, [place for place in range(len(records)) if place not in decoded]

    def _presentable(self, records: Sequence[bytes], data: bytes) -> Sequence[int]:
        """Return the places of the records that Arrow may be given. ``data``: all of them."""
        lines = pa.array(records, pa.binary())
        is_fit = pc.starts_with(lines, "{")
        is_fit = pc.and_(is_fit, pc.or_(pc.ends_with(lines, "}"), pc.ends_with(lines, "}\r")))
        if b"\0" in data:
            is_fit = pc.and_not(is_fit, pc.match_substring(lines, "\0"))
        if b"\\" in data and b"\\u0000" in data:
            is_fit = pc.and_not(is_fit, pc.match_substring(lines, "\\u0000"))
        if not _is_text(data):
            is_fit = pc.and_(is_fit, pa.array(list(map(_is_text, records)), pa.bool_()))
        if patterns := self._patterns + [_NO_DECIMAL] * self._exact:
            is_fit = pc.and_not(is_fit, pc.match_substring_regex(lines, "|".join(patterns)))
        return range(len(records)) if pc.all(is_fit).as_py() else pc.indices_nonzero(is_fit).to_pylist()

    def _learn(self, records: Iterable[bytes]) -> list[int]:
        self._type = None
        return json_shape.learn(self._shape, records)

    def _fitting(self, records: Sequence[bytes], places: Sequence[int]) -> Sequence[int]:
        """Return those of the places whose records fit each other."""
        misfits = self._learn(records[place] for place in places)
        if 2 * len(misfits) > len(places):  # the first records are the exception
            self._shape = {}
            self._learn(records[places[index]] for index in misfits)
            misfits = self._learn(records[place] for place in places)
        if 2 * len(misfits) > len(places):
            raise _Declined
        left_out = set(misfits)
        return [place for index, place in enumerate(places) if index not in left_out]

    def _is_sparse(self, records: int, data: bytes) -> bool:
        """Return whether there would be many columns for little data, or with few values each."""
        outside, inside = json_shape.size(self._shape)
        if (outside + inside) * LEAST > len(data):
            return True
        cells = outside * records + (inside and inside * data.count(b"{"))
        return cells > _MOST_CELLS * len(data)

    def _table(self, records: Sequence[bytes], places: Sequence[int]) -> tuple[Sequence[int], pa.Table]:
        """Return those of the places whose records fit, and the table of these records."""
        fitting: list[int] = []
        most_misfits = _MOST_MISFITS + len(places) // _SPACED
        at, size, misfits = 0, len(places), 0
        while at < len(places):
            piece = places[at : at + size]
            try:
                table = self._parsed([records[place] for place in piece])
            except _Misfit as misfit:
                misfits += 1
                if misfit.row is None or misfits > most_misfits:
                    raise _Misfit from None
                fitting += piece[: misfit.row]
                places, at = self._without(records, places[at + misfit.row + 1 :], misfit.pattern), 0
                size = max(_FIRST, 2 * misfit.row)
            else:
                if not misfits:
                    return places, table
                fitting += piece
                at, size = at + size, 4 * size
        if not fitting:
            raise _Declined
        return fitting, self._parsed([records[place] for place in fitting])

    def _without(self, records: Sequence[bytes], places: Sequence[int], pattern: str | None) -> Sequence[int]:
        """Return the places without those of records that match the pattern, if these are the exception."""
        if pattern is None or not places or len(self._patterns) == _MOST_PATTERNS:
            return places
        lines = pa.array([records[place] for place in places], pa.binary())
        matches = pc.match_substring_regex(lines, pattern)
        if 2 * pc.sum(matches).as_py() > len(places):
            return places
        self._patterns.append(pattern)
        others: list[int] = pa.array(places, pa.int64()).filter(pc.invert(matches)).to_pylist()
        return others

    def _parsed(self, records: Sequence[bytes]) -> pa.Table:
        data = b"\n".join(records) + b"\n"
        kind = self._type = self._type or self._arrow_type()
        doubles = pa.schema(list(json_shape.doubles(kind)))
        if doubles and self._exact:
            _parse(data, doubles, "ignore")  # raises for texts, which would do for decimals
            kind = json_shape.with_doubles(kind, _DECIMAL)
        table = _parse(data, pa.schema(list(kind)), "error")
        if table.num_rows != len(records):
            raise _Misfit
        if doubles and not self._exact and _may_be_inexact(table, data):
            raise _Inexact
        return table

    def _arrow_type(self) -> pa.DataType:
        if json_shape.names_collide(self._shape):  # some record may hold both
            raise _Declined
        return json_shape.struct(self._shape)


def _may_be_inexact(table: pa.Table, data: bytes) -> bool:
    """Return whether some double may differ from the number in the file."""
    sizes = [pc.abs(column) for column in nested.doubles(table)]
    bounds = [pc.min_max(column).as_py() for column in sizes if column.null_count < len(column)]
    if any(bound["max"] >= _LARGE for bound in bounds) or any(
        pc.any(pc.is_nan(size)).as_py() for size in sizes
    ):
        return True
    suspect = _LONGEST * b"0" in data.translate(_NUMERALS) or any(bound["min"] < _SMALL for bound in bounds)
    return suspect and pc.match_substring_regex(pa.scalar(data), _LONG).as_py()


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parse(data: bytes, schema: pa.Schema, unexpected: str) -> pa.Table:
    try:
        return arrow.read_json(
            pa.BufferReader(data),
            read_options=arrow.ReadOptions(use_threads=False, block_size=len(data)),
            parse_options=arrow.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unexpected),
        )
    except pa.ArrowInvalid as error:
        raise _misfit(str(error)) from None


def _misfit(message: str) -> _Misfit:
    row = _ROW.search(message)
    change = _OTHER_TYPE.search(message)
    if row is None or (change and change[2] == "null"):
        return _Misfit()
    if change is None or not _PLAIN_NAME.fullmatch(change[1]):
        return _Misfit(int(row[1]))
    return _Misfit(int(row[1]), rf'"{re.escape(change[1])}"\s*:\s*{_BEGINS.get(change[3], "n")}')
