"""The ledger of a job: its reading, its committed blocks, and its completion."""

from collections.abc import Sequence
from uuid import UUID

from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.backends.postgres.erased_values import erased_values
from chalicelib.backends.postgres.failing import (
    SELECT_TALLY,
    error_of_rejects,
    fail_locked,
    may_fail,
    tally_in,
    tally_of,
)
from chalicelib.backends.postgres.jobs import (
    existing_job,
    find_job,
    has_blocks,
    lock_job,
    lock_job_to_open,
    lock_processing_job,
)
from chalicelib.backends.postgres.mappers import (
    Row,
    budget_of,
    dialect_column,
    source_columns,
    transition_columns,
)
from chalicelib.backends.postgres.warnings import add_head_warnings
from chalicelib.core.budget import BeyondLimit
from chalicelib.core.completion import Completion
from chalicelib.core.erased_values import ErasedValues
from chalicelib.core.errors import JobFailed
from chalicelib.core.jobs import Job, JobError, Reading
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import RULES, Gap, Source, Status, Tally
from chalicelib.core.warnings import FileWarning
from chalicelib.destinations import Destination

_SQL = load_queries("ledger.sql")
_ACCOUNT = _SQL["account"].format(
    tally=SELECT_TALLY, kept=_SQL["rejects_kept"], counted=_SQL["rejects_counted"], gaps=_SQL["gaps"]
)
_FAILURES = {Status.FAILED: Completion.FAILED, Status.UNDOING: Completion.ROLLING_BACK}


class PostgresLedger:
    """Implement `service.ledger.Ledger` and `service.attempt.Failures`."""

    def __init__(self, pool: Pool, destination: Destination[Connection]) -> None:
        self._pool = pool
        self._destination = destination

    def open(self, job: Job, reading: Reading, warnings: Sequence[FileWarning] = ()) -> Reading:
        """See the port."""
        with transaction_on(self._pool) as connection:
            row = lock_job_to_open(connection, job)
            if row["detected"] is None:
                open_locked(connection, job.id, reading, warnings)
            elif (row["etag"], row["size"]) != (reading.source.etag, reading.source.size):
                raise JobFailed("source-changed", "The object was replaced while it was being loaded.")
            fixed = existing_job(connection, job.id).reading
        if fixed is None:
            raise AssertionError(f"job {job.id} has no reading after it was opened")
        return fixed

    def erased_values(self, job: Job) -> ErasedValues:
        """See the port."""
        return erased_values(self._pool, job.dataset_id)

    def parent(self, job: Job, parent_id: UUID) -> Job | None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            parent = find_job(connection, parent_id)
            if parent is not None and parent.reading is None and parent.outcome.duplicate_of is not None:
                parent = find_job(connection, parent.outcome.duplicate_of)
        return parent if parent is not None and parent.dataset_id == job.dataset_id else None

    def complete_as_duplicate(self, job: Job, source: Source) -> UUID | None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            columns = source_columns(job.id, source)
            rules = RULES if job.reading is None else job.reading.dialect.rules
            original = connection.execute(_SQL["same_content"], {**columns, "rules": rules}).fetchone()
            if original is None or not self._has_all_rows(connection, original["id"]):
                return None
            row = lock_job_to_open(connection, job)
            is_open = row["detected"] is not None
            if is_open != (job.reading is not None) or has_blocks(connection, job.id):
                return None  # another worker is loading it
            budget = budget_of(row)
            tally = tally_of(connection, original["id"])
            if budget is not None and budget.is_exceeded(tally, at_end=True):
                return None  # it fails with rejects of its own
            if tally.unstored and row["rejects_beyond_limit"] == BeyondLimit.FAIL:
                return None  # likewise
            connection.execute(_SQL["pin"], columns)
            parameters = {"id": job.id, "duplicate_of": original["id"], **transition_columns(Action.COMPLETE)}
            connection.execute(_SQL["copy_ledger"], parameters)
            connection.execute(_SQL["complete"], parameters)
            return UUID(str(original["id"]))

    def _has_all_rows(self, connection: Connection, job_id: UUID) -> bool:
        """Return whether all rows that the job inserted still exist: some may have been removed by hand."""
        row = connection.execute(_SQL["rows_inserted"], {"id": job_id}).fetchone()
        count = self._destination.count(connection, existing_job(connection, job_id))
        return row is not None and row["count"] == count

    def measure(self, job: Job, size: int) -> None:
        """See the port."""
        etag = job.source.etag if job.source else None
        parameters = {"id": job.id, "size": size, "etag": etag, "reading_no": job.reading_no}
        with transaction_on(self._pool) as connection:
            connection.execute(_SQL["measure"], parameters)

    def gaps(self, job_id: UUID, total: int | None) -> Sequence[Gap]:
        """See the port."""
        with transaction_on(self._pool) as connection:
            return _gaps(connection, job_id, total)

    def complete(self, job: Job, total: int) -> Completion:
        """See the port."""
        with transaction_on(self._pool) as connection:
            row = lock_job(connection, job.id)
            if row is not None and row["status"] == Status.COMPLETED:  # by another worker
                return Completion.ENDED_BEFORE
            row = lock_processing_job(connection, job)
            if total != (row["size"] if row["text_size"] is None else row["text_size"]):
                raise JobFailed("ledger-mismatch", f"The file does not have {total:,} bytes.")
            return complete_locked(connection, job.id, row, total)

    def tally(self, job_id: UUID) -> Tally:
        """See the port."""
        with transaction_on(self._pool) as connection:
            return tally_of(connection, job_id)

    def fail(self, job: Job, *, owner: str, code: str, message: str) -> Status | None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            row = lock_job(connection, job.id)
            if row is None or not may_fail(connection, job, owner):
                return None
            return fail_locked(connection, job.id, row, JobError(code, message))

    def fail_over_budget(self, job: Job, *, owner: str) -> Status | None:
        """See the port."""
        with transaction_on(self._pool) as connection:
            row = lock_job(connection, job.id)
            if row is None or not may_fail(connection, job, owner):
                return None
            error = error_of_rejects(connection, job.id, row, tally_of(connection, job.id), at_end=False)
            return None if error is None else fail_locked(connection, job.id, row, error)


def open_locked(
    connection: Connection, job_id: UUID, reading: Reading, warnings: Sequence[FileWarning]
) -> None:
    """Fix the reading of a job that is locked and has none, with the warnings of its detection."""
    columns = {
        "detected": dialect_column(reading.dialect),
        "block_size": reading.block_size,
        "text_size": reading.text_size,
    }
    connection.execute(_SQL["open_job"], {**source_columns(job_id, reading.source), **columns})
    add_head_warnings(connection, job_id, warnings)


def complete_locked(connection: Connection, job_id: UUID, row: Row, total: int) -> Completion:
    """Complete a PROCESSING job, given its locked row, or let it fail: see :meth:`PostgresLedger.complete`.

    ``total`` is the size of its text, in bytes. Raises JobFailed if the ledger does not add up.
    """
    account = connection.execute(_ACCOUNT, {"id": job_id, "total": total}).fetchone()
    if account is None:
        raise AssertionError(f"sums over the ledger of job {job_id} are missing")
    if account["gap_start"] is not None:
        raise JobFailed(
            "ledger-mismatch", f"Bytes {account['gap_start']} to {account['gap_end']} are missing."
        )
    kept, counted = (
        (account[f"{prefix}_rows"], account[f"{prefix}_records"]) for prefix in ("kept", "counted")
    )
    if kept != counted:
        raise JobFailed("ledger-mismatch", "The rejects counted and the rejects kept differ.")
    if error := error_of_rejects(connection, job_id, row, tally_in(account), at_end=True):
        return _FAILURES[fail_locked(connection, job_id, row, error)]
    parameters = {"id": job_id, "duplicate_of": None, **transition_columns(Action.COMPLETE)}
    connection.execute(_SQL["complete"], parameters)
    return Completion.COMPLETED


def _gaps(connection: Connection, job_id: UUID, total: int | None) -> Sequence[Gap]:
    rows = connection.execute(_SQL["gaps"], {"id": job_id, "total": total})
    return [Gap(row["gap_start"], row["gap_end"]) for row in rows]
