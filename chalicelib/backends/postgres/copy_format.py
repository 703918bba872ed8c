"""Rows of `ingested_data` in the binary format of COPY, encoded from whole columns.

Source of the format: PostgreSQL documentation, "COPY", section "Binary Format"; of a jsonb value (a version
byte 1, then the text): `jsonb_recv` in `src/backend/utils/adt/jsonb.c`.
"""

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from chalicelib import memory
from chalicelib.core.jobs import Job

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)  # flags, length of the header's extension
_TRAILER = struct.pack("!h", -1)
_FIELDS = 5
_HASH_BYTES = 32
_JSONB_VERSION = b"\x01"
_PIECE = 4 << 20  # bytes of rows that are encoded at once


@dataclass(frozen=True)
class EncodedRows:
    """Rows (content_hash: binary(32), record: string), encoded for COPY whenever they are iterated over.

    Columns: first_job, last_job, dataset_id, content_hash, record. The encoded rows of a large block are
    never in memory together.
    """

    job: Job
    rows: pa.RecordBatch

    def __iter__(self) -> Iterator[memoryview | bytes]:
        """Yield the bytes in pieces."""
        yield _HEADER
        most = max(1, _PIECE * len(self.rows) // max(self.rows.nbytes, 1))
        for start in range(0, len(self.rows), most):
            yield _encode(self.job, self.rows.slice(start, most))
        yield _TRAILER


def _encode(job: Job, rows: pa.RecordBatch) -> memoryview:
    number, dataset = struct.pack("!iq", 8, job.number), struct.pack("!ii", 4, job.dataset_id)
    # All rows of a job begin and end alike: only hash and record differ.
    before = struct.pack("!h", _FIELDS) + number + number + dataset + struct.pack("!i", _HASH_BYTES)
    record = rows["record"].cast(pa.binary())
    size = pc.add(pc.binary_length(record), pa.scalar(len(_JSONB_VERSION), pa.int32()))
    content_hash = rows["content_hash"].cast(pa.binary())
    pieces = [before, content_hash, _big_endian(size), _JSONB_VERSION, record]
    encoded = pc.binary_join_element_wise(*pieces, b"", memory_pool=memory.arrow_pool())
    # Arrow keeps the strings of an array one after another: exactly the bytes to send.
    _, _, text = encoded.buffers()
    return memoryview(text)[: pc.sum(pc.binary_length(encoded)).as_py() or 0]


def _big_endian(numbers: pa.Array) -> pa.Array:
    """Return int32 numbers as four bytes each, in network order; Arrow keeps them in the machine's."""
    swapped = array("i", numbers.buffers()[1].to_pybytes())
    swapped.byteswap()
    return pa.Array.from_buffers(pa.binary(4), len(numbers), [None, pa.py_buffer(swapped)]).cast(pa.binary())
