"""Load a CSV file with dlt: merge (strategy upsert) on a hash of the row. Runs in the peers' environment.

    dlt_merge.py records|arrow FILE

`records` is what most people write: the csv module's rows, sent in dlt's default way (INSERT). `arrow` is the
fastest way that dlt's documentation recommends for Postgres: Arrow tables, sent as CSV by COPY. DATABASE_URL
names the database; dlt's own files go to the working directory. Prints the rows and dlt's seconds, without
the imports, as JSON.
"""

import csv
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt  # type: ignore[import-not-found]  # it is in the peers' environment only
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

_PAGE = 10_000  # rows
_CHUNK = 4 << 20  # bytes
_UNIT = "\x1f"


def records(path: Path) -> Iterator[list[dict[str, str]]]:
    """Yield pages of rows, each row with its hash."""
    page: list[dict[str, str]] = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            row["row_hash"] = hashlib.sha256(_UNIT.join(row.values()).encode()).hexdigest()
            page.append(row)
            if len(page) == _PAGE:
                yield page
                page = []
    if page:
        yield page


def tables(path: Path) -> Iterator[pa.Table]:
    """Yield the rows with their hashes as Arrow tables."""
    with path.open(encoding="utf-8") as file:
        names = next(csv.reader(file))
    texts = arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    chunks = arrow_csv.ReadOptions(block_size=_CHUNK)
    with arrow_csv.open_csv(path, read_options=chunks, convert_options=texts) as reader:
        for batch in reader:
            joined = pc.binary_join_element_wise(*batch.columns, _UNIT).to_pylist()
            hashes = [hashlib.sha256(row.encode()).hexdigest() for row in joined]
            yield pa.Table.from_batches([batch]).append_column("row_hash", pa.array(hashes))


def main(kind: str, path: Path) -> dict[str, Any]:
    """Load the file into a table that dlt creates. Return its rows and the seconds."""
    read, file_format = {"records": (records, None), "arrow": (tables, "csv")}[kind]
    began = time.perf_counter()
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(Path.cwd()),
        destination=dlt.destinations.postgres(os.environ["DATABASE_URL"]),
        dataset_name="bench",
    )
    resource = dlt.resource(
        read(path),
        name="rows",
        primary_key="row_hash",
        write_disposition={"disposition": "merge", "strategy": "upsert"},
    )
    pipeline.run(resource, loader_file_format=file_format)
    seconds = time.perf_counter() - began
    with pipeline.sql_client() as client, client.execute_query("SELECT count(*) FROM rows") as cursor:
        (rows,) = cursor.fetchone()
    return {"rows": rows, "seconds": seconds}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
