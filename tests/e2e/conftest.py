"""What the end-to-end tests share."""

from collections.abc import Iterator, Mapping
from uuid import uuid4

import pytest

from infra.local import scratch


@pytest.fixture
def dataset() -> str:
    """Return the name of a dataset of the test's own; the database outlives the run."""
    return f"test-{uuid4().hex}"


@pytest.fixture(scope="module")
def database(services: Mapping[str, str]) -> Iterator[str]:
    """Yield the address of an empty database for a stage of the module's own."""
    with scratch.database(services["DATABASE_URL"]) as url:
        yield url
