"""Load one file on two workers against one: with Postgres and S3, and without their cost."""

import os
from pathlib import Path
from typing import NamedTuple

from bench import data
from bench.figures import Measurement, Table, ratios, spread
from bench.stack import WORKER, Stack, database, ingest
from bench.worker import NO_SINK

_RANGE = 16 << 20  # bytes, at most
_RANGES = 8  # of a file, at least, so that both workers are busy until the end
_ABOUT = """\
A narrow CSV file, thousands of rows a second, from the moment the first worker claims the job to its
completion. The file is split into {ranges} ranges or more, for one worker as well. Everything runs on the
same {cores} cores: two workers can be twice as fast only where nothing else needs these. So some workers read
the file from the disk instead of from LocalStack, or drop the rows instead of writing them; they always write
the ledger. Jobs are enqueued in Redis."""


class Setup(NamedTuple):
    """Where the workers read from, and where the rows go."""

    source: str
    sink: str
    factor: int  # of the rows of the narrow file


SETUPS = (
    Setup("disk", "dropped", 10),
    Setup("LocalStack", "dropped", 10),
    Setup("disk", "Postgres", 2),
    Setup("LocalStack", "Postgres", 2),
)


def measure(stack: Stack, rounds: int, rows: int) -> Measurement:
    """Load on one worker and on two in turn, each into a fresh database."""
    lines: list[list[str]] = []
    figures: dict[str, list[float]] = {}
    for setup in SETUPS:
        path = data.narrow(stack.data, rows * setup.factor)
        size = min(_RANGE, path.stat().st_size // _RANGES)
        rates: dict[int, list[float]] = {1: [], 2: []}
        for number in range(1, rounds + 1):
            for workers, values in rates.items():
                values.append(_rate(stack, path, workers, setup, size))
            latest = ", ".join(f"{workers}: {values[-1]:.0f}" for workers, values in rates.items())
            print(f"  from {setup.source}, rows {setup.sink}, round {number}: {latest} krows/s", flush=True)
        figures |= {f"{setup.source}, {setup.sink}, {workers}": values for workers, values in rates.items()}
        gain = spread(ratios(rates[2], rates[1]), 2)
        lines.append(
            [setup.source, setup.sink, f"{rows * setup.factor:,}", spread(rates[1]), spread(rates[2]), gain]
        )
    about = _ABOUT.format(ranges=_RANGES, cores=os.cpu_count())
    heads = ["read from", "rows go to", "rows", "one worker", "two workers", "ratio"]
    return Measurement([Table("One file on two workers", about, heads, lines)], figures)


def _rate(stack: Stack, path: Path, workers: int, setup: Setup, size: int) -> float:
    from_disk = setup.source == "disk"
    options = ["--file", str(path)] if from_disk else []
    if setup.sink == "dropped":
        options += ["--sink", NO_SINK]
    with database(stack) as url:
        return ingest(
            stack,
            url,
            path,
            workers=workers,
            program=("bench.worker", *options) if options else WORKER,
            upload=not from_disk,
            queue="redis",
            more={"SLUICE_RANGE_SIZE": str(size)},
        ).rate
