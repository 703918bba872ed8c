"""Rows of `ingested_data` in the binary format of COPY, made of whole columns at once.

Source of the format: PostgreSQL documentation, "COPY", section "Binary Format"; of a jsonb value (a version
byte 1, then the text): `jsonb_recv` in `src/backend/utils/adt/jsonb.c`.
"""

import json
import struct
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib.model import Job

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)  # flags, length of what extends the header
_TRAILER = struct.pack("!h", -1)
_FIELDS = 6
_HASH_BYTES = 32
_JSONB_VERSION = b"\x01"
_NULL = struct.pack("!i", -1)
_U32 = {value: pa.scalar(value, pa.uint32()) for value in (0, 8, 16, 24, 0xFF)}


def encode_rows(job: Job, rows: pa.RecordBatch) -> list[memoryview | bytes]:
    """The job's ``rows`` (content_hash: binary of 32 bytes, record: string) as COPY takes them, in pieces.

    Columns: first_job, last_job, dataset_id, content_hash, record, metadata.
    """
    number, dataset = struct.pack("!iq", 8, job.number), struct.pack("!ii", 4, job.dataset_id)
    # All rows of a job begin and end alike, so only hash and record are put in between.
    before = struct.pack("!h", _FIELDS) + number + number + dataset + struct.pack("!i", _HASH_BYTES)
    record = rows["record"].cast(pa.binary())
    size = pc.add(pc.binary_length(record), pa.scalar(len(_JSONB_VERSION), pa.int32()))
    pieces = [before, rows["content_hash"], _big_endian(size), _JSONB_VERSION, record, _metadata(job)]
    joined = pc.binary_join_element_wise(*pieces, b"")
    # What Arrow keeps of an array of strings is their bytes one after another: just what is sent.
    _, _, text = joined.buffers()
    return [_HEADER, memoryview(text)[: pc.sum(pc.binary_length(joined)).as_py() or 0], _TRAILER]


def _metadata(job: Job) -> bytes:
    if job.metadata is None:
        return _NULL
    value = _JSONB_VERSION + json.dumps(job.metadata).encode()
    return struct.pack("!i", len(value)) + value


def _big_endian(numbers: pa.Array) -> pa.Array:
    """Whole numbers below 2³¹ as four bytes each, the highest first."""
    value = pc.cast(numbers, pa.uint32())
    octets = [pc.bit_wise_and(pc.shift_right(value, _U32[low]), _U32[0xFF]) for low in (0, 8, 16, 24)]
    moved = [pc.shift_left(it, _U32[24 - low]) for it, low in zip(octets, (0, 8, 16, 24), strict=True)]
    swapped = reduce(pc.bit_wise_or, moved)  # on a machine that keeps the lowest byte first, as Arrow demands
    return pa.Array.from_buffers(pa.binary(4), len(swapped), [None, swapped.buffers()[1]]).cast(pa.binary())
