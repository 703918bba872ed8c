"""Decode many JSON records together, as Arrow columns.

The specification is :func:`chalicelib.formats.json.parse.parse_record`, which decodes, one by one, all
records that are declined here. Arrow gets the names and types that records have shown, and
refuses any others. So it never guesses, and neither deep nesting nor records with ever different keys make
it build large tables. Broken syntax and repeated keys are errors to Arrow, too. This module checks the rest:

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
_FIRST = 64  # records from which the shape is first learned
# So many mismatches are searched for one by one, and one more for every _SPACED records.
_MOST_MISMATCHES, _SPACED = 16, 128
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


class _Mismatch(Exception):  # noqa: N818 - named for the record
    """A record cannot be decoded with the others: the one at ``row``, if Arrow says which.

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
    """Decode records of one segment, many at a time. It learns the shape of the records on the way."""

    def __init__(self) -> None:
        self._shape: dict[str, json_shape.Shape] = {}
        self._type: pa.DataType | None = None  # of the shape
        self._patterns: list[str] = []  # of records that do not fit
        self._uses_decimals = False  # doubles are not exact enough
        self._checks_first = False  # many records do not fit: check each before Arrow reads them
        self._is_disabled = False  # columns cost more than they save

    def read(self, records: Sequence[bytes]) -> tuple[pa.Table | None, Sequence[int]]:
        """Decode the records that fit together; return their table, in order, or None if no records do.

        Return with it the indices of all other records, in order.
        """
        checks_first = self._checks_first
        while len(records) >= FEWEST and not self._is_disabled:
            try:
                return self._attempt(records, checks_first=checks_first)
            except _Mismatch:
                self._is_disabled, checks_first = checks_first, True
            except _Inexact:
                self._is_disabled, self._uses_decimals = self._uses_decimals, True
            except _Declined:
                self._is_disabled = True
        return None, range(len(records))

    def _attempt(
        self, records: Sequence[bytes], *, checks_first: bool
    ) -> tuple[pa.Table | None, Sequence[int]]:
        data = b"\n".join(records)
        indices = self._presentable(records, data)
        if checks_first:
            presentable, indices = indices, self._matching(records, indices)
            self._checks_first = len(presentable) - len(indices) > _MOST_MISMATCHES
        elif not self._shape:
            self._matching(records, indices[:_FIRST])
        if not indices or self._is_sparse(len(records), data):
            return None, range(len(records))
        indices, table = self._table(records, indices)
        if len(indices) == len(records):
            return table, ()
        decoded = set(indices)
        return table, [index for index in range(len(records)) if index not in decoded]

    def _presentable(self, records: Sequence[bytes], data: bytes) -> Sequence[int]:
        """Return the indices of the records that Arrow may read. ``data``: all records, joined."""
        lines = pa.array(records, pa.binary())
        is_fit = pc.starts_with(lines, "{")
        is_fit = pc.and_(is_fit, pc.or_(pc.ends_with(lines, "}"), pc.ends_with(lines, "}\r")))
        if b"\0" in data:
            is_fit = pc.and_not(is_fit, pc.match_substring(lines, "\0"))
        if b"\\" in data and b"\\u0000" in data:
            is_fit = pc.and_not(is_fit, pc.match_substring(lines, "\\u0000"))
        if not _is_text(data):
            is_fit = pc.and_(is_fit, pa.array(list(map(_is_text, records)), pa.bool_()))
        if patterns := self._patterns + [_NO_DECIMAL] * self._uses_decimals:
            is_fit = pc.and_not(is_fit, pc.match_substring_regex(lines, "|".join(patterns)))
        return range(len(records)) if pc.all(is_fit).as_py() else pc.indices_nonzero(is_fit).to_pylist()

    def _learn(self, records: Iterable[bytes]) -> list[int]:
        self._type = None
        return json_shape.learn(self._shape, records)

    def _matching(self, records: Sequence[bytes], indices: Sequence[int]) -> Sequence[int]:
        """Return the indices, of the given ones, whose records have one shape."""
        mismatches = self._learn(records[index] for index in indices)
        if 2 * len(mismatches) > len(indices):  # the first records are the exception
            self._shape = {}
            self._learn(records[indices[position]] for position in mismatches)
            mismatches = self._learn(records[index] for index in indices)
        if 2 * len(mismatches) > len(indices):
            raise _Declined
        mismatched = set(mismatches)
        return [index for position, index in enumerate(indices) if position not in mismatched]

    def _is_sparse(self, records: int, data: bytes) -> bool:
        """Return whether there would be many columns for little data, or with few values each."""
        outside, inside = json_shape.size(self._shape)
        if (outside + inside) * LEAST > len(data):
            return True
        cells = outside * records + (inside and inside * data.count(b"{"))
        return cells > _MOST_CELLS * len(data)

    def _table(self, records: Sequence[bytes], indices: Sequence[int]) -> tuple[Sequence[int], pa.Table]:
        """Return the indices, of the given ones, whose records fit, and the table of these records."""
        matching: list[int] = []
        most_mismatches = _MOST_MISMATCHES + len(indices) // _SPACED
        at, size, mismatches = 0, len(indices), 0
        while at < len(indices):
            piece = indices[at : at + size]
            try:
                table = self._read_table([records[index] for index in piece])
            except _Mismatch as mismatch:
                mismatches += 1
                if mismatch.row is None or mismatches > most_mismatches:
                    raise _Mismatch from None
                matching += piece[: mismatch.row]
                following = indices[at + mismatch.row + 1 :]
                indices, at = self._drop_matches(records, following, mismatch.pattern), 0
                size = max(_FIRST, 2 * mismatch.row)
            else:
                if not mismatches:
                    return indices, table
                matching += piece
                at, size = at + size, 4 * size
        if not matching:
            raise _Declined
        return matching, self._read_table([records[index] for index in matching])

    def _drop_matches(
        self, records: Sequence[bytes], indices: Sequence[int], pattern: str | None
    ) -> Sequence[int]:
        """Return the indices without those of records that match the pattern, if these are the exception."""
        if pattern is None or not indices or len(self._patterns) == _MOST_PATTERNS:
            return indices
        lines = pa.array([records[index] for index in indices], pa.binary())
        matches = pc.match_substring_regex(lines, pattern)
        if 2 * pc.sum(matches).as_py() > len(indices):
            return indices
        self._patterns.append(pattern)
        others: list[int] = pa.array(indices, pa.int64()).filter(pc.invert(matches)).to_pylist()
        return others

    def _read_table(self, records: Sequence[bytes]) -> pa.Table:
        data = b"\n".join(records) + b"\n"
        kind = self._type = self._type or self._arrow_type()
        doubles = pa.schema(list(json_shape.doubles(kind)))
        if doubles and self._uses_decimals:
            _parse(data, doubles, "ignore")  # raises for texts, which would do for decimals
            kind = json_shape.with_doubles(kind, _DECIMAL)
        table = _parse(data, pa.schema(list(kind)), "error")
        if table.num_rows != len(records):
            raise _Mismatch
        if doubles and not self._uses_decimals and _may_be_inexact(table, data):
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
        raise _mismatch(str(error)) from None


def _mismatch(message: str) -> _Mismatch:
    row = _ROW.search(message)
    change = _OTHER_TYPE.search(message)
    if row is None or (change and change[2] == "null"):
        return _Mismatch()
    if change is None or not _PLAIN_NAME.fullmatch(change[1]):
        return _Mismatch(int(row[1]))
    return _Mismatch(int(row[1]), rf'"{re.escape(change[1])}"\s*:\s*{_BEGINS.get(change[3], "n")}')
