"""What a row costs as the table grows, in the table as it is and as it might be."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, pairwise, zip_longest
from pathlib import Path
from uuid import UUID

import psycopg

from bench import data, machine, world
from bench.figures import Measured, Table, spread
from bench.world import World
from infra.local import ports, services
from infra.local.postgres import Postgres
from infra.steps.layout import Layout

TENTHS = 10
_WANTED = 25  # per cent
_BYTES = 1400  # of disk for each row: its file, its object, itself, its key, the log
_PARTITIONING = world.CHECKOUT / "infra/postgres/partition_ingested_data.sql"
_ABOUT = """\
One narrow CSV file of {rows:,} rows into an empty table, as one job; thousands of rows a second of its first
tenth, its fifth and its last, by the times at which the ledger says that the blocks were committed. The whole
takes in what comes before the first block: the file is looked through to share it out. *Growth* is that of a
row's cost from the first tenth to the last; wanted is less than {wanted} %. *Again* is the rate at which the
first {again:,} rows are then loaded once more, from a file of their own. Bytes a row are the table's and
those of its indexes, after that. The first line is the table as Sluice makes it, the others what else it
might be, with one run each, in turn with those of the first.

This part has a Postgres of its own, set up as RDS sets one up: a quarter of the memory ({memory}) as
shared_buffers, huge pages {huge}, autovacuum every 15 seconds; and max_wal_size {wal}. The last line is what
the small one that the other parts use makes of it."""
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
    """A table, by the statements that make it of the usual one."""

    name: str
    statements: str = ""


VARIANTS = (
    Variant("as it is"),
    Variant("pages filled to 100 %", "ALTER TABLE ingested_data SET (fillfactor = 100)"),
    Variant("no index on first_job", "DROP INDEX ingested_data_first_job_idx"),
    Variant("eight partitions", _PARTITIONING.read_text(encoding="utf-8")),
)


@dataclass(frozen=True)
class Grown:
    """What was found: thousands of rows a second, and bytes a row."""

    tenths: Sequence[float]
    whole: float
    again: float
    table: float
    indexes: float

    @property
    def growth(self) -> float:
        """Of a row's cost, in per cent."""
        return 100 * (self.tenths[0] / self.tenths[-1] - 1)


def measure(place: World, rounds: int, rows: int) -> Measured:
    """Rounds of the table as it is, one run of each other. Raises RuntimeError when there is no room."""
    many = rows * 20
    free = shutil.disk_usage(place.folder).free
    if free < many * _BYTES:
        raise RuntimeError(f"{many:,} rows need {many * _BYTES >> 30} GiB of disk, and {free >> 30} are free")
    usual, *others = VARIANTS
    found: dict[str, list[Grown]] = {it.name: [] for it in VARIANTS}
    few = data.narrow(place.data, rows)
    settings = _settings()
    with data.lent(data.narrow, place.data, many) as path:
        with _large_server(place, settings) as large:
            print("  once for the server's own memory and files to be there, not counted", flush=True)
            _grown(large, usual, path, many, few)
            for variant in chain.from_iterable(zip_longest([usual] * rounds, others)):
                if variant is not None:
                    found[variant.name].append(_grown(large, variant, path, many, few))
        found["as it is, small Postgres"] = [_grown(place, usual, path, many, few)]
    heads = ["", "1/10", "5/10", "10/10", "whole", "growth, %", "again", "table, bytes a row", "indexes"]
    lines = [[name, *map(spread, zip(*map(_columns, runs), strict=True))] for name, runs in found.items()]
    about = _ABOUT.format(
        rows=many,
        wanted=_WANTED,
        again=rows,
        memory=settings["shared_buffers"],
        huge=_HUGE_PAGES[settings["huge_pages"]],
        wal=settings["max_wal_size"],
    )
    figures = {
        f"{name}, run {number}": [*it.tenths, it.whole, it.again, it.table, it.indexes]
        for name, runs in found.items()
        for number, it in enumerate(runs, start=1)
    }
    return Measured([Table("A growing table", about, heads, lines)], figures)


def _columns(it: Grown) -> Sequence[float]:
    first, middle, last = (it.tenths[place] for place in (0, TENTHS // 2 - 1, -1))
    return first, middle, last, it.whole, it.growth, it.again, it.table, it.indexes


def _grown(place: World, variant: Variant, path: Path, rows: int, few: Path) -> Grown:
    with world.database(place) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(variant.statements.encode())
        run = world.ingest(place, url, path)
        tenths = rates_of_tenths(_blocks(url, run.job.id))
        again = world.ingest(place, url, few)
        with psycopg.connect(url) as connection:
            sizes = connection.execute(_SIZES).fetchone() or ()
    first, second = (it.job.progress.tally.inserted for it in (run, again))
    if (first, second) != (rows, 0):
        raise RuntimeError(f"of {rows:,} rows {first:,} and {second:,} were new")
    it = Grown([it / 1000 for it in tenths], run.rate, again.rate, *(float(it) / rows for it in sizes))
    told = ", ".join(f"{rate:.0f}" for rate in it.tenths)
    print(f"  {variant.name}: {told} krows/s: cost {it.growth:+.0f} %; again {it.again:.0f}", flush=True)
    return it


@contextmanager
def _large_server(place: World, settings: Mapping[str, str]) -> Iterator[World]:
    """The same with a Postgres as it would be on a machine of its own; gone afterwards."""
    layout = Layout.at(place.folder / "growth")
    port = ports.claim(layout, Postgres.name)
    server = Postgres(layout, port, **settings)
    services.begin(layout, server)
    try:
        services.finish(layout, server)
        server.bootstrap()
        yield replace(place, env={**place.env, "DATABASE_URL": server.url()})
    finally:
        services.end(layout, server)
        shutil.rmtree(layout.root)


def _settings() -> Mapping[str, str]:
    """Of the large server."""
    buffers = machine.memory() // 4
    shared = buffers * 11 // 10  # all of the server's shared memory, at most
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
    """The records of each block but the first, and the second after that when it was committed."""
    with psycopg.connect(url) as connection:
        _, *others = connection.execute(_BLOCKS, [job_id])
    return [(records, float(at)) for records, at in others]


def rates_of_tenths(blocks: Iterable[tuple[int, float]]) -> Sequence[float]:
    """Rows a second of each tenth of all rows, from each block's rows and the second when they were there.

    Within a block, rows are taken to have come evenly.
    """
    done, before = 0, 0.0
    passed = [(0, 0.0)]
    for records, at in blocks:
        done += records
        before = max(before, at)
        passed.append((done, before))
    marks = [_when(passed, done * tenth / TENTHS) for tenth in range(TENTHS + 1)]
    return [done / TENTHS / (end - begin) for begin, end in pairwise(marks)]


def _when(passed: Sequence[tuple[int, float]], rows: float) -> float:
    """The seconds when so many rows were there."""
    for (less, earlier), (more, later) in pairwise(passed):
        if less < more and rows <= more:
            return earlier + (later - earlier) * (rows - less) / (more - less)
    return passed[-1][1]
