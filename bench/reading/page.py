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

This page shows how many CSV files of many kinds are read correctly, by Sluice and by other readers. To repeat
the measurement:

```sh
make bench-reading
```

The files are generated from a seed and are the same on every machine. They are tables of names, addresses,
dates, amounts and other texts in thirteen languages, in many dialects, and with common kinds of damage. Most
have up to 300 records, some 2,000, and a few 20,000. The damage may be far from the beginning. The generator
knows the right reading of each record. Files that people could read in two ways are left out. Nearly half of
the files are *plain*: they have no errors, however unusual their dialect is.

No options are declared. A file is

- **right** if each record is stored correctly, or rejected where the file does not show what is meant (a
  record with too few cells, bytes that are not text);
- **reported** if the reading has an error, and a specific warning, a reject or the failure of the job reports
  it;
- **refused** if it was not loaded because the reader was not sure, or could not read it;
- **wrong** if the reading has an error and nothing reports it.

The other readers get the same files. What they do with every file by design does not count as an error:
filling up short records, or keeping cells beyond the header. *csv.Sniffer* is Python's, and gets the first
65,536 characters; `csv` reads the file with the dialect that it detects, and the first row is the header (its
`has_header` is not used). *CleverCSV* is `clevercsv.read_table`, with the first row as header. *DuckDB* is
`read_csv` with `all_varchar`, which detects the header and the lines to skip by itself, and refuses a file
with a line that it cannot read. *DuckDB, rejects* is the same with `store_rejects`: `ignore_errors`, and a
table of the lines that were ignored. If a reader takes more than 10 seconds of processor time for a file, it
counts as refused. A line of units that is loaded as a record, or a first record that is used as the header,
is wrong if there is no warning.
"""
_NOTHING = "\nNothing has been measured.\n"
_ABOUT_ALL = "The table shows the share of all files, in per cent."
_ABOUT_RIGHT = "The table shows the share of files that were read right, in per cent, by kind."
_ABOUT_WRONG = "The table shows the share of files that were read wrong without a report, in per cent."


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
