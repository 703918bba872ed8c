"""Let jobs fail: they are FAILED at once, or UNDOING first."""

from uuid import UUID

from chalicelib.backends.postgres.database import Connection, load_queries
from chalicelib.backends.postgres.jobs import has_blocks, remove_ranges
from chalicelib.backends.postgres.mappers import Row, budget_of, transition_columns
from chalicelib.core.budget import BeyondLimit, OnFailure
from chalicelib.core.completion import beyond_limit, nothing_loaded, too_many_rejects
from chalicelib.core.jobs import Job, JobError
from chalicelib.core.lifecycle import TRANSITIONS, Action
from chalicelib.core.model import Status, Tally

_SQL = load_queries("failing.sql")
SELECT_TALLY = _SQL["tally"]


def may_fail(connection: Connection, job: Job, owner: str) -> bool:
    """Return whether ``owner`` may let the job, which is locked, fail."""
    parameters = {"id": job.id, "reading_no": job.reading_no, "owner": owner}
    parameters |= transition_columns(Action.FAIL)
    return connection.execute(_SQL["may_fail"], parameters).fetchone() is not None


def fail_locked(connection: Connection, job_id: UUID, row: Row, error: JobError) -> Status:
    """Let a PROCESSING job fail, given its locked row; return the status that it has then.

    That is UNDOING if what it has loaded is to be undone, else FAILED.
    """
    undoes = row["on_failure"] == OnFailure.UNDO and has_blocks(connection, job_id)
    action = Action.ROLL_BACK if undoes else Action.FAIL
    failure = {"id": job_id, "code": error.code, "message": error.message, "rolls_back": undoes}
    connection.execute(_SQL["fail"], {**failure, **transition_columns(action)})
    remove_ranges(connection, job_id)
    return TRANSITIONS[action].after


def error_of_rejects(
    connection: Connection, job_id: UUID, row: Row, tally: Tally, *, at_end: bool
) -> JobError | None:
    """Return the error of a job, given its locked row and its tally; None if it does not fail by its rejects.

    Too many of them come before nothing loaded, which is seen ``at_end`` only: when the whole file has been
    read.
    """
    budget = budget_of(row)
    if budget is not None and budget.is_exceeded(tally, at_end=at_end):
        return too_many_rejects(
            budget, tally, _codes(connection, job_id, tally.rejected), OnFailure(row["on_failure"])
        )
    if tally.unstored and row["rejects_beyond_limit"] == BeyondLimit.FAIL:
        stored = connection.execute(_SQL["reject_rows"], {"id": job_id}).fetchone()
        return beyond_limit(
            stored["count"] if stored else 0,
            tally,
            _codes(connection, job_id, tally.rejected),
            OnFailure(row["on_failure"]),
        )
    if at_end and 0 < tally.records == tally.rejected:
        return nothing_loaded(_codes(connection, job_id, tally.rejected))
    return None


def tally_of(connection: Connection, job_id: UUID) -> Tally:
    """Return the sums over the job's ledger."""
    row = connection.execute(_SQL["tally"], {"id": job_id}).fetchone()
    return Tally() if row is None else tally_in(row)


def tally_in(row: Row) -> Tally:
    """Return the sums over a ledger in a row of :data:`SELECT_TALLY`, or of what it was joined with."""
    return Tally(
        **{name: row[name] for name in ("records", "inserted", "duplicates", "rejected", "unstored")}
    )


def _codes(connection: Connection, job_id: UUID, rejected: int) -> dict[str, int]:
    """Return the numbers of rejects by code, of ``rejected`` in all."""
    found: dict[str, int] = {}
    for statement in ("counts_by_code", "rejects_by_code"):  # a worker of an earlier version counts none
        found = {row["code"]: row["count"] for row in connection.execute(_SQL[statement], {"id": job_id})}
        if sum(found.values()) == rejected:
            break
    return found
