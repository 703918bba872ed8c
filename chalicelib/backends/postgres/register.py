"""The job register: create, read and list jobs, and change their status for clients."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from uuid import UUID

from chalicelib.backends.postgres.audit import note
from chalicelib.backends.postgres.database import Connection, Pool, load_queries, transaction_on
from chalicelib.backends.postgres.dataset_rejects import select_dataset_rejects
from chalicelib.backends.postgres.holding import PATIENCE, Patience, change_job
from chalicelib.backends.postgres.jobs import (
    JOIN_OTHERS,
    SELECT_JOBS,
    drop_reading,
    existing_job,
    find_job,
    has_blocks,
    lock_job,
    look_at_job,
    make_pending,
    remove_ranges,
    within,
)
from chalicelib.backends.postgres.mappers import (
    Row,
    instructions_columns,
    job_of,
    new_job_columns,
    options_column,
    options_of,
    reach_parameters,
    source_columns,
    transition_columns,
    upload_token_columns,
)
from chalicelib.backends.postgres.previews import with_preview
from chalicelib.backends.postgres.rejects import select_rejects, with_rejects
from chalicelib.backends.postgres.rejects_files import withdraw
from chalicelib.backends.postgres.warnings import with_warnings
from chalicelib.backends.postgres.workers import with_holders
from chalicelib.core.access import Forbidden, Reach, UploadLimits
from chalicelib.core.audit import Actor, Target
from chalicelib.core.errors import NotPossible
from chalicelib.core.jobs import (
    Changes,
    DatasetRejects,
    Job,
    JobFilters,
    NewJob,
    RejectFilters,
    RejectsPosition,
)
from chalicelib.core.lifecycle import Action, check
from chalicelib.core.model import Options, Source, Status, StoredReject
from chalicelib.core.options import change_instructions
from chalicelib.core.tenants import Tenant

_SQL = load_queries("register.sql")


class PostgresRegister:
    """Implement :class:`chalicelib.service.register.JobRegister`."""

    def __init__(
        self,
        pool: Pool,
        patience: Patience = PATIENCE,
        reach: Reach | None = None,
        actor: Actor | None = None,
    ) -> None:
        self._pool = pool
        self._patience = patience
        self._reach = reach
        self._actor = actor

    def of(self, reach: Reach, actor: Actor | None = None) -> "PostgresRegister":
        """See the port."""
        return PostgresRegister(self._pool, self._patience, reach, actor)

    def _note(self, connection: Connection, job_id: UUID) -> None:
        note(connection, self._actor, Target(None if self._reach is None else self._reach.tenant.id, job_id))

    def _transaction(self) -> AbstractContextManager[Connection]:
        return transaction_on(self._pool, None if self._reach is None else self._reach.tenant.id)

    def _dataset_id(self, connection: Connection, dataset: str) -> int | None:
        """Return the id of the tenant's dataset; None if it has none of this name."""
        names = {"dataset": dataset, **reach_parameters(self._reach)}
        known = connection.execute(_SQL["dataset_id"], names).fetchone()
        return None if known is None else int(known["id"])

    def create(self, new: NewJob) -> Job:
        """See the port."""
        with self._transaction() as connection:
            names = {"dataset": new.dataset, "tenant_id": new.tenant.id}
            connection.execute(_SQL["create_dataset"], names)
            connection.execute(_SQL["create_tenant_dataset"], names)
            if connection.execute(_SQL["create_job"], new_job_columns(new)).rowcount:
                if new.limits is not None:
                    _count_file(connection, new.limits, new.tenant)
                self._note(connection, new.id)
            elif find_job(connection, new.id) is None:
                raise NotPossible(f"The tenant {new.tenant.name} is being removed.")
            return existing_job(connection, new.id)

    def get(self, job_id: UUID) -> Job | None:
        """See the port."""
        with self._transaction() as connection:
            return _job_with_findings(connection, job_id, self._reach)

    def list(self, filters: JobFilters, *, limit: int, before: int | None) -> Sequence[Job]:
        """See the port."""
        with self._transaction() as connection:
            dataset_id = None
            if filters.dataset is not None:
                # Asked before: given the number, Postgres knows how rare the dataset's jobs are among all.
                dataset_id = self._dataset_id(connection, filters.dataset)
                if dataset_id is None:
                    return []
            page = _SQL["from_page"].format(within_reach=within(self._reach))
            rows = connection.execute(
                f"{SELECT_JOBS} {page} {JOIN_OTHERS} {_SQL['newest_first']}",
                {
                    "limit": limit,
                    "before": before,
                    "status": filters.status,
                    "since": filters.since,
                    "until": filters.until,
                    "dataset_id": dataset_id,
                    **reach_parameters(self._reach),
                },
            )
            return with_holders(connection, with_warnings(connection, [job_of(row) for row in rows]))

    def rejects(self, job_id: UUID, *, limit: int, after: tuple[int, int] | None) -> Sequence[StoredReject]:
        """See the port."""
        with self._transaction() as connection:
            if look_at_job(connection, job_id, self._reach) is None:
                return []
            return select_rejects(connection, job_id, limit=limit, after=after)

    def dataset_rejects(
        self, dataset: str, filters: RejectFilters, *, limit: int, start: RejectsPosition | None
    ) -> DatasetRejects | None:
        """See the port."""
        with self._transaction() as connection:
            dataset_id = self._dataset_id(connection, dataset)
            if dataset_id is None:
                return None
            return select_dataset_rejects(
                connection, dataset_id, self._reach, filters, limit=limit, start=start
            )

    def mark_arrived(self, job_id: UUID, source: Source) -> bool:
        """See the port."""
        with self._transaction() as connection:
            columns = {**source_columns(job_id, source), **reach_parameters(self._reach)}
            return connection.execute(f"{_SQL['mark_arrived']} {within(self._reach)}", columns).rowcount > 0

    def act(self, job_id: UUID, action: Action) -> Job | None:
        """See the port."""

        def change(connection: Connection, row: Row) -> None:
            _take(connection, job_id, action, row)

        return self._change(job_id, (action,), change)

    def reread(self, job_id: UUID, changes: Changes) -> Job | None:
        """See the port."""

        def change(connection: Connection, row: Row) -> None:
            _change_instructions(connection, job_id, changes)
            was_loaded = row["status"] == Status.COMPLETED or has_blocks(connection, job_id)
            action = Action.REREAD if changes.rereads and was_loaded else Action.RETRY
            _take(connection, job_id, action, row)

        return self._change(job_id, (Action.RETRY, *([Action.REREAD] if changes.rereads else [])), change)

    def load(self, job_id: UUID, changes: Changes | None) -> Job | None:
        """See the port."""

        def change(connection: Connection, _row: Row) -> None:
            if changes is not None:
                _change_instructions(connection, job_id, changes)
            if changes is not None and changes.rereads:
                drop_reading(connection, job_id, same_object=True)
            make_pending(connection, job_id, Action.LOAD)
            connection.execute(_SQL["begin_loading"], {"id": job_id})

        return self._change(job_id, (Action.LOAD,), change)

    def _change(
        self, job_id: UUID, actions: Sequence[Action], change: Callable[[Connection, Row], None]
    ) -> Job | None:
        """Make the change to a job that allows one of the actions, and return the job; None if it is unknown.

        ``change`` gets the job's locked row. Raises NotPossible, and what ``change`` raises.
        """
        with self._transaction() as connection:
            seen = look_at_job(connection, job_id, self._reach)
            if seen is None:
                return None
            _check(seen, *actions)  # before any block's transaction is ended for it

            def locked() -> None:
                row = lock_job(connection, job_id)
                if row is not None:  # otherwise its tenant was removed
                    _check(row, *actions)
                    change(connection, row)
                    self._note(connection, job_id)

            change_job(connection, job_id, locked, self._patience)
            return _job_with_findings(connection, job_id, self._reach)

    def note_download(self, job_id: UUID) -> None:
        """See the port."""
        with self._transaction() as connection:
            self._note(connection, job_id)

    def dataset_options(self, dataset: str) -> Options | None:
        """See the port."""
        with self._transaction() as connection:
            row = connection.execute(_SQL["dataset_options"], {"dataset": dataset}).fetchone()
            return None if row is None else options_of(row["options"])

    def set_dataset_options(self, dataset: str, options: Options) -> None:
        """See the port."""
        with transaction_on(self._pool, is_operator=True) as connection:  # they are those of all tenants
            connection.execute(_SQL["create_dataset"], {"dataset": dataset})
            columns = {"dataset": dataset, "options": options_column(options)}
            connection.execute(_SQL["set_dataset_options"], columns)
            note(connection, self._actor, Target(path=f"datasets/{dataset}"))

    def ping(self) -> None:
        """Return if the database answers. Raises RetryLater."""
        with self._transaction() as connection:
            connection.execute("SELECT 1")


def _count_file(connection: Connection, limits: UploadLimits, tenant: Tenant) -> None:
    """Count a file for an upload token. Raises Forbidden if it has as many as it may have.

    Requests at the same time wait for each other here, so each counts those before it.
    """
    if not connection.execute(_SQL["count_file"], upload_token_columns(limits, tenant)).rowcount:
        files = "1 file" if limits.max_files == 1 else f"{limits.max_files:,} files"
        raise Forbidden(f"This upload token is for {files}, and all of them are registered.")


def _job_with_findings(connection: Connection, job_id: UUID, reach: Reach | None) -> Job | None:
    job = find_job(connection, job_id, reach)
    if job is None:
        return None
    job = with_holders(connection, [job])[0]
    return with_preview(connection, with_rejects(connection, with_warnings(connection, [job])[0]))


def _change_instructions(connection: Connection, job_id: UUID, changes: Changes) -> None:
    """Change the instructions of a job. Raises InvalidRequest if its options do not go together then."""
    instructions = change_instructions(existing_job(connection, job_id).instructions, changes)
    connection.execute(_SQL["change_instructions"], instructions_columns(job_id, instructions))


def _check(row: Row, action: Action, *alternatives: Action) -> None:
    """Raise NotPossible if the job allows neither the action nor one of the alternatives."""
    check(Status(row["status"]), action, *alternatives)
    if row["is_removed"] and action is not Action.CANCEL:
        raise NotPossible("The tenant of this job is being removed.")
    if action is not Action.RETRY:
        return
    if row["is_erased"]:
        raise NotPossible("The file of this job was removed, with a person's records: upload another one.")
    if row["purged_at"] is not None:
        raise NotPossible("The ledger of this job has been purged: upload the file again.")
    if row["upload_id"] is not None and row["uploaded_at"] is None:
        raise NotPossible("The parts of the file were removed when the job was canceled: upload it again.")


def _take(connection: Connection, job_id: UUID, action: Action, row: Row) -> None:
    """Take the action on a locked job that allows it. Raises NotPossible if another job forbids it."""
    if action is Action.RETRY and row["rolls_back"]:  # its rows are gone: it starts from the beginning
        action = Action.REREAD
    if action in (Action.UNDO, Action.REREAD):
        _check_no_duplicate_depends_on(connection, job_id)
    remove_ranges(connection, job_id)
    parameters = {"id": job_id, **transition_columns(action)}
    if action is Action.CANCEL:
        connection.execute(_SQL["cancel_job"], parameters)
    elif action is Action.RETRY:
        if not has_blocks(connection, job_id):  # an object that failed may have been replaced by a better one
            is_same = row["status"] in (Status.UNDONE, Status.PREVIEWED)
            drop_reading(connection, job_id, same_object=is_same)
        make_pending(connection, job_id, action)
    else:
        withdraw(connection, job_id, made=False)  # the undo makes it first
        connection.execute(_SQL["begin_undo"], {**parameters, "rereads": action is Action.REREAD})


def _check_no_duplicate_depends_on(connection: Connection, job_id: UUID) -> None:
    """Raise NotPossible if a job for the same file counts on this one's rows.

    A statement of its own, after the lock: only then it sees the transactions that committed before.
    """
    duplicate = connection.execute(_SQL["duplicate_of_job"], {"id": job_id}).fetchone()
    if duplicate is not None:
        raise NotPossible(
            f"Job {duplicate['id']} is a duplicate of this job and depends on its rows: undo it first."
        )
