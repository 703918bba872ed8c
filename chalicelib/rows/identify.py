"""Columns → canonical JSON → SHA-256 → rows sorted by hash, each hash once."""

from array import array
from collections.abc import Sequence
from hashlib import sha256
from itertools import groupby
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.rows import canonical
from chalicelib.rows.columns import content, octets, present

_BACKSLASH, _QUOTE = 0x5C, 0x22
_CONTROLS = range(0x20)
_AT_ONCE = 1024  # so many records stay in the processor's cache

SCHEMA = pa.schema([("content_hash", pa.binary(32)), ("record", pa.string())])


class _Member(NamedTuple):
    """A member of many objects: the values, and what stands around each that is not null."""

    opening: str
    values: pa.Array
    closing: str

    @property
    def is_optional(self) -> bool:
        return bool(self.values.null_count)

    def texts(self) -> pa.Array:
        """Of the values that are there."""
        return pc.binary_join_element_wise(self.opening, self.values.drop_null(), self.closing, "")


def canonical_columns(names: Sequence[str], columns: Sequence[pa.Array]) -> pa.Array:
    """Row by row what :func:`chalicelib.rows.canonical.record` prints, for columns of clean strings.

    ``names`` are distinct and there is at least one. A null is a missing value.
    """
    members = sorted(zip(names, columns, strict=True), key=lambda member: canonical.sort_key(member[0]))
    members = [(name, values) for name, values in members if len(values) > values.null_count]
    if not members:
        return pa.array(["{}"] * len(columns[0]), pa.string())
    optional = [bool(values.null_count) for _, values in members]
    printed = [
        _Member(f'{before}{canonical.string(name)}:"', escaped(values), f'"{after}')
        for (name, values), (before, after) in zip(members, commas(optional), strict=True)
    ]
    pieces: list[pa.Array | str] = []
    constant = "{"  # what all rows have before the next piece: the fewer pieces, the faster
    for are_optional, run in groupby(printed, lambda member: member.is_optional):
        if are_optional:
            pieces += [constant, present([(it.values.is_valid(), it.texts()) for it in run], "")]
            constant = ""
            continue
        for member in run:
            pieces += [constant + member.opening, member.values]
            constant = member.closing
    records = pc.binary_join_element_wise(*pieces, constant + "}", "")
    if all(optional):  # whichever comes first has a comma before it
        records = pc.replace_substring(records, pattern="{,", replacement="{", max_replacements=1)
    return records


def commas(optional: Sequence[bool]) -> list[tuple[str, str]]:
    """What stands before and after each member of many objects; ``optional``: whether some lack it.

    Commas stand after the members before the first that none lacks, and before those behind it; before all
    of them, so before the first of each object too, if there is no such member.
    """
    full = next((place for place, it in enumerate(optional) if not it), -1)
    return [("," if place > full else "", "," if place < full else "") for place in range(len(optional))]


def escaped(column: pa.Array) -> pa.Array:
    """The values between the quotes of their JSON strings."""
    held = content(column)
    suspects = [_BACKSLASH, _QUOTE]  # the backslash first: escapes hold one
    if held and pc.min(octets(column)).as_py() in _CONTROLS:
        suspects += _CONTROLS
    for code in suspects:
        if code in held:
            column = pc.replace_substring(column, pattern=chr(code), replacement=canonical.ESCAPES[code])
    return column


def identify(records: pa.Array) -> pa.RecordBatch:
    """Rows of SCHEMA for canonical records, sorted by hash; of equal records one.

    Sorted, so that all writers lock in one order and the index grows in runs.
    """
    digest = sha256
    every = records.cast(pa.binary())
    digests: list[bytes] = []
    for start in range(0, len(every), _AT_ONCE):
        digests += [digest(record).digest() for record in every.slice(start, _AT_ONCE).to_pylist()]
    joined = b"".join(digests)
    hashes = pa.Array.from_buffers(pa.binary(32), len(digests), [None, pa.py_buffer(joined)])
    keys = _first_numbers(joined)
    order = pc.array_sort_indices(keys)
    is_first = _is_first(keys.take(order))
    if pc.all(is_first).as_py():
        return pa.record_batch([hashes.take(order), records.take(order)], schema=SCHEMA)
    order = pc.array_sort_indices(hashes)
    order = order.filter(_is_first(hashes.take(order)))
    return pa.record_batch([hashes.take(order), records.take(order)], schema=SCHEMA)


def _first_numbers(hashes: bytes) -> pa.Array:
    """Of each hash of 32 bytes the first eight, as a number: they are sorted much faster."""
    numbers = array("Q", hashes)[::4]
    numbers.byteswap()
    return pa.Array.from_buffers(pa.uint64(), len(numbers), [None, pa.py_buffer(numbers)])


def _is_first(ordered: pa.Array) -> pa.Array:
    """For each value, whether it differs from the one before it."""
    differs = pc.not_equal(ordered.slice(1), ordered.slice(0, max(len(ordered) - 1, 0)))
    return pa.concat_arrays([pa.array([True] * min(len(ordered), 1), pa.bool_()), differs])
