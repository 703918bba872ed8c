"""Write `docs/reference/costs.md` from the stored result: `python -m bench.costs_page` does only that."""

from pathlib import Path

from bench import results
from bench.figures import Table
from bench.page import FOLDER, NOTHING, machine, sealed
from bench.results import Result
from bench.stack import CHECKOUT
from chalicelib import settings
from tests.support.kinds import KINDS, SLACK_BYTES, SLACK_SECONDS

NAME = "costs"
PAGE = CHECKOUT / "docs" / "reference" / "costs.md"

_TITLE = """\
# Costs

This page shows the highest costs of a file for a worker and Postgres, whatever the file contains. The memory
of a worker's process does not grow with the file: it stays within `SLUICE_MEMORY_BUDGET`
([Memory and connections](../explanation/how-it-runs.md#memory-and-connections)). CPU time and the bytes in
Postgres grow in proportion to the bytes that are sent. If a file reaches a limit, its job fails with a code,
and the worker continues with the next job.

To repeat the measurement, start the stack and run:

```sh
.venv/bin/python -m bench costs --page
```

`tests/support/kinds.py` makes the files and defines their limits. Two tests send a file for each line and
check the limits. `tests/unit/service/test_costs.py` sends a small one, as part of `make test`.
`tests/faults/test_costs.py` sends one of the size in the table to a real worker, as part of `make faults`.
*Before* is the cost before these limits existed, if it was measured. Its megabytes are the process's memory
unless the table says otherwise.
"""
_LIMITS = """\
Tests check these limits for each line. *Memory* is that of the worker's process. *CPU* is the ratio of its
CPU time to the time for as many bytes of the first line. *Postgres* is the number of bytes in Postgres for
each byte that is sent. The tests allow {slack:g} s and {kib} KiB in addition."""


def render_page(result: Result | None) -> str:
    """Return the page of a result, None if there is none."""
    if result is None:
        return sealed(_TITLE + NOTHING)
    when = result.moment
    tables = [table.markdown() for table in (*result.measured.tables, limits())]
    note = f"{when['date']}, commit {when['commit']}, load averages before the run: {when['load']}."
    return sealed("\n\n".join([_TITLE.rstrip(), *tables, machine(result.conditions).rstrip(), note]) + "\n")


def limits() -> Table:
    """Return the table of what tests hold each kind of input to."""
    memory = settings.load({}).memory_budget >> 20
    return Table(
        "Limits",
        _LIMITS.format(slack=SLACK_SECONDS, kib=SLACK_BYTES >> 10),
        ["input", "memory, MiB", "CPU, times", "Postgres", "bounded by"],
        [[kind.name, f"{memory}", f"{kind.cpu:g}", f"{kind.stored:g}", kind.bound] for kind in KINDS],
    )


def write(folder: Path, target: Path) -> None:
    """Write the page of the result that is stored in a folder."""
    target.write_text(render_page(results.load(folder, NAME)), encoding="utf-8")
    print(f"\n{target}")


if __name__ == "__main__":
    write(FOLDER / "results", PAGE)
