"""What the end-to-end tests share."""

from uuid import uuid4

import pytest


@pytest.fixture
def dataset() -> str:
    """A dataset of the test's own; the database outlives the run."""
    return f"test-{uuid4().hex}"
