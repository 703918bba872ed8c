"""The job register and the ledger in Postgres: fills the ports Jobs and Claims."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from chalicelib.backends.postgres.database import Connection, Pool, borrowed, load_queries
from chalicelib.backends.postgres.undo import undo
from chalicelib.core.errors import JobEnded, JobFailed, NotPossible
from chalicelib.core.lifecycle import TRANSITIONS, Action, possible
from chalicelib.core.model import (
    Dialect,
    Format,
    Gap,
    Job,
    Options,
    Range,
    Source,
    Status,
    StoredReject,
    Tally,
    Upload,
)
from chalicelib.core.ports import NewJob

_SQL = load_queries("jobs.sql")


class PostgresJobs:
    """See :class:`chalicelib.core.ports.Jobs`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def create(self, new: NewJob) -> Job:
        """See the port."""
        with borrowed(self._pool) as connection:
            connection.execute(_SQL["create_dataset"], {"dataset": new.dataset})
            connection.execute(
                _SQL["create_job"],
                {
                    **vars(new),
                    **_upload(new.upload),
                    "options": Jsonb(new.options.to_json()),
                    "metadata": None if new.metadata is None else Jsonb(new.metadata),
                },
            )
            return _known(connection, new.id)

    def get(self, job_id: UUID) -> Job | None:
        """See the port."""
        with borrowed(self._pool) as connection:
            return _get(connection, job_id)

    def list(
        self, *, limit: int, before: int | None, status: Status | None, dataset: str | None
    ) -> Sequence[Job]:
        """See the port."""
        with borrowed(self._pool) as connection:
            rows = connection.execute(
                f"{_SQL['select_jobs']} {_SQL['where_page']}",
                {"limit": limit, "before": before, "status": status, "dataset": dataset},
            )
            return [_job(row) for row in rows]

    def rejects(self, job_id: UUID, *, limit: int, after: tuple[int, int] | None) -> Sequence[StoredReject]:
        """See the port."""
        block, record = after or (-1, -1)
        with borrowed(self._pool) as connection:
            rows = connection.execute(
                _SQL["select_rejects"],
                {"id": job_id, "limit": limit, "after_block": block, "after_record": record},
            )
            return [_reject(row) for row in rows]

    def mark_uploaded(self, job_id: UUID, source: Source) -> bool:
        """See the port."""
        with borrowed(self._pool) as connection:
            return connection.execute(_SQL["mark_uploaded"], _pinned(job_id, source)).rowcount > 0

    def act(self, job_id: UUID, action: Action) -> Job | None:
        """See the port."""
        with borrowed(self._pool) as connection:
            held = _held(connection, job_id)
            if held is None:
                return None
            _check(action, held)
            if action is Action.UNDO:
                _check_nobody_counts_on_it(connection, job_id)
            connection.execute(_SQL["remove_ranges"], {"id": job_id})
            connection.execute(_SQL[_ACTIONS[action]], {"id": job_id, **_move(action)})
            return _get(connection, job_id)

    def ping(self) -> None:
        """See the port."""
        with borrowed(self._pool) as connection:
            connection.execute("SELECT 1")


class PostgresClaims:
    """See :class:`chalicelib.core.ports.Claims`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def claim(self, job_id: UUID, *, owner: str, lease_seconds: float) -> Job | None:
        """See the port."""
        lease = {"id": job_id, "owner": owner, "lease_seconds": lease_seconds, **_move(Action.CLAIM)}
        with borrowed(self._pool) as connection:
            # first, and by itself: only so a block that is just being committed is seen as progress
            _held(connection, job_id)
            if connection.execute(_SQL["claim"], lease).rowcount:
                return _get(connection, job_id)
            part = connection.execute(_SQL["claim_range"], lease).fetchone()
            if part is None:
                return None
            taken = Range(part["start_offset"], part["end_offset"])
            return replace(_known(connection, job_id), range=taken, vain_attempts=part["vain_attempts"])

    def renew(self, job_id: UUID, *, owner: str, lease_seconds: float) -> bool:
        """See the port."""
        lease = {"id": job_id, "owner": owner, "lease_seconds": lease_seconds}
        with borrowed(self._pool) as connection:
            statements = (_SQL["renew"], _SQL["renew_range"])
            return any(connection.execute(statement, lease).rowcount for statement in statements)

    def release(self, job_id: UUID, *, owner: str, vain: bool) -> None:
        """See the port."""
        with borrowed(self._pool) as connection:
            for statement in ("release", "release_range"):
                connection.execute(_SQL[statement], {"id": job_id, "owner": owner, "vain": vain})

    def share(self, job: Job, part: Range | None, *, since: int | None) -> None:
        """See the port."""
        etag = job.source.etag if job.source else None
        with borrowed(self._pool) as connection:
            moved = {"id": job.id, "etag": etag, "since": since, "to": part.end if part else None}
            if not connection.execute(_SQL["share_to"], moved).rowcount:
                raise JobEnded(f"job {job.id} is not ours to share out any more")
            if part is not None:
                connection.execute(_SQL["add_range"], {"id": job.id, **vars(part)})

    def finish(self, job_id: UUID, part: Range) -> None:
        """See the port."""
        with borrowed(self._pool) as connection:
            connection.execute(_SQL["remove_range"], {"id": job_id, "start": part.start})

    def repeated(self, job: Job, source: Source) -> UUID | None:
        """See the port."""
        with borrowed(self._pool) as connection:
            pinned = _pinned(job.id, source)
            first = connection.execute(_SQL["same_content"], pinned).fetchone()
            if first is None or _rows_removed(connection, first["id"]):
                return None
            if _lock(connection, job.id, fence=job)["detected"] is not None:
                return None  # another worker has begun to load it
            connection.execute(_SQL["pin"], pinned)
            ended = {"id": job.id, "duplicate_of": first["id"], **_move(Action.COMPLETE)}
            connection.execute(_SQL["copy_ledger"], ended)
            connection.execute(_SQL["complete"], ended)
            return UUID(str(first["id"]))

    def open(self, job: Job, source: Source, dialect: Dialect, block_size: int) -> Job:
        """See the port."""
        with borrowed(self._pool) as connection:
            held = _lock(connection, job.id, fence=job)
            if held["detected"] is None:
                opened = {"detected": Jsonb(dialect.to_json()), "block_size": block_size}
                connection.execute(_SQL["open_job"], {**_pinned(job.id, source), **opened})
            elif (held["etag"], held["size"]) != (source.etag, source.size):
                raise JobFailed("source-changed", "The object was replaced while it was being loaded.")
            return _known(connection, job.id)

    def measure(self, job: Job, size: int) -> None:
        """See the port."""
        etag = job.source.etag if job.source else None
        with borrowed(self._pool) as connection:
            connection.execute(_SQL["measure"], {"id": job.id, "size": size, "etag": etag})

    def gaps(self, job_id: UUID, total: int | None) -> Sequence[Gap]:
        """See the port."""
        with borrowed(self._pool) as connection:
            return _gaps(connection, job_id, total)

    def complete(self, job_id: UUID, total: int) -> bool:
        """See the port."""
        with borrowed(self._pool) as connection:
            known = _held(connection, job_id)
            if known is not None and known["status"] == Status.COMPLETED:  # by another worker
                return False
            held = _lock(connection, job_id)
            if total != (held["size"] if held["text_size"] is None else held["text_size"]):
                raise JobFailed("ledger-mismatch", f"The file does not have {total:,} bytes.")
            if missing := _gaps(connection, job_id, total):
                raise JobFailed(
                    "ledger-mismatch", f"Bytes {missing[0].start} to {missing[0].end} are missing."
                )
            row = connection.execute(_SQL["unexplained"], {"id": job_id}).fetchone()
            if row is None or row["difference"] != 0:
                raise JobFailed("ledger-mismatch", "The rejects counted and the rejects kept differ.")
            connection.execute(_SQL["remove_ranges"], {"id": job_id})
            connection.execute(
                _SQL["complete"], {"id": job_id, "duplicate_of": None, **_move(Action.COMPLETE)}
            )
            return True

    def fail(self, job_id: UUID, *, owner: str, code: str, message: str) -> bool:
        """See the port."""
        failure = {"id": job_id, "owner": owner, "code": code, "message": message, **_move(Action.FAIL)}
        with borrowed(self._pool) as connection:
            _held(connection, job_id)
            failed = connection.execute(_SQL["fail"], failure).rowcount > 0
            if failed:
                connection.execute(_SQL["remove_ranges"], {"id": job_id})
            return failed

    def undo(self, job: Job, *, owner: str, keep_going: Callable[[], bool]) -> bool:
        """See the port."""
        return undo(self._pool, job, owner, keep_going)


_ACTIONS = {Action.CANCEL: "end_job", Action.RETRY: "retry_job", Action.UNDO: "begin_undo"}


def _check(action: Action, held: Mapping[str, Any]) -> None:
    """Raises NotPossible."""
    if action not in possible(Status(held["status"])):
        raise NotPossible(f"A job that is {held['status']} allows no {action}.")
    if action is Action.RETRY and held["purged_at"] is not None:
        raise NotPossible("The record of what this job had loaded has been removed: upload the file again.")
    if action is Action.RETRY and held["upload_id"] is not None and held["uploaded_at"] is None:
        raise NotPossible("The parts of the file were removed when the job was canceled: upload it again.")


def _check_nobody_counts_on_it(connection: Connection, job_id: UUID) -> None:
    """A statement of its own, after the lock: only so it sees what was locked before. Raises NotPossible."""
    other = connection.execute(_SQL["stands_for"], {"id": job_id}).fetchone()
    if other is not None:
        raise NotPossible(f"Job {other['id']} brought the same file and counts on this one's rows: undo it.")


def _rows_removed(connection: Connection, job_id: UUID) -> bool:
    row = connection.execute(_SQL["rows_removed"], {"id": job_id}).fetchone()
    return row is None or row["count"] != 0


def _held(connection: Connection, job_id: UUID) -> Mapping[str, Any] | None:
    """The job, which nobody else changes now and of which no block is being committed; None if unknown."""
    connection.execute(_SQL["wait_for_blocks"], {"id": job_id})
    return connection.execute(_SQL["lock_job"], {"id": job_id}).fetchone()


def _lock(connection: Connection, job_id: UUID, *, fence: Job | None = None) -> Mapping[str, Any]:
    """The same. Raises JobEnded unless it is being worked on.

    With ``fence`` also if it was taken again since that was read, and what is read is not fixed yet.
    """
    held = _held(connection, job_id)
    if held is None or held["status"] != Status.PROCESSING:
        raise JobEnded(f"job {job_id} is {held['status'] if held else 'unknown'}")
    if fence is not None and held["detected"] is None and held["attempts"] != fence.attempts:
        raise JobEnded(f"job {job_id} has been taken over")
    return held


def _move(action: Action) -> dict[str, Any]:
    """The parameters that say from where to where an action leads."""
    transition = TRANSITIONS[action]
    return {"before": sorted(transition.before), "after": transition.after}


def _known(connection: Connection, job_id: UUID) -> Job:
    job = _get(connection, job_id)
    if job is None:
        raise AssertionError(f"job {job_id} is gone")
    return job


def _get(connection: Connection, job_id: UUID) -> Job | None:
    row = connection.execute(f"{_SQL['select_jobs']} {_SQL['where_id']}", {"id": job_id}).fetchone()
    return None if row is None else _job(row)


def _gaps(connection: Connection, job_id: UUID, total: int | None) -> Sequence[Gap]:
    rows = connection.execute(_SQL["gaps"], {"id": job_id, "total": total})
    return [Gap(row["gap_start"], row["gap_end"]) for row in rows]


def _upload(upload: Upload) -> dict[str, Any]:
    return {
        "declared_size": upload.size,
        "sha256": upload.sha256,
        "upload_expires_at": upload.expires_at,
        "upload_id": upload.upload_id,
        "part_size": upload.part_size,
        "part_checksums": upload.part_checksums,
    }


def _pinned(job_id: UUID, source: Source) -> dict[str, Any]:
    return {
        "id": job_id,
        "bucket": source.bucket,
        "key": source.key,
        "etag": source.etag,
        "size": source.size,
        "version_id": source.version_id,
        "checksum": source.checksum,
    }


def _job(row: Mapping[str, Any]) -> Job:
    pinned = row["etag"] is not None
    return Job(
        id=row["id"],
        number=row["number"],
        status=Status(row["status"]),
        dataset=row["dataset"],
        dataset_id=row["dataset_id"],
        filename=row["filename"],
        bucket=row["bucket"],
        key=row["key"],
        format=Format(row["format"]) if row["format"] else None,
        options=Options.from_json(row["options"]),
        metadata=row["metadata"],
        source=Source(row["bucket"], row["key"], row["etag"], row["size"], row["version_id"], row["checksum"])
        if pinned
        else None,
        uploaded_at=row["uploaded_at"],
        dialect=Dialect.from_json(row["detected"]) if row["detected"] else None,
        text_size=row["text_size"],
        shared_to=row["shared_to"],
        block_size=row["block_size"],
        attempts=row["attempts"],
        vain_attempts=row["vain_attempts"],
        error=(row["error_code"], row["error_message"]) if row["error_code"] else None,
        upload=Upload(
            row["declared_size"],
            row["sha256"],
            row["upload_expires_at"],
            row["upload_id"],
            row["part_size"],
            row["part_checksums"],
        ),
        force=row["force"],
        duplicate_of=row["duplicate_of"],
        undone_rows=row["undone_rows"],
        purged_at=row["purged_at"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        updated_at=max(row["updated_at"], row["last_commit"] or row["updated_at"]),
        completed_at=row["completed_at"],
        bytes_processed=row["bytes_processed"],
        tally=Tally(row["records"], row["inserted"], row["duplicates"], row["rejected"]),
    )


def _reject(row: Mapping[str, Any]) -> StoredReject:
    return StoredReject(
        cursor=(row["block_no"], row["record"]),
        record_number=row["record_number"],
        byte_offset=row["byte_offset"],
        field=row["field"],
        code=row["code"],
        message=row["message"],
        raw=row["raw"],
    )
