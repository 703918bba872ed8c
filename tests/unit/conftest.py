"""What the client's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_fake import CSV, FakeSluice


@pytest.fixture
def server() -> Iterator[FakeSluice]:
    with FakeSluice() as fake:
        yield fake


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_bytes(CSV)
    return path
