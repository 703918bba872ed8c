"""Files to measure with, generated from a seed, so that they are the same on every machine.

A file of millions of rows must not take longer to generate than to load. So a row takes one random number,
and the wide shapes are joined from pieces of text that are printed once.
"""

import gzip
import json
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

COLUMNS = ("id", "name", "email", "city", "amount", "date", "status")
WIDE = ("id", *(f"{kind}_{number}" for number in range(1, 13) for kind in ("word", "price", "day", "flag")))
WIDE_COLUMNS = (*WIDE, *(f"note_{number}" for number in range(1, 12)))
SPARSE_COLUMNS = ("id", "name", *(f"attribute_{number:02}" for number in range(1, 39)))
MAX_KEPT_SIZE = 10**9  # bytes
DISTINCT = 1000  # records in the file that repeats them

_PIECES = 1000  # of text for each section of a wide row
_CHUNK = 1 << 14  # rows
_FIRST = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Linus", "Margaret", "Tim", "Radia")
_LAST = ("Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Torvalds", "Hamilton", "Perlman")
_WORDS = ("amber", "birch", "cobalt", "dune", "ember", "fjord", "granite", "harbour", "iris", "juniper")
_STATUS = ("active", "closed", "pending")
_PRESENT = (0, 2, 5, 30)  # per cent of the rows that have an attribute, for one attribute after the other


def narrow(folder: Path, rows: int) -> Path:
    """Make a CSV file of `rows` different records of 7 columns, about 90 bytes each."""
    return _ensure_file(folder / f"narrow-{rows}.csv", lambda: _csv(COLUMNS, _narrow_lines(rows)))


def wide(folder: Path, rows: int) -> Path:
    """Make a CSV file of 60 columns: words, prices, days, flags and notes."""
    return _ensure_file(folder / f"wide-{rows}.csv", lambda: _csv(WIDE_COLUMNS, _wide_lines(rows)))


def sparse(folder: Path, rows: int) -> Path:
    """Make a CSV file of 40 columns. Each row fills few of them, and some columns are always empty."""
    return _ensure_file(folder / f"sparse-{rows}.csv", lambda: _csv(SPARSE_COLUMNS, _sparse_lines(rows)))


def nested(folder: Path, rows: int) -> Path:
    """Make an NDJSON file of nested objects."""
    return _ensure_file(folder / f"nested-{rows}.ndjson", lambda: _nested_lines(rows))


def duplicates(folder: Path, rows: int) -> Path:
    """Make a narrow CSV file of `rows` rows that repeats the same 1,000 records."""

    def lines() -> Iterator[str]:
        distinct = list(_narrow_lines(DISTINCT))
        return islice(chain.from_iterable(iter(lambda: distinct, None)), rows)

    return _ensure_file(folder / f"duplicates-{rows}.csv", lambda: _csv(COLUMNS, lines()))


def gzipped(folder: Path, rows: int) -> Path:
    """Make the narrow file and compress it."""
    plain = narrow(folder, rows)
    path = plain.with_suffix(".csv.gz")
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        with plain.open("rb") as source, gzip.open(unfinished, "wb", compresslevel=1) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        unfinished.rename(path)
    return path


def json_array(folder: Path, rows: int) -> Path:
    """Make a file with the narrow file's records as one JSON array."""
    return _ensure_file(folder / f"narrow-{rows}.json", lambda: _array_lines(rows))


@contextmanager
def generated(make: Callable[[Path, int], Path], folder: Path, rows: int) -> Iterator[Path]:
    """Yield the file that `make` makes, and delete it afterwards if it is large."""
    path = make(folder, rows)
    try:
        yield path
    finally:
        if path.stat().st_size > MAX_KEPT_SIZE:
            path.unlink()


def _ensure_file(path: Path, lines: Callable[[], Iterator[str]]) -> Path:
    """Write the file unless it exists. It appears under its name only when it is complete."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines())
        unfinished.rename(path)
    return path


def _csv(columns: tuple[str, ...], lines: Iterator[str]) -> Iterator[str]:
    return chain([",".join(columns) + "\n"], lines)


def _numbers(rows: int) -> Iterator[tuple[int, int]]:
    """Yield each row's number with 64 random bits for it."""
    source = random.Random(1)
    for start in range(0, rows, _CHUNK):
        count = min(_CHUNK, rows - start)
        yield from enumerate(struct.unpack(f"<{count}Q", source.randbytes(8 * count)), start)


def _narrow_lines(rows: int) -> Iterator[str]:
    people = [(f"{first} {last}", f"{first}.{last}") for first in _FIRST for last in _LAST]
    days = [f"2025-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]
    for number, chance in _numbers(rows):
        name, address = people[chance % 90]
        yield (
            f"{number},{name},{address}{number}@Example.com,City {(chance >> 8) % 1000},"
            f"{(chance >> 20) % 100_000}.{(chance >> 40) % 100:02},{days[(chance >> 48) % 336]},"
            f"{_STATUS[(chance >> 60) % 3]}\n"
        )


def _array_lines(rows: int) -> Iterator[str]:
    for number, line in enumerate(_narrow_lines(rows)):
        yield (",\n" if number else "[") + json.dumps(
            dict(zip(COLUMNS, line.rstrip("\n").split(","), strict=True))
        )
    yield "]\n"


def _joined(rows: int, sections: list[list[str]]) -> Iterator[str]:
    """Yield each row's number, then one piece of each section, chosen by 10 random bits."""
    for number, chance in _numbers(rows):
        yield f"{number},"
        for index, pieces in enumerate(sections):
            yield pieces[(chance >> 10 * index) % _PIECES]


def _wide_lines(rows: int) -> Iterator[str]:
    source = random.Random(2)

    def four() -> str:
        price, month, day = source.randrange(10**6), source.randrange(1, 13), source.randrange(1, 29)
        return f"{source.choice(_WORDS)},{price // 100}.{price % 100:02},2025-{month:02}-{day:02},{price % 2}"

    def note() -> str:
        return " ".join(source.choices(_WORDS, k=source.randrange(4)))  # some are empty

    quarters = [[",".join(four() for _ in range(3)) + "," for _ in range(_PIECES)] for _ in range(4)]
    notes = [",".join(note() for _ in range(11)) + "\n" for _ in range(_PIECES)]
    return _joined(rows, [*quarters, notes])


def _sparse_lines(rows: int) -> Iterator[str]:
    source = random.Random(3)

    def half(end: str) -> str:
        present = (source.randrange(100) < _PRESENT[number % 4] for number in range(19))
        return ",".join(source.choice(_WORDS) if is_present else "" for is_present in present) + end

    names = [f"{first} {last}," for first in _FIRST for last in _LAST]
    people = [names[number % 90] for number in range(_PIECES)]
    return _joined(rows, [people, [half(",") for _ in range(_PIECES)], [half("\n") for _ in range(_PIECES)]])


def _nested_lines(rows: int) -> Iterator[str]:
    source = random.Random(4)
    people, orders = [], []
    for number in range(_PIECES):
        person = {
            "name": f"{source.choice(_FIRST)} {source.choice(_LAST)}",
            "address": {"city": f"City {source.randrange(1000)}", "zip": f"{source.randrange(10**5):05}"},
            "tags": source.sample(_WORDS, source.randrange(4)),
        }
        items = [
            {
                "sku": f"{source.choice(_WORDS)}-{source.randrange(10**4)}",
                "price": source.randrange(1, 10**4) / 4,
            }
            for _ in range(source.randrange(1, 4))
        ]
        order = {"items": items, "paid": number % 2 == 0, "note": None if number % 3 else "urgent"}
        people.append(json.dumps(person))
        orders.append(json.dumps(order))
    for number, chance in _numbers(rows):
        yield (
            f'{{"id": {number}, "person": {people[chance % _PIECES]}, '
            f'"order": {orders[(chance >> 20) % _PIECES]}}}\n'
        )
