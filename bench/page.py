"""The page of results, made of what was measured: `python -m bench.page` makes it, and measures nothing."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import results
from bench.parts import PARTS
from bench.results import Result
from bench.world import CHECKOUT

FOLDER = CHECKOUT / ".local" / "bench"
PAGE = CHECKOUT / "docs" / "benchmarks.md"

_MARK = "<!-- Made by `python -m bench`, never by hand. What follows has the SHA-256 {digest} -->\n"
_MARKED = re.compile(_MARK.format(digest="([0-9a-f]{64})").encode())
_TITLE = """\
# Benchmarks

How fast Sluice is beside plain COPY, beside other ways to load a file, on several workers, as its table
grows; how much memory it takes; and how the API answers meanwhile. To repeat it:

```sh
make bench
```

The files are made from a seed and are the same on every machine. Everything that is compared is measured in
turn, in the same run, on the same Postgres, LocalStack and cores, each time with a database of its own and
after a checkpoint. Figures are medians, with the least and the greatest in brackets; ratios are taken round
by round, and these are their medians. Absolute rates are the machine's as much as Sluice's: look at the
ratios.
"""
_NOTHING = "\nNothing has been measured.\n"


def write(folder: Path, target: Path) -> None:
    """Makes the page of what is kept in a folder."""
    target.write_text(page({part: results.kept(folder, part) for part in PARTS}), encoding="utf-8")
    print(f"\n{target}")


def page(found: Mapping[str, Result | None]) -> str:
    """The page, from each part's result, if it has one.

    Parts that were measured on something else than the newest was are left out, as if they had not been.
    """
    measured = {part: result for part, result in found.items() if result is not None}
    if not measured:
        return marked(_TITLE + _NOTHING)
    newest = max(measured.values(), key=lambda result: result.moment["date"])
    shown = {part: it for part, it in measured.items() if it.conditions == newest.conditions}
    sections = [_TITLE, _machine(newest.conditions)]
    sections += [_section(result) for result in shown.values()]
    sections += _missing([part for part in found if part not in shown])
    return marked("\n".join(sections))


def marked(body: str) -> str:
    """The text with a first line that tells whether it was changed since."""
    return _MARK.format(digest=hashlib.sha256(body.encode()).hexdigest()) + body


def is_as_made(text: str) -> bool:
    """Whether nobody has changed a page by hand."""
    found = _MARKED.match(text.encode())
    return found is not None and found[1] == hashlib.sha256(text.encode()[found.end() :]).hexdigest().encode()


def _machine(conditions: Mapping[str, str]) -> str:
    lines = "\n".join(f"| {name} | {value} |" for name, value in conditions.items())
    return f"## Measured on\n\n| | |\n|---|---|\n{lines}\n"


def _section(result: Result) -> str:
    when = result.moment
    note = f"{when['date']}, commit {when['commit']}, load averages before the run: {when['load']}."
    return "\n\n".join([*(table.markdown() for table in result.measured.tables), note]) + "\n"


def _missing(parts: Sequence[str]) -> list[str]:
    if not parts:
        return []
    listed = ", ".join(f"`{part}`" for part in parts)
    return [f"## Not measured\n\nNot measured on this machine with these versions: {listed}.\n"]


if __name__ == "__main__":
    write(FOLDER / "results", PAGE)
