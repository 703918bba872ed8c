"""`python -m bench speed`: the worker against the yardstick. `python -m bench memory`: its peak memory.

`python -m bench` does both. `python -m bench functions`: the deployed functions. Needs a running stack
(`make up`).
"""

import argparse
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import median

import psycopg

from bench import data, functions, world, yardstick
from infra.local.environment import read_env_file
from infra.local.layout import DEFAULT_ROOT, Layout

FOLDER = Path(__file__).parents[1] / ".local" / "bench"
MEGABYTE_ROWS = 11_100  # of the narrow file


def speed(env: dict[str, str], rows: int, rounds: int) -> None:
    """First ingest of a narrow CSV file, whole path from S3, against plain COPY, in turn."""
    path = data.narrow(FOLDER, rows)
    ready = yardstick.prepare(path)
    rates: list[tuple[float, float]] = []
    print(f"\n{rows:,} rows, {path.stat().st_size / 1e6:.0f} MB of CSV, 7 columns; krows/s")
    print(f"{'round':>6} {'plain COPY':>11} {'Sluice':>8} {'ratio':>6} {'peak MiB':>9}")
    for number in range(1, rounds + 1):
        with world.database(env) as url:
            copied, seconds = yardstick.copy(url, ready)
        with world.database(env) as url:
            run = world.ingest(env, url, path, FOLDER / "worker.log")
        if not copied == run.rows == rows:
            raise RuntimeError(f"{copied} rows copied, {run.rows} ingested, {rows} expected")
        rates.append((copied / seconds / 1000, run.rows / run.seconds / 1000))
        plain, ours = rates[-1]
        print(f"{number:>6} {plain:>11.0f} {ours:>8.0f} {ours / plain:>6.2f} {run.peak_mib:>9.0f}")
    plain, ours = (median(column) for column in zip(*rates, strict=True))
    ratio = median(ours / plain for plain, ours in rates)
    print(f"{'median':>6} {plain:>11.0f} {ours:>8.0f} {ratio:>6.2f}")


def memory(env: dict[str, str]) -> None:
    """The worker's peak memory on files small and large, and of several kinds."""
    files = (
        ("CSV", data.narrow, 50),
        ("CSV", data.narrow, 500),
        ("CSV, gzip", data.gzipped, 300),  # megabytes of CSV in it
        ("JSON array", data.json_array, 150),  # megabytes of CSV it is made from
    )
    print(f"\n{'file':>10} {'size':>7} {'krows/s':>8} {'peak MiB':>9} {'to the first':>13}")
    first = 0.0
    for name, make, megabytes in files:
        path = make(FOLDER, megabytes * MEGABYTE_ROWS)
        with world.database(env) as url:
            run = world.ingest(env, url, path, FOLDER / "worker.log")
        first = first or run.peak_mib
        size, rate = path.stat().st_size / 1e6, run.rows / run.seconds / 1000
        print(f"{name:>10} {size:>4.0f} MB {rate:>8.0f} {run.peak_mib:>9.0f} {run.peak_mib / first:>13.2f}")


def machine(env: dict[str, str]) -> str:
    """What the figures were measured on."""
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    postgres = row[0] if row else "?"
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, PostgreSQL {postgres}, "
        f"pyarrow {version('pyarrow')}, psycopg {version('psycopg')}"
    )


def main() -> int:
    """Measures what was asked for; 1 with a sentence when there is no stack."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["speed", "memory", "functions"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--root", type=Path, default=DEFAULT_ROOT, help="the stack's folder (default: .local)"
    )
    asked = parser.parse_args()
    layout = Layout.at(asked.root)
    env = read_env_file(layout)
    if not env:
        print("The stack does not run: make up", file=sys.stderr)
        return 1
    os.environ.update(env)  # boto3's address and credentials
    print(machine(env))
    if asked.what in {"speed", None}:
        speed(env, asked.rows, asked.rounds)
    if asked.what in {"memory", None}:
        memory(env)
    if asked.what == "functions":
        functions.measure(env, layout, FOLDER, asked.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
