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

What a file costs a worker and Postgres at most, whatever is in it. The memory of a worker's process does
not grow with the file: it stays within `SLUICE_MEMORY_BUDGET`, which is
[divided](../explanation/how-it-runs.md#memory-and-connections) among what needs it. CPU time and the bytes
in Postgres grow with the bytes that are sent, and no faster. A file that reaches a bound ends its job with
a code, and the worker takes the next one.

To measure it again, with the stack up:

```sh
.venv/bin/python -m bench costs --page
```

`tests/support/kinds.py` makes the files and has their limits. Two tests send a file of each line and hold
it to the limits: `tests/unit/service/test_costs.py` a small one, as part of `make test`, and
`tests/faults/test_costs.py` one of the size that is shown, to a real worker, as part of `make faults`.
*Before* is what the line cost before these limits, as far as it was measured; its megabytes are the
process's memory, if nothing else is said.
"""
_LIMITS = """\
The limits that tests hold each line to: the memory of the worker's process; its CPU time, how many times as
much as for as many bytes of the first line, and {slack:g} s more; the bytes in Postgres for each byte that
is sent, and {kib} KiB more."""


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
