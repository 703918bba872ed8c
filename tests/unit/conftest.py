"""What unit tests share: the API over ports in memory; a server for the client."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from chalice.test import Client

import app as deployed
from tests.support.cli_fake import CSV, FakeSluice
from tests.support.cli_fake_parts import PART, SIZE, FakeParts
from tests.support.fakes import MemoryServices


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> MemoryServices:
    made = MemoryServices()
    monkeypatch.setattr(deployed, "services", lambda: made)
    return made


@pytest.fixture
def client(services: MemoryServices) -> Iterator[Client]:
    assert services
    with Client(deployed.app) as made:
        yield made


@pytest.fixture
def server() -> Iterator[FakeSluice]:
    with FakeSluice() as fake:
        yield fake


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_bytes(CSV)
    return path


@pytest.fixture
def s3(server: FakeSluice) -> FakeParts:
    server.parts = FakeParts(PART)
    return server.parts


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "it's large.csv"
    path.write_bytes(os.urandom(SIZE))
    return path
