import csv
import gzip
import json
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from bench import data

MAKERS = [data.narrow, data.wide, data.sparse, data.nested, data.duplicates, data.json_array]


@pytest.mark.parametrize(
    ("make", "digest"),
    [
        (data.narrow, "92567fa8b1711660"),
        (data.wide, "da30fe17a2702d40"),
        (data.sparse, "bafe677273eb8c50"),
        (data.nested, "cf5eb60d0e93e967"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_files_are_the_same_on_every_machine(
    make: Callable[[Path, int], Path], digest: str, tmp_path: Path
) -> None:
    assert sha256(make(tmp_path, 20_000).read_bytes()).hexdigest().startswith(digest)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_file_is_made_once_and_whole(make: Callable[[Path, int], Path], tmp_path: Path) -> None:
    path = make(tmp_path / "new", 10)
    inode = path.stat().st_ino
    assert make(tmp_path / "new", 10) == path
    assert path.stat().st_ino == inode
    assert [file.name for file in path.parent.iterdir() if file.suffix == ".unfinished"] == []


@pytest.mark.parametrize(("make", "columns"), [(data.narrow, 7), (data.wide, 60), (data.sparse, 40)])
def test_csv_rows_are_all_different_and_as_wide_as_the_header(
    make: Callable[[Path, int], Path], columns: int, tmp_path: Path
) -> None:
    header, *rows = records(make(tmp_path, 3000))
    assert len(set(header)) == columns
    assert {len(row) for row in rows} == {columns}
    assert [row[0] for row in rows] == [str(number) for number in range(3000)]


def test_sparse_rows_are_mostly_empty_and_some_columns_always(tmp_path: Path) -> None:
    _, *rows = records(data.sparse(tmp_path, 3000))
    filled = Counter(index for row in rows for index, cell in enumerate(row) if cell)
    assert 3 < sum(filled.values()) / len(rows) < 8
    assert 8 <= 40 - len(filled) <= 12


def test_nested_lines_are_objects_that_hold_objects_and_arrays(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in data.nested(tmp_path, 3000).read_text("utf-8").splitlines()]
    assert [line["id"] for line in lines] == list(range(3000))
    assert all(line["person"]["address"]["city"] and line["order"]["items"][0]["sku"] for line in lines)


def test_duplicates_repeat_a_thousand_records(tmp_path: Path) -> None:
    _, *rows = records(data.duplicates(tmp_path, 2500))
    assert len(rows) == 2500
    assert Counter(Counter(map(tuple, rows)).values()) == {3: 500, 2: 500}


def test_the_gzip_and_the_json_array_have_the_narrow_files_records(tmp_path: Path) -> None:
    plain = data.narrow(tmp_path, 500)
    assert gzip.decompress(data.gzipped(tmp_path, 500).read_bytes()) == plain.read_bytes()
    with plain.open(newline="", encoding="utf-8") as file:
        assert json.loads(data.json_array(tmp_path, 500).read_bytes()) == list(csv.DictReader(file))


def records(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_a_large_file_is_deleted_after_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MAX_KEPT_SIZE", 5000)
    for rows, is_kept in ((10, True), (1000, False)):
        with data.generated(data.narrow, tmp_path, rows) as path:
            assert path.exists()
        assert path.exists() == is_kept
