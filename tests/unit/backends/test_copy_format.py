"""What COPY is sent, read back by the letter of PostgreSQL's documentation."""

import json
import struct

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.backends.postgres.copy_format import EncodedRows
from tests.support.jobs import new_job

HASHES = st.binary(min_size=32, max_size=32)
RECORDS = st.dictionaries(st.text(max_size=5), st.text(max_size=300), max_size=4).map(
    lambda it: json.dumps(it, ensure_ascii=False)
)
NUMBERS = st.integers(min_value=1, max_value=2**63 - 1)


def fields(data: bytes) -> list[list[bytes | None]]:
    """Return the tuples of a binary COPY."""
    assert data.startswith(b"PGCOPY\n\xff\r\n\0" + bytes(8))
    at, tuples = 19, []
    while (count := struct.unpack_from("!h", data, at)[0]) != -1:
        at += 2
        row: list[bytes | None] = []
        for _ in range(count):
            (size,) = struct.unpack_from("!i", data, at)
            at += 4
            row.append(None if size == -1 else data[at : at + size])
            at += max(size, 0)
        tuples.append(row)
    assert data[at + 2 :] == b""
    return tuples


@given(
    rows=st.lists(st.tuples(HASHES, RECORDS), max_size=20),
    number=NUMBERS,
    start=st.integers(0, 5),
)
def test_every_row_is_encoded_unchanged(rows: list[tuple[bytes, str]], number: int, start: int) -> None:
    job = new_job(number=number, dataset_id=7, metadata={"not": "stored with rows"})
    hashes, records = (
        pa.array([it[0] for it in rows], pa.binary(32)),
        pa.array([it[1] for it in rows], pa.string()),
    )
    batch = pa.record_batch([hashes, records], names=["content_hash", "record"]).slice(start)
    made = fields(b"".join(EncodedRows(job, batch)))
    job_number = struct.pack("!q", number)
    assert made == [
        [job_number, job_number, struct.pack("!i", 7), content_hash, b"\x01" + record.encode()]
        for content_hash, record in rows[start:]
    ]
