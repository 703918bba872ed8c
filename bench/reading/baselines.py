"""Other readers, each in a process of its own, in an environment without Sluice."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from bench.installation import pinned_installation
from bench.reading.draft import Printer
from bench.reading.scoring import UNREADABLE, Reading
from chalicelib.formats.csv.header import column_names
from infra.steps.environment import inherited_env, own_env
from infra.steps.layout import Layout

HERE = Path(__file__).parent
INSTALLATION = pinned_installation(
    "reading", "the readers that Sluice is compared with", HERE / "requirements-reading.txt"
)
TIME_LIMIT = 120.0  # seconds a file, should the reader not heed its own limit
READERS = {  # the name in the table: that in readers.py
    "csv.Sniffer": "sniffer",
    "CleverCSV": "clevercsv",
    "DuckDB": "duckdb",
    "DuckDB, rejects": "duckdb-rejects",
}
# Every one of them fills short records up or leaves them out, and keeps or leaves out what is too long.
_HABITS = frozenset({"short-rows-padded", "extra-cells-kept"})


@dataclass
class Baseline:
    """A reader in a process, which restarts after a file that took too long."""

    name: str
    layout: Layout
    _process: "subprocess.Popen[str] | None" = None
    _answers: "SimpleQueue[str]" = field(default_factory=SimpleQueue)

    def read(self, path: Path) -> Reading:
        """Return what the reader makes of a file."""
        answer = self._ask(path)
        if answer is None:
            return _unreadable("too slow")
        if "error" in answer:
            return _unreadable(answer["error"])
        return reading(answer["rows"], answer["rejects"])

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _ask(self, path: Path) -> dict[str, Any] | None:
        """Return the reader's answer, None if it takes too long."""
        process = self._process or self._start()
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        try:
            line = self._answers.get(timeout=TIME_LIMIT)
        except Empty:
            self.close()
            return None
        if not line:  # the process has ended
            self.close()
            return {"error": "the reader crashed"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _start(self) -> "subprocess.Popen[str]":
        command = [str(INSTALLATION.python), "-P", str(HERE / "readers.py"), READERS[self.name]]
        process = subprocess.Popen(
            command,
            env={**inherited_env(), **own_env(self.layout)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        self._process, self._answers = process, SimpleQueue()
        Thread(target=_forward, args=(process, self._answers), daemon=True).start()
        return process


def reading(rows: Sequence[Sequence[str]], rejects: int) -> Reading:
    """Return rows of cells as Sluice's records, under the names in the first row that is not blank.

    A record that Postgres cannot hold, for a NUL in it, is a reject, and such a header is unreadable.
    """
    records = [row for row in rows if row]
    if not records:
        return Reading(frozenset(), 0, [""] * rejects)
    if any("\0" in cell for cell in records[0]):
        return _unreadable("NUL in the header")
    names = column_names(records[0])
    printer = Printer(names)
    whole = [_trimmed(row, len(names)) for row in records[1:] if not any("\0" in cell for cell in row)]
    accepted = [record for record in map(printer.print, whole) if record != "{}"]
    codes = [""] * (rejects + len(records) - 1 - len(accepted))
    return Reading(frozenset(accepted), len(accepted), codes, columns=names, habits=_HABITS)


def _trimmed(row: Sequence[str], width: int) -> Sequence[str]:
    """Return a row without the empty cells that it has more than the header."""
    return row if any(row[width:]) else row[:width]


def _unreadable(why: str) -> Reading:
    return Reading(frozenset(), 0, failure=UNREADABLE, dialect=why)


def _forward(process: "subprocess.Popen[str]", answers: "SimpleQueue[str]") -> None:
    """Put each line of the process into the queue, and an empty one at its end."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    for line in process.stdout:
        answers.put(line)
    answers.put("")
