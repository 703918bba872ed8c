"""Identify rows: canonical JSON → SHA-256 → rows sorted by hash, each hash once."""

from array import array
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.interruption import asking

_AT_ONCE = 1024  # records, so that they stay in the processor's cache
_MOST = 1 << 17  # records that are sorted at once; most blocks have fewer

SCHEMA = pa.schema([("content_hash", pa.binary(32)), ("record", pa.string())])


def identify(records: pa.Array) -> pa.RecordBatch:
    """Return rows of SCHEMA for canonical records, sorted by hash; one row for equal records.

    The order makes all writers lock rows in the same order, and lets the index grow in runs.
    Raises Interrupted.
    """
    starts = range(0, max(len(records), 1), _MOST)
    parts = [_identify(records.slice(start, _MOST)) for start in asking(starts, 1)]
    if len(parts) == 1:
        return parts[0]
    # of a block of very many short records most are alike
    hashes, records = (pa.concat_arrays([part[name] for part in parts]) for name in SCHEMA.names)
    del parts
    return _sorted(hashes, records)


def _identify(records: pa.Array) -> pa.RecordBatch:
    digest = sha256
    octets = records.cast(pa.binary())
    digests = bytearray()
    for start in range(0, len(octets), _AT_ONCE):
        some = octets.slice(start, _AT_ONCE).to_pylist()
        digests += b"".join([digest(record).digest() for record in some])
    hashes = pa.Array.from_buffers(pa.binary(32), len(records), [None, pa.py_buffer(digests)])
    return _sorted(hashes, records)


def _sorted(hashes: pa.Array, records: pa.Array) -> pa.RecordBatch:
    """Return rows sorted by hash, each hash once."""
    keys = _first_numbers(hashes)
    order = pc.array_sort_indices(keys)
    is_first = _is_first(keys.take(order))
    if not pc.all(is_first).as_py():
        order = pc.array_sort_indices(hashes)
        order = order.filter(_is_first(hashes.take(order)))
    return pa.record_batch([hashes.take(order), records.take(order)], schema=SCHEMA)


def _first_numbers(hashes: pa.Array) -> pa.Array:
    """Return the first eight of each hash's 32 bytes as a number: numbers are sorted much faster."""
    numbers = array("Q", memoryview(hashes.buffers()[1])[: 32 * len(hashes)].cast("Q")[::4].tobytes())
    numbers.byteswap()
    return pa.Array.from_buffers(pa.uint64(), len(numbers), [None, pa.py_buffer(numbers)])


def _is_first(ordered: pa.Array) -> pa.Array:
    """Return, for each value, whether it differs from the value before it."""
    differs = pc.not_equal(ordered.slice(1), ordered.slice(0, max(len(ordered) - 1, 0)))
    return pa.concat_arrays([pa.array([True] * min(len(ordered), 1), pa.bool_()), differs])
