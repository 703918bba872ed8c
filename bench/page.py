"""Write the page of results from the stored results: `python -m bench.page` does only that."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import results
from bench.measurements import MEASUREMENTS
from bench.results import Result
from bench.stack import CHECKOUT

FOLDER = CHECKOUT / ".local" / "bench"
PAGE = CHECKOUT / "docs" / "explanation" / "benchmarks.md"
ON_OTHER_PAGES = ("costs",)

_SEAL = "<!-- Made by `python -m bench`, never by hand. What follows has the SHA-256 {digest} -->\n"
_SEAL_PATTERN = re.compile(_SEAL.format(digest="([0-9a-f]{64})").encode())
_TITLE = """\
# Benchmarks

How fast Sluice is compared with plain COPY and with other loaders, on several workers, and as its table
grows; how much memory it takes; and how fast the API answers meanwhile. To repeat it:

```sh
make bench
```

The files are generated from a seed and are the same on every machine. The benchmark measures everything that
it compares in turn, in the same run, on the same Postgres, LocalStack and cores, each time with a fresh
database and after a checkpoint. Figures are medians, with the smallest and the largest value in brackets;
ratios are medians of the ratios of each round. Absolute rates depend on the machine as much as on Sluice:
compare the ratios.
"""
NOTHING = "\nNothing has been measured.\n"


def write(folder: Path, target: Path) -> None:
    """Write the page of the results stored in a folder."""
    stored = {name: results.load(folder, name) for name in MEASUREMENTS if name not in ON_OTHER_PAGES}
    target.write_text(render_page(stored), encoding="utf-8")
    print(f"\n{target}")


def render_page(stored: Mapping[str, Result | None]) -> str:
    """Return the page, from the result of each measurement, None if there is none.

    Results under other conditions than the newest one's are left out, as if there were none.
    """
    measured = {name: result for name, result in stored.items() if result is not None}
    if not measured:
        return sealed(_TITLE + NOTHING)
    newest = max(measured.values(), key=lambda result: result.moment["date"])
    shown = {name: result for name, result in measured.items() if result.conditions == newest.conditions}
    sections = [_TITLE, machine(newest.conditions)]
    sections += [_section(result) for result in shown.values()]
    sections += _missing([name for name in stored if name not in shown])
    return sealed("\n".join(sections))


def sealed(body: str) -> str:
    """Return the text after a first line with its digest."""
    return _SEAL.format(digest=hashlib.sha256(body.encode()).hexdigest()) + body


def is_unedited(text: str) -> bool:
    """Return whether a page still has the digest in its first line."""
    seal = _SEAL_PATTERN.match(text.encode())
    return seal is not None and seal[1] == hashlib.sha256(text.encode()[seal.end() :]).hexdigest().encode()


def machine(conditions: Mapping[str, str]) -> str:
    """Return the section that says what was measured on."""
    lines = "\n".join(f"| {name} | {value} |" for name, value in conditions.items())
    return f"## Measured on\n\n| | |\n|---|---|\n{lines}\n"


def _section(result: Result) -> str:
    when = result.moment
    note = f"{when['date']}, commit {when['commit']}, load averages before the run: {when['load']}."
    return "\n\n".join([*(table.markdown() for table in result.measured.tables), note]) + "\n"


def _missing(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    listed = ", ".join(f"`{name}`" for name in names)
    return [f"## Not measured\n\nNot measured on this machine with these versions: {listed}.\n"]


if __name__ == "__main__":
    write(FOLDER / "results", PAGE)
