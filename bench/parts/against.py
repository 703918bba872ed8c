"""Sluice beside other ways to load the same file without loading a row twice."""

from collections.abc import Sequence

from bench import data, peers, world
from bench.figures import Measured, Table, ratios, spread
from bench.world import World

_SLUICE = "Sluice"
_UPSERT = "upsert of 200 rows a statement"
_DLT = "dlt, rows"
_DLT_ARROW = "dlt, Arrow tables"
_WAYS = {  # the script and its arguments; how many times fewer rows than Sluice it gets
    _UPSERT: (("upsert.py",), 5),
    _DLT: (("dlt_merge.py", "records"), 5),
    _DLT_ARROW: (("dlt_merge.py", "arrow"), 2),
}
_WANTED = {_UPSERT: "4", _DLT: "10"}
_ABOUT = """\
A narrow CSV file into an empty table, of fewer rows for those that take long. Sluice reads it from S3, the
others from the disk; imports and starting do not count for anyone. The upsert: `INSERT … VALUES … ON CONFLICT
DO UPDATE` by psycopg into Sluice's own table, JSON and hashes made by the client, one transaction. dlt:
`merge`, strategy `upsert`, on a SHA-256 of the row, into a table that dlt makes. *Rows* is what its
documentation begins with: rows as the csv module reads them, its default settings. *Arrow tables* is the
fastest that its documentation of Postgres recommends: Arrow tables, sent as CSV by COPY. The table that this
makes has text columns and no index: less is written than by the others, and nothing keeps a row from being
there twice but the merge."""


def measure(place: World, rounds: int, rows: int) -> Measured:
    """All in turn, each with a fresh database."""
    peers.ensure()
    found: dict[str, list[float]] = {_SLUICE: [], **{name: [] for name in _WAYS}}
    for number in range(1, rounds + 1):
        found[_SLUICE].append(_ingested(place, rows))
        for name, (command, share) in _WAYS.items():
            found[name].append(_loaded(place, name, command, rows // share))
        told = ", ".join(f"{name} {rates[-1]:.1f}" for name, rates in found.items())
        print(f"  round {number}: {told} krows/s", flush=True)
    lines = [[_SLUICE, f"{rows:,}", spread(found[_SLUICE]), "", ""]]
    for name, (_, share) in _WAYS.items():
        ratio = spread(ratios(found[_SLUICE], found[name]), 1)
        lines.append([name, f"{rows // share:,}", spread(found[name], 1), ratio, _WANTED.get(name, "")])
    heads = ["", "rows", "krows/s", "Sluice to it", "wanted, at least"]
    return Measured([Table("Beside others", _ABOUT, heads, lines)], found)


def _ingested(place: World, rows: int) -> float:
    """Sluice's thousands of rows a second."""
    with world.database(place) as url:
        run = world.ingest(place, url, data.narrow(place.data, rows))
    _check(_SLUICE, run.job.progress.tally.inserted, rows)
    return run.rate


def _loaded(place: World, name: str, command: Sequence[str], rows: int) -> float:
    """Another's."""
    script, *arguments = command
    with world.database(place) as url:
        world.checkpoint(place)
        path = data.narrow(place.data, rows)
        loaded, seconds = peers.run(place.layout, url, script, *arguments, str(path))
    _check(name, loaded, rows)
    return loaded / seconds / 1000


def _check(name: str, loaded: int, rows: int) -> None:
    if loaded != rows:
        raise RuntimeError(f"{name} loaded {loaded:,} of {rows:,} rows")
