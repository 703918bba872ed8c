"""Load a CSV file by `INSERT … VALUES … ON CONFLICT DO UPDATE`, 200 rows a statement, hashes made here.

    upsert.py FILE

It loads into the existing `ingested_data` at DATABASE_URL, in one transaction, which is faster than one per
statement; psycopg prepares the statement. Prints the rows and the seconds as JSON.
"""

import csv
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psycopg

_BATCH = 200  # rows
_HEAD = "INSERT INTO ingested_data (first_job, last_job, dataset_id, content_hash, record) VALUES "
_TAIL = " ON CONFLICT (dataset_id, content_hash) DO UPDATE SET last_job = excluded.last_job"
_ROW = "(1, 1, 1, %b, %s)"


def values(path: Path) -> Iterator[tuple[bytes, str]]:
    """Yield each row's hash and JSON."""
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            record = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            yield hashlib.sha256(record.encode()).digest(), record


def main(path: Path) -> dict[str, float]:
    """Load the file. Return its rows and the seconds."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        began = time.perf_counter()
        left = values(path)
        rows = 0
        while batch := list(islice(left, _BATCH)):
            statement = _HEAD + ",".join([_ROW] * len(batch)) + _TAIL
            parameters = [value for pair in batch for value in pair]
            connection.execute(statement.encode(), parameters)
            rows += len(batch)
        connection.commit()
        return {"rows": rows, "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
