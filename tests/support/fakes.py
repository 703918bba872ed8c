"""The ports, and the services built from them, in memory."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

from chalicelib import settings
from chalicelib.backends.signed_tokens import SignedTokens
from chalicelib.core.access import Forbidden, Principal, Reach
from chalicelib.core.api_keys import MOST_LIVE, ApiKey, NewApiKey
from chalicelib.core.audit import Actor, AuditEvent, AuditFilters, Target
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.budget import BeyondLimit, OnFailure
from chalicelib.core.completion import Completion, beyond_limit, nothing_loaded, too_many_rejects
from chalicelib.core.dependencies import Dependency
from chalicelib.core.erased_values import ErasedValue, ErasedValues
from chalicelib.core.erasures import ErasedObject, Erasure
from chalicelib.core.errors import BlockAlreadyCommitted, JobEnded, JobFailed, NotPossible, RetryLater
from chalicelib.core.jobs import (
    Changes,
    Claim,
    DatasetReject,
    DatasetRejects,
    Job,
    JobError,
    JobFilters,
    NewJob,
    Part,
    Reading,
    RejectFilters,
    RejectsFile,
    RejectsPosition,
    Task,
)
from chalicelib.core.lifecycle import TRANSITIONS, Action, check
from chalicelib.core.messages import Delivery
from chalicelib.core.model import (
    Gap,
    Options,
    Place,
    Range,
    Source,
    Status,
    StoredReject,
    Tally,
)
from chalicelib.core.options import change_instructions
from chalicelib.core.preview import Preview
from chalicelib.core.sweeping import UnseenJob
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant, UnmatchedObject
from chalicelib.core.uploads import SignedDownload, SignedUpload
from chalicelib.core.warnings import FileWarning, JobWarning
from chalicelib.core.workers import SignOfLife, Worker
from chalicelib.service.access import Access
from chalicelib.service.actions import JobActions
from chalicelib.service.api_keys import ApiKeys
from chalicelib.service.intake import Intake
from chalicelib.service.multipart import MultipartUploads
from chalicelib.service.record_erasure import Erasing, RecordEraser
from chalicelib.service.rejects_request import RejectsFiles
from chalicelib.service.sweep import Sweeper
from chalicelib.service.tenant_removal import TenantRemover
from chalicelib.service.upload_tokens import UploadTokens
from chalicelib.service.uploads import UploadRules, Uploads
from tests.support.jobs import NOW, changed, new_job
from tests.support.principals import OPERATOR

FILE = b"a,b\n" + b"1,2\n" * 100  # one row, and 99 records that repeat it


@dataclass
class MemoryWorkers:
    """The signs of life: those that were stored, and workers as they are read."""

    signs: list[SignOfLife] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    unattended: bool = False
    down: bool = False

    def renew(self, sign: SignOfLife) -> None:
        self.ping()
        self.signs.append(sign)

    def remove(self, name: str) -> None:
        self.ping()
        self.removed.append(name)

    def list(self, *, limit: int, before: int | None) -> Sequence[Worker]:
        self.ping()
        newest = sorted(self.workers, key=lambda it: -it.number)
        return [it for it in newest if before is None or it.number < before][:limit]

    def has_unattended_jobs(self, *, seconds: float) -> bool:
        assert seconds > 0
        return self.unattended

    def forget(self, seconds: float) -> int:
        kept = [it for it in self.workers if it.unseen_seconds < seconds]
        count = len(self.workers) - len(kept)
        self.workers = kept
        return count

    def ping(self) -> None:
        if self.down:
            raise RetryLater("the database is down", Dependency.DATABASE)


@dataclass
class MemoryAudit:
    """The audit log."""

    events: list[AuditEvent] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    kept_days: int | None = None  # None: events are kept for ever

    def note(self, actor: Actor | None, target: Target, refused: int | None = None) -> None:
        if actor is not None:
            number = len(self.events) + 1
            tenant = None if target.tenant_id is None else str(target.tenant_id)
            self.targets.append(target)
            self.events.append(AuditEvent(number, NOW, actor, tenant, target.job_id, target.subject, refused))

    def forget(self, limit: int) -> int:
        if self.kept_days is None:
            return 0
        first = datetime.now(UTC) - timedelta(days=self.kept_days)
        old = [it for it in self.events if it.time < first][:limit]
        self.events = [it for it in self.events if it not in old]
        return len(old)

    def note_refusal(self, actor: Actor, target: Target, status: int) -> None:
        self.note(actor, target, status)

    def list(
        self, filters: AuditFilters, *, reader: Tenant | None, limit: int, before: int | None
    ) -> Sequence[AuditEvent]:
        return [it for it in reversed(self.events) if before is None or it.number < before][:limit]


@dataclass
class MemoryTenants:
    """The tenants, and the objects that belong to none."""

    tenants: dict[str, Tenant] = field(default_factory=lambda: {"default": DEFAULT_TENANT})
    objects: dict[str, UnmatchedObject] = field(default_factory=dict)
    audit: MemoryAudit = field(default_factory=MemoryAudit)
    actor: Actor | None = None
    jobs: dict[UUID, Job] = field(default_factory=dict)
    removal_seconds: float = 10_000  # since any removal began

    def by(self, actor: Actor | None) -> "MemoryTenants":
        return replace(self, actor=actor)

    def _note(self, tenant: Tenant) -> None:
        self.audit.note(self.actor, Target(tenant.id, path=f"tenants/{tenant.name}"))

    def named(self, names: Collection[str]) -> Mapping[str, Tenant]:
        return {name: self.tenants[name] for name in names if name in self.tenants}

    def datasets(self, names: Collection[str]) -> Mapping[str, bool]:
        found = {(job.dataset, job.tenant == DEFAULT_TENANT) for job in self.jobs.values()}
        return {name: (name, True) in found for name, _ in found if name in names}

    def list(self, *, limit: int, before: int | None) -> Sequence[Tenant]:
        newest = sorted(self.tenants.values(), key=lambda it: -it.id)
        return [it for it in newest if before is None or it.id < before][:limit]

    def create(self, name: str) -> tuple[Tenant, bool]:
        is_new = name not in self.tenants
        tenant = self.tenants.setdefault(name, Tenant(len(self.tenants) + 1, name, NOW))
        if is_new:
            self._note(tenant)
        return tenant, is_new

    def suspend(self, name: str) -> Tenant | None:
        return self._change(name, suspended_at=NOW)

    def resume(self, name: str) -> Tenant | None:
        return self._change(name, suspended_at=None)

    def remove(self, name: str) -> Tenant | None:
        return self._change(name, suspended_at=NOW, removing_at=NOW)

    def removing(self) -> Sequence[Tenant]:
        return [it for it in self.tenants.values() if it.removing_at and not it.removed_at]

    def unfinished(self, tenant: Tenant, *, limit: int) -> Sequence[UUID]:
        ids = [it.id for it in self.jobs.values() if it.tenant == tenant and not it.status.is_terminal]
        return ids[:limit]

    def remove_all(self, tenant: Tenant, *, dropped: str) -> Iterator[None]:
        assert dropped == f"drop/{tenant.name}/"
        for job_id in [it.id for it in self.jobs.values() if it.tenant == tenant and it.status.is_terminal]:
            del self.jobs[job_id]
            yield

    def finish(self, tenant: Tenant, *, seconds: float) -> bool:
        if seconds > self.removal_seconds:
            return False
        self.tenants[tenant.name] = replace(self.tenants[tenant.name], removed_at=NOW)
        return True

    def _change(self, name: str, **changes: datetime | None) -> Tenant | None:
        if name in self.tenants:
            self.tenants[name] = replace(self.tenants[name], **changes)  # type: ignore[arg-type]
            self._note(self.tenants[name])
        return self.tenants.get(name)

    def note_unmatched(self, objects: Sequence[UnmatchedObject]) -> None:
        for it in objects:
            self.objects.setdefault(it.key, replace(it, number=len(self.objects) + 1))

    def forget_unmatched(self, key: str) -> None:
        self.objects.pop(key, None)

    def unmatched(self, *, limit: int, before: int | None) -> Sequence[UnmatchedObject]:
        newest = sorted(self.objects.values(), key=lambda it: -it.number)
        return [it for it in newest if before is None or it.number < before][:limit]


@dataclass
class MemoryErasures:
    """The erasures of all tenants, which are not carried out. ``datasets``: those that exist."""

    datasets: set[str] = field(default_factory=set)
    erasures: dict[UUID, tuple[Tenant, Erasure]] = field(default_factory=dict)
    audit: MemoryAudit = field(default_factory=MemoryAudit)
    tenant: Tenant = DEFAULT_TENANT
    actor: Actor | None = None

    def of(self, tenant: Tenant, actor: Actor | None) -> "MemoryErasures":
        return replace(self, tenant=tenant, actor=actor)

    def begin(
        self, dataset: str, erasure_id: UUID, field: str, texts: Sequence[str], salt: bytes
    ) -> Erasure | None:
        if dataset not in self.datasets:
            return None
        assert ErasedValue.of(salt, field, texts).hashes
        erasure = Erasure(erasure_id, dataset, field, NOW)
        self.erasures[erasure_id] = (self.tenant, erasure)
        self.audit.note(self.actor, Target(self.tenant.id, path=f"datasets/{dataset}/erasures/{erasure_id}"))
        return erasure

    def get(self, dataset: str, erasure_id: UUID) -> Erasure | None:
        tenant, erasure = self.erasures.get(erasure_id, (None, None))
        is_own = erasure is not None and tenant == self.tenant and erasure.dataset == dataset
        return erasure if is_own else None

    def running(self) -> Sequence[UUID]:
        return []

    def erase(self, erasure_id: UUID) -> Iterator[None]:
        raise AssertionError(erasure_id)

    def objects(self, erasure_id: UUID, *, settled: float) -> Sequence[ErasedObject]:
        raise AssertionError(erasure_id, settled)

    def removed(self, erasure_id: UUID, erased: ErasedObject, count: int) -> None:
        raise AssertionError(erasure_id, erased, count)

    def finish(self, erasure_id: UUID, *, settled: float) -> bool:
        raise AssertionError(erasure_id, settled)


@dataclass
class MemoryKeys:
    """The API keys, by their hashes."""

    keys: dict[bytes, ApiKey] = field(default_factory=dict)
    looked_up: int = 0
    audit: MemoryAudit = field(default_factory=MemoryAudit)
    actor: Actor | None = None

    def by(self, actor: Actor | None) -> "MemoryKeys":
        return replace(self, actor=actor)

    def _note(self, key: ApiKey) -> None:
        tenant = key.new.tenant
        self.audit.note(self.actor, Target(None if tenant is None else tenant.id, path=f"keys/{key.id}"))

    def create(self, new: NewApiKey, key_hash: bytes) -> ApiKey:
        live = [it for it in self.keys.values() if it.new.name == new.name and it.is_live(datetime.now(UTC))]
        if len(live) >= MOST_LIVE:
            raise NotPossible("There are two of the name.")
        key = ApiKey(uuid4(), len(self.keys) + 1, new, NOW, hash=key_hash)
        self.keys[key_hash] = key
        self._note(key)
        return key

    def find(self, key_hash: bytes) -> ApiKey | None:
        self.looked_up += 1
        return self.keys.get(key_hash)

    def get(self, key_id: UUID) -> ApiKey | None:
        return next((it for it in self.keys.values() if it.id == key_id), None)

    def list(self, *, tenant: Tenant | None, limit: int, before: int | None) -> Sequence[ApiKey]:
        newest = sorted(self.keys.values(), key=lambda it: -it.number)
        return [
            it for it in newest if tenant in (None, it.new.tenant) and (before is None or it.number < before)
        ][:limit]

    def revoke(self, key_id: UUID, *, tenant: Tenant | None) -> ApiKey | None:
        for key_hash, key in self.keys.items():
            if key.id == key_id and tenant in (None, key.new.tenant):
                self.keys[key_hash] = replace(key, revoked_at=key.revoked_at or NOW)
                self._note(key)
                return self.keys[key_hash]
        return None


class OpenAccess(Access):
    """Access for all: a request without a credential is the operator's."""

    def principal(self, authorization: str | None) -> Principal:
        return OPERATOR if authorization is None else super().principal(authorization)


@dataclass
class MemoryJobs:
    """All ports of the database over one dictionary; the ledger is a list of blocks per job."""

    jobs: dict[UUID, Job] = field(default_factory=dict)
    creators: dict[UUID, str | None] = field(default_factory=dict)
    counted: Counter[UUID] = field(default_factory=Counter)  # files, for upload tokens
    reach: Reach | None = None
    actor: Actor | None = None
    audit: MemoryAudit = field(default_factory=MemoryAudit)
    blocks: dict[UUID, dict[int, PreparedBlock]] = field(default_factory=dict)
    owners: dict[UUID, str] = field(default_factory=dict)
    ranges: dict[UUID, dict[Range, str | None]] = field(default_factory=dict)  # who holds which
    head_warnings: dict[UUID, Sequence[FileWarning]] = field(default_factory=dict)
    defaults: dict[str, Options] = field(default_factory=dict)  # the options of datasets
    files: dict[UUID, RejectsFile] = field(default_factory=dict)  # that were asked for
    makers: dict[UUID, str] = field(default_factory=dict)  # who makes which
    attempts: Counter[UUID] = field(default_factory=Counter)  # to make them
    renewing: list[threading.Thread] = field(default_factory=list)  # leases
    workers: MemoryWorkers = field(default_factory=MemoryWorkers)
    erased: ErasedValues = field(default_factory=lambda: ErasedValues(b"", []))  # asked for with erasures
    looks: list[str] = field(default_factory=list)  # at what was erased
    most_rejects_looked_at: int = 10_000  # for a page of a dataset's rejects
    down: bool = False

    def erased_values(self, job: Job) -> ErasedValues:
        self.ping()
        self.looks.append(job.dataset)
        return self.erased

    def put(self, job: Job) -> Job:
        self.jobs[job.id] = job
        return job

    def of(self, reach: Reach, actor: Actor | None = None) -> "MemoryJobs":
        reached = copy(self)  # over the same dictionaries
        reached.reach, reached.actor = reach, actor
        return reached

    def _note(self, job_id: UUID) -> None:
        self.audit.note(self.actor, Target(self.reach.tenant.id if self.reach else None, job_id))

    def note_download(self, job_id: UUID) -> None:
        self.ping()
        self._note(job_id)

    def _within_reach(self, job_id: UUID) -> bool:
        job, reach = self.jobs.get(job_id), self.reach
        return job is not None and (
            reach is None
            or (
                job.tenant == reach.tenant
                and (reach.datasets is None or job.dataset in reach.datasets)
                and reach.created_by in (None, self.creators.get(job_id))
            )
        )

    def create(self, new: NewJob) -> Job:
        self.ping()
        if new.id in self.jobs:
            return self.jobs[new.id]
        if new.limits is not None:
            if self.counted[new.limits.token_id] >= new.limits.max_files:
                raise Forbidden("The token has as many files as it may have.")
            self.counted[new.limits.token_id] += 1
        self.creators[new.id] = new.created_by
        self._note(new.id)
        return self.put(
            new_job(
                id=new.id,
                tenant=new.tenant,
                created_by=new.created_by,
                number=len(self.jobs) + 1,
                dataset=new.dataset,
                filename=new.filename,
                upload=new.upload,
                block_size=new.block_size,
                instructions=new.instructions,
            )
        )

    def get(self, job_id: UUID) -> Job | None:
        self.ping()
        return self._with_warnings(self.jobs[job_id]) if self._within_reach(job_id) else None

    def _with_warnings(self, job: Job) -> Job:
        loader = job.outcome.duplicate_of or job.id
        blocks = sorted(self.blocks.get(loader, {}).values(), key=lambda block: block.no)
        source = self.jobs.get(loader, job)
        if own := self.blocks.get(job.id):
            job = changed(job, tally=_tally(own.values()))
        return replace(
            job,
            warnings=job_warnings(self.head_warnings.get(loader, ()), blocks),
            rejects_file=self.files.get(loader),
            rejects_format=source.reading.dialect.format if source.reading else None,
        )

    def list(self, filters: JobFilters, *, limit: int, before: int | None) -> Sequence[Job]:
        self.ping()
        jobs = [job for job_id, job in self.jobs.items() if self._within_reach(job_id)]
        found = sorted(map(self._with_warnings, jobs), key=lambda job: -job.number)
        return [
            job
            for job in found
            if (before is None or job.number < before)
            and filters.status in (None, job.status)
            and filters.dataset in (None, job.dataset)
            and (filters.since is None or job.times.created_at >= filters.since)
            and (filters.until is None or job.times.created_at < filters.until)
        ][:limit]

    def rejects(self, job_id: UUID, *, limit: int, after: tuple[int, int] | None) -> Sequence[StoredReject]:
        self.ping()
        found = [
            StoredReject(
                (no, it.record), Place(it.offset, it.record + 1), it.field, it.code, it.message, it.raw
            )
            for no, block in sorted(self.blocks.get(job_id, {}).items())
            for it in block.rejects
            if self._within_reach(job_id)
        ]
        return [it for it in found if after is None or it.cursor > after][:limit]

    def dataset_rejects(
        self, dataset: str, filters: RejectFilters, *, limit: int, start: RejectsPosition | None
    ) -> DatasetRejects | None:
        self.ping()
        tenant = self.reach.tenant if self.reach else DEFAULT_TENANT
        if not any((job.tenant, job.dataset) == (tenant, dataset) for job in self.jobs.values()):
            return None
        jobs = self.list(
            JobFilters(None, dataset, filters.since, filters.until), limit=len(self.jobs), before=None
        )
        found = [
            DatasetReject(job.id, job.number, job.filename, reject)
            for job in jobs
            for reject in self.rejects(job.id, limit=10**9, after=None)
        ]
        if start is not None:
            found = [it for it in found if (-it.job_number, *it.reject.cursor) >= (-start[0], *start[1:])]
        looked_at = found[: self.most_rejects_looked_at]
        wanted = [
            it
            for it in looked_at
            if filters.code in (None, it.reject.code) and filters.field in (None, it.reject.field)
        ]
        if len(wanted) >= limit:
            return DatasetRejects(wanted[:limit], wanted[limit - 1].next_position)
        is_all = len(looked_at) == len(found)
        return DatasetRejects(wanted, None if is_all else looked_at[-1].next_position)

    def mark_arrived(self, job_id: UUID, source: Source) -> bool:
        self.ping()
        job = self.jobs.get(job_id)
        waits = job is not None and job.status is Status.PENDING and job.upload.arrived_at is None
        if job is None or not waits or job.upload.key != source.key:
            return False
        self.jobs[job_id] = changed(job, source=source, arrived_at=NOW)
        return True

    def ping(self) -> None:
        if self.down:
            raise RetryLater("the database is down")

    def claim(self, job_id: UUID, *, owner: str, lease_seconds: float) -> Claim | None:
        self.ping()
        job = self.jobs.get(job_id)
        if lease_seconds <= 0 or job is None:
            return None
        if job.status.is_terminal:
            return self._claim_file(job, owner)
        ranges = self.ranges.get(job_id, {})
        is_split = (
            bool(ranges) and job.reading is not None and job.reading.split_to == job.reading.source.size
        )
        if is_split or self.owners.get(job_id, owner) != owner:
            free = next((part for part, holder in ranges.items() if holder in (None, owner)), None)
            if free is None:
                return None
            ranges[free] = owner
            return Claim(job, owner, free, 1)
        self.owners[job_id] = owner
        status = Status.PROCESSING if job.status is Status.PENDING else job.status
        attempts = job.progress.attempts_without_progress + 1
        claimed = changed(
            job,
            status=status,
            attempts=job.progress.attempts + 1,
            attempts_without_progress=attempts,
        )
        self.jobs[job_id] = claimed
        return Claim(claimed, owner, None, attempts)

    def _claim_file(self, job: Job, owner: str) -> Claim | None:
        file = self.files.get(job.id)
        is_free = self.makers.get(job.id, owner) == owner
        if file is None or file.key or file.error or not is_free or job.outcome.purged_at:
            return None
        self.makers[job.id] = owner
        self.attempts[job.id] += 1
        found = self._with_warnings(job)
        return Claim(found, owner, None, self.attempts[job.id], Task.REJECTS_FILE)

    def wish(self, job_id: UUID) -> bool:
        self.ping()
        if job_id in self.files or not self.jobs[job_id].status.is_terminal:
            return False
        self.files[job_id] = RejectsFile()
        return True

    def clear_failure(self, job_id: UUID) -> None:
        self._withdraw(job_id)

    def _withdraw(self, job_id: UUID) -> None:
        for held in (self.files, self.makers, self.attempts):
            held.pop(job_id, None)

    def purged_rejects_files(self, *, limit: int) -> Sequence[tuple[UUID, str]]:
        self.ping()
        purged = [self.jobs[job_id] for job_id in self.files if self.jobs[job_id].outcome.purged_at]
        return [(job.id, job.tenant.name) for job in purged[:limit]]

    def forget_rejects_file(self, job_id: UUID) -> None:
        self.ping()
        self._withdraw(job_id)

    def renew(self, job_id: UUID, *, owner: str, lease_seconds: float) -> bool:
        self.renewing.append(threading.current_thread())
        return lease_seconds > 0 and self.holds(job_id, owner=owner)

    def holds(self, job_id: UUID, *, owner: str) -> bool:
        self.renewing.append(threading.current_thread())
        self.ping()
        return owner in {
            self.makers.get(job_id),
            self.owners.get(job_id),
            *self.ranges.get(job_id, {}).values(),
        }

    def release(self, job_id: UUID, *, owner: str, without_progress: bool) -> None:
        self.ping()
        ranges = self.ranges.get(job_id, {})
        if self.makers.get(job_id) == owner:
            del self.makers[job_id]
            self.attempts[job_id] -= not without_progress
        for held in [part for part, holder in ranges.items() if holder == owner]:
            ranges[held] = None
        if self.owners.get(job_id) == owner:
            del self.owners[job_id]
            job = self.jobs[job_id]
            attempts = job.progress.attempts_without_progress - (not without_progress)
            self.jobs[job_id] = changed(job, attempts_without_progress=attempts)

    def add(self, job: Job, added: Range, *, since: int | None) -> None:
        self._move(job, since, added.end)
        self.ranges.setdefault(job.id, {})[added] = None

    def close(self, job: Job, *, since: int | None) -> None:
        self._move(job, since, None)

    def _move(self, job: Job, since: int | None, to: int | None) -> None:
        self.ping()
        stored = self.jobs[job.id]
        reading = stored.reading
        is_open = stored.status is Status.PROCESSING and stored.reading_no == job.reading_no
        if not is_open or reading is None or reading.split_to != since:
            raise JobEnded("overtaken")
        self.jobs[job.id] = changed(stored, split_to=reading.source.size if to is None else to)

    def finish(self, job: Job, finished: Range) -> None:
        self.ping()
        if self.jobs[job.id].reading_no == job.reading_no:
            self.ranges.get(job.id, {}).pop(finished, None)

    def complete_as_duplicate(self, job: Job, source: Source) -> UUID | None:
        self.ping()
        for other in self.jobs.values():
            same = other.source is not None and other.source.checksum == source.checksum
            same = same and other.instructions.options == job.instructions.options
            if same and other.status is Status.COMPLETED and other.id != job.id:
                self.jobs[job.id] = changed(self.jobs[job.id], source=source, duplicate_of=other.id)
                self._end(job.id, Status.COMPLETED, None)
                return other.id
        return None

    def parent(self, job: Job, parent_id: UUID) -> Job | None:
        self.ping()
        parent = self.jobs.get(parent_id)
        return parent if parent is not None and parent.dataset == job.dataset else None

    def open(self, job: Job, reading: Reading, warnings: Sequence[FileWarning] = ()) -> Reading:
        self.ping()
        if self.jobs[job.id].reading_no != job.reading_no:
            raise JobEnded("read in another way")
        self.head_warnings[job.id] = warnings
        self.jobs[job.id] = changed(
            self.jobs[job.id], source=reading.source, block_size=reading.block_size, reading=reading
        )
        return reading

    def measure(self, job: Job, size: int) -> None:
        self.ping()
        if self.jobs[job.id].reading_no == job.reading_no:
            self.jobs[job.id] = changed(self.jobs[job.id], text_size=size)

    def gaps(self, job_id: UUID, total: int | None) -> Sequence[Gap]:
        self.ping()
        gaps, position = [], 0
        for block in sorted(self.blocks.get(job_id, {}).values(), key=lambda block: block.start):
            if block.start != position:
                gaps.append(Gap(position, block.start))
            position = block.end
        return [*gaps, Gap(position, total)] if position != total else gaps

    def complete(self, job: Job, total: int) -> Completion:
        stored = self.jobs[job.id]
        if stored.status is Status.COMPLETED:
            return Completion.ENDED_BEFORE
        if stored.status is not Status.PROCESSING or stored.reading_no != job.reading_no:
            raise JobEnded(stored.status)
        if self.gaps(job.id, total):
            raise JobFailed("ledger-mismatch", "not covered")
        if error := self._error_of_rejects(stored, at_end=True):
            is_failed = self._fail(stored, error) is Status.FAILED
            return Completion.FAILED if is_failed else Completion.ROLLING_BACK
        self._end(job.id, Status.COMPLETED, None)
        return Completion.COMPLETED

    def tally(self, job_id: UUID) -> Tally:
        self.ping()
        blocks = self.blocks.get(job_id, {}).values()
        return _tally(blocks) if blocks else Tally()

    def fail(self, job: Job, *, owner: str, code: str, message: str) -> Status | None:
        self.ping()
        stored = self.jobs[job.id]
        return self._fail(stored, JobError(code, message)) if self._may_fail(stored, job, owner) else None

    def fail_over_budget(self, job: Job, *, owner: str) -> Status | None:
        self.ping()
        stored = self.jobs[job.id]
        error = self._error_of_rejects(stored, at_end=False)
        return self._fail(stored, error) if error and self._may_fail(stored, job, owner) else None

    def _may_fail(self, stored: Job, job: Job, owner: str) -> bool:
        holders = {self.owners.get(job.id), *self.ranges.get(job.id, {}).values()}
        is_same = stored.status is Status.PROCESSING and stored.reading_no == job.reading_no
        return is_same and owner in holders

    def _error_of_rejects(self, job: Job, *, at_end: bool) -> JobError | None:
        tally, instructions = self.tally(job.id), job.instructions
        blocks = self.blocks.get(job.id, {}).values()
        codes = Counter[str]()
        for reject in (reject for block in blocks for reject in block.rejects):
            codes[reject.code] += reject.count
        budget = instructions.max_rejects
        if budget is not None and budget.is_exceeded(tally, at_end=at_end):
            return too_many_rejects(budget, tally, codes, instructions.on_failure)
        if tally.unstored and instructions.rejects_beyond_limit is BeyondLimit.FAIL:
            return beyond_limit(tally.rejected - tally.unstored, tally, codes, instructions.on_failure)
        return nothing_loaded(codes) if at_end and 0 < tally.rejected == tally.records else None

    def _fail(self, job: Job, error: JobError) -> Status:
        undoes = job.instructions.on_failure is OnFailure.UNDO and bool(self.blocks.get(job.id))
        self._end(job.id, Status.UNDOING if undoes else Status.FAILED, error)
        if undoes:
            self.jobs[job.id] = changed(self.jobs[job.id], rolls_back=True, undone_rows=0)
        return self.jobs[job.id].status

    def undo(self, job: Job, *, owner: str, keep_going: Callable[[], bool]) -> bool:
        self.ping()
        if self.owners.get(job.id) != owner:
            raise JobEnded("taken over")
        if not keep_going():
            return False
        removed = self.tally(job.id).inserted
        if job.rolls_back:
            self.jobs[job.id] = changed(job, undone_rows=removed)
            self._end(job.id, Status.FAILED, job.outcome.error)
            return True
        self.blocks.pop(job.id, None)
        job = changed(job, tally=Tally())
        self.head_warnings.pop(job.id, None)
        self.jobs[job.id] = changed(job, undone_rows=(job.outcome.undone_rows or 0) + removed)
        self._end(job.id, Status.UNDONE, None)
        if job.rereads:
            self._drop_reading(job.id, same_object=True)
            self.jobs[job.id] = changed(
                self.jobs[job.id],
                status=Status.PENDING,
                undone_rows=None,
                completed_at=None,
                attempts_without_progress=0,
            )
        return True

    def act(self, job_id: UUID, action: Action) -> Job | None:
        self.ping()
        job = self.jobs.get(job_id) if self._within_reach(job_id) else None
        if job is None:
            return None
        check(job.status, action)
        self._note(job_id)
        return self._take(job, action)

    def reread(self, job_id: UUID, changes: Changes) -> Job | None:
        self.ping()
        job = self.jobs.get(job_id) if self._within_reach(job_id) else None
        if job is None:
            return None
        check(job.status, Action.RETRY, *([Action.REREAD] if changes.rereads else []))
        self._note(job_id)
        was_loaded = job.status is Status.COMPLETED or bool(self.blocks.get(job_id))
        job = changed(job, instructions=change_instructions(job.instructions, changes))
        return self._take(job, Action.REREAD if changes.rereads and was_loaded else Action.RETRY)

    def load(self, job_id: UUID, changes: Changes | None) -> Job | None:
        self.ping()
        job = self.jobs.get(job_id) if self._within_reach(job_id) else None
        if job is None:
            return None
        check(job.status, Action.LOAD)
        self._note(job_id)
        instructions = replace(job.instructions, preview=False)
        if changes is not None:
            instructions = change_instructions(instructions, changes)
        if changes is not None and changes.rereads:
            self._drop_reading(job_id, same_object=True)
        self.jobs[job_id] = changed(
            self.jobs[job_id],
            instructions=instructions,
            status=Status.PENDING,
            started_at=None,
            attempts_without_progress=0,
        )
        return self.jobs[job_id]

    def store(self, job: Job, preview: Preview) -> None:
        self.ping()
        stored = self.jobs[job.id]
        is_same = stored.reading_no == job.reading_no and stored.instructions.preview
        if stored.status is not Status.PROCESSING or not is_same:
            raise JobEnded(stored.status)
        self.owners.pop(job.id, None)
        self.jobs[job.id] = changed(stored, status=Status.PREVIEWED, preview=preview)

    def _take(self, job: Job, action: Action) -> Job:
        if action is Action.RETRY and job.rolls_back:
            action = Action.REREAD
        self.owners.pop(job.id, None)
        self.ranges.pop(job.id, None)
        if action is Action.RETRY or not self.files.get(job.id, RejectsFile()).key:
            self._withdraw(job.id)
        ended = None if action is Action.RETRY else NOW
        after = TRANSITIONS[action].after
        self.jobs[job.id] = changed(
            job,
            status=after,
            completed_at=ended,
            error=None,
            rereads=action is Action.REREAD,
            rolls_back=False,
            attempts_without_progress=0,
        )
        if job.reading is not None:
            self.jobs[job.id] = changed(self.jobs[job.id], split_to=None)
        if action is Action.RETRY and not self.blocks.get(job.id):
            self._drop_reading(job.id, same_object=job.status in (Status.UNDONE, Status.PREVIEWED))
        return self.jobs[job.id]

    def _drop_reading(self, job_id: UUID, *, same_object: bool) -> None:
        job = self.jobs[job_id]
        self.jobs[job_id] = changed(
            job,
            reading=None,
            reading_no=job.reading_no + 1,
            source=job.source if same_object else None,
            rereads=same_object,
            duplicate_of=None,
            preview=None,
        )

    def dataset_options(self, dataset: str) -> Options | None:
        self.ping()
        return self.defaults.get(dataset)

    def set_dataset_options(self, dataset: str, options: Options) -> None:
        self.ping()
        self.defaults[dataset] = options
        self.audit.note(self.actor, Target(path=f"datasets/{dataset}"))

    def take_unseen(self, *, seconds: float, limit: int) -> Sequence[UnseenJob]:
        self.ping()
        waiting = [
            job for job in self.jobs.values() if job.status is Status.PENDING and not job.upload.arrived_at
        ]
        return [
            UnseenJob(job.id, overdue=job.upload.expires_at is not None and job.upload.expires_at < NOW)
            for job in waiting
        ][:limit]

    def take_turn(self, task: str, *, seconds: float) -> bool:
        self.ping()
        return True

    def unknown_ids(self, job_ids: Sequence[UUID]) -> set[UUID]:
        self.ping()
        return set(job_ids) - self.jobs.keys()

    def expire(self, job_id: UUID) -> bool:
        self.ping()
        if self.jobs[job_id].status is not Status.PENDING:
            return False
        self._end(job_id, Status.EXPIRED, None)
        return True

    def expire_previewed(self, *, seconds: float, limit: int) -> Sequence[UUID]:
        self.ping()
        waiting = [
            job.id
            for job in self.jobs.values()
            if job.status is Status.PREVIEWED and (NOW - job.times.updated_at).total_seconds() > seconds
        ]
        for job_id in waiting[:limit]:
            self._end(job_id, Status.EXPIRED, None)
        return waiting[:limit]

    def take_silent(self, *, seconds: float, limit: int) -> Sequence[UUID]:
        self.ping()
        return [
            job.id
            for job in self.jobs.values()
            if (
                job.id not in self.owners
                and (job.upload.arrived_at or job.status is not Status.PENDING)
                and not job.status.is_terminal
            )
            or (
                job.status.is_terminal
                and job.id in self.files
                and not (self.files[job.id].key or self.files[job.id].error or job.id in self.makers)
            )
        ][:limit]

    def purge(self, *, days: int, limit: int) -> int:
        self.ping()
        old = [it for it in self.jobs.values() if it.times.completed_at and not it.outcome.purged_at][:limit]
        for job in old:
            self.jobs[job.id] = changed(job, purged_at=NOW)
        return len(old)

    def forget_upload_tokens(self) -> int:
        return 0

    def forget_workers(self, *, seconds: float) -> int:
        return self.workers.forget(seconds)

    def forget_audit_events(self, *, limit: int) -> int:
        return self.audit.forget(limit)

    def _end(self, job_id: UUID, status: Status, error: JobError | None) -> None:
        self.owners.pop(job_id, None)
        self.ranges.pop(job_id, None)
        self.jobs[job_id] = changed(self.jobs[job_id], status=status, error=error, completed_at=NOW)

    def write(self, job: Job, block: PreparedBlock) -> Tally:
        self.ping()
        ledger = self.blocks.setdefault(job.id, {})
        stored = self.jobs[job.id]
        is_same = (stored.source, stored.reading_no) == (job.source, job.reading_no)
        if stored.status is not Status.PROCESSING or not is_same:
            raise JobEnded(self.jobs[job.id].status)
        if block.no in ledger:
            raise BlockAlreadyCommitted(f"block {block.no} is there")
        ledger[block.no] = block
        return _tally([block])

    def write_whole(
        self, job: Job, block: PreparedBlock, warnings: Sequence[FileWarning]
    ) -> tuple[Completion, Tally] | None:
        reading = job.reading
        assert reading is not None
        if self.jobs[job.id].reading is not None:
            return None
        before = self.jobs[job.id]
        self.open(job, replace(reading, text_size=None), warnings)
        try:
            tally = self.write(job, block)
            if reading.text_size is not None:
                self.measure(job, reading.text_size)
            return self.complete(job, block.end), tally
        except BaseException:
            self.jobs[job.id] = before
            self.blocks.pop(job.id, None)
            self.head_warnings.pop(job.id, None)
            raise


def _tally(blocks: Iterable[PreparedBlock]) -> Tally:
    counts = [(it.records, len(it.rows), it.repeats, it.rejected, it.unstored) for it in blocks]
    return Tally(*map(sum, zip(*counts, strict=True)))


def job_warnings(head: Sequence[FileWarning], blocks: Sequence[PreparedBlock]) -> tuple[JobWarning, ...]:
    """Return the warnings of a job, given those of its head and its blocks in file order."""
    sums: dict[str, JobWarning] = {}
    told: list[tuple[PreparedBlock | None, FileWarning]] = [(None, warning) for warning in head]
    told += [(block, warning) for block in blocks for warning in block.warnings]
    for block, warning in told:
        if warning.code in sums:
            first = sums[warning.code]
            sums[warning.code] = replace(first, count=first.count + warning.count)
            continue
        before = blocks[: 0 if block is None else blocks.index(block)]
        is_whole = block is None or sum(it.end - it.start for it in before) == block.start
        has_lines = None not in [it.lines for it in [*before, *([block] if block else [])]]
        records = sum(it.records for it in before)
        lines = sum(it.lines or 0 for it in before)
        sums[warning.code] = JobWarning(
            warning.code,
            warning.count,
            warning.offset,
            warning.example,
            record=None if warning.record is None or not is_whole else records + warning.record + 1,
            line=None if warning.line is None or not (is_whole and has_lines) else lines + warning.line + 1,
        )
    return tuple(sorted(sums.values(), key=lambda it: (it.offset or 0, it.code)))


@dataclass
class MemoryStore:
    """One object, and what happens when it is read."""

    data: bytes = b""
    etag: str = "e1"
    version_id: str | None = None  # of the newest; older ones are not kept
    checksum: str | None = None
    missing: bool = False
    errors: deque[Exception] = field(default_factory=deque)  # raised by the next reads, one each

    def begin(self, bucket: str, key: str, version_id: str | None, size: int) -> tuple[Source, bytes]:
        source = self.pin(bucket, key, version_id)
        return source, self.read(source, 0, min(size, source.size))

    def is_current(self, source: Source) -> bool:
        return self.pin(source.bucket, source.key).etag == source.etag

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        if self.missing or version_id not in (None, self.version_id):
            raise JobFailed("source-missing", "The uploaded object is no longer there.")
        return Source(bucket, key, self.etag, len(self.data), self.version_id, self.checksum, NOW)

    def read(self, source: Source, start: int, end: int) -> bytes:
        if self.errors:
            raise self.errors.popleft()
        if source.etag != self.etag:
            raise JobFailed("source-changed", "The object was replaced while it was being loaded.")
        return self.data[start:end]


@dataclass
class MemoryQueue:
    """JobSender and JobReceiver over a list; nothing times out."""

    waiting: deque[Delivery] = field(default_factory=deque)
    acknowledged: list[Delivery] = field(default_factory=list)
    returned: list[tuple[Delivery, float]] = field(default_factory=list)
    max_deliveries: int = 3
    down: bool = False

    def send(self, job_id: UUID, *, copies: int = 1) -> None:
        self.ping()
        self.waiting.extend(Delivery(job_id, uuid4().hex, 1) for _ in range(copies))

    def ping(self) -> None:
        if self.down:
            raise RetryLater("the queue is down")

    def receive(self, *, limit: int, wait_seconds: float) -> Sequence[Delivery]:
        assert wait_seconds >= 0
        return [self.waiting.popleft() for _ in range(min(limit, len(self.waiting)))]

    def acknowledge(self, *deliveries: Delivery) -> None:
        self.acknowledged.extend(deliveries)

    def extend(self, delivery: Delivery) -> None:
        self.ping()

    def retry(self, delivery: Delivery, *, delay_seconds: float) -> None:
        self.returned.append((delivery, delay_seconds))

    def close(self) -> None:
        self.waiting.clear()


class FixedSigner:
    """A signer whose URLs show its arguments."""

    def sign(self, key: str, *, size: int | None, sha256: str | None) -> SignedUpload:
        query = f"size={size}" + (f"&sha256={sha256}" if sha256 else "")
        return self._signed(f"{key}?{query}")

    def sign_part(self, key: str, upload_id: str, part: Part) -> SignedUpload:
        return self._signed(f"{key}?{upload_id}&number={part.number}&size={part.size}&sha256={part.sha256}")

    def sign_download(self, key: str, *, filename: str) -> SignedDownload:
        return SignedDownload(f"https://bucket.example/{key}?name={filename}", NOW + timedelta(minutes=5))

    def _signed(self, place: str) -> SignedUpload:
        return SignedUpload("PUT", f"https://bucket.example/{place}", {}, NOW + timedelta(hours=1))


@dataclass
class MemoryUploads:
    """The bucket that clients upload to. ``made``: the multipart uploads that were completed."""

    arrived: dict[str, dict[int, Part]] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    dropped: list[Source] = field(default_factory=list)
    written: dict[str, bytes] = field(default_factory=dict)
    page: int = 1000
    locked: str | None = None  # what the keys begin with that cannot be removed
    down: bool = False

    def begin(self, key: str, *, checksums: bool) -> str:
        self.ping()
        upload_id = f"upload-{len(self.arrived)}"
        self.arrived[upload_id] = {}
        return upload_id

    def ping(self) -> None:
        if self.down:
            raise RetryLater("S3 is down")

    def parts(self, key: str, upload_id: str, *, after: int) -> Sequence[Part]:
        self.ping()
        found = self._open(upload_id)
        return [part for number, part in sorted(found.items()) if number > after][: self.page]

    def complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        self.ping()
        assert list(parts) == [part for _, part in sorted(self._open(upload_id).items())]
        self.made.append(upload_id)
        del self.arrived[upload_id]

    def abort(self, key: str, upload_id: str) -> None:
        self.ping()
        self.arrived.pop(upload_id, None)

    def remove(self, key: str) -> None:
        self.ping()
        self.written.pop(key, None)
        self.removed.append(key)

    def write(self, key: str, pieces: Iterator[bytes], *, content_type: str) -> None:
        self.ping()
        self.written[key] = b"".join(pieces)

    def objects(self, prefix: str) -> Iterator[Source]:
        self.ping()
        written = [Source("bucket", key, "e1", len(data)) for key, data in self.written.items()]
        yield from (it for it in [*self.dropped, *written] if it.key.startswith(prefix))

    def remove_all(self, prefix: str, *, but: str | None = None) -> Iterator[None]:
        self.ping()
        for key in [key for key in self.written if key.startswith(prefix) and key != but]:
            if self.locked is not None and key.startswith(self.locked):
                raise RetryLater(f"S3 keeps {key}")
            del self.written[key]
            yield

    def erase_versions(self, erased: ErasedObject) -> int:
        self.ping()
        return int(self.written.pop(erased.key, None) is not None)

    def _open(self, upload_id: str) -> dict[int, Part]:
        if upload_id not in self.arrived:
            raise NotPossible("The upload has ended.")
        return self.arrived[upload_id]


class MemoryServices:
    """What chalicelib.wiring.Services is, over memory."""

    def __init__(self) -> None:
        self.settings = settings.load({"SLUICE_BUCKET": "bucket"})
        self.audit = MemoryAudit()
        self.jobs = MemoryJobs(audit=self.audit)
        self.tenants = MemoryTenants(audit=self.audit, jobs=self.jobs.jobs)
        self.key_register = MemoryKeys(audit=self.audit)
        self.api_keys = ApiKeys(self.key_register)
        self.token_secrets = [b"a secret of the tests, 32 bytes long"]  # newest first
        self.upload_tokens = self.new_upload_tokens()
        self.access: Access = OpenAccess(self.api_keys, self.tenants, self.upload_tokens)
        self.workers = self.jobs.workers
        self.sender = MemoryQueue()
        self.signer = FixedSigner()
        self.upload_bucket = MemoryUploads()
        self.objects = MemoryStore()
        self.store = self
        self.storage_down = False
        self.forbidden = False
        self.intake = Intake(self.jobs, self.tenants, self, self.sender, block_size=64)
        self.erasures = MemoryErasures(audit=self.audit)
        self.sweeper = Sweeper(
            self.jobs,
            self.sender,
            self.intake,
            self.jobs,
            self.upload_bucket,
            seconds=60,
            retention_days=90,
            tenant_remover=TenantRemover(self.jobs, self.tenants, self.upload_bucket, urls_expire=3600),
            record_eraser=RecordEraser(self.erasures, self.upload_bucket, settled=30),
        )
        self.upload_rules = UploadRules(
            bucket="bucket",
            block_size=64,
            max_size=self.settings.max_upload_size,
            max_single=1000,
            part_size=400,
            parts_expire=3600,
        )
        self.multipart_uploads = MultipartUploads(self.signer, self.upload_bucket, self)

    def new_upload_tokens(self) -> UploadTokens:
        """Return the service for upload tokens as a process has it that has just started."""
        signer = SignedTokens(self._secrets)
        return UploadTokens(lambda: signer, self.tenants, self.api_keys)

    def _secrets(self, *, fresh: bool) -> Sequence[bytes]:
        return self.token_secrets

    def new_access(self) -> Access:
        """Return the access of a process that has just started, so that it remembers nothing."""
        self.api_keys = ApiKeys(self.key_register)
        return Access(self.api_keys, self.tenants, self.new_upload_tokens())

    def of(self, reach: Reach, actor: Actor | None = None) -> "ReachedMemoryServices":
        return ReachedMemoryServices(self, reach, actor)

    @property
    def dependencies(self) -> Mapping[str, Callable[[], None]]:
        storage = partial(self.ping, "bucket")
        return {"database": self.jobs.ping, "queue": self.sender.ping, "storage": storage}

    def begin(self, bucket: str, key: str, version_id: str | None, size: int) -> tuple[Source, bytes]:
        return self.objects.begin(bucket, key, version_id, size)

    def is_current(self, source: Source) -> bool:
        return self.pin(source.bucket, source.key).etag == source.etag

    def pin(self, bucket: str, key: str, version_id: str | None = None) -> Source:
        if self.forbidden:
            raise JobFailed("source-forbidden", "The service may not read the uploaded object.")
        return self.objects.pin(bucket, key, version_id)

    def read(self, source: Source, start: int, end: int) -> bytes:
        return self.objects.read(source, start, end)

    def ping(self, bucket: str) -> None:
        assert bucket == "bucket"
        if self.storage_down:
            raise RetryLater("S3 is down")


class ReachedMemoryServices:
    """What chalicelib.wiring.ReachedServices is, over memory."""

    def __init__(self, shared: MemoryServices, reach: Reach, actor: Actor | None) -> None:
        self.tenants = shared.tenants.by(actor)
        self.erasing = Erasing(shared.erasures.of(reach.tenant, actor))
        self.api_keys = shared.api_keys.by(actor)
        self.jobs = shared.jobs.of(reach, actor)
        self.multipart_uploads = shared.multipart_uploads
        self.uploads = Uploads(
            self.jobs, shared.signer, shared.multipart_uploads, shared.upload_rules, reach.tenant
        )
        self.rejects_files = RejectsFiles(self.jobs, self.jobs, shared.sender, shared.signer)
        self.job_actions = JobActions(self.jobs, shared.multipart_uploads, shared.sender, shared.intake)
