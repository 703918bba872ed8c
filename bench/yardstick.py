"""The yardstick: plain text COPY of ready-made rows, in file order, into the same table."""

import csv
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

_COPY = "COPY ingested_data (first_job, last_job, dataset_id, content_hash, record) FROM STDIN"
_CHUNK = 1 << 20  # bytes


def prepare(path: Path) -> Path:
    """The rows of a CSV file as COPY takes them, hashes and JSON ready; beside the file, made once."""
    ready = path.with_suffix(".copy")
    if not ready.exists():
        unfinished = ready.with_suffix(".part")
        with path.open(newline="", encoding="utf-8") as source, unfinished.open("wb") as target:
            target.writelines(_line(row) for row in csv.DictReader(source))
        unfinished.rename(ready)
    return ready


def _line(row: dict[str, str]) -> bytes:
    record = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    digest = hashlib.sha256(record).hexdigest()
    return b"1\t1\t1\t\\\\x%b\t%b\n" % (digest.encode(), record.replace(b"\\", b"\\\\"))


def copy(url: str, ready: Path) -> tuple[int, float]:
    """How many rows were copied, and the seconds it took, commit included."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        began = time.perf_counter()
        with cursor.copy(_COPY) as target:
            for chunk in _chunks(ready):
                target.write(chunk)
        rows = cursor.rowcount
        connection.commit()
        return rows, time.perf_counter() - began


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
