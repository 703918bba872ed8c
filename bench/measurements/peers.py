"""Sluice beside other ways to load the same file without loading a row twice."""

from collections.abc import Sequence

from bench import data, peers
from bench.figures import Measurement, Table, ratios, spread
from bench.stack import Stack, checkpoint, database, ingest

_SLUICE = "Sluice"
_UPSERT = "upsert of 200 rows a statement"
_DLT = "dlt, rows"
_DLT_ARROW = "dlt, Arrow tables"
_PEERS = {  # the script and its arguments; by how much Sluice's number of rows is divided
    _UPSERT: (("upsert.py",), 5),
    _DLT: (("dlt_merge.py", "records"), 5),
    _DLT_ARROW: (("dlt_merge.py", "arrow"), 2),
}
_TARGETS = {_UPSERT: "4", _DLT: "10"}
_ABOUT = """\
A narrow CSV file into an empty table, with fewer rows for the slower peers. Sluice reads it from S3, the
peers from the disk; the time for imports and start-up is left out. The upsert: `INSERT … VALUES … ON CONFLICT
DO UPDATE` by psycopg into Sluice's own table, JSON and hashes made by the client, one transaction. dlt:
`merge`, strategy `upsert`, on a SHA-256 of the row, into a table that dlt creates. *Rows* is the first
example in its documentation: rows as the csv module reads them, default settings. *Arrow tables* is the
fastest way that its documentation recommends for Postgres: Arrow tables, sent as CSV by COPY. The table that
this creates has text columns and no index: it writes less than the others, and only the merge prevents
duplicates."""


def measure(stack: Stack, rounds: int, rows: int) -> Measurement:
    """Load with Sluice and each peer in turn, each into a fresh database."""
    peers.PEERS.ensure()
    rates: dict[str, list[float]] = {_SLUICE: [], **{name: [] for name in _PEERS}}
    for number in range(1, rounds + 1):
        rates[_SLUICE].append(_sluice_rate(stack, rows))
        for name, (command, divisor) in _PEERS.items():
            rates[name].append(_peer_rate(stack, name, command, rows // divisor))
        latest = ", ".join(f"{name} {values[-1]:.1f}" for name, values in rates.items())
        print(f"  round {number}: {latest} krows/s", flush=True)
    lines = [[_SLUICE, f"{rows:,}", spread(rates[_SLUICE]), "", ""]]
    for name, (_, divisor) in _PEERS.items():
        ratio = spread(ratios(rates[_SLUICE], rates[name]), 1)
        lines.append([name, f"{rows // divisor:,}", spread(rates[name], 1), ratio, _TARGETS.get(name, "")])
    heads = ["", "rows", "krows/s", "Sluice / peer", "target, at least"]
    return Measurement([Table("Beside other loaders", _ABOUT, heads, lines)], rates)


def _sluice_rate(stack: Stack, rows: int) -> float:
    """Return Sluice's thousands of rows a second."""
    with database(stack) as url:
        run = ingest(stack, url, data.narrow(stack.data, rows))
    _check(_SLUICE, run.job.progress.tally.inserted, rows)
    return run.rate


def _peer_rate(stack: Stack, name: str, command: Sequence[str], rows: int) -> float:
    """Return the peer's thousands of rows a second."""
    script, *arguments = command
    with database(stack) as url:
        checkpoint(stack)
        path = data.narrow(stack.data, rows)
        loaded, seconds = peers.run(stack.layout, url, script, *arguments, str(path))
    _check(name, loaded, rows)
    return loaded / seconds / 1000


def _check(name: str, loaded: int, rows: int) -> None:
    if loaded != rows:
        raise RuntimeError(f"{name} loaded {loaded:,} of {rows:,} rows")
