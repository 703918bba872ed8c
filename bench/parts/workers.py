"""One file on two workers against one: with Postgres, and with what Postgres and S3 cost taken away."""

import os
from pathlib import Path
from typing import NamedTuple

from bench import data, world
from bench.figures import Measured, Table, ratios, spread
from bench.worker import NO_SINK
from bench.world import World

_RANGE = 16 << 20  # bytes, at most
_RANGES = 8  # of a file, at least: so that both workers have some to the end
_ABOUT = """\
A narrow CSV file, thousands of rows a second, from the moment when the first worker takes the job to its
completion; it is split into {ranges} ranges or more, for one worker as well. Everything runs on the same
{cores} cores: two workers can be twice as fast only where nothing else wants these. So the file is also read
from the disk instead of from LocalStack, and the rows are also dropped instead of written; the ledger is
written always. Jobs are announced by Redis."""


class Kind(NamedTuple):
    """What the workers do."""

    source: str
    sink: str
    times: int  # the rows that were asked for


KINDS = (
    Kind("disk", "dropped", 10),
    Kind("LocalStack", "dropped", 10),
    Kind("disk", "Postgres", 2),
    Kind("LocalStack", "Postgres", 2),
)


def measure(place: World, rounds: int, rows: int) -> Measured:
    """Each pair in turn, each with a fresh database."""
    lines: list[list[str]] = []
    figures: dict[str, list[float]] = {}
    for kind in KINDS:
        path = data.narrow(place.data, rows * kind.times)
        size = min(_RANGE, path.stat().st_size // _RANGES)
        found: dict[int, list[float]] = {1: [], 2: []}
        for number in range(1, rounds + 1):
            for workers, rates in found.items():
                rates.append(_rate(place, path, workers, kind, size))
            told = ", ".join(f"{workers}: {rates[-1]:.0f}" for workers, rates in found.items())
            print(f"  from {kind.source}, rows {kind.sink}, round {number}: {told} krows/s", flush=True)
        figures |= {f"{kind.source}, {kind.sink}, {workers}": rates for workers, rates in found.items()}
        gain = spread(ratios(found[2], found[1]), 2)
        lines.append(
            [kind.source, kind.sink, f"{rows * kind.times:,}", spread(found[1]), spread(found[2]), gain]
        )
    about = _ABOUT.format(ranges=_RANGES, cores=os.cpu_count())
    heads = ["read from", "rows go to", "rows", "one worker", "two workers", "ratio"]
    return Measured([Table("One file on two workers", about, heads, lines)], figures)


def _rate(place: World, path: Path, workers: int, kind: Kind, size: int) -> float:
    from_disk = kind.source == "disk"
    options = ["--file", str(path)] if from_disk else []
    if kind.sink == "dropped":
        options += ["--sink", NO_SINK]
    with world.database(place) as url:
        return world.ingest(
            place,
            url,
            path,
            workers=workers,
            program=("bench.worker", *options) if options else world.WORKER,
            upload=not from_disk,
            queue="redis",
            more={"SLUICE_RANGE_SIZE": str(size)},
        ).rate
