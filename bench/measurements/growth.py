"""Measure the cost of a row as the table grows, in the present table and in variants of it."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, pairwise, zip_longest
from pathlib import Path
from uuid import UUID

import psycopg

from bench import data, machine
from bench.figures import Measurement, Table, spread
from bench.stack import CHECKOUT, Stack, database, ingest
from infra.local import ports, services
from infra.local.postgres import Postgres
from infra.steps.layout import Layout

TENTHS = 10
_MAX_GROWTH = 25  # per cent
_BYTES_PER_ROW = 1400  # of disk: in the file, the object, the table, the indexes, the log
_PARTITIONING = CHECKOUT / "infra/postgres/partition_ingested_data.sql"
_ABOUT = """\
One narrow CSV file of {rows:,} rows into an empty table, as one job; thousands of rows a second of its first,
fifth and last tenth, by the times in the ledger at which the blocks were committed. *Whole* includes the time
before the first block, in which Sluice scans the file to split it into ranges. *Growth* is the growth of a
row's cost from the first tenth to the last; the target is less than {max_growth} %. *Again* is the rate at
which the first {again:,} rows are then loaded once more, from a file of their own. Bytes per row are those of
the table and of its indexes, after that. The first line is the table as Sluice creates it, the others are
variants of it, with one run each, in turn with those of the first.

This measurement has a Postgres of its own, configured as RDS does it: a quarter of the memory ({memory}) as
shared_buffers, huge pages {huge}, autovacuum every 15 seconds; and max_wal_size {wal}. The last line shows
the small Postgres of the other measurements."""
_HUGE_PAGES = {"on": "on", "off": "off, as too few are set aside (vm.nr_hugepages)"}
_BLOCKS = """
    SELECT records, extract(epoch FROM committed_at - min(committed_at) OVER ())
    FROM ingestion_blocks WHERE job_id = %s ORDER BY committed_at
"""
_SIZES = """
    SELECT sum(pg_table_size(oid)), sum(pg_indexes_size(oid))
    FROM pg_class WHERE relname ~ '^ingested_data(_[0-9])?$' AND relkind = 'r'
"""


@dataclass(frozen=True)
class Variant:
    """A variant of the table, by the statements that change the usual one into it."""

    name: str
    statements: str = ""


VARIANTS = (
    Variant("as it is"),
    Variant("pages filled to 100 %", "ALTER TABLE ingested_data SET (fillfactor = 100)"),
    Variant("no index on first_job", "DROP INDEX ingested_data_first_job_idx"),
    Variant("eight partitions", _PARTITIONING.read_text(encoding="utf-8")),
)


@dataclass(frozen=True)
class Growth:
    """One run's figures: thousands of rows a second, and bytes per row."""

    tenths: Sequence[float]
    whole: float
    again: float
    table: float
    indexes: float

    @property
    def growth(self) -> float:
        """Return the growth of a row's cost, in per cent."""
        return 100 * (self.tenths[0] / self.tenths[-1] - 1)


def measure(stack: Stack, rounds: int, rows: int) -> Measurement:
    """Load into the usual table in each round, into each variant once. Raises RuntimeError on a full disk."""
    many = rows * 20
    free = shutil.disk_usage(stack.folder).free
    if free < many * _BYTES_PER_ROW:
        raise RuntimeError(
            f"{many:,} rows need {many * _BYTES_PER_ROW >> 30} GiB of disk, and {free >> 30} are free"
        )
    usual, *others = VARIANTS
    runs_by_name: dict[str, list[Growth]] = {variant.name: [] for variant in VARIANTS}
    few = data.narrow(stack.data, rows)
    settings = _large_server_settings()
    with data.generated(data.narrow, stack.data, many) as path:
        with _large_server(stack, settings) as large:
            print("  one run to warm the server up, not counted", flush=True)
            _run(large, usual, path, many, few)
            for variant in chain.from_iterable(zip_longest([usual] * rounds, others)):
                if variant is not None:
                    runs_by_name[variant.name].append(_run(large, variant, path, many, few))
        runs_by_name["as it is, small Postgres"] = [_run(stack, usual, path, many, few)]
    heads = ["", "1/10", "5/10", "10/10", "whole", "growth, %", "again", "table, bytes per row", "indexes"]
    lines = [
        [name, *map(spread, zip(*map(_columns, runs), strict=True))] for name, runs in runs_by_name.items()
    ]
    about = _ABOUT.format(
        rows=many,
        max_growth=_MAX_GROWTH,
        again=rows,
        memory=settings["shared_buffers"],
        huge=_HUGE_PAGES[settings["huge_pages"]],
        wal=settings["max_wal_size"],
    )
    figures = {
        f"{name}, run {number}": [*run.tenths, run.whole, run.again, run.table, run.indexes]
        for name, runs in runs_by_name.items()
        for number, run in enumerate(runs, start=1)
    }
    return Measurement([Table("A growing table", about, heads, lines)], figures)


def _columns(run: Growth) -> Sequence[float]:
    first, middle, last = (run.tenths[index] for index in (0, TENTHS // 2 - 1, -1))
    return first, middle, last, run.whole, run.growth, run.again, run.table, run.indexes


def _run(stack: Stack, variant: Variant, path: Path, rows: int, few: Path) -> Growth:
    with database(stack) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(variant.statements.encode())
        run = ingest(stack, url, path)
        tenths = rates_of_tenths(_blocks(url, run.job.id))
        again = ingest(stack, url, few)
        with psycopg.connect(url) as connection:
            sizes = connection.execute(_SIZES).fetchone() or ()
    first, second = (load.job.progress.tally.inserted for load in (run, again))
    if (first, second) != (rows, 0):
        raise RuntimeError(f"of {rows:,} rows {first:,} and {second:,} were inserted")
    per_row = (float(size) / rows for size in sizes)
    growth = Growth([rate / 1000 for rate in tenths], run.rate, again.rate, *per_row)
    rates = ", ".join(f"{rate:.0f}" for rate in growth.tenths)
    print(
        f"  {variant.name}: {rates} krows/s: cost {growth.growth:+.0f} %; again {growth.again:.0f}",
        flush=True,
    )
    return growth


@contextmanager
def _large_server(stack: Stack, settings: Mapping[str, str]) -> Iterator[Stack]:
    """Yield the stack with a Postgres as large as on a machine of its own, and remove that afterwards."""
    layout = Layout.at(stack.folder / "growth")
    port = ports.claim(layout, Postgres.name)
    server = Postgres(layout, port, **settings)
    services.begin(layout, server)
    try:
        services.finish(layout, server)
        server.bootstrap()
        yield replace(stack, env={**stack.env, "DATABASE_URL": server.url()})
    finally:
        services.end(layout, server)
        shutil.rmtree(layout.root)


def _large_server_settings() -> Mapping[str, str]:
    """Return the large server's settings."""
    buffers = machine.memory() // 4
    shared = buffers * 11 // 10  # an upper bound for all of the server's shared memory
    return {
        "shared_buffers": f"{buffers >> 20}MB",
        "huge_pages": "on" if machine.huge_pages() > shared else "off",
        "max_wal_size": "16GB",
        # A little VACUUM all the time instead of much now and then. RDS's default (AWS Prescriptive Guidance,
        # "Tuning PostgreSQL parameters", autovacuum_naptime), and what our infra/cloudformation sets.
        "autovacuum_naptime": "15s",
        "autovacuum_vacuum_insert_scale_factor": "0.05",
    }


def _blocks(url: str, job_id: UUID) -> list[tuple[int, float]]:
    """Return each block but the first: its records, and its commit in seconds after the first block's."""
    with psycopg.connect(url) as connection:
        _, *others = connection.execute(_BLOCKS, [job_id])
    return [(records, float(at)) for records, at in others]


def rates_of_tenths(blocks: Iterable[tuple[int, float]]) -> Sequence[float]:
    """Return the rows a second in each tenth of all rows, from each block's rows and its commit in seconds.

    Within a block, the rate counts as constant.
    """
    done, latest = 0, 0.0
    progress = [(0, 0.0)]
    for records, at in blocks:
        done += records
        latest = max(latest, at)
        progress.append((done, latest))
    marks = [_time_at(progress, done * tenth / TENTHS) for tenth in range(TENTHS + 1)]
    return [done / TENTHS / (end - begin) for begin, end in pairwise(marks)]


def _time_at(progress: Sequence[tuple[int, float]], rows: float) -> float:
    """Return the seconds after which so many rows were committed, interpolated."""
    for (less, earlier), (more, later) in pairwise(progress):
        if less < more and rows <= more:
            return earlier + (later - earlier) * (rows - less) / (more - less)
    return progress[-1][1]
