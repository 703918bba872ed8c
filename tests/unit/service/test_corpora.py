"""CSV files of the world: csv-spectrum, each file equal to what its JSON says (the corpus is not ours)."""

import json
from pathlib import Path

import pytest

from chalicelib.rows import canonical
from tests.support.paths import SHARED
from tests.support.pipeline import look, outcome

SPECTRUM = SHARED / "corpora/csv-spectrum"
# The corpus's JSON gives another number than its CSV.
MISPRINTS = {"location_coordinates": {"Contact Phone Number": "2095257564"}}
FILES = sorted(SPECTRUM.glob("csvs/*.csv"))


@pytest.mark.skipif(not FILES, reason=f"csv-spectrum is not at {SPECTRUM}")
def test_the_corpus_is_whole() -> None:
    assert len(FILES) == 12


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("block_size", [16, 1 << 20])
def test_each_file_of_csv_spectrum_gives_its_json(path: Path, block_size: int) -> None:
    data = path.read_bytes()
    rows = json.loads((SPECTRUM / "json" / f"{path.stem}.json").read_text("utf-8"))
    rows = rows if isinstance(rows, list) else [rows]  # one of them is an object of its own
    rows = [row | MISPRINTS.get(path.stem, {}) for row in rows]
    found = outcome(data, look(data), block_size=block_size)
    assert not found.rejects
    assert found.records == {canonical.record(row) for row in rows}
    assert found.accepted == len(rows)
