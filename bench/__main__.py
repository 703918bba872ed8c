"""`python -m bench [NAME…]`: make these measurements, or all, on a running stack (`make up`).

The results are stored. `--page` then writes `docs/reference/costs.md` if costs were measured, and
`docs/explanation/benchmarks.md` from all other stored results. `--quick` is a trial on few rows, whose
results and pages are stored apart from the others.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from bench import costs_page, machine, results
from bench import page as benchmarks
from bench.measurements import MEASUREMENTS
from bench.page import FOLDER
from bench.results import Result
from bench.stack import Stack
from infra.local.env_file import read_env_file
from infra.steps.layout import DEFAULT_ROOT, Layout

ROWS = 1_000_000
QUICK_ROWS = 100_000


def main() -> int:
    """Make the measurements. Return 1 if no stack runs or a measurement fails."""
    arguments = _parse_arguments()
    layout = Layout.at(arguments.root)
    env = read_env_file(layout)
    if not env:
        print("The stack does not run: make up", file=sys.stderr)
        return 1
    os.environ.update(env)  # boto3's address and credentials
    folder = FOLDER / "quick" if arguments.quick else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    rows = arguments.rows or (QUICK_ROWS if arguments.quick else ROWS)
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    stack = Stack(env, layout, folder)
    load = machine.load()  # before the benchmark adds to it
    names = arguments.names or MEASUREMENTS
    failed = [name for name in names if not _measure(name, stack, rounds, rows, load)]
    if arguments.page:
        for page in [costs_page] * (costs_page.NAME in names) + [benchmarks] * (
            set(names) != {costs_page.NAME}
        ):
            page.write(folder / "results", folder / page.PAGE.name if arguments.quick else page.PAGE)
    if failed:
        print(f"\nNot measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = ", ".join(MEASUREMENTS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {names} (default: all)")
    parser.add_argument("--rounds", type=int, help="default: 3")
    parser.add_argument(
        "--rows", type=int, help=f"of the narrow file; others in proportion (default: {ROWS:,})"
    )
    parser.add_argument("--quick", action="store_true", help=f"a trial: 1 round, {QUICK_ROWS:,} rows")
    parser.add_argument("--page", action="store_true", help="write the pages in docs/ afterwards")
    parser.add_argument(
        "--root", type=Path, default=DEFAULT_ROOT, help="the stack's folder (default: .local)"
    )
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in MEASUREMENTS]:
        parser.error(f"there is no measurement {unknown[0]!r}: choose from {names}")
    return arguments


def _measure(name: str, stack: Stack, rounds: int, rows: int, load: str) -> bool:
    """Make a measurement, store and print its result. Return False, after printing why, if it fails."""
    started_at = time.monotonic()
    print(f"\n{name}", flush=True)
    try:
        conditions, moment = machine.conditions(stack.env), machine.moment(load)
        measurement = MEASUREMENTS[name](stack, rounds, rows)
    except Exception as error:  # noqa: BLE001 - the other measurements do not depend on it
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    results.store(stack.folder / "results", name, Result(measurement, conditions, moment))
    for table in measurement.tables:
        print(f"\n{table.text()}")
    print(f"\n{time.monotonic() - started_at:.0f} s", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
