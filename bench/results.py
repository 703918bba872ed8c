"""Keeps what was measured, a JSON file a part, so that a page can be made of parts measured one by one."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.figures import Measured, Table


@dataclass(frozen=True)
class Result:
    """A part's figures, when they were measured and on what: see :mod:`bench.machine`."""

    measured: Measured
    conditions: Mapping[str, str]
    moment: Mapping[str, str]


def keep(folder: Path, part: str, result: Result) -> None:
    """Stores a part's result in place of the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part}.json"
    half = path.with_suffix(".part")
    half.write_text(json.dumps(asdict(result), indent=1) + "\n", encoding="utf-8")
    half.rename(path)


def kept(folder: Path, part: str) -> Result | None:
    """A part's result; None if it was not measured."""
    try:
        stored = json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    tables = [Table(**table) for table in stored["measured"]["tables"]]
    measured = Measured(tables, stored["measured"]["figures"])
    return Result(measured, stored["conditions"], stored["moment"])
