"""Print nested columns as canonical JSON: row by row, :func:`chalicelib.rows.canonical.record`'s text.

Strings are normalised on the way. A value is a list of pieces, texts and columns of texts, that are joined
row by row. The pieces of an object that no row lacks become pieces of the object around it, so that most
texts are copied only once.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.rows import canonical
from chalicelib.rows.columns import join_present, whole
from chalicelib.rows.flat import commas, escape
from chalicelib.rows.normalise import normalise_column
from chalicelib.rows.text import normalise

_Pieces = list[pa.Array | str]

_PLAIN = 10**10  # below this, Arrow and ECMAScript print doubles the same, except -0
_SPARSE = 1.5  # all values over the missing ones: below that each value is put in its row
_LONGEST = 21  # digits that ECMAScript prints before the point


class _Value(NamedTuple):
    """The pieces of a value. If some row has none, the joined pieces are null there."""

    pieces: _Pieces
    is_optional: bool


def records(table: pa.Table) -> pa.Array:
    """Return each row of a table as a canonical record.

    Columns may be nested; numbers are integers, doubles or decimals. The normalised names in each object
    must be distinct. Raises ValueError if they are not.
    """
    columns = [whole(column) for column in table.columns]
    return _join(_object(zip(table.column_names, columns, strict=True)), table.num_rows)


def texts(column: pa.Array) -> pa.Array | None:
    """Return the values of a column of scalars as texts, strings normalised; None for other columns."""
    if pa.types.is_string(column.type):
        return normalise_column(column)
    if pa.types.is_null(column.type) or pa.types.is_nested(column.type) or column.null_count == len(column):
        return None
    return _scalar(column)


def doubles(columns: pa.Table | pa.Array) -> Iterator[pa.Array]:
    """Return all columns of doubles in a table, or in a column."""
    if isinstance(columns, pa.Table):
        for column in columns.columns:
            yield from doubles(whole(column))
    elif pa.types.is_struct(columns.type):
        for index in range(columns.type.num_fields):
            yield from doubles(columns.field(index))
    elif pa.types.is_list(columns.type):
        yield from doubles(columns.values)
    elif pa.types.is_float64(columns.type):
        yield columns


def _join(pieces: _Pieces, rows: int) -> pa.Array:
    merged: _Pieces = []
    for piece in pieces:
        if merged and isinstance(piece, str) and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    if len(merged) == 1:
        only = merged[0]
        return _repeat(only, rows) if isinstance(only, str) else only
    return pc.binary_join_element_wise(*merged, "")


def _object(columns: Iterable[tuple[str, pa.Array]]) -> _Pieces:
    """Return the pieces of objects, none of them missing."""
    by_name: dict[str, pa.Array] = {}
    for raw_name, column in columns:
        name = normalise(raw_name)
        if name in by_name:
            raise ValueError(f"two columns are called {name!r}")
        by_name[name] = column
    keys = {name: canonical.string(name) for name in sorted(by_name, key=canonical.sort_key)}
    if sum(column.null_count for column in by_name.values()) * _SPARSE > sum(map(len, by_name.values())):
        return _gather([(key, by_name[name]) for name, key in keys.items()])
    members = [(key, value) for name, key in keys.items() if (value := _value(by_name[name]))]
    optional = [value.is_optional for _, value in members]
    pieces: _Pieces = []
    for (key, value), (before, after) in zip(members, commas(optional), strict=True):
        member = [f"{before}{key}:", *value.pieces, after]
        pieces += [pc.fill_null(_join(member, 0), "")] if value.is_optional else member
    if pieces and all(optional):  # each member has a comma before it: the first comma becomes the brace
        text = pc.binary_join_element_wise(*pieces, "")
        return [pc.binary_replace_slice(text, start=0, stop=1, replacement="{"), "}"]
    return ["{", *pieces, "}"]


def _gather(members: list[tuple[str, pa.Array]]) -> _Pieces:
    """Return the pieces of objects with few of the members each."""
    present = []
    for key, column in members:
        if value := _value(column.drop_null()):
            is_present = column.is_valid()
            texts = _join([f"{key}:", *value.pieces], pc.sum(is_present).as_py())
            if value.is_optional:
                is_present = pc.replace_with_mask(is_present, is_present, texts.is_valid())
                texts = texts.drop_null()
            present.append((is_present, texts))
    return ["{", join_present(present, ","), "}"] if present else ["{}"]


def _value(column: pa.Array) -> _Value | None:
    """Return the values of a member; None if no row has one."""
    if column.null_count == len(column) or pa.types.is_null(column.type):
        return None
    is_optional = column.null_count > 0
    if pa.types.is_string(column.type):
        column = normalise_column(column)
        if column.null_count == len(column):
            return None
        return _Value(['"', escape(column), '"'], column.null_count > 0)
    if pa.types.is_struct(column.type):
        pieces = _object((field.name, column.field(index)) for index, field in enumerate(column.type))
        return _Value(
            [_null_where_missing(column, _join(pieces, len(column)))] if is_optional else pieces, is_optional
        )
    if pa.types.is_list(column.type):
        return _Value(["[", _items(column), "]"], is_optional)
    return _Value([_scalar(column)], is_optional)


def _null_where_missing(column: pa.Array, texts: pa.Array) -> pa.Array:
    """Return the texts, and null where the column is null."""
    return pc.if_else(column.is_valid(), texts, pa.scalar(None, pa.string()))


def _items(lists: pa.Array) -> pa.Array:
    """Return the texts between the brackets of arrays. Missing items stay: null, or an empty text."""
    if pa.types.is_null(lists.type.value_type):  # Arrow miscounts them
        texts = _repeat("null", lists.offsets[-1].as_py())
    else:
        texts = _item(lists.values)
    joined = pc.binary_join(pa.ListArray.from_arrays(lists.offsets, texts), ",")
    return _null_where_missing(lists, joined) if lists.null_count else joined


def _item(values: pa.Array) -> pa.Array:
    if values.null_count == len(values):
        return _repeat("null", len(values))
    value = _value(values)
    if value is None:
        texts = _repeat('""', len(values))
    else:
        texts = _join(value.pieces, len(values))
        if value.is_optional and pa.types.is_string(values.type):
            texts = pc.fill_null(texts, '""')
    return pc.if_else(values.is_valid(), texts, "null") if values.null_count else texts


def _repeat(text: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), rows)


def _scalar(column: pa.Array) -> pa.Array:
    if pa.types.is_boolean(column.type):
        return pc.if_else(column, "true", "false")
    texts = column.cast(pa.string())
    if pa.types.is_integer(column.type):
        return texts
    if pa.types.is_decimal(column.type):
        odd = pc.match_substring_regex(texts, rf"E|^-?[0-9]{{{_LONGEST + 1}}}")
        trimmed = pc.ascii_rtrim(pc.ascii_rtrim(texts, characters="0"), characters=".")
        return _lay_out(texts, odd, trimmed)
    sizes = pc.abs(column)
    bounds = pc.min_max(sizes).as_py()
    if bounds["min"] == 0:
        texts = pc.if_else(pc.equal(column, 0), "0", texts)
    return _lay_out(texts, pc.greater_equal(sizes, _PLAIN), texts) if bounds["max"] >= _PLAIN else texts


def _lay_out(texts: pa.Array, odd: pa.Array, rest: pa.Array) -> pa.Array:
    """Return numbers: the odd ones among the texts in the layout of ECMAScript, the others from ``rest``."""
    odd = pc.fill_null(odd, fill_value=False)
    if not pc.any(odd).as_py():
        return rest
    distinct = texts.filter(odd).dictionary_encode()
    numbers = [canonical.number(Decimal(text)) for text in distinct.dictionary.to_pylist()]
    return pc.replace_with_mask(rest, odd, pa.array(numbers, pa.string()).take(distinct.indices))
