"""The yardstick: text COPY of finished rows, in file order, by one connection into the same table."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from bench.stack import Stack, checkpoint, database, ingest

_COPY = "COPY ingested_data (first_job, last_job, dataset_id, content_hash, record) FROM STDIN"
_CHUNK = 1 << 20  # bytes


def prepare(stack: Stack, path: Path) -> Path:
    """Return the file's rows in COPY's text format, with hashes and JSON, in a file beside it, made once.

    A worker of Sluice makes them, writing to files instead of Postgres, so that both write the same rows.
    """
    ready = path.with_suffix(".copy")
    if not ready.exists():
        unfinished = ready.with_suffix(".unfinished")
        with TemporaryDirectory(dir=path.parent) as folder, database(stack) as url:
            program = ("bench.worker", "--file", str(path), "--sink", folder)
            ingest(stack, url, path, program=program, upload=False)
            with unfinished.open("wb") as target:
                for block in sorted(Path(folder).iterdir()):
                    with block.open("rb") as source:
                        shutil.copyfileobj(source, target, _CHUNK)
        unfinished.rename(ready)
    return ready


def copy(stack: Stack, url: str, ready: Path) -> tuple[int, float]:
    """COPY the rows. Return their number and the seconds it took, commit included."""
    checkpoint(stack)
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
