"""The worker's peak memory, on files small and large and of several kinds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import data, world
from bench.figures import Measured, Table
from bench.world import World

SMALL = {"SLUICE_LOADERS": "1", "SLUICE_BLOCK_SIZE": str(1 << 20), "SLUICE_READ_SIZE": str(1 << 20)}
_ABOUT = """\
The peak resident memory of the worker's process, one run each. Wanted: below 350 MiB, and files of 50 MB, 500
MB and 2 GB within 10 % of each other. *Small* is a worker with {small}: wanted below 200 MiB."""


@dataclass(frozen=True)
class File:
    """What to load: so many rows for each 1,000 asked for."""

    name: str
    make: Callable[[Path, int], Path]
    rows: int
    wanted: int  # MiB
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


def measure(place: World, _rounds: int, rows: int) -> Measured:
    """One run of each file: the peak does not vary as rates do."""
    lines: list[list[str]] = []
    figures: dict[str, list[float]] = {}
    for it in FILES:
        peak, rate, size = _run(place, it, rows * it.rows // 1000)
        name = f"{it.name}, {size:.0f} MB"
        figures[name] = [peak]
        first = next(iter(figures.values()))[0]
        print(f"  {name}: {peak:.0f} MiB, {rate:.0f} krows/s", flush=True)
        lines.append(
            [it.name, f"{size:.0f}", f"{rate:.0f}", f"{peak:.0f}", f"{peak / first:.2f}", f"{it.wanted}"]
        )
    small = " ".join(f"`{name}={value}`" for name, value in SMALL.items())
    heads = ["file", "MB", "krows/s", "peak, MiB", "to the first", "wanted below, MiB"]
    return Measured([Table("Memory", _ABOUT.format(small=small), heads, lines)], figures)


def _run(place: World, file: File, rows: int) -> tuple[float, float, float]:
    """Peak in MiB, rate in thousands of rows a second, size in megabytes."""
    with data.lent(file.make, place.data, rows) as path, world.database(place) as url:
        run = world.ingest(place, url, path, more=file.settings)
        size = path.stat().st_size / 1e6
    if run.job.progress.tally.inserted != rows:
        raise RuntimeError(f"{run.job.progress.tally.inserted:,} of {rows:,} rows were loaded")
    return run.peak_mib, run.rate, size
