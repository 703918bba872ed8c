"""What a row costs as the table grows: one large file, its rate over time from the ledger."""

import shutil
from collections.abc import Iterable, Sequence
from itertools import pairwise
from uuid import UUID

import psycopg

from bench import data, world
from bench.figures import Measured, Table
from bench.world import World

TENTHS = 10
_WANTED = 25  # per cent
_BYTES = 700  # of disk for each row: its file, its object, itself, its key, its part of the log
_ABOUT = """\
One narrow CSV file of {rows:,} rows into an empty table, as one job; thousands of rows a second of each tenth
of it, by the times at which the ledger says that its blocks were committed. From the first tenth to the last
the cost of a row grew by {growth:.0f} %; wanted is less than {wanted} %. The first block was there after
{first:.1f} s; before that the file was shared out, which is in the rate of all, not in the first tenth's."""
_BLOCKS = """
    SELECT records, extract(epoch FROM committed_at - min(committed_at) OVER ()),
           extract(epoch FROM min(committed_at) OVER () - started_at)
    FROM ingestion_blocks JOIN ingestion_jobs ON job_id = id WHERE id = %s ORDER BY committed_at
"""


def measure(place: World, _rounds: int, rows: int) -> Measured:
    """One run: it is long. Raises RuntimeError when there is no room for it."""
    rows *= 20
    free = shutil.disk_usage(place.folder).free
    if free < rows * _BYTES:
        raise RuntimeError(f"{rows:,} rows need {rows * _BYTES >> 30} GiB of disk, and {free >> 30} are free")
    with data.lent(data.narrow, place.data, rows) as path, world.database(place) as url:
        run = world.ingest(place, url, path)
        blocks, first = _blocks(url, run.job.id)
    if run.job.tally.inserted != rows:
        raise RuntimeError(f"{run.job.tally.inserted:,} of {rows:,} rows were loaded")
    rates = [it / 1000 for it in rates_of_tenths(blocks)]
    growth = 100 * (rates[0] / rates[-1] - 1)
    print(
        f"  {run.rate:.0f} krows/s; {', '.join(f'{it:.0f}' for it in rates)}: cost {growth:+.0f} %",
        flush=True,
    )
    heads = ["rows, from the first", *(f"{tenth}/{TENTHS}" for tenth in range(1, TENTHS + 1)), "all"]
    line = ["krows/s", *(f"{it:.0f}" for it in rates), f"{run.rate:.0f}"]
    about = _ABOUT.format(rows=rows, growth=growth, wanted=_WANTED, first=first)
    table = Table("A growing table", about, heads, [line])
    return Measured([table], {"tenths": rates, "all": [run.rate], "growth, per cent": [growth]})


def _blocks(url: str, job_id: UUID) -> tuple[list[tuple[int, float]], float]:
    """Each block's records and the second it was committed, counted from the first; when that one was."""
    with psycopg.connect(url) as connection:
        found = connection.execute(_BLOCKS, [job_id]).fetchall()
    return [(records, float(at)) for records, at, _ in found], float(found[0][2])


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
