"""Store results, one JSON file per measurement, so that a page can combine measurements made one by one."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.figures import Measurement, Table


@dataclass(frozen=True)
class Result:
    """A measurement, with when and on what it was made: see :mod:`bench.machine`."""

    measured: Measurement
    conditions: Mapping[str, str]
    moment: Mapping[str, str]


def store(folder: Path, name: str, result: Result) -> None:
    """Store a measurement's result in place of the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(asdict(result), indent=1) + "\n", encoding="utf-8")
    unfinished.rename(path)


def load(folder: Path, name: str) -> Result | None:
    """Return a measurement's stored result, None if there is none."""
    try:
        stored = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    tables = [Table(**table) for table in stored["measured"]["tables"]]
    measured = Measurement(tables, stored["measured"]["figures"])
    return Result(measured, stored["conditions"], stored["moment"])
