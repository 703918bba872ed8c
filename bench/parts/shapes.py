"""First ingest of files of several shapes, whole path from S3, against plain COPY of the same rows."""

from collections.abc import Callable
from pathlib import Path

from bench import data, world, yardstick
from bench.figures import Measured, Table, ratios, spread
from bench.world import World

# A file's name, what makes it, and of how many rows in a thousand of the narrow file's
_SHAPES: tuple[tuple[str, Callable[[Path, int], Path], int], ...] = (
    ("narrow CSV, 7 columns", data.narrow, 1000),
    ("wide CSV, 60 columns", data.wide, 200),
    ("sparse CSV, 40 columns", data.sparse, 500),
    ("nested NDJSON", data.nested, 500),
)
_REPEATED = "narrow CSV, 1,000 records again and again"
_ABOUT = """\
Thousands of rows a second, from the moment when a worker takes the job to its completion: reading from S3,
decoding, cleaning, hashing, writing, ledger. COPY is the yardstick: one connection sends rows that are ready,
hashes and JSON included, as text and in the order of the file, into the same table with the same indexes.
Both write the same rows, and that is checked. Of the file that repeats its records COPY can load nothing:
their keys would collide."""


def measure(place: World, rounds: int, rows: int) -> Measured:
    """The yardstick and Sluice in turn, each with a fresh database."""
    lines: list[list[str]] = []
    figures: dict[str, list[float]] = {}
    for name, make, share in _SHAPES:
        path = make(place.data, rows * share // 1000)
        plain, ours = _rates(place, name, path, rounds)
        figures |= {f"{name}: COPY": plain, f"{name}: Sluice": ours}
        ratio = spread(ratios(ours, plain), 2)
        lines.append([*_file(name, path, rows * share // 1000), spread(plain), spread(ours), ratio])
    path = data.duplicates(place.data, rows)
    ours = [_ingested(place, path, rows, data.DIFFERENT)[0] for _ in range(rounds)]
    figures[f"{_REPEATED}: Sluice"] = ours
    lines.append([*_file(_REPEATED, path, rows), "", spread(ours), ""])
    heads = ["file", "rows", "MB", "COPY, krows/s", "Sluice, krows/s", "ratio"]
    return Measured([Table("First ingest", _ABOUT, heads, lines)], figures)


def _file(name: str, path: Path, rows: int) -> list[str]:
    return [name, f"{rows:,}", f"{path.stat().st_size / 1e6:.0f}"]


def _rates(place: World, name: str, path: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Of the yardstick and of Sluice, in thousands of rows a second."""
    ready = yardstick.prepare(place, path)
    plain, ours = [], []
    for number in range(1, rounds + 1):
        with world.database(place) as url:
            copied, seconds = yardstick.copy(place, url, ready)
            expected = world.fingerprint(url)
        plain.append(copied / seconds / 1000)
        rate, found = _ingested(place, path, copied, copied)
        if found != expected:
            raise RuntimeError(f"{name}: Sluice did not write what COPY did")
        ours.append(rate)
        print(f"  {name}, round {number}: COPY {plain[-1]:.0f}, Sluice {rate:.0f} krows/s", flush=True)
    return plain, ours


def _ingested(place: World, path: Path, records: int, rows: int) -> tuple[float, int]:
    """The rate, and what was written. Raises RuntimeError unless it is so much."""
    with world.database(place) as url:
        run = world.ingest(place, url, path)
        written = world.count(url)
        if (run.rows, run.job.progress.tally.inserted, written) != (records, rows, rows):
            raise RuntimeError(f"{written:,} rows of {records:,} records: {run.job.progress.tally}")
        return run.rate, world.fingerprint(url)
