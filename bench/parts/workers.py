"""One file on two workers against one: with Postgres, and with what Postgres and S3 cost taken away."""

import os
from collections.abc import Sequence
from pathlib import Path

from bench import data, world
from bench.figures import Measured, Table, ratios, spread
from bench.worker import NO_SINK
from bench.world import World

_RANGES = 8  # of the file: enough that both workers have some to the end
_LEAST = 64 << 10  # bytes
_ABOUT = """\
One narrow CSV file of {rows:,} rows, thousands of rows a second, from the moment when the first worker takes
the job to its completion; it is split into ranges of {size:,} bytes, for one worker as well. Everything runs
on the same {cores} cores: two workers can be twice as fast only where nothing else wants these. So the file
is also read from the disk instead of from LocalStack, and the rows are also dropped instead of written; the
ledger is written always."""


def measure(place: World, rounds: int, rows: int) -> Measured:
    """Each pair in turn, each with a fresh database."""
    rows *= 2
    path = data.narrow(place.data, rows)
    size = max(_LEAST, path.stat().st_size // _RANGES)
    disk, nothing = ("--file", str(path)), ("--sink", NO_SINK)
    kinds = {
        ("disk", "dropped"): (*disk, *nothing),
        ("LocalStack", "dropped"): nothing,
        ("disk", "Postgres"): disk,
        ("LocalStack", "Postgres"): (),
    }
    lines: list[list[str]] = []
    figures: dict[str, list[float]] = {}
    for (source, sink), options in kinds.items():
        found: dict[int, list[float]] = {1: [], 2: []}
        for number in range(1, rounds + 1):
            for workers, rates in found.items():
                rates.append(_rate(place, path, workers, options, size))
            told = ", ".join(f"{workers}: {rates[-1]:.0f}" for workers, rates in found.items())
            print(f"  from {source}, rows {sink}, round {number}: {told} krows/s", flush=True)
        figures |= {f"{source}, {sink}, {workers}": rates for workers, rates in found.items()}
        lines.append(
            [source, sink, spread(found[1]), spread(found[2]), spread(ratios(found[2], found[1]), 2)]
        )
    about = _ABOUT.format(rows=rows, size=size, cores=os.cpu_count())
    heads = ["read from", "rows go to", "one worker", "two workers", "ratio"]
    return Measured([Table("One file on two workers", about, heads, lines)], figures)


def _rate(place: World, path: Path, workers: int, options: Sequence[str], size: int) -> float:
    program = ("bench.worker", *options) if options else world.WORKER
    with world.database(place) as url:
        return world.ingest(
            place,
            url,
            path,
            workers=workers,
            program=program,
            upload="--file" not in options,
            more={"SLUICE_RANGE_SIZE": str(size)},
        ).rate
