"""The JSON documents that clients get; `docs/reference/http-api.md` explains each member.

All figures of a job are sums over the ledger. What a client or a file has chosen is cut: see
:mod:`chalicelib.api.sizes`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from chalicelib.api import sizes
from chalicelib.api.sizes import that_fit
from chalicelib.core.api_keys import ApiKey
from chalicelib.core.audit import AuditEvent
from chalicelib.core.erasures import Erasure
from chalicelib.core.jobs import DatasetReject, Job, Part
from chalicelib.core.model import Dialect, Options, RejectCount, Status, StoredReject
from chalicelib.core.names import cut
from chalicelib.core.options import declared
from chalicelib.core.preview import Preview
from chalicelib.core.reject_messages import KINDS as REJECT_KINDS
from chalicelib.core.reject_messages import RejectKind, with_place
from chalicelib.core.tenants import Tenant, UnmatchedObject
from chalicelib.core.upload_tokens import UploadToken
from chalicelib.core.uploads import SignedPart, Ticket
from chalicelib.core.waiting import Waiting, waiting_for
from chalicelib.core.warnings import KINDS, JobWarning, WarningKind
from chalicelib.core.workers import Worker, WorkOnJob
from chalicelib.service.multipart import all_parts
from chalicelib.service.rejects_request import RejectsDownload, path

_LONG_MEMBERS = {
    "columns": sizes.MOST_COLUMNS,
    "decimal_columns": sizes.MOST_NAMES,
    "dropped": sizes.MOST_NAMES,
}


def summarise(job: Job, now: datetime) -> dict[str, Any]:
    """Return the job as a list shows it: without labels, columns, counts of rejects, preview, retry_after."""
    document = describe(job, now)
    for name in ("columns", "column_count", "decimal_columns"):
        document["detected"].pop(name, None)
    del document["metadata"], document["rejects"], document["preview"], document["retry_after"]
    return document


def describe(job: Job, now: datetime, retry_after: int | None = None) -> dict[str, Any]:
    """Return the job's document; its pace is measured up to ``now``.

    ``retry_after``: seconds after which to ask again, None if there is no need to.
    """
    error, budget = job.outcome.error, job.instructions.max_rejects
    waiting = waiting_for(job, now)
    return {
        "id": str(job.id),
        "status": job.status.value,
        "phase": phase(job),
        "waiting_for": waiting and _waiting(waiting),
        "retry_after": retry_after,
        "tenant": job.tenant.name,
        "dataset": job.dataset,
        "filename": job.filename,
        "metadata": _labels(job.instructions.metadata),
        "max_rejects": budget.declaration if budget else None,
        "on_failure": job.instructions.on_failure.value,
        "rejects_beyond_limit": job.instructions.rejects_beyond_limit.value,
        "created_at": _time(job.times.created_at),
        "queued_at": _time(job.times.queued_at),
        "started_at": _time(job.times.started_at),
        "updated_at": _time(job.times.updated_at),
        "completed_at": _time(job.times.completed_at),
        "source": _source(job),
        "detected": describe_dialect(job.reading.dialect) if job.reading else {},
        "progress": _progress(job, now, is_waiting=waiting is not None),
        "counts": {
            "read": job.progress.tally.records,
            "inserted": job.progress.tally.inserted,
            "duplicates": job.progress.tally.duplicates,
            "rejected": job.progress.tally.rejected,
        },
        "rejects_not_stored": job.progress.tally.unstored,
        "attempts": job.progress.attempts,
        "parent_job": str(job.parent_job) if job.parent_job else None,
        "duplicate_of": str(job.outcome.duplicate_of) if job.outcome.duplicate_of else None,
        "undone_rows": job.outcome.undone_rows,
        "error": {"code": error.code, "message": cut(error.message, sizes.LONGEST_SENTENCE)}
        if error
        else None,
        "warnings": _warnings(job.warnings, sizes.MOST_WARNINGS),
        "rejects": that_fit(
            [describe_reject_count(count) for count in job.rejects], sizes.MOST_REJECT_COUNTS
        ),
        "preview": None if job.preview is None else describe_preview(job.preview),
        "links": links(job),
    }


def links(job: Job) -> dict[str, str]:
    """Return the paths of the job's documents, relative to the API's address."""
    paths = {"self": f"/jobs/{job.id}", "errors": f"/jobs/{job.id}/errors"}
    if job.has_rejects and job.rejects_format is not None:
        paths["rejects"] = path(job, job.rejects_format)
    return paths


def phase(job: Job) -> str:
    """Return the phase of the job's work, in one word."""
    if job.status is Status.PREVIEWED:
        return "previewed"
    if job.status.is_terminal:
        return "done"
    if job.status is Status.UNDOING:
        return "undoing"
    if job.status is Status.PENDING:
        return "queued" if job.upload.arrived_at else "awaiting-upload"
    if job.instructions.preview:
        return "previewing"
    return "loading" if job.reading else "detecting"


def _waiting(waiting: Waiting) -> dict[str, Any]:
    return {
        "what": waiting.what.value,
        "since": _seconds(waiting.since),
        "until": None if waiting.until is None else _seconds(waiting.until),
        "message": waiting.message,
    }


def describe_worker(worker: Worker) -> dict[str, Any]:
    """Return a worker's document."""
    return {
        "name": worker.name,
        "kind": worker.kind.value,
        "version": worker.version,
        "state": worker.state.value,
        "started_at": _seconds(worker.started_at),
        "seen_at": _seconds(worker.seen_at),
        "slots": worker.slots,
        "jobs": [_work(worker, work) for work in worker.jobs],
    }


def _work(worker: Worker, work: WorkOnJob) -> dict[str, Any]:
    wait = work.wait
    return {
        "job_id": str(work.job_id),
        "since": _seconds(work.since),
        "progress_at": _seconds(work.progress_at),
        "stuck": worker.is_stuck_at(work),
        "waiting_for": wait
        and {"what": wait.dependency.value, "since": _seconds(wait.since), "message": wait.message},
    }


def describe_warning(warning: JobWarning) -> dict[str, Any]:
    """Return a warning's document. A code that this version does not know stands for its sentence."""
    kind = KINDS.get(warning.code, WarningKind(warning.code))
    return {
        "code": warning.code,
        "message": kind.message,
        "count": warning.count,
        "first": {"record": warning.record, "line": warning.line, "offset": warning.offset},
        "example": warning.example,
        "option": kind.option,
    }


def describe_preview(preview: Preview) -> dict[str, Any]:
    """Return a preview's document. Its records are JSON as it stands: no number is rounded."""
    runner_up = preview.runner_up
    rejects = [describe_reject(reject) for reject in preview.rejects]
    return {
        "records": [
            msgspec.Raw(record.encode()) for record in that_fit(preview.records, sizes.MOST_PREVIEW_RECORDS)
        ],
        "rejects": that_fit(rejects, sizes.MOST_PREVIEW_REJECTS),
        "warnings": _warnings(preview.warnings, sizes.MOST_PREVIEW_REJECTS),
        "counts": {"read": preview.read, "rejected": preview.rejected},
        "text_bytes": preview.text_bytes,
        "whole_file": preview.is_whole,
        "sure": {name: ground.value for name, ground in preview.sure.items()},
        "runner_up": runner_up
        and {
            "delimiter": runner_up.delimiter,
            "quote": runner_up.quote,
            "escape": runner_up.escape,
            "score": round(runner_up.score, 3),
        },
    }


def describe_reject_count(count: RejectCount) -> dict[str, Any]:
    """Return the document of rejects that are alike. See :func:`describe_warning` about unknown codes."""
    kind, place, first = REJECT_KINDS.get(count.code, RejectKind(count.code)), count.first, None
    if place is not None:
        first = {
            "record": place.record,
            "line": place.line,
            "row": place.sheet_row,
            "offset": place.offset,
            "message": None
            if count.message is None
            else cut(with_place(count.message, place, count.alike), sizes.LONGEST_SENTENCE),
        }
    return {
        "code": count.code,
        "field": count.field,
        "message": kind.message,
        "count": count.count,
        "first": first,
        "option": kind.option,
    }


def describe_reject(reject: StoredReject) -> dict[str, Any]:
    """Return a rejected record's document."""
    return {
        "record_number": reject.place.record,
        "line": reject.place.line,
        "row": reject.place.sheet_row,
        "byte_offset": reject.place.offset,
        "field": reject.field,
        "code": reject.code,
        "message": cut(with_place(reject.message, reject.place, reject.count), sizes.LONGEST_SENTENCE),
        "raw": cut(reject.raw, sizes.LONGEST_EXCERPT),
        "count": reject.count,
    }


def describe_dataset_reject(found: DatasetReject) -> dict[str, Any]:
    """Return a rejected record's document in the list of a dataset, which names its job."""
    return {"job_id": str(found.job_id), "filename": found.filename, **describe_reject(found.reject)}


def describe_requested_rejects(job: Job) -> dict[str, Any]:
    """Return the document of a rejects file that is being made."""
    return {"job_id": str(job.id), "status": "requested", "rejects": job.progress.tally.rejected}


def describe_rejects_download(made: RejectsDownload) -> dict[str, Any]:
    """Return the document of a rejects file that can be downloaded."""
    return {
        "status": "made",
        "rejects": made.rejects,
        "source": made.source.value,
        "filename": made.filename,
        "url": made.signed.url,
        "expires_at": _seconds(made.signed.expires_at),
    }


def describe_options(dataset: str, options: Options) -> dict[str, Any]:
    """Return the default options of a dataset's files: those that differ from Sluice's own."""
    return {"dataset": dataset, "options": {name: _json(value) for name, value in declared(options).items()}}


def describe_dialect(dialect: Dialect) -> dict[str, Any]:
    """Return the member `detected`: the members of the dialect that apply to its format."""
    document: dict[str, Any] = {}
    for name in dialect.members:
        value = _json(getattr(dialect, name))
        if value and name in _LONG_MEMBERS:
            value = that_fit(value, _LONG_MEMBERS[name])
        document[name] = value
        if name == "columns":
            document["column_count"] = len(dialect.columns)
    return document


def _labels(metadata: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if metadata is None else dict(that_fit(list(metadata.items()), sizes.MOST_LABELS))


def _warnings(warnings: Sequence[JobWarning], most_bytes: int) -> Sequence[dict[str, Any]]:
    return that_fit([describe_warning(warning) for warning in warnings], most_bytes)


def _json(value: Any) -> Any:  # noqa: ANN401 - a member of a dialect or of options
    return list(value) if isinstance(value, tuple) else value


def _source(job: Job) -> dict[str, Any] | None:
    if job.source is None:
        return None
    return {
        "bucket": job.source.bucket,
        "key": job.source.key,
        "etag": job.source.etag,
        "size": job.source.size,
    }


def _progress(job: Job, now: datetime, *, is_waiting: bool) -> dict[str, Any]:
    total = job.source.size if job.source else job.upload.size
    bytes_processed = job.progress.bytes_processed
    if job.status is Status.COMPLETED and total is not None:
        bytes_processed = total  # for a compressed file, the count may stop a little earlier
    times = job.times
    seconds = ((times.completed_at or now) - times.started_at).total_seconds() if times.started_at else 0
    eta = None
    if job.status is Status.PROCESSING and total and bytes_processed and seconds > 0 and not is_waiting:
        eta = round((total - bytes_processed) * seconds / bytes_processed, 1)
    return {
        "bytes_processed": bytes_processed,
        "bytes_total": total,
        "percent": round(100 * bytes_processed / total, 1) if total else None,
        "rows_per_second": round(job.progress.tally.records / seconds, 1)
        if seconds > 0 and bytes_processed
        else None,
        "eta_seconds": eta,
    }


def describe_ticket(ticket: Ticket) -> dict[str, Any]:
    """Return the response to a request for an upload: the job, and the URLs for its file."""
    job, paths = ticket.job, links(ticket.job)
    multipart = {}
    if job.upload.upload_id is not None:
        multipart = {"parts": f"/uploads/{job.id}/parts", "complete": f"/uploads/{job.id}/complete"}
    return {
        "job_id": str(job.id),
        "status": job.status.value,
        "upload": _upload(ticket),
        "links": {"job": paths["self"], "errors": paths["errors"], **multipart},
    }


def describe_signed_parts(signed_parts: Sequence[SignedPart]) -> dict[str, Any]:
    """Return the URLs to send parts to, at least one."""
    return {"parts": _signed_parts(signed_parts), "expires_at": _seconds(signed_parts[0].upload.expires_at)}


def describe_arrived_parts(job: Job, parts: Sequence[Part], next_cursor: str | None) -> dict[str, Any]:
    """Return how the job's file is divided and one page of the parts that have arrived."""
    return {
        "job_id": str(job.id),
        **_division(job),
        "part_checksums": job.upload.part_checksums,
        "expires_at": _seconds(job.upload.expires_at),
        "parts": [{"number": part.number, "size": part.size, "sha256": part.sha256} for part in parts],
        "next_cursor": next_cursor,
    }


def _upload(ticket: Ticket) -> dict[str, Any]:
    if ticket.whole is not None:
        return {
            "method": ticket.whole.method,
            "url": ticket.whole.url,
            "headers": dict(ticket.whole.headers),
            "expires_at": _seconds(ticket.whole.expires_at),
        }
    return {
        "method": "PUT",
        "expires_at": _seconds(ticket.job.upload.expires_at),
        **_division(ticket.job),
        "parts": _signed_parts(ticket.parts),
    }


def _division(job: Job) -> dict[str, Any]:
    count = len(all_parts(job.upload))
    return {"size": job.upload.size, "part_size": job.upload.part_size, "part_count": count}


def _signed_parts(signed_parts: Sequence[SignedPart]) -> list[dict[str, Any]]:
    return [
        {
            "number": signed_part.part.number,
            "size": signed_part.part.size,
            "url": signed_part.upload.url,
            "headers": dict(signed_part.upload.headers),
        }
        for signed_part in signed_parts
    ]


def _seconds(moment: datetime | None) -> str | None:
    """Return the moment in UTC, to the second, in ISO 8601."""
    return _time(moment.astimezone(UTC).replace(microsecond=0)) if moment else None


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def describe_audit_event(event: AuditEvent) -> dict[str, Any]:
    """Return the document of an event of the audit log. Source: CloudEvents 1.0, JSON event format."""
    actor = event.actor
    document = {
        "specversion": "1.0",
        "id": str(event.number),
        "source": "sluice",
        "type": f"sluice.{actor.action}",
        "time": _time(event.time.astimezone(UTC)),
        "datacontenttype": "application/json",
        "data": {
            "tenant": event.tenant,
            "actor": {"kind": actor.kind, "id": actor.id, "name": actor.name},
            "credential": actor.credential,
            "job_id": None if event.job_id is None else str(event.job_id),
            "request_id": actor.request_id,
            "address": actor.address,
            "outcome": "done" if event.refused is None else "refused",
            "status": event.refused,
        },
    }
    return document if event.subject is None else {**document, "subject": event.subject}


def describe_tenant(tenant: Tenant) -> dict[str, Any]:
    """Return the document of a tenant."""
    return {
        "name": tenant.name,
        "created_at": _time(tenant.created_at),
        "suspended_at": _time(tenant.suspended_at),
        "removing_at": _time(tenant.removing_at),
        "removed_at": _time(tenant.removed_at),
    }


def describe_erasure(erasure: Erasure) -> dict[str, Any]:
    """Return the document of an erasure, which does not tell what was erased."""
    return {
        "id": str(erasure.id),
        "dataset": erasure.dataset,
        "field": erasure.field,
        "created_at": _time(erasure.created_at),
        "completed_at": _time(erasure.completed_at),
        "rows": erasure.rows,
        "rejects": erasure.rejects,
        "objects": erasure.objects,
        "waiting_jobs": erasure.waiting,
        "waits_for": [str(job_id) for job_id in erasure.waits_for],
    }


def describe_unmatched(unmatched: UnmatchedObject) -> dict[str, Any]:
    """Return the document of an object that belongs to no tenant."""
    return {
        "bucket": unmatched.bucket,
        "key": unmatched.key,
        "size": unmatched.size,
        "reason": unmatched.reason,
        "seen_at": _time(unmatched.seen_at),
    }


def describe_upload_token(token: UploadToken) -> dict[str, Any]:
    """Return the document of an upload token, without the token itself."""
    new = token.new
    return {
        "id": str(token.id),
        "tenant": new.tenant.name,
        "dataset": new.dataset,
        "scopes": sorted(new.scopes),
        "max_size": new.max_size,
        "max_files": new.max_files,
        "metadata": dict(new.metadata),
        "created_at": _time(token.created_at),
        "expires_at": _time(token.expires_at),
    }


def describe_key(key: ApiKey) -> dict[str, Any]:
    """Return the document of an API key, without the key itself."""
    new = key.new
    return {
        "id": str(key.id),
        "name": new.name,
        "scopes": sorted(new.scopes),
        "tenant": None if new.tenant is None else new.tenant.name,
        "datasets": None if new.datasets is None else sorted(new.datasets),
        "created_at": _time(key.created_at),
        "created_by": new.created_by,
        "expires_at": _time(new.expires_at),
        "last_used_at": _time(key.last_used_at),
        "revoked_at": _time(key.revoked_at),
    }
