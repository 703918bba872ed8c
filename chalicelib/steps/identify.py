"""Columns → canonical JSON → SHA-256 → rows sorted by hash, each hash once."""

from collections.abc import Sequence
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.steps import canonical
from chalicelib.steps.clean import octets

_FIRST_PRINTABLE = 0x20

SCHEMA = pa.schema([("content_hash", pa.binary()), ("record", pa.string())])


def canonical_columns(names: Sequence[str], columns: Sequence[pa.Array]) -> pa.Array:
    """Row by row what :func:`chalicelib.steps.canonical.record` prints, for columns of clean strings.

    ``names`` are distinct and there is at least one. A null is a missing value.
    """
    members = sorted(zip(names, columns, strict=True), key=lambda member: canonical.sort_key(member[0]))
    present = [
        (canonical.string(name), values) for name, values in members if len(values) > values.null_count
    ]
    if not present:
        return pa.array(["{}"] * len(columns[0]), pa.string())
    # Commas stand after the members before the first that no row misses, and before those behind it.
    # (Joining with "," and null_handling="skip" loses rows that miss every member.)
    full = next((place for place, (_, values) in enumerate(present) if not values.null_count), None)
    pieces: list[pa.Array | str] = []
    for place, (key, values) in enumerate(present):
        before = "," if full is None or place > full else ""
        after = "," if full is not None and place < full else ""
        member = [f'{before}{key}:"', _escaped(values), f'"{after}']
        pieces += [_optional(member)] if values.null_count else member
    if full is not None:
        return pc.binary_join_element_wise("{", *pieces, "}", "")
    body = pc.utf8_slice_codeunits(pc.binary_join_element_wise(*pieces, ""), 1)
    return pc.binary_join_element_wise("{", body, "}", "")


def _optional(member: list[pa.Array | str]) -> pa.Array:
    return pc.fill_null(pc.binary_join_element_wise(*member, ""), "")


def _escaped(column: pa.Array) -> pa.Array:
    """The values between the quotes of their JSON strings."""
    present = octets(column)
    lowest = pc.min(present).as_py()
    suspects = [0x5C, 0x22]  # the backslash first: escapes hold one
    if lowest is not None and lowest < _FIRST_PRINTABLE:
        suspects += range(_FIRST_PRINTABLE)
    for code in suspects:
        if pc.index(present, code).as_py() >= 0:
            column = pc.replace_substring(column, pattern=chr(code), replacement=canonical.ESCAPES[code])
    return column


def identify(records: pa.Array) -> pa.RecordBatch:
    """Rows of SCHEMA for canonical records, sorted by hash; of equal records one.

    Sorted, so that all writers lock in one order and the index grows in runs.
    """
    digest = sha256
    hashes = pa.array(
        [digest(record).digest() for record in records.cast(pa.binary()).to_pylist()], pa.binary()
    )
    order = pc.array_sort_indices(hashes)
    rows = pa.record_batch([hashes.take(order), records.take(order)], schema=SCHEMA)
    if len(rows) <= 1:
        return rows
    ordered = rows["content_hash"]
    is_first = pc.not_equal(ordered.slice(1), ordered.slice(0, len(rows) - 1))
    if pc.all(is_first).as_py():
        return rows
    return rows.filter(pa.concat_arrays([pa.array([True]), is_first]))
