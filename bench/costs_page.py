"""Write `docs/costs.md` from the stored result: `python -m bench.costs_page` does only that."""

from pathlib import Path

from bench import results
from bench.page import FOLDER, NOTHING, machine, sealed
from bench.results import Result
from bench.stack import CHECKOUT

NAME = "costs"
PAGE = CHECKOUT / "docs" / "costs.md"

_TITLE = """\
# Costs

What a file costs a worker and Postgres at most, whatever is in it: in proportion to its size, with the factors
on this page. Memory does not grow with the file: `SLUICE_MEMORY_BUDGET` is the most for the process of a worker
([how it is divided](operations.md#memory-and-connections)). CPU time and what Postgres stores grow with the bytes that
are sent, no faster. Beyond a bound the job fails with a code, or the upload is refused.

To repeat it, with the stack up: `python -m bench costs --page`.

The files are made by `tests/support/kinds.py`. Each line is held by two tests, which send the file:
`tests/unit/service/test_costs.py` in a small size, as part of `make test`, and `tests/faults/test_costs.py` in the size that
is shown, to a real worker, as part of `make faults`. *Before* is what a line cost in version 1.16, where it was measured.
"""


def render_page(result: Result | None) -> str:
    """Return the page of a result, None if there is none."""
    if result is None:
        return sealed(_TITLE + NOTHING)
    when = result.moment
    tables = [table.markdown() for table in result.measured.tables]
    note = f"{when['date']}, commit {when['commit']}, load averages before the run: {when['load']}."
    return sealed("\n\n".join([_TITLE.rstrip(), *tables, machine(result.conditions).rstrip(), note]) + "\n")


def write(folder: Path, target: Path) -> None:
    """Write the page of the result that is stored in a folder."""
    target.write_text(render_page(results.load(folder, NAME)), encoding="utf-8")
    print(f"\n{target}")


if __name__ == "__main__":
    write(FOLDER / "results", PAGE)
