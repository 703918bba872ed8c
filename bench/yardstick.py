"""The yardstick: plain text COPY of ready-made rows, in file order, by one connection into the same table."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from bench import world
from bench.world import World

_COPY = "COPY ingested_data (first_job, last_job, dataset_id, content_hash, record) FROM STDIN"
_CHUNK = 1 << 20  # bytes


def prepare(place: World, path: Path) -> Path:
    """The rows of a file as COPY takes them, hashes and JSON ready; beside the file, made once.

    Sluice itself makes them, so both write the same: a worker puts them into files instead of Postgres.
    """
    ready = path.with_suffix(".copy")
    if not ready.exists():
        unfinished = ready.with_suffix(".part")
        with TemporaryDirectory(dir=path.parent) as folder, world.database(place) as url:
            program = ("bench.worker", "--file", str(path), "--sink", folder)
            world.ingest(place, url, path, program=program, upload=False)
            with unfinished.open("wb") as target:
                for block in sorted(Path(folder).iterdir()):
                    with block.open("rb") as source:
                        shutil.copyfileobj(source, target, _CHUNK)
        unfinished.rename(ready)
    return ready


def copy(place: World, url: str, ready: Path) -> tuple[int, float]:
    """How many rows were copied, and the seconds it took, commit included."""
    world.checkpoint(place)
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
