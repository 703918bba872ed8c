"""A file whose rows are all there already, against its first ingest."""

from bench import data, world
from bench.figures import Measured, Table, ratios, spread
from bench.world import World

_WANTED = "0.6"
_ABOUT = """\
The narrow CSV file, {rows:,} rows, loaded twice into the same table, the second time with `force`, so that
Sluice does not recognise the file. Each row of the second is there already: its key is found and its
`last_job` set. (A file that comes again with its checksum, and without `force`, is not read at all.)"""


def measure(place: World, rounds: int, rows: int) -> Measured:
    """Twice the same file, each round in a fresh database."""
    path = data.narrow(place.data, rows)
    first, second = [], []
    for number in range(1, rounds + 1):
        with world.database(place) as url:
            runs = [world.ingest(place, url, path), world.ingest(place, url, path, force=True)]
            written = world.count(url)
        new = [it.job.progress.tally.inserted for it in runs]
        if (new, runs[1].rows, written) != ([rows, 0], rows, rows):
            raise RuntimeError(f"{new} rows of {rows:,} were new, and there are {written:,}")
        first.append(runs[0].rate)
        second.append(runs[1].rate)
        print(f"  round {number}: first {first[-1]:.0f}, again {second[-1]:.0f} krows/s", flush=True)
    line = [spread(first), spread(second), spread(ratios(second, first), 2), _WANTED]
    heads = ["first, krows/s", "again, krows/s", "ratio", "wanted, at least"]
    table = Table("The same rows again", _ABOUT.format(rows=rows), heads, [line])
    return Measured([table], {"first": first, "again": second})
