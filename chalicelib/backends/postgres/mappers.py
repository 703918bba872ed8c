"""Map between domain objects and database rows, by hand: renaming a member never renames a column."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from chalicelib.core.access import Reach, Scope, UploadLimits
from chalicelib.core.api_keys import ApiKey, NewApiKey
from chalicelib.core.audit import Actor, AuditAction, AuditEvent, Target
from chalicelib.core.blocks import RejectedBlock
from chalicelib.core.budget import BeyondLimit, Budget, OnFailure
from chalicelib.core.dependencies import Dependency
from chalicelib.core.erased_values import ErasedValue
from chalicelib.core.erasures import Erasure
from chalicelib.core.jobs import (
    DatasetReject,
    Instructions,
    Job,
    JobError,
    JobOutcome,
    NewJob,
    Progress,
    Reading,
    RejectsFile,
    RejectsSource,
    Times,
    Upload,
)
from chalicelib.core.lifecycle import TRANSITIONS, Action
from chalicelib.core.model import (
    Dialect,
    ExtraCells,
    Format,
    Options,
    Place,
    Reject,
    RejectCount,
    ShortRows,
    Source,
    Status,
    StoredReject,
    Tally,
)
from chalicelib.core.options import declared
from chalicelib.core.preview import Preview, RunnerUp, Sureness
from chalicelib.core.tenants import Tenant, UnmatchedObject
from chalicelib.core.warnings import FileWarning, JobWarning
from chalicelib.core.workers import Hold, SignOfLife, SlotReport, Wait, Worker, WorkerKind, WorkOnJob

Row = Mapping[str, Any]

_EARLIER_NAMES = {"recoded": "transcoded"}  # members of dialects that version 0.1.0 stored under another name
# members of dialects and options that are not JSON values
_TYPES: Mapping[str, Callable[[Any], Any]] = {
    "format": Format,
    "short_rows": ShortRows,
    "extra_cells": ExtraCells,
    "columns": tuple,
    "decimal_columns": tuple,
    "missing_values": tuple,
    "dropped": tuple,
}


def new_job_columns(new: NewJob) -> dict[str, Any]:
    """Return the columns of `ingestion_jobs` that are fixed when a job is registered."""
    upload, instructions = new.upload, new.instructions
    return {
        "id": new.id,
        "tenant_id": new.tenant.id,
        "created_by": new.created_by,
        "dataset": new.dataset,
        "filename": new.filename,
        "block_size": new.block_size,
        **instructions_columns(new.id, instructions),
        "metadata": None if instructions.metadata is None else Jsonb(instructions.metadata),
        "force": instructions.force,
        "parent_job": instructions.parent_job,
        "preview": instructions.preview,
        "bucket": upload.bucket,
        "key": upload.key,
        "declared_size": upload.size,
        "sha256": upload.sha256,
        "upload_expires_at": upload.expires_at,
        "upload_id": upload.upload_id,
        "part_size": upload.part_size,
        "part_checksums": upload.part_checksums,
    }


def instructions_columns(job_id: UUID, instructions: Instructions) -> dict[str, Any]:
    """Return the columns of `ingestion_jobs` that a retry may change: how a file is read, and its limits."""
    budget = instructions.max_rejects
    return {
        "id": job_id,
        "format": instructions.format,
        "options": options_column(instructions.options),
        "max_rejects": None if budget is None else budget.limit,
        "max_rejects_is_share": budget is not None and budget.is_share,
        "on_failure": instructions.on_failure,
        "rejects_beyond_limit": instructions.rejects_beyond_limit,
    }


def budget_of(row: Row) -> Budget | None:
    """Return the budget for rejects in a row of `ingestion_jobs`; None if there is none."""
    return None if row["max_rejects"] is None else Budget(row["max_rejects"], row["max_rejects_is_share"])


def options_column(options: Options) -> Jsonb:
    """Return the column `options`: the options that differ from their defaults."""
    return Jsonb({name: _json_value(value) for name, value in declared(options).items()})


def options_of(stored: Mapping[str, Any]) -> Options:
    """Invert :func:`options_column`."""
    return Options(**{name: _member_of(name, value) for name, value in stored.items()})


def dialect_column(dialect: Dialect) -> Jsonb:
    """Return the column `detected`: the members that apply to the dialect's format."""
    return Jsonb({name: _json_value(getattr(dialect, name)) for name in dialect.members})


def dialect_of(stored: Mapping[str, Any]) -> Dialect:
    """Invert :func:`dialect_column`."""
    members = {_EARLIER_NAMES.get(name, name): _member_of(name, value) for name, value in stored.items()}
    return Dialect(**members)


def source_columns(job_id: UUID, source: Source) -> dict[str, Any]:
    """Return the columns of `ingestion_jobs` that name the object that a job reads."""
    return {
        "id": job_id,
        "bucket": source.bucket,
        "key": source.key,
        "etag": source.etag,
        "size": source.size,
        "version_id": source.version_id,
        "checksum": source.checksum,
    }


def transition_columns(action: Action) -> dict[str, Any]:
    """Return the parameters of an action: the statuses that it leads from, and the one that it leads to."""
    transition = TRANSITIONS[action]
    return {"before": sorted(transition.before), "after": transition.after}


def tally_columns(tally: Tally) -> dict[str, int]:
    """Return the counts of `ingestion_blocks`."""
    return {
        "records": tally.records,
        "inserted": tally.inserted,
        "duplicates": tally.duplicates,
        "rejected": tally.rejected,
        "unstored": tally.unstored,
    }


def warning_columns(job_id: UUID, block_no: int, warning: FileWarning) -> dict[str, Any]:
    """Return the columns of `job_warnings`."""
    return {
        "job_id": job_id,
        "block_no": block_no,
        "code": warning.code,
        "count": warning.count,
        "record": warning.record,
        "line": warning.line,
        "offset": warning.offset,
        "example": warning.example,
    }


def job_of(row: Row) -> Job:
    """Return the job in a row that `select_jobs` selects."""
    source = _source(row)
    return Job(
        id=row["id"],
        number=row["number"],
        status=Status(row["status"]),
        tenant=Tenant(row["tenant_id"], row["tenant"]),
        dataset=row["dataset"],
        dataset_id=row["dataset_id"],
        filename=row["filename"],
        instructions=_instructions(row),
        upload=_upload(row),
        source=source,
        block_size=row["block_size"],
        reading_no=row["reading_no"],
        reading=_reading(row, source),
        rereads=row["rereads"],
        progress=_progress(row),
        outcome=_outcome(row),
        times=_times(row),
        rejects_format=Format(row["rejects_format"]) if row["rejects_format"] else None,
        rejects_file=_rejects_file(row),
        created_by=row["created_by"],
        rolls_back=row["rolls_back"],
        erasures=row["erasures"],
    )


def api_key_columns(new: NewApiKey) -> dict[str, Any]:
    """Return the columns of `api_keys` that are fixed when a key is created."""
    return {
        "name": new.name,
        "scopes": sorted(new.scopes),
        "tenant_id": None if new.tenant is None else new.tenant.id,
        "datasets": None if new.datasets is None else sorted(new.datasets),
        "expires_at": new.expires_at,
        "created_by": new.created_by,
    }


def api_key_of(row: Row) -> ApiKey:
    """Return the API key in a row of `select` in `api_keys.sql`."""
    tenant = (
        Tenant(row["tenant_id"], row["tenant"], suspended_at=row["suspended_at"]) if row["tenant"] else None
    )
    return ApiKey(
        row["id"],
        row["number"],
        NewApiKey(
            name=row["name"],
            scopes=frozenset(Scope(scope) for scope in row["scopes"]),
            tenant=tenant,
            datasets=None if row["datasets"] is None else frozenset(row["datasets"]),
            expires_at=row["expires_at"],
            created_by=row["created_by"],
        ),
        row["created_at"],
        row["last_used_at"],
        row["revoked_at"],
        bytes(row["hash"]),
    )


def upload_token_columns(limits: UploadLimits, tenant: Tenant) -> dict[str, Any]:
    """Return the columns of `upload_tokens`."""
    return {
        "token_id": limits.token_id,
        "tenant_id": tenant.id,
        "max_files": limits.max_files,
        "expires_at": limits.expires_at,
    }


def reach_parameters(reach: Reach | None) -> dict[str, Any]:
    """Return the parameters of :func:`chalicelib.backends.postgres.jobs.within`."""
    if reach is None:
        return {"tenant_id": None, "datasets": None, "created_by": None}
    return {
        "tenant_id": reach.tenant.id,
        "datasets": None if reach.datasets is None else sorted(reach.datasets),
        "created_by": reach.created_by,
    }


def audit_columns(actor: Actor, target: Target) -> dict[str, Any]:
    """Return the columns of `audit_events` for what an actor does."""
    return {
        "tenant_id": target.tenant_id,
        "action": actor.action,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_name": actor.name,
        "credential": actor.credential,
        "job_id": target.job_id,
        "subject": target.subject,
        "request_id": actor.request_id,
        "address": actor.address,
    }


def audit_event_of(row: Row) -> AuditEvent:
    """Return the event in a row of `page` in `audit.sql`."""
    actor = Actor(
        AuditAction(row["action"]),
        row["actor_kind"],
        row["actor_id"],
        row["actor_name"],
        row["credential"],
        row["request_id"],
        row["address"],
    )
    return AuditEvent(
        row["number"], row["time"], actor, row["tenant"], row["job_id"], row["subject"], row["refused"]
    )


def tenant_of(row: Row) -> Tenant:
    """Return the tenant in a row of `tenants`."""
    columns = ("id", "name", "created_at", "suspended_at", "removing_at", "removed_at")
    return Tenant(*(row[name] for name in columns))


def erased_value_columns(value: ErasedValue) -> dict[str, Any]:
    """Return the columns of `erasures` that say what is erased."""
    return {
        "field": value.field,
        "hashes": list(value.hashes),
        "sizes": list(value.sizes),
        "words_hash": value.words_hash,
        "words": value.words,
    }


def erased_value_of(row: Row) -> ErasedValue:
    """Return what a row of `erasures` erases."""
    return ErasedValue(
        row["field"], tuple(row["hashes"]), tuple(row["sizes"]), row["words_hash"], row["words"]
    )


def erasure_of(row: Row) -> Erasure:
    """Return the erasure in a row of `show` in `record_erasure.sql`."""
    return Erasure(
        **{name: row[name] for name in ("id", "dataset", "field", "created_at", "completed_at")},
        **{name: row[name] for name in ("rows", "rejects", "objects", "waits_for", "waiting")},
    )


def unmatched_object_of(row: Row) -> UnmatchedObject:
    """Return the object in a row of `unmatched_objects`."""
    return UnmatchedObject(
        row["bucket"], row["key"], row["size"], row["reason"], row["number"], row["seen_at"]
    )


def warning_of(row: Row) -> JobWarning:
    """Return the warning in a row of `select` in `warnings.sql`."""
    return JobWarning(
        code=row["code"],
        count=row["count"],
        offset=row["byte_offset"],
        example=row["example"],
        record=row["record"],
        line=row["line"],
    )


def preview_column(preview: Preview) -> Jsonb:
    """Return the column `document` of `job_previews`. The records are texts: their numbers stay exact."""
    runner_up = preview.runner_up
    return Jsonb(
        {
            "records": list(preview.records),
            "rejects": [_preview_reject(reject) for reject in preview.rejects],
            "warnings": [
                {
                    "code": warning.code,
                    "count": warning.count,
                    "byte_offset": warning.offset,
                    "example": warning.example,
                    "record": warning.record,
                    "line": warning.line,
                }
                for warning in preview.warnings
            ],
            "read": preview.read,
            "rejected": preview.rejected,
            "text_bytes": preview.text_bytes,
            "is_whole": preview.is_whole,
            "sure": dict(preview.sure),
            "runner_up": runner_up
            and {
                "delimiter": runner_up.delimiter,
                "quote": runner_up.quote,
                "escape": runner_up.escape,
                "score": runner_up.score,
            },
        }
    )


def preview_of(stored: Mapping[str, Any]) -> Preview:
    """Invert :func:`preview_column`."""
    runner_up = stored["runner_up"]
    return Preview(
        records=tuple(stored["records"]),
        rejects=tuple(map(reject_of, stored["rejects"])),
        warnings=tuple(map(warning_of, stored["warnings"])),
        read=stored["read"],
        rejected=stored["rejected"],
        text_bytes=stored["text_bytes"],
        is_whole=stored["is_whole"],
        sure={name: Sureness(ground) for name, ground in stored["sure"].items()},
        runner_up=None
        if runner_up is None
        else RunnerUp(runner_up["delimiter"], runner_up["quote"], runner_up["escape"], runner_up["score"]),
    )


def _preview_reject(reject: StoredReject) -> dict[str, Any]:
    """Return the members of a reject in a preview, with the names that :func:`reject_of` reads."""
    return {
        "block_no": reject.cursor[0],
        "ordinal": reject.cursor[1],
        "byte_offset": reject.place.offset,
        "record": reject.place.record,
        "line": reject.place.line,
        "sheet_row": reject.place.sheet_row,
        "field": reject.field,
        "code": reject.code,
        "message": reject.message,
        "raw": reject.raw,
        "count": reject.count,
    }


def reject_of(row: Row) -> StoredReject:
    """Return the reject in a row of `select_rejects`."""
    return StoredReject(
        cursor=(row["block_no"], row["ordinal"]),
        place=_place(row),
        field=row["field"],
        code=row["code"],
        message=row["message"],
        raw=row["raw"],
        count=row.get("count", 1),  # previews of an earlier version have none
    )


def dataset_reject_of(row: Row, block: Row) -> DatasetReject:
    """Return the reject in a row of `walk` in `dataset_rejects.sql`, and in a row of `blocks` its block."""
    places = (
        ("record", "records", "ordinal"),
        ("line", "lines", "line"),
        ("sheet_row", "sheet_rows", "sheet_row"),
    )
    numbers = {name: _number_in_file(block[f"{counted}_before"], row[own]) for name, counted, own in places}
    return DatasetReject(row["job_id"], row["number"], row["filename"], reject_of({**row, **numbers}))


def _number_in_file(before: int | None, within: int | None) -> int | None:
    return None if before is None or within is None else before + within + 1


def rejected_block_of(row: Row) -> RejectedBlock:
    """Return the block in a row of `blocks` in `rejects_files.sql`."""
    return RejectedBlock(
        no=row["block_no"],
        start=row["start_offset"],
        end=row["end_offset"],
        rejected=row["rejected"],
        records=row["records"],
        lines=row["lines"],
        sheet_rows=row["sheet_rows"],
    )


def block_reject_of(row: Row) -> Reject:
    """Return the reject in a row of `excerpts` in `rejects_files.sql`."""
    return Reject(
        code=row["code"],
        message=row["message"],
        record=row["record"],
        offset=row["byte_offset"],
        raw=row["raw"],
        field=row["field"],
        line=row["line"],
        sheet_row=row["sheet_row"],
        count=row["count"],
    )


def reject_count_columns(job_id: UUID, block_no: int, count: int, first: Reject) -> dict[str, Any]:
    """Return the columns of `reject_counts`, given how many rejects of a block are like the first one."""
    return {
        "job_id": job_id,
        "block_no": block_no,
        "code": first.code,
        "field": first.field or "",
        "count": count,
        "record": first.record,
        "line": first.line,
        "sheet_row": first.sheet_row,
        "offset": first.offset,
    }


def reject_count_of(row: Row) -> RejectCount:
    """Return the count in a row of `select_counts`."""
    first = None if row["byte_offset"] is None else _place(row)
    return RejectCount(
        code=row["code"],
        field=row["field"],
        count=row["count"],
        first=first,
        message=row["message"],
        alike=row["alike"] or 1,
    )


def sign_columns(sign: SignOfLife) -> dict[str, Any]:
    """Return the parameters that store a worker's sign of life."""
    return {
        "name": sign.name,
        "kind": sign.kind,
        "version": sign.version,
        "age": sign.seconds,
        "interval": sign.interval,
        "slots": sign.slots,
        "jobs": Jsonb([_report_value(report) for report in sign.jobs]),
    }


def _report_value(report: SlotReport) -> dict[str, Any]:
    wait = report.wait
    return {
        "job": str(report.job_id),
        "owner": report.owner,
        "age": round(report.seconds, 3),
        "idle": round(report.idle_seconds, 3),
        "wait": wait and {"for": wait.dependency, "message": wait.message, "age": round(wait.seconds, 3)},
    }


def worker_of(row: Row) -> Worker:
    """Return the worker in a row of `select` in `workers.sql`."""
    return Worker(
        number=row["number"],
        name=row["name"],
        kind=WorkerKind(row["kind"]),
        version=row["version"],
        started_at=row["started_at"],
        seen_at=row["seen_at"],
        unseen_seconds=row["unseen_seconds"],
        interval=row["interval_seconds"],
        slots=row["slots"],
        jobs=tuple(_work_of(report, row["seen_at"]) for report in row["jobs"]),
    )


def _work_of(report: Mapping[str, Any], seen_at: datetime) -> WorkOnJob:
    wait = report["wait"]
    return WorkOnJob(
        job_id=UUID(report["job"]),
        owner=report["owner"],
        since=_before(seen_at, report["age"]),
        progress_at=_before(seen_at, report["idle"]),
        wait=wait and Wait(Dependency(wait["for"]), wait["message"], _before(seen_at, wait["age"])),
    )


def _before(moment: datetime, seconds: float) -> datetime:
    return moment - timedelta(seconds=seconds)


def hold_of(row: Row) -> Hold:
    """Return the lease and its holder in a row of `holders` in `workers.sql`."""
    worker = None if row["name"] is None else worker_of(row)
    jobs = worker.jobs if worker else ()
    work = next((it for it in jobs if (it.job_id, it.owner) == (row["job_id"], row["owner"])), None)
    return Hold(row["until"], row["seconds_left"], worker, work)


def _place(row: Row) -> Place:
    return Place(row["byte_offset"], row["record"], row["line"], row["sheet_row"])


def _instructions(row: Row) -> Instructions:
    return Instructions(
        format=Format(row["format"]) if row["format"] else None,
        options=options_of(row["options"]),
        metadata=row["metadata"],
        force=row["force"],
        parent_job=row["parent_job"],
        preview=row["preview"],
        max_rejects=budget_of(row),
        on_failure=OnFailure(row["on_failure"]),
        rejects_beyond_limit=BeyondLimit(row["rejects_beyond_limit"]),
    )


def _upload(row: Row) -> Upload:
    return Upload(
        bucket=row["bucket"],
        key=row["key"],
        size=row["declared_size"],
        sha256=row["sha256"],
        expires_at=row["upload_expires_at"],
        arrived_at=row["uploaded_at"],
        upload_id=row["upload_id"],
        part_size=row["part_size"],
        part_checksums=row["part_checksums"],
    )


def _source(row: Row) -> Source | None:
    if row["etag"] is None:
        return None
    return Source(row["bucket"], row["key"], row["etag"], row["size"], row["version_id"], row["checksum"])


def _reading(row: Row, source: Source | None) -> Reading | None:
    if source is None or not row["detected"]:
        return None
    return Reading(
        source=source,
        dialect=dialect_of(row["detected"]),
        block_size=row["block_size"],
        text_size=row["text_size"],
        split_to=row["shared_to"],
    )


def _progress(row: Row) -> Progress:
    return Progress(
        attempts=row["attempts"],
        attempts_without_progress=row["vain_attempts"],
        bytes_processed=row["bytes_processed"],
        tally=Tally(row["records"], row["inserted"], row["duplicates"], row["rejected"], row["unstored"]),
    )


def _outcome(row: Row) -> JobOutcome:
    return JobOutcome(
        error=JobError(row["error_code"], row["error_message"]) if row["error_code"] else None,
        duplicate_of=row["duplicate_of"],
        undone_rows=row["undone_rows"],
        purged_at=row["purged_at"],
    )


def _rejects_file(row: Row) -> RejectsFile | None:
    if not row["rejects_requested"]:
        return None
    return RejectsFile(
        key=row["rejects_key"],
        rejects=row["rejects_count"],
        source=RejectsSource(row["rejects_source"]) if row["rejects_source"] else None,
        error=row["rejects_error"],
    )


def _times(row: Row) -> Times:
    return Times(
        created_at=row["created_at"],
        started_at=row["started_at"],
        updated_at=max(row["updated_at"], row["last_commit"] or row["updated_at"]),
        completed_at=row["completed_at"],
        queued_at=row["queued_at"],
    )


def _member_of(name: str, value: Any) -> Any:  # noqa: ANN401 - a stored member of a dialect or of options
    return value if value is None or name not in _TYPES else _TYPES[name](value)


def _json_value(value: Any) -> Any:  # noqa: ANN401 - a member of a dialect or of options
    return list(value) if isinstance(value, tuple) else value
