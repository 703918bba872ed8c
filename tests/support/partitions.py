"""`ingested_data` as a table of partitions, and tests that run with it either way."""

import psycopg
import pytest

from tests.support.paths import CHECKOUT

PARTITIONS = 8
SCRIPT = (CHECKOUT / "infra/postgres/partition_ingested_data.sql").read_text()

# Run the test twice: with the table as the migrations make it, and with partitions.
in_either_table = pytest.mark.parametrize("table", ["plain", "partitioned"], indirect=True)


def partition(url: str) -> None:
    """Partition the table as `psql -f` does with the script."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCRIPT.encode())
