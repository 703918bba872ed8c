"""`python -m bench [PART…]`: measures these parts, or all, on a running stack (`make up`).

The figures are kept, and with `--page` what is kept is then made into `docs/benchmarks.md`. `--quick` is a
trial on few rows: what it finds is kept apart from the rest, and so is its page.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from bench import machine, results
from bench.page import FOLDER, PAGE, write
from bench.parts import PARTS
from bench.results import Result
from bench.world import World
from infra.local.env_file import read_env_file
from infra.steps.layout import DEFAULT_ROOT, Layout

ROWS = 1_000_000
QUICK_ROWS = 100_000


def main() -> int:
    """Measures what was asked for; 1 if there is no stack or a part did not succeed."""
    asked = _arguments()
    layout = Layout.at(asked.root)
    env = read_env_file(layout)
    if not env:
        print("The stack does not run: make up", file=sys.stderr)
        return 1
    os.environ.update(env)  # boto3's address and credentials
    folder = FOLDER / "quick" if asked.quick else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    rows = asked.rows or (QUICK_ROWS if asked.quick else ROWS)
    rounds = asked.rounds or (1 if asked.quick else 3)
    world = World(env, layout, folder)
    load = machine.load()  # later it is our own
    failed = [part for part in asked.parts or PARTS if not _measured(part, world, rounds, rows, load)]
    if asked.page:
        write(folder / "results", folder / PAGE.name if asked.quick else PAGE)
    if failed:
        print(f"\nNot measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--rounds", type=int, help="default: 3")
    parser.add_argument(
        "--rows", type=int, help=f"of the narrow file; others in proportion (default: {ROWS:,})"
    )
    parser.add_argument("--quick", action="store_true", help=f"a trial: 1 round, {QUICK_ROWS:,} rows")
    parser.add_argument("--page", action="store_true", help="make docs/benchmarks.md afterwards")
    parser.add_argument(
        "--root", type=Path, default=DEFAULT_ROOT, help="the stack's folder (default: .local)"
    )
    asked = parser.parse_args()
    if unknown := [part for part in asked.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}: choose from {', '.join(PARTS)}")
    return asked


def _measured(part: str, world: World, rounds: int, rows: int, load: str) -> bool:
    """Measures a part, shows and keeps its figures. False, with a sentence, if it did not succeed."""
    began = time.monotonic()
    print(f"\n{part}", flush=True)
    try:
        conditions, moment = machine.conditions(world.env), machine.moment(load)
        measured = PARTS[part](world, rounds, rows)
    except Exception as error:  # noqa: BLE001 - the other parts are measured all the same
        print(f"{part}: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    results.keep(world.folder / "results", part, Result(measured, conditions, moment))
    for table in measured.tables:
        print(f"\n{table.text()}")
    print(f"\n{time.monotonic() - began:.0f} s", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
