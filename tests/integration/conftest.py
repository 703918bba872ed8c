"""A Sluice of a test's own: fresh database, queue and bucket."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from localstack_client.session import Session

from chalicelib import settings
from chalicelib.wiring import Services
from tests.support.life import Backend, Life
from tests.support.partitions import partition
from tests.support.worker_processes import Sluice


@pytest.fixture
def table(request: pytest.FixtureRequest) -> str:
    """How `ingested_data` is stored: "plain" unless the test says "partitioned"."""
    kind: str = getattr(request, "param", "plain")
    return kind


@pytest.fixture
def database_url(database_url: str, table: str) -> str:
    """Return the address of a fresh, migrated database whose rows are in such a table."""
    if table == "partitioned":
        partition(database_url)
    return database_url


@pytest.fixture
def make_sluice(
    services: Mapping[str, str], database_url: str, aws: Session, tmp_path: Path
) -> Iterator[Callable[..., Sluice]]:
    """Yield a function that makes a Sluice with the given settings, on a queue of the given kind.

    Its bucket is its own: a sweep loads the dropped files of a bucket that its database does not know.
    """
    made: list[Sluice] = []

    def make(queue: str = "sqs", **changes: str) -> Sluice:
        name = f"test-{uuid4().hex}"
        queue_url = _queue(aws, name)
        aws.client("s3").create_bucket(Bucket=name)
        env = {
            **services,
            "SLUICE_BUCKET": name,
            "DATABASE_URL": database_url,
            "SLUICE_QUEUE_BACKEND": queue,
            "SLUICE_QUEUE_URL": queue_url,
            "SLUICE_REDIS_STREAM": name,
            "SLUICE_LEASE_SECONDS": "3",
            "SLUICE_VISIBILITY_TIMEOUT": "3",
            **changes,
        }
        made.append(Sluice(env, Services(settings.load(env)), aws.client("s3"), tmp_path))
        return made[-1]

    yield make
    for sluice in made:
        sluice.close()


@pytest.fixture
def backend(database_url: str) -> Iterator[Backend]:
    made = Backend(database_url)
    yield made
    made.pool.close()


@pytest.fixture
def life(database_url: str) -> Iterator[Life]:
    made = Life(database_url)
    yield made
    made.pool.close()


def _queue(aws: Session, name: str) -> str:
    sqs = aws.client("sqs")
    url: str = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "3"})["QueueUrl"]
    return url
