"""Load a file again whose rows are all in the table already, against its first load."""

from bench import data
from bench.figures import Measurement, Table, ratios, spread
from bench.stack import Stack, count, database, ingest

_TARGET = "0.6"
_ABOUT = """\
The narrow CSV file, {rows:,} rows, loaded twice into the same table, the second time with `force`, so that
Sluice loads a file that it has loaded before. Every row of the second load is a duplicate: Sluice finds its
key and sets its `last_job`. (Without `force`, Sluice does not read a file with a known checksum.)"""


def measure(stack: Stack, rounds: int, rows: int) -> Measurement:
    """Load the same file twice, each round in a fresh database."""
    path = data.narrow(stack.data, rows)
    first, second = [], []
    for number in range(1, rounds + 1):
        with database(stack) as url:
            runs = [ingest(stack, url, path), ingest(stack, url, path, force=True)]
            written = count(url)
        inserted = [run.job.progress.tally.inserted for run in runs]
        if (inserted, runs[1].rows, written) != ([rows, 0], rows, rows):
            raise RuntimeError(f"{inserted} rows of {rows:,} were inserted, and the table has {written:,}")
        first.append(runs[0].rate)
        second.append(runs[1].rate)
        print(f"  round {number}: first {first[-1]:.0f}, again {second[-1]:.0f} krows/s", flush=True)
    line = [spread(first), spread(second), spread(ratios(second, first), 2), _TARGET]
    heads = ["first, krows/s", "again, krows/s", "ratio", "target, at least"]
    table = Table("The same rows again", _ABOUT.format(rows=rows), heads, [line])
    return Measurement([table], {"first": first, "again": second})
