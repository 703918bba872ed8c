"""The Postgres backend over a fresh database, and jobs that are led through their lives on it."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg

from chalicelib.backends.postgres import database
from chalicelib.backends.postgres.blocks import PostgresBlocks
from chalicelib.backends.postgres.holding import Patience
from chalicelib.backends.postgres.ingested_data import IngestedData
from chalicelib.backends.postgres.leases import PostgresLeases
from chalicelib.backends.postgres.ledger import PostgresLedger
from chalicelib.backends.postgres.previews import PostgresPreviews
from chalicelib.backends.postgres.register import PostgresRegister
from chalicelib.backends.postgres.rejects_files import PostgresRejectsFiles
from chalicelib.backends.postgres.splits import PostgresSplits
from chalicelib.backends.postgres.undo import PostgresUndo
from chalicelib.backends.postgres.upkeep import PostgresUpkeep
from chalicelib.backends.postgres.workers import PostgresWorkers
from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.errors import BlockAlreadyCommitted, JobEnded, NotPossible
from chalicelib.core.jobs import Changes, Instructions, Job, NewJob, Reading, Upload
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import RULES, Dialect, Format, Source, Status, Tally
from chalicelib.core.preview import Preview, Sureness
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant
from chalicelib.core.warnings import FileWarning
from tests.support.blocks import block
from tests.support.waiting import wait_for

DIALECT = Dialect(Format.CSV, 4, rules=RULES, columns=("a", "b"))
DAY = 24 * 3600
SMALL_SOURCE = Source("bucket", "key", "e0", 10)
SOURCE = Source("bucket", "key", "e1", 70, "v1", "checksum")
UNFINISHED = (Status.PENDING, Status.PROCESSING, Status.PREVIEWED)
PREVIEW = Preview(('{"a":"1"}',), (), (), 1, 0, 10, is_whole=True, sure={"delimiter": Sureness.CLEAR})

# How a job comes into each status; what it has loaded by then is one block, unless it never was PROCESSING.
WAYS: Mapping[Status, tuple[Action, ...]] = {
    Status.PENDING: (),
    Status.PROCESSING: (Action.CLAIM,),
    Status.PREVIEWED: (Action.CLAIM, Action.PREVIEW),
    Status.COMPLETED: (Action.CLAIM, Action.COMPLETE),
    Status.FAILED: (Action.CLAIM, Action.FAIL),
    Status.CANCELED: (Action.CLAIM, Action.CANCEL),
    Status.EXPIRED: (Action.EXPIRE,),
    Status.UNDOING: (Action.CLAIM, Action.FAIL, Action.UNDO, Action.CLAIM),
    Status.UNDONE: (Action.CLAIM, Action.COMPLETE, Action.UNDO, Action.CLAIM, Action.FINISH_UNDO),
}
# What the table does not have and is not an error: it changes no status.
QUIET = {(Status.UNDOING, Action.CLAIM), (Status.COMPLETED, Action.COMPLETE)}


class Backend:
    """The backend over a fresh database."""

    def __init__(self, url: str, pool_url: str | None = None) -> None:
        self.url = url
        self.pool = database.Pool(pool_url or url, size=10)
        self.jobs = PostgresRegister(self.pool)
        self.leases = PostgresLeases(self.pool)
        self.ledger = PostgresLedger(self.pool, IngestedData())
        self.splits = PostgresSplits(self.pool)
        self.previews = PostgresPreviews(self.pool)
        self.undo = PostgresUndo(self.pool, IngestedData())
        self.rejects_files = PostgresRejectsFiles(self.pool)
        self.workers = PostgresWorkers(self.pool)

    def writer(self) -> PostgresBlocks:
        """Return a writer that writes small blocks as it writes large ones."""
        return PostgresBlocks(self.pool, IngestedData(few=0))

    def load(self, job: Job, loaded: PreparedBlock) -> Tally:
        return self.writer().write(job, loaded)

    def open(
        self,
        job: Job,
        source: Source,
        dialect: Dialect,
        block_size: int,
        warnings: Sequence[FileWarning] = (),
    ) -> Job:
        """Open the job, and return it as it is then."""
        self.ledger.open(job, Reading(source, dialect, block_size), warnings)
        return self.found(job.id)

    def found(self, job_id: UUID) -> Job:
        job = self.jobs.get(job_id)
        assert job is not None
        return job

    def job(
        self,
        *,
        dataset: str = "default",
        block_size: int = 64,
        metadata: dict[str, str] | None = None,
        source: Source | None = None,
    ) -> Job:
        upload, instructions = Upload("bucket", "key"), Instructions(metadata=metadata)
        new = NewJob(uuid4(), dataset, "f.csv", upload, block_size, instructions)
        self.jobs.create(new)
        claim = self.leases.claim(new.id, owner="me", lease_seconds=60)
        assert claim is not None
        return self.open(claim.job, source or SMALL_SOURCE, DIALECT, block_size)

    def sql(self, statement: str) -> list[Any]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def change(self, statement: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode())


class Life(Backend):
    """The backend over a fresh database, and time that passes when it is told to.

    ``pool_url``: the backend uses the database by this address, as another role.
    """

    def __init__(self, url: str, pool_url: str | None = None) -> None:
        super().__init__(
            f"{url}?options=-c%20lock_timeout%3D30s", pool_url
        )  # a test that waits for itself fails
        self.jobs = PostgresRegister(self.pool, Patience(commit=30, longest=30))  # however slow the machine
        self.upkeep = PostgresUpkeep(self.pool)

    def pending(
        self,
        *,
        preview: bool = False,
        instructions: Instructions | None = None,
        block_size: int = 64,
        tenant: Tenant = DEFAULT_TENANT,
    ) -> UUID:
        instructions = instructions or Instructions(preview=preview)
        upload = Upload("bucket", "key")
        new = NewJob(uuid4(), "default", "f.csv", upload, block_size, instructions, tenant)
        return self.jobs.create(new).id

    def job_in(self, status: Status, tenant: Tenant = DEFAULT_TENANT) -> UUID:
        job_id = self.pending(preview=status is Status.PREVIEWED, tenant=tenant)
        for step, action in enumerate(WAYS[status]):
            assert self.do(job_id, action), action
            if step == 0 and action is Action.CLAIM:
                job = self.open(self.found(job_id), SOURCE, DIALECT, 10)
                if status is Status.PREVIEWED:
                    continue
                self.load(job, block(0, [f"row of {job_id}"], rejects=1))
                self.ledger.measure(job, 10)
        assert self.found(job_id).status is status
        return job_id

    def do(self, job_id: UUID, action: Action, owner: str = "me") -> bool:
        """Whether the ports let it happen."""
        ports: Mapping[Action, Callable[[], Any]] = {
            Action.CLAIM: lambda: self.leases.claim(job_id, owner=owner, lease_seconds=60),
            Action.COMPLETE: lambda: self.ledger.complete(
                self.found(job_id), self.found(job_id).progress.bytes_processed
            ),
            Action.FAIL: lambda: self.ledger.fail(
                self.found(job_id), owner=owner, code="code", message="Why."
            ),
            Action.PREVIEW: lambda: self._preview(job_id),
            Action.LOAD: lambda: self.jobs.load(job_id, None),
            Action.EXPIRE: lambda: self._expire(job_id),
            Action.FINISH_UNDO: lambda: self._undo(job_id, owner),
            Action.ROLL_BACK: lambda: self._roll_back(job_id, owner),
            Action.FINISH_ROLLBACK: lambda: self._finish_rollback(job_id, owner),
            Action.START_OVER: lambda: self._start_over(job_id, owner),
            Action.REREAD: lambda: self._reread(job_id),
        }
        try:
            if action in ports:
                return bool(ports[action]())
            acted = self.jobs.act(job_id, action)
        except (NotPossible, JobEnded):
            return False
        assert acted == self.found(job_id)
        return True

    def _expire(self, job_id: UUID) -> bool:
        if self.found(job_id).status is Status.PREVIEWED:
            return job_id in self.upkeep.expire_previewed(seconds=-1, limit=1000)
        return self.upkeep.expire(job_id)

    def _preview(self, job_id: UUID) -> bool:
        self.change(
            f"UPDATE ingestion_jobs SET preview = true WHERE id = '{job_id}' AND status = 'PROCESSING'"
        )
        self.previews.store(self.found(job_id), PREVIEW)
        return True

    def _undo(self, job_id: UUID, owner: str) -> bool:
        return self.undo.undo(self.found(job_id), owner=owner, keep_going=lambda: True)

    def _roll_back(self, job_id: UUID, owner: str) -> bool:
        if self.found(job_id).status is Status.PROCESSING:
            self.change(f"UPDATE ingestion_jobs SET on_failure = 'undo' WHERE id = '{job_id}'")
        return self.ledger.fail(self.found(job_id), owner=owner, code="code", message="Why.") is not None

    def _finish_rollback(self, job_id: UUID, owner: str) -> bool:
        self.change(
            "UPDATE ingestion_jobs SET rolls_back = true, error_code = 'code', error_message = 'Why.'"
            f" WHERE id = '{job_id}' AND status = 'UNDOING'"
        )
        return self._undo(job_id, owner)

    def _start_over(self, job_id: UUID, owner: str) -> bool:
        self.change(f"UPDATE ingestion_jobs SET rereads = true WHERE id = '{job_id}' AND status = 'UNDOING'")
        return self._undo(job_id, owner)

    def _reread(self, job_id: UUID) -> bool:
        if self.found(job_id).status in (Status.UNDONE, Status.PREVIEWED):
            return False  # nothing of it is loaded: this would be a RETRY
        return self.jobs.reread(job_id, Changes()) is not None

    def everything(self) -> list[Any]:
        """Every row of every table, to see that nothing changed."""
        tables = (
            *("ingestion_jobs", "ingestion_blocks", "ingestion_ranges"),
            *("validation_errors", "job_warnings", "job_previews", "rejects_files", "ingested_data"),
        )
        parts = [f"SELECT '{name}', it::text FROM {name} AS it" for name in tables]
        return self.sql(" UNION ALL ".join(parts) + " ORDER BY 1, 2")

    def later(self, seconds: float) -> None:
        """As if so much time had passed."""
        shift = f"'%1$I = %1$I - make_interval(secs => {seconds})'"
        shifts = self.sql(
            f"SELECT table_name, string_agg(format({shift}, column_name), ', ')"
            " FROM information_schema.columns"
            " WHERE table_name IN ('ingestion_jobs', 'ingestion_blocks', 'ingestion_ranges',"
            " 'rejects_files', 'workers')"
            " AND data_type LIKE 'timestamp%'"
            " GROUP BY table_name"
        )
        for table, shifted in shifts:
            self.change(f"UPDATE {table} SET {shifted}")

    @contextmanager
    def meanwhile(self, statement: str) -> Iterator[None]:
        """Keep the statement's transaction open meanwhile, and commit it afterwards."""
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode())
            yield

    def until_waiting(self, count: int) -> None:
        """Wait until that many of the backend's connections wait for a lock."""
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'sluice' AND wait_event_type = 'Lock'"
        )
        wait_for(lambda: self.sql(waiting) == [(count,)])


def undoing(life: Life, job: Job) -> Job:
    """End the job if need be, begin to undo it as "me", and return it."""
    if not life.found(job.id).status.is_terminal:
        assert life.do(job.id, Action.CANCEL)
    assert life.do(job.id, Action.UNDO)
    assert life.do(job.id, Action.CLAIM)
    return life.found(job.id)


def undo(life: Life, job: Job) -> int | None:
    assert life.do(undoing(life, job).id, Action.FINISH_UNDO)
    undone = life.found(job.id)
    assert (undone.status, undone.progress.tally) == (Status.UNDONE, Tally())
    return undone.outcome.undone_rows


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls at once; return the result of each, or the BlockAlreadyCommitted that it raises."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return call()
        except BlockAlreadyCommitted as lost:
            return lost

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))
