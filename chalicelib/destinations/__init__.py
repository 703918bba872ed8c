"""The port of destinations. A destination writes, removes and counts rows inside the caller's transaction.

The ledger and the rejects stay outside: they are the same for every destination.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from chalicelib.core.jobs import Job

if TYPE_CHECKING:  # pyarrow is not in the functions' package
    import pyarrow as pa

Transaction_contra = TypeVar("Transaction_contra", contravariant=True)


class Destination(Protocol[Transaction_contra]):
    """Hold rows. Every method works in the caller's transaction and commits nothing."""

    def write(
        self, transaction: Transaction_contra, job: Job, rows: "pa.RecordBatch", *, expect_existing: bool
    ) -> int:
        """Write the rows of one block and return how many of them are new.

        ``rows`` (content_hash: binary(32), record: string) are sorted by hash, each hash once. A row of
        another job is marked as a row of ``job`` too. ``expect_existing`` is a hint that some of the
        rows exist already.
        """

    def count(self, transaction: Transaction_contra, job: Job) -> int:
        """Return how many rows that ``job`` was the first to bring still exist."""

    def removal_steps(self, transaction: Transaction_contra, job: Job) -> Sequence[int]:
        """Return the steps, opaque numbers, in which :meth:`remove` removes the job's rows."""

    def remove(self, transaction: Transaction_contra, job: Job, step: int) -> int:
        """Remove rows that no other job brought, and return how many. Doing a step again is harmless."""
