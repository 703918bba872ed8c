"""Files to measure with: made up from a seed, so that everyone measures the same."""

import csv
import gzip
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

COLUMNS = ("id", "name", "email", "city", "amount", "date", "status")

_FIRST = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Linus", "Margaret", "Tim", "Radia")
_LAST = ("Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Torvalds", "Hamilton", "Perlman")
_STATUS = ("active", "closed", "pending")


def narrow(folder: Path, rows: int) -> Path:
    """A CSV file of so many different records of 7 columns, about 90 bytes each."""
    path = folder / f"narrow-{rows}.csv"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(",".join(COLUMNS) + "\n")
            file.writelines(_narrow_lines(rows))
        unfinished.rename(path)
    return path


def gzipped(folder: Path, rows: int) -> Path:
    """The narrow file, compressed."""
    plain = narrow(folder, rows)
    path = plain.with_suffix(".csv.gz")
    if not path.exists():
        with plain.open("rb") as source, gzip.open(path, "wb", compresslevel=1) as target:
            shutil.copyfileobj(source, target, 1 << 20)
    return path


def json_array(folder: Path, rows: int) -> Path:
    """The narrow file's records as one JSON array."""
    plain = narrow(folder, rows)
    path = plain.with_suffix(".json")
    if not path.exists():
        with plain.open(newline="", encoding="utf-8") as source, path.open("w", encoding="utf-8") as target:
            for number, row in enumerate(csv.DictReader(source)):
                target.write((",\n" if number else "[") + json.dumps(row))
            target.write("]\n")
    return path


def _narrow_lines(rows: int) -> Iterator[str]:
    source = random.Random(1)
    for number in range(rows):
        first, last = source.choice(_FIRST), source.choice(_LAST)
        city, amount = source.randrange(1000), source.randrange(10**7) / 100
        month, day = source.randrange(1, 13), source.randrange(1, 29)
        yield (
            f"{number},{first} {last},{first}.{last}{number}@Example.com,City {city},{amount:.2f},"
            f"2025-{month:02}-{day:02},{source.choice(_STATUS)}\n"
        )
