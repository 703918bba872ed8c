"""Postgres keeps tenants apart even where a statement does not: row-level security on the API's role."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors

from chalicelib.backends.postgres.api_keys import PostgresApiKeys
from chalicelib.backends.postgres.audit import PostgresAuditLog
from chalicelib.backends.postgres.database import load_queries, transaction_on
from chalicelib.backends.postgres.holding import Patience
from chalicelib.backends.postgres.jobs import within
from chalicelib.backends.postgres.record_erasure import PostgresErasures
from chalicelib.backends.postgres.register import PostgresRegister
from chalicelib.backends.postgres.rejects_files import PostgresRejectsFiles
from chalicelib.backends.postgres.tenants import PostgresTenants
from chalicelib.backends.postgres.workers import PostgresWorkers
from chalicelib.core.access import Reach, Scope, UploadLimits
from chalicelib.core.api_keys import NewApiKey, hash_of, make_key
from chalicelib.core.audit import Actor, AuditAction, AuditFilters, Target
from chalicelib.core.jobs import Changes, JobFilters, NewJob, RejectFilters, RejectsSource, Upload
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Options, Range, Source, Status
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant, UnmatchedObject
from chalicelib.core.workers import SignOfLife, WorkerKind
from tests.support.life import Life
from tests.support.roles import RecordingPool, Statement, as_role

# The statements that the API does not run: workers, the sweep and the intake do.
NOT_OF_THE_API = {
    "jobs.sql": {
        "from_jobs",
        "select_jobs",
        "join_others",
        "where_id",
        "of_tenant",
        "of_creator",
        "of_datasets",
        "for_change",
    },  # parts
    "register.sql": {"from_page"},  # a part
    "api_keys.sql": {"select"},  # a part
    "tenants.sql": {"datasets", "note_unmatched", "forget_unmatched"},
    "workers.sql": {"renew", "register", "remove", "forget"},
    "previews.sql": {"mark_previewed", "set"},
    "warnings.sql": {"add"},
    "rejects.sql": {
        *("stage_rejects", "copy_rejects", "store_rejects", "wait_for_rejects", "reject_rows", "add_count")
    },
    "rejects_files.sql": {
        *("claim", "renew", "release", "begin_in_undo", "blocks", "excerpts", "finish", "fail"),
        *("take_silent", "purged", "forget"),
    },
    "record_erasure.sql": {
        *(
            "running",
            "look",
            "wait_for_blocks",
            "fence",
            "list_jobs",
            "page",
            "lock_rows",
            "remove_rows",
            "mark_jobs",
        ),
        *(
            "note_rows",
            "rows_done",
            "next_jobs",
            "rejects",
            "empty_reject",
            "note_rejects",
            "count_rejects",
            "texts",
        ),
        *(
            "empty_warning",
            "empty_preview",
            "empty_error",
            "judge",
            "objects",
            "removed",
            "count_objects",
            "finish",
        ),
        "forget_jobs",
    },
    "dataset_rejects.sql": set(),
    "holding.sql": set(),
    "audit.sql": set(),
}

# What every tenant's request may ask, and what a request without a tenant may, with the reasons.
FOR_NOBODY = {
    ("api_keys.sql", "find"): "it needs the hash of a key, and tells who has it",
    ("workers.sql", "has_unattended_jobs"): "it tells that a job waits, and not which",
}
FOR_ALL = {
    **FOR_NOBODY,
    ("register.sql", "dataset_options"): "the default options of a dataset are the operator's",
    ("register.sql", "set_dataset_options"): "likewise",
    ("workers.sql", "select"): "workers belong to no tenant",
    ("tenants.sql", "list"): "a tenant sees itself",
}
# Statements that find nothing to do in the test, also without row-level security.
CHANGES_NOTHING = {
    ("register.sql", "create_dataset"),
    ("register.sql", "create_tenant_dataset"),
    ("tenants.sql", "dataset_of_default_tenant"),
}
# Statements without a table.
WITHOUT_TABLE = re.compile(r"(--.*\n)*SELECT (set_config|pg_advisory_xact_lock|end_transactions_on|1$)")

# Each condition on the tenant in a statement of the API.
CONDITIONS = (
    within(Reach(DEFAULT_TENANT, frozenset({"default"}))),
    within(Reach(DEFAULT_TENANT)),
    "own.tenant_id = coalesce(%(tenant_id)s, 1)",
    "own.tenant_id = %(tenant_id)s",
    "(%(tenant_id)s::integer IS NULL OR key.tenant_id = %(tenant_id)s)",
    "(%(tenant_id)s::integer IS NULL OR tenant_id = %(tenant_id)s)",
    "tenant_id IS NOT DISTINCT FROM %(tenant_id)s",
    "(%(tenant)s::text IS NULL OR tenant_id = (SELECT id FROM tenants WHERE name = %(tenant)s))",
)


class TwoTenants:
    """A database with jobs of two tenants, and what the API asked of it on behalf of the first."""

    def __init__(self, life: Life) -> None:
        self.life = life
        tenants = PostgresTenants(life.pool)
        self.acme, self.bond = tenants.create("acme")[0], tenants.create("bond")[0]
        self.jobs = {status: self._job(status) for status in Status}
        self.whole, self.duplicate = self._job(Status.COMPLETED), self._job(Status.COMPLETED)
        self.url = as_role(life.url.partition("?")[0], "api")
        self.pool = RecordingPool(self.url)

    def _job(self, status: Status) -> UUID:
        """Lead a job of acme to the status, with rejects, warnings, ranges, a preview and a rejects file."""
        job_id = self.life.job_in(status)
        self.life.change(
            "WITH own AS (INSERT INTO tenant_datasets (tenant_id, dataset_id)"
            f" SELECT {self.acme.id}, id FROM datasets WHERE name = 'default'"
            " ON CONFLICT (tenant_id, dataset_id) DO UPDATE SET tenant_id = excluded.tenant_id RETURNING id)"
            f" UPDATE ingestion_jobs SET tenant_id = {self.acme.id}, dataset_id = own.id FROM own"
            f" WHERE ingestion_jobs.id = '{job_id}'"
        )
        self._furnish(job_id)
        return job_id

    def _furnish(self, job_id: UUID) -> None:
        """Give the job what a job may have beside its blocks."""
        for columns, values in (
            ("job_warnings (job_id, block_no, code, count)", "-1, 'bom', 1"),
            ("reject_counts (job_id, block_no, code, field, count)", "0, 'x', '', 1"),
            ("ingestion_ranges (job_id, start_offset, end_offset)", "0, 9"),
            ("rejects_files (job_id, reading_no, requested_at, error)", "1, now(), 'It failed.'"),
        ):
            self.life.change(f"INSERT INTO {columns} VALUES ('{job_id}', {values}) ON CONFLICT DO NOTHING")

    def record(self) -> list[Statement]:
        """Run all that the API does on behalf of acme, as its role; return each kind of statement once."""
        self._use_jobs()
        self._use_rejects_files()
        self._use_erasures()
        self._use_keys()
        self._use_operators_part()
        self._use_audit_log()
        # What the statements found is there again.
        self.life.change("UPDATE ingestion_jobs SET uploaded_at = NULL WHERE key = 'new'")
        self.life.change("UPDATE rejects_files SET requested_at = NULL, error = 'It failed.'")
        self.life.change("UPDATE tenants SET removing_at = NULL WHERE name = 'old'")
        self.life.change(
            f"INSERT INTO job_previews (job_id, document) VALUES ('{self.whole}', '[1]')"
            f"; UPDATE ingestion_jobs SET duplicate_of = '{self.whole}' WHERE id = '{self.duplicate}'"
        )
        return [
            (text, self._about_whole(text, values)) for text, values in dict(self.pool.statements).items()
        ]

    def _about_whole(self, text: str, values: dict[str, Any]) -> dict[str, Any]:
        """Return parameters with which a statement finds something, or makes something new, once more."""
        made: dict[str, dict[str, Any]] = {
            "INSERT INTO ingestion_jobs": {"id": uuid4()},
            "INSERT INTO tenants": {"name": "newer"},
            "INSERT INTO erasures": {"id": uuid4()},
            "INSERT INTO api_keys": {"id": uuid4(), "hash": hash_of(make_key())},
        }
        fresh = next((changed for start, changed in made.items() if start in text), {})
        jobs = {*self.jobs.values(), self.whole}
        about = {
            name: self.whole for name, value in values.items() if isinstance(value, UUID) and value in jobs
        }
        lists: dict[str, Any] = {name: [self.whole] for name in ("ids", "job_ids") if name in values}
        return {**values, **about, **lists, **fresh}

    def _use_jobs(self) -> None:
        register = PostgresRegister(self.pool).of(Reach(self.acme, frozenset({"default"})), ACTOR)
        limits = UploadLimits(uuid4(), 10, 3, datetime.now(UTC) + timedelta(days=1), {})
        upload = Upload("bucket", "new")
        new = NewJob(uuid4(), "default", "f.csv", upload, 64, tenant=self.acme, limits=limits)
        assert register.create(new).id == new.id
        assert register.mark_arrived(new.id, Source("bucket", "new", "e", 1))
        ended = self.jobs[Status.COMPLETED]
        job = register.get(ended)
        assert job is not None
        assert (len(job.warnings), len(job.rejects) > 0) == (1, True)
        assert register.list(JobFilters(dataset="default"), limit=9, before=None)
        assert register.rejects(ended, limit=9, after=None)
        of_dataset = register.dataset_rejects("default", RejectFilters(), limit=9, start=None)
        assert of_dataset is not None
        assert ended in [it.job_id for it in of_dataset.rejects]
        assert register.load(self.jobs[Status.PREVIEWED], Changes(options={"delimiter": ";"}))
        assert register.reread(self.jobs[Status.FAILED], Changes(options={"delimiter": ";"}))
        assert register.reread(self.jobs[Status.UNDONE], Changes())
        assert register.act(ended, Action.UNDO)
        register.set_dataset_options("default", Options(delimiter=";"))
        assert register.dataset_options("default") == Options(delimiter=";")
        register.ping()
        self._cancel_while_a_block_is_written()

    def _cancel_while_a_block_is_written(self) -> None:
        register = PostgresRegister(self.pool, Patience(commit=0.05)).of(Reach(self.acme))
        job_id = self.jobs[Status.PROCESSING]
        with psycopg.connect(self.life.url) as connection:
            connection.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [str(job_id)])
            canceled = register.act(job_id, Action.CANCEL)
            assert canceled is not None
            assert canceled.status is Status.CANCELED
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")

    def _use_rejects_files(self) -> None:
        files = PostgresRejectsFiles(self.pool).of(self.acme)
        canceled = self.jobs[Status.CANCELED]
        files.clear_failure(canceled)
        assert files.wish(canceled)

    def _use_keys(self) -> None:
        keys, text = PostgresApiKeys(self.pool).by(ACTOR), make_key()
        new = NewApiKey(name="of acme", scopes=frozenset(Scope), tenant=self.acme)
        of_all = keys.create(replace(new, tenant=None), hash_of(make_key()))
        assert keys.revoke(of_all.id, tenant=None) is not None
        keys.create(new, hash_of(make_key()))
        key = keys.create(new, hash_of(text))
        found = keys.find(hash_of(text))
        assert found is not None
        assert found.new.tenant == self.acme
        assert keys.get(key.id) is not None
        assert len(keys.list(tenant=self.acme, limit=9, before=None)) == 2
        assert keys.revoke(key.id, tenant=self.acme) is not None

    def _use_operators_part(self) -> None:
        tenants, workers = PostgresTenants(self.pool).by(ACTOR), PostgresWorkers(self.pool)
        assert tenants.named(["acme"])
        assert len(tenants.list(limit=9, before=None)) == 3
        assert tenants.create("old")[1]
        assert tenants.remove("old")
        assert tenants.create("new")[1]
        assert tenants.suspend("new")
        assert tenants.resume("new")
        self.life.change(
            "INSERT INTO unmatched_objects (bucket, key, reason) VALUES ('bucket', 'drop/x', 'r')"
        )
        assert tenants.unmatched(limit=9, before=None)
        PostgresWorkers(self.life.pool).renew(SIGN)
        assert workers.list(limit=9, before=None)
        self.life.later(3600)
        assert workers.has_unattended_jobs(seconds=60)

    def _use_erasures(self) -> None:
        erasures, erasure_id = PostgresErasures(self.pool, self.acme, ACTOR), uuid4()
        assert erasures.begin("default", erasure_id, "v", ["x"], b"salt")
        assert erasures.get("default", erasure_id)
        self.life.change(
            f"INSERT INTO erasure_jobs (erasure, job_id) SELECT number, '{self.whole}' FROM erasures"
        )

    def _use_audit_log(self) -> None:
        log, filters = PostgresAuditLog(self.pool), AuditFilters(tenant="acme")
        assert log.list(AuditFilters(), reader=None, limit=99, before=None)[0].tenant == "new"
        log.note_refusal(ACTOR, Target(), 404)
        log.note(ACTOR, Target(path="datasets/erp"))
        log.note_refusal(ACTOR, Target(DEFAULT_TENANT.id), 404)
        log.note_refusal(ACTOR, Target(self.acme.id), 404)
        log.note(ACTOR, Target(self.acme.id, self.whole))
        events = log.list(filters, reader=self.acme, limit=99, before=None)
        assert {it.tenant for it in events} == {"acme"}
        assert [it.refused for it in events[:2]] == [None, 404]
        assert log.list(AuditFilters(), reader=self.acme, limit=99, before=None) == events
        assert len(log.list(filters, reader=self.bond, limit=99, before=None)) == 0
        assert log.list(filters, reader=None, limit=99, before=None) == events

    @contextmanager
    def tried(
        self, statement: Statement, *, tenant: Tenant | None, role: str | None = "sluice_api"
    ) -> Iterator[list[Any]]:
        """Run a statement as the role on behalf of the tenant, and yield what it tells or changes."""
        text, values = statement
        with psycopg.connect(self.life.url) as connection, connection.transaction(force_rollback=True):
            before = self.contents(connection)
            rows: list[Any] = []
            try:
                with connection.transaction():
                    if role is not None:
                        connection.execute(f"SET LOCAL ROLE {role}".encode())
                    if tenant is not None:
                        connection.execute(f"SET LOCAL sluice.tenant = '{tenant.id}'".encode())
                    cursor = connection.execute(text.encode(), values or None)
                    if cursor.description is not None:
                        rows = [row for row in cursor.fetchall() if not row or any(row)]
                    elif cursor.rowcount:
                        rows = [f"{cursor.rowcount} rows changed"]
                    connection.execute("RESET ROLE")
            except errors.InsufficientPrivilege as refused:
                assert "row-level security" in str(refused)
                assert not refused.diag.message_detail  # it would show the row
            changed = sorted(set(self.contents(connection)) ^ set(before))
            yield [*rows, *changed]

    def contents(self, connection: psycopg.Connection) -> list[Any]:
        """Return every row of every table."""
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        query = " UNION ALL ".join(f"SELECT '{name}', it::text FROM {name} AS it" for (name,) in tables)
        return connection.execute(query.encode()).fetchall()


ACTOR = Actor(AuditAction.JOB_CANCEL, "token", "t1", "crm", "token:t1", "request", "192.0.2.7")
SIGN = SignOfLife("w", WorkerKind.PROCESS, "1", 1.0, 5.0, 1, ())


@pytest.fixture
def two(life: Life) -> Iterator[TwoTenants]:
    made = TwoTenants(life)
    yield made
    made.pool.close()


def titles(text: str) -> set[tuple[str, str]]:
    """Return the named statements that the text is, or is made of."""
    return {
        (file, name)
        for file in NOT_OF_THE_API
        for name, query in load_queries(file).items()
        if name not in NOT_OF_THE_API[file] and query in text
    }


def test_the_api_gets_what_it_needs_and_every_statement_of_it_is_tried(two: TwoTenants) -> None:
    tried = set[tuple[str, str]]().union(*(titles(text) for text, _ in two.record()))
    files = {
        (file, name)
        for file in NOT_OF_THE_API
        for name in load_queries(file)
        if name not in NOT_OF_THE_API[file]
    }
    assert files - tried == set()


def test_no_statement_of_the_api_tells_or_changes_anything_of_another_tenant(two: TwoTenants) -> None:
    for text, values in two.record():
        if WITHOUT_TABLE.match(text):
            continue
        for tenant, exempt in ((two.bond, FOR_ALL), (None, FOR_NOBODY)):
            if titles(text).isdisjoint(exempt):
                with two.tried((text, values), tenant=tenant) as found:
                    assert found == [], (text, tenant)
        with two.tried((text, values), tenant=two.acme, role=None) as found:
            assert found or set() < titles(text) <= CHANGES_NOTHING, text  # without row-level security


def test_without_its_condition_on_the_tenant_no_statement_crosses(two: TwoTenants) -> None:
    seen = set()
    for text, values in two.record():
        condition = next((it for it in CONDITIONS if it in text), None)
        bare = text.replace(condition, "true") if condition else text
        if "INSERT INTO tenant_datasets" not in text:  # it looks for a row of the tenant that is told
            assert not re.search(r"tenant_id\s*=\s*(%|coalesce)", bare), text
        if condition is None:
            continue
        seen.add(condition)
        asked = {**values, "tenant_id": two.bond.id}
        for tenant in (two.bond, None):
            with two.tried((bare, asked), tenant=tenant) as found:
                assert found == [], text
        with two.tried((bare, asked), tenant=two.bond, role=None) as found:
            assert found, f"without row-level security, too, it tells nothing: {text}"
    assert seen == set(CONDITIONS)


@pytest.mark.parametrize("setting", ["", "SET LOCAL sluice.tenant = ''", "SET LOCAL sluice.operator = 'off'"])
def test_without_a_tenant_there_is_nothing(two: TwoTenants, setting: str) -> None:
    with psycopg.connect(two.url) as connection:
        if setting:
            connection.execute(setting.encode())
        for table in TABLES_OF_THE_API:
            assert connection.execute(f"SELECT * FROM {table}".encode()).fetchall() == [], table


def test_a_request_sees_its_own_tenant_only(two: TwoTenants) -> None:
    with transaction_on(two.pool, two.bond.id) as connection:
        names = [row["name"] for row in connection.execute("SELECT name FROM tenants")]
    assert names == ["bond"]


@pytest.fixture
def life_of_a_worker(database_url: str) -> Iterator[Life]:
    made = Life(database_url, as_role(database_url, "worker"))
    yield made
    made.pool.close()


@pytest.fixture
def life_of_the_sweep(database_url: str) -> Iterator[Life]:
    made = Life(database_url, as_role(database_url, "sweep"))
    yield made
    made.pool.close()


@pytest.mark.parametrize("status", Status)
def test_a_worker_leads_a_job_to_every_status_as_its_role(life_of_a_worker: Life, status: Status) -> None:
    assert life_of_a_worker.job_in(status)


def test_a_worker_splits_and_makes_rejects_files_as_its_role(life_of_a_worker: Life) -> None:
    life = life_of_a_worker
    job = life.job(dataset="split")
    life.splits.add(job, Range(0, 64), since=None)
    claim = life.leases.claim(job.id, owner="other", lease_seconds=60)
    assert claim is not None
    assert claim.range == Range(0, 64)
    assert life.leases.renew(job.id, owner="other", lease_seconds=60)
    life.splits.finish(job, Range(0, 64))
    failed = life.job_in(Status.FAILED)
    assert life.rejects_files.wish(failed)
    claim = life.leases.claim(failed, owner="me", lease_seconds=60)
    assert claim is not None
    assert life.rejects_files.blocks(failed)
    assert len(list(life.rejects_files.excerpts(failed, 0))) == 1
    assert life.rejects_files.finish(claim.job, owner="me", key="k", rejects=1, source=RejectsSource.EXCERPTS)
    life.workers.renew(SIGN)
    life.workers.renew(SIGN)
    life.workers.remove(SIGN.name)


def test_the_sweep_takes_in_and_reconciles_as_its_role(life_of_the_sweep: Life, life: Life) -> None:
    sweep = life_of_the_sweep
    tenants = PostgresTenants(sweep.pool)
    assert tenants.named(["default"])
    dropped = UnmatchedObject("bucket", "key", 1, "reason")
    tenants.note_unmatched([dropped])
    tenants.note_unmatched([replace(dropped, reason="another")])
    tenants.forget_unmatched("key")
    new = NewJob(uuid4(), "dropped", "f.csv", Upload("bucket", "new"), 64)
    sweep.jobs.create(new)
    assert tenants.datasets(["dropped"]) == {"dropped": True}
    assert sweep.jobs.dataset_options("dropped") == Options()
    assert sweep.jobs.mark_arrived(new.id, Source("bucket", "new", "e", 1))
    waiting, previewed = life.pending(), life.job_in(Status.PREVIEWED)
    failed = life.job_in(Status.FAILED)
    assert life.rejects_files.wish(failed)
    life.workers.renew(SIGN)
    life.later(3600)
    assert {new.id, failed} <= set(sweep.upkeep.take_silent(seconds=60, limit=9))
    assert [it.job_id for it in sweep.upkeep.take_unseen(seconds=60, limit=9)] == [waiting]
    assert sweep.upkeep.take_turn("drop", seconds=60)
    assert not sweep.upkeep.take_turn("drop", seconds=60)
    assert sweep.upkeep.unknown_ids([failed]) == set()
    assert sweep.upkeep.expire(waiting)
    assert sweep.upkeep.expire_previewed(seconds=60, limit=9) == [previewed]
    assert sweep.upkeep.forget_workers(seconds=60) == 1
    assert sweep.upkeep.forget_audit_events(limit=9) == 0
    life.later(100 * 24 * 3600)
    assert sweep.upkeep.purge(days=90, limit=9) == 3
    assert [job_id for job_id, _ in sweep.upkeep.purged_rejects_files(limit=9)] == [failed]
    sweep.upkeep.forget_rejects_file(failed)


@pytest.mark.parametrize("role", ["worker", "sweep", "api", "analyst"])
def test_no_role_changes_the_schema_or_takes_another(database_url: str, role: str) -> None:
    with psycopg.connect(as_role(database_url, role), autocommit=True) as connection:
        for statement in (
            "ALTER TABLE ingestion_jobs DISABLE ROW LEVEL SECURITY",
            "DROP POLICY within_tenant ON ingestion_jobs",
            "CREATE TABLE public.of_mine (id integer)",
            "SELECT * FROM schema_migrations",
            "TRUNCATE ingested_data",
            "CREATE ROLE another",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_analysts_read_rows_and_change_nothing(life: Life) -> None:
    life.job_in(Status.COMPLETED)
    with psycopg.connect(as_role(life.url.partition("?")[0], "analyst"), autocommit=True) as connection:
        for table in ("ingested_rows", "ingestion_jobs", "ingestion_blocks", "validation_errors"):
            assert connection.execute(f"SELECT * FROM {table}".encode()).fetchall(), table
        for statement in ("DELETE FROM ingested_data", "UPDATE ingestion_jobs SET status = status"):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())


TABLES_OF_THE_API = (
    *("tenants", "datasets", "tenant_datasets", "ingestion_jobs", "ingestion_blocks", "ingestion_ranges"),
    *("validation_errors", "reject_counts", "job_warnings", "job_previews", "rejects_files", "workers"),
    *("api_keys", "upload_tokens", "unmatched_objects", "audit_events", "erasures", "erasure_jobs"),
)
WITHOUT_ROW_LEVEL_SECURITY = {
    "ingested_data": "the API's role has no right on it, and Postgres refuses COPY with row-level security",
    "sweep_tasks": "the API's role has no right on it",
    "schema_migrations": "only the owner has rights on it",
    "audit_retention": "only the owner has rights on it",
}


def test_every_table_has_row_level_security_or_is_closed_to_the_api(life: Life) -> None:
    tables = life.sql(
        "SELECT tablename, rowsecurity, has_table_privilege('sluice_api', tablename, 'SELECT')"
        " OR has_any_column_privilege('sluice_api', tablename, 'SELECT, INSERT, UPDATE')"
        " FROM pg_tables WHERE schemaname = 'public'"
    )
    for table, is_protected, is_open in tables:
        assert is_protected == (table not in WITHOUT_ROW_LEVEL_SECURITY), table
        assert is_open == (table in TABLES_OF_THE_API), table


def test_the_roles_are_no_superusers_and_own_nothing(life: Life) -> None:
    roles = life.sql(
        "SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication,"
        " EXISTS (SELECT FROM pg_class WHERE relowner = role.oid)"
        " OR EXISTS (SELECT FROM pg_proc WHERE proowner = role.oid)"
        " FROM pg_roles AS role WHERE rolname LIKE 'sluice\\_%' ORDER BY 1"
    )
    assert {"sluice_api", "sluice_worker", "sluice_sweep", "sluice_analyst"} <= {name for name, *_ in roles}
    assert [it for it in roles if it[1] or it[2]] == []
    ((is_super,),) = life.sql("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    assert not is_super


def test_functions_that_run_as_the_owner_fix_their_search_path(life: Life) -> None:
    functions = life.sql(
        "SELECT proname, coalesce('search_path=public, pg_temp' = ANY(proconfig), false),"
        " has_function_privilege('public', oid, 'EXECUTE') FROM pg_proc"
        " WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    )
    assert len(functions) == 5
    assert all(is_fixed and not is_public for _, is_fixed, is_public in functions)
