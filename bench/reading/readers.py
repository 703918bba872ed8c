"""Read files with another reader: runs in the environment of `requirements-reading.txt`, knows no Sluice.

`readers.py NAME` reads paths from standard input, one a line, and prints for each a line of JSON: the file's
rows of cells, the header among them, and the number of rejects; or the error. A file that takes more than
10 seconds of processor time is an error.
"""

import csv
import json
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

TIME_LIMIT = 10.0  # seconds of processor time a file
_SAMPLE = 1 << 16  # characters
_BOMS = ((b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def sniffer(path: str) -> dict[str, Any]:
    """Read with the dialect that `csv.Sniffer` finds in the first 65,536 characters."""
    data = Path(path).read_bytes()
    text = data.decode(next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8-sig"))
    dialect = csv.Sniffer().sniff(text[:_SAMPLE])
    return {"rows": list(csv.reader(text.splitlines(keepends=True), dialect)), "rejects": 0}


def clevercsv(path: str) -> dict[str, Any]:
    """Read with the encoding and the dialect that CleverCSV finds."""
    import clevercsv as reader

    return {"rows": reader.read_table(path), "rejects": 0}


def duckdb(path: str) -> dict[str, Any]:
    """Read with DuckDB's `read_csv`: delimiter, quotes, header and lines to skip are found by itself."""
    rows, _ = _duckdb("SELECT * FROM read_csv(?, all_varchar = true)", path)
    return {"rows": rows, "rejects": 0}


def duckdb_rejects(path: str) -> dict[str, Any]:
    """Read with DuckDB's `read_csv`, which sets lines that it cannot read apart."""
    rows, rejects = _duckdb(
        "SELECT * FROM read_csv(?, all_varchar = true, store_rejects = true)",
        path,
        "SELECT count(DISTINCT line) FROM reject_errors",
    )
    return {"rows": rows, "rejects": rejects}


def _duckdb(query: str, path: str, count: str = "SELECT 0") -> tuple[list[list[str]], int]:
    """Return the rows of a query, with the names of its columns, and the number that another query counts."""
    import duckdb as reader

    with reader.connect(config={"threads": 1}) as connection:
        found = connection.execute(query, [path])
        names = [column[0] for column in found.description]
        rows = [["" if cell is None else cell for cell in row] for row in found.fetchall()]
        [(counted,)] = connection.execute(count).fetchall()
    return [_header(names), *rows], counted


def _header(names: list[str]) -> list[str]:
    """Return DuckDB's names as the header has them: it numbers repeated names, and those left empty."""
    header: list[str] = []
    for place, name in enumerate(names):
        base, _, number = name.rpartition("_")
        generic = re.fullmatch("column([0-9]+)", name)
        if generic and int(generic[1]) == place:
            header.append("")
        elif number.isdigit() and base in header:
            header.append(base)
        else:
            header.append(name)
    return header


READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "sniffer": sniffer,
    "clevercsv": clevercsv,
    "duckdb": duckdb,
    "duckdb-rejects": duckdb_rejects,
}


def main() -> None:
    """Read the files that standard input names."""
    read = READERS[sys.argv[1]]
    signal.signal(signal.SIGPROF, _give_up)
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, TIME_LIMIT)
        try:
            answer = read(line.rstrip("\n"))
        except Exception as error:  # noqa: BLE001 - a file that a reader cannot read is a result
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(answer), flush=True)


def _give_up(_signal: int, _frame: object) -> None:
    raise TimeoutError("too slow")


if __name__ == "__main__":
    main()
