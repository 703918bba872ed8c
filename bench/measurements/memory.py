"""Measure the worker's peak memory, on small and large files of several kinds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import data
from bench.figures import Measurement, Table
from bench.stack import Stack, database, ingest

SMALL = {"SLUICE_LOADERS": "1", "SLUICE_BLOCK_SIZE": str(1 << 20), "SLUICE_READ_SIZE": str(1 << 20)}
_ABOUT = """\
The peak resident memory of the worker's process, one run each. Targets: below 350 MiB, and files of 50 MB,
500 MB and 2 GB within 10 % of each other. *Small* is a worker with {small}: its target is below 200 MiB."""


@dataclass(frozen=True)
class File:
    """A file to load."""

    name: str
    make: Callable[[Path, int], Path]
    rows_per_thousand: int  # rows of the narrow file
    limit: int  # MiB
    settings: Mapping[str, str] = field(default_factory=dict)


# 1,000,000 narrow rows are 89 MB
FILES = (
    File("CSV", data.narrow, 560, 350),
    File("CSV", data.narrow, 5_600, 350),
    File("CSV", data.narrow, 22_500, 350),
    File("CSV, gzip", data.gzipped, 3_000, 350),
    File("JSON array", data.json_array, 1_500, 350),
    File("CSV, small", data.narrow, 5_600, 200, SMALL),
)


def measure(stack: Stack, _rounds: int, rows: int) -> Measurement:
    """Load each file once: the peak varies less than rates do."""
    lines: list[list[str]] = []
    figures: dict[str, list[float]] = {}
    for file in FILES:
        peak, rate, size = _run(stack, file, rows * file.rows_per_thousand // 1000)
        name = f"{file.name}, {size:.0f} MB"
        figures[name] = [peak]
        first = next(iter(figures.values()))[0]
        print(f"  {name}: {peak:.0f} MiB, {rate:.0f} krows/s", flush=True)
        lines.append(
            [file.name, f"{size:.0f}", f"{rate:.0f}", f"{peak:.0f}", f"{peak / first:.2f}", f"{file.limit}"]
        )
    small = " ".join(f"`{name}={value}`" for name, value in SMALL.items())
    heads = ["file", "MB", "krows/s", "peak, MiB", "to the first", "target below, MiB"]
    return Measurement([Table("Memory", _ABOUT.format(small=small), heads, lines)], figures)


def _run(stack: Stack, file: File, rows: int) -> tuple[float, float, float]:
    """Return the peak in MiB, the rate in thousands of rows a second, and the file's size in MB."""
    with data.generated(file.make, stack.data, rows) as path, database(stack) as url:
        run = ingest(stack, url, path, more=file.settings)
        size = path.stat().st_size / 1e6
    if run.job.progress.tally.inserted != rows:
        raise RuntimeError(f"{run.job.progress.tally.inserted:,} of {rows:,} rows were loaded")
    return run.peak_mib, run.rate, size
