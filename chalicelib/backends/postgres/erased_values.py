"""Tell workers what was erased from a tenant's dataset."""

from chalicelib.backends.postgres.database import Pool, load_queries, transaction_on
from chalicelib.backends.postgres.mappers import erased_value_of
from chalicelib.core.erased_values import ErasedValues

_SQL = load_queries("erased_values.sql")


def erased_values(pool: Pool, dataset_id: int) -> ErasedValues:
    """Return what was erased from a tenant's dataset."""
    with transaction_on(pool) as connection:
        rows = connection.execute(_SQL["select"], {"dataset_id": dataset_id}).fetchall()
    return ErasedValues(rows[0]["erasure_salt"] if rows else b"", map(erased_value_of, rows))
