"""Load files of several shapes from S3 to Postgres, against plain COPY of the same rows."""

from collections.abc import Callable
from pathlib import Path

from bench import data, yardstick
from bench.figures import Measurement, Table, ratios, spread
from bench.stack import Stack, count, database, fingerprint, ingest

# The file's name, its generator, and its rows per thousand rows of the narrow file
_SHAPES: tuple[tuple[str, Callable[[Path, int], Path], int], ...] = (
    ("narrow CSV, 7 columns", data.narrow, 1000),
    ("wide CSV, 60 columns", data.wide, 200),
    ("sparse CSV, 40 columns", data.sparse, 500),
    ("nested NDJSON", data.nested, 500),
)
_REPEATED = "narrow CSV, 1,000 records again and again"
_ABOUT = """\
Thousands of rows a second, from the moment a worker claims the job to its completion: reading from S3,
decoding, normalising, hashing, writing, ledger. COPY is the yardstick: one connection sends finished rows,
with hashes and JSON, as text and in the order of the file, into the same table with the same indexes. The
benchmark checks that both write the same rows. COPY cannot load the file that repeats its records, because
their keys collide."""


def measure(stack: Stack, rounds: int, rows: int) -> Measurement:
    """Load with COPY and with Sluice in turn, each into a fresh database."""
    lines: list[list[str]] = []
    figures: dict[str, list[float]] = {}
    for name, make, share in _SHAPES:
        path = make(stack.data, rows * share // 1000)
        plain, ours = _rates(stack, name, path, rounds)
        figures |= {f"{name}: COPY": plain, f"{name}: Sluice": ours}
        ratio = spread(ratios(ours, plain), 2)
        lines.append([*_file_cells(name, path, rows * share // 1000), spread(plain), spread(ours), ratio])
    path = data.duplicates(stack.data, rows)
    ours = [_sluice_rate(stack, path, rows, data.DISTINCT)[0] for _ in range(rounds)]
    figures[f"{_REPEATED}: Sluice"] = ours
    lines.append([*_file_cells(_REPEATED, path, rows), "", spread(ours), ""])
    heads = ["file", "rows", "MB", "COPY, krows/s", "Sluice, krows/s", "ratio"]
    return Measurement([Table("First ingest", _ABOUT, heads, lines)], figures)


def _file_cells(name: str, path: Path, rows: int) -> list[str]:
    return [name, f"{rows:,}", f"{path.stat().st_size / 1e6:.0f}"]


def _rates(stack: Stack, name: str, path: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Return COPY's and Sluice's rates in thousands of rows a second, one per round."""
    ready = yardstick.prepare(stack, path)
    plain, ours = [], []
    for number in range(1, rounds + 1):
        with database(stack) as url:
            copied, seconds = yardstick.copy(stack, url, ready)
            expected = fingerprint(url)
        plain.append(copied / seconds / 1000)
        rate, written = _sluice_rate(stack, path, copied, copied)
        if written != expected:
            raise RuntimeError(f"{name}: Sluice and COPY wrote different rows")
        ours.append(rate)
        print(f"  {name}, round {number}: COPY {plain[-1]:.0f}, Sluice {rate:.0f} krows/s", flush=True)
    return plain, ours


def _sluice_rate(stack: Stack, path: Path, records: int, rows: int) -> tuple[float, int]:
    """Return the rate and the fingerprint of the rows. Raises RuntimeError if their number is wrong."""
    with database(stack) as url:
        run = ingest(stack, url, path)
        written = count(url)
        if (run.rows, run.job.progress.tally.inserted, written) != (records, rows, rows):
            raise RuntimeError(f"{written:,} rows of {records:,} records: {run.job.progress.tally}")
        return run.rate, fingerprint(url)
