"""Write `docs/explanation/reading-accuracy.md` from the stored result: `python -m bench.reading.page`."""

from collections.abc import Mapping
from pathlib import Path

from bench import results
from bench.figures import Measurement, Table
from bench.page import FOLDER, sealed
from bench.reading.scoring import Outcome
from bench.reading.tallies import ALL, Tallies
from bench.results import Result
from bench.stack import CHECKOUT

PAGE = CHECKOUT / "docs" / "explanation" / "reading-accuracy.md"
RESULTS = FOLDER / "results"
NAME = "reading"

_TITLE = """\
# Reading accuracy

How many of many kinds of CSV files are read as they are meant, by Sluice and by other readers. To repeat it:

```sh
make bench-reading
```

The files are generated from a seed, the same ones on every machine: tables of names, addresses, dates,
amounts and other texts in thirteen languages, written in all sorts of dialects, and damaged in the ways in
which files come damaged. Most have up to 300 records, some 2,000, a few 20,000, and the damage may be far
from the beginning. The generator knows what each record is meant to be. Files that people could read in two
ways are left out. Nearly half of the files are *plain*: nothing is wrong with them, however odd their
dialect is.

No options are declared. A file is

- **right** if each record is stored as it is meant, or rejected where the file does not show what is meant
  (a record with too few cells, bytes that are no text);
- **told** if something is not as meant, and a warning that is specific for it, a reject or the failure of
  the job says so;
- **refused** if it was not loaded because the reader was not sure, or could not read it;
- **wrong** if something is not as meant and nothing says so.

The other readers get the same files. What they do with any file by design is not held against them: filling
short records up, or keeping cells beyond the header. *csv.Sniffer* is Python's, given the first 65,536
characters; `csv` reads the file with the dialect that it finds, and the first row is the header (its
`has_header` is not used). *CleverCSV* is `clevercsv.read_table`, with the first row as header. *DuckDB* is
`read_csv` with `all_varchar`, which finds the header and the lines to skip by itself, and refuses a file that
has a line that it cannot read. *DuckDB, rejects* is the same with `store_rejects`: `ignore_errors`, and a
table of the lines that were ignored. A reader that takes more than 10 seconds of processor time for a file
has refused it. A line of units that is loaded as a record, or a first record that is taken for the header, is
wrong without a warning.
"""
_NOTHING = "\nNothing has been measured.\n"
_ABOUT_ALL = "All files, in per cent."
_ABOUT_RIGHT = "Files that were read right, in per cent, by kind."
_ABOUT_WRONG = "Files that were read wrong in silence, in per cent, by kind."


def measurement(tallies: Mapping[str, Tallies]) -> Measurement:
    """Return the tables of what each reader read."""
    sluice = next(iter(tallies.values()))
    heads = ["", *tallies]
    kinds = [kind for kind in sluice.rows() if kind != ALL]

    def by_kind(outcome: Outcome) -> list[list[str]]:
        return [
            [kind, str(sluice.rows()[kind]["files"])]
            + [f"{tally.share(outcome, kind):.0f}" for tally in tallies.values()]
            for kind in kinds
        ]

    summary = [
        [str(outcome), *(f"{tally.share(outcome):.1f}" for tally in tallies.values())] for outcome in Outcome
    ]
    noise = (
        f"{sluice.total['files']:,} files. Sluice gave a warning on {sluice.total['noise']:,} plain files, "
        f"and read {sluice.total['untold']:,} files right without a warning that they need."
    )
    with_files = ["", "files", *heads[1:]]
    return Measurement(
        [
            Table("All kinds", f"{_ABOUT_ALL} {noise}", heads, summary),
            Table("Right, by kind", _ABOUT_RIGHT, with_files, by_kind(Outcome.RIGHT)),
            Table("Wrong, by kind", _ABOUT_WRONG, with_files, by_kind(Outcome.WRONG)),
        ],
        {f"{name}, {mark}": [tally.share(mark)] for name, tally in tallies.items() for mark in Outcome},
    )


def render_page(result: Result | None) -> str:
    """Return the page of a result, None if there is none."""
    if result is None:
        return sealed(_TITLE + _NOTHING)
    conditions = ", ".join(f"{name} {value}" for name, value in result.conditions.items())
    when = result.moment
    tables = "\n\n".join(table.markdown() for table in result.measured.tables)
    return sealed(f"{_TITLE}\n{tables}\n\n{when['date']}, commit {when['commit']}. {conditions}.\n")


def write(target: Path = PAGE) -> None:
    """Write the page of the stored result."""
    target.write_text(render_page(results.load(RESULTS, NAME)), encoding="utf-8")
    print(f"\n{target}")


if __name__ == "__main__":
    write()
