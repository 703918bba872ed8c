"""How far a job is: the documents that clients get. All figures are sums over the ledger."""

from datetime import UTC, datetime
from typing import Any

from chalicelib.core.jobs import Job
from chalicelib.core.model import Status, StoredReject


def summarise(job: Job, now: datetime) -> dict[str, Any]:
    """The job as it stands in a list: without its columns, of which there may be thousands."""
    document = describe(job, now)
    document["detected"].pop("columns", None)
    return document


def describe(job: Job, now: datetime) -> dict[str, Any]:
    """The job as a JSON document; `docs/http-api.md` explains each member."""
    error = job.outcome.error
    return {
        "id": str(job.id),
        "status": job.status.value,
        "phase": phase(job),
        "dataset": job.dataset,
        "filename": job.filename,
        "metadata": job.instructions.metadata,
        "created_at": _time(job.times.created_at),
        "started_at": _time(job.times.started_at),
        "updated_at": _time(job.times.updated_at),
        "completed_at": _time(job.times.completed_at),
        "source": _source(job),
        "detected": job.reading.dialect.to_json() if job.reading else {},
        "progress": _progress(job, now),
        "counts": {
            "read": job.progress.tally.records,
            "inserted": job.progress.tally.inserted,
            "duplicates": job.progress.tally.duplicates,
            "rejected": job.progress.tally.rejected,
        },
        "attempts": job.progress.attempts,
        "duplicate_of": str(job.outcome.duplicate_of) if job.outcome.duplicate_of else None,
        "undone_rows": job.outcome.undone_rows,
        "error": {"code": error.code, "message": error.message} if error else None,
        "links": links(job),
    }


def links(job: Job) -> dict[str, str]:
    """Where to look next, relative to the API's address."""
    return {"self": f"/jobs/{job.id}", "errors": f"/jobs/{job.id}/errors"}


def phase(job: Job) -> str:
    """What the job is waiting for or doing, in a word."""
    if job.status.is_terminal:
        return "done"
    if job.status is Status.UNDOING:
        return "undoing"
    if job.status is Status.PENDING:
        return "queued" if job.upload.arrived_at else "awaiting-upload"
    return "loading" if job.reading else "detecting"


def describe_reject(reject: StoredReject) -> dict[str, Any]:
    """A rejected record as a JSON document."""
    return {
        "record_number": reject.record_number,
        "byte_offset": reject.byte_offset,
        "field": reject.field,
        "code": reject.code,
        "message": reject.message,
        "raw": reject.raw,
    }


def _source(job: Job) -> dict[str, Any] | None:
    if job.source is None:
        return None
    return {
        "bucket": job.source.bucket,
        "key": job.source.key,
        "etag": job.source.etag,
        "size": job.source.size,
    }


def _progress(job: Job, now: datetime) -> dict[str, Any]:
    total = job.source.size if job.source else job.upload.size
    done = job.progress.bytes_processed
    if job.status is Status.COMPLETED and total is not None:
        done = total  # however the ends of a compressed file were counted
    seconds = (
        ((job.times.completed_at or now) - job.times.started_at).total_seconds()
        if job.times.started_at
        else 0
    )
    eta = None
    if job.status is Status.PROCESSING and total and done and seconds > 0:
        eta = round((total - done) * seconds / done, 1)
    return {
        "bytes_processed": done,
        "bytes_total": total,
        "percent": round(100 * done / total, 1) if total else None,
        "rows_per_second": round(job.progress.tally.records / seconds, 1) if seconds > 0 and done else None,
        "eta_seconds": eta,
    }


def seconds(moment: datetime | None) -> str | None:
    """The moment in UTC, to the second, in ISO 8601."""
    return _time(moment.astimezone(UTC).replace(microsecond=0)) if moment else None


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
