"""Tenants on Postgres: each has its own rows, and no statement looks across."""

import threading
from dataclasses import replace
from uuid import UUID, uuid4

import psycopg
import pytest

from chalicelib.backends.postgres import migrate as migration
from chalicelib.backends.postgres.api_keys import PostgresApiKeys
from chalicelib.backends.postgres.migrate import FOLDER, migrate
from chalicelib.backends.postgres.tenants import PostgresTenants
from chalicelib.core.access import Reach, Scope
from chalicelib.core.api_keys import NewApiKey, hash_of, make_key
from chalicelib.core.errors import NotPossible
from chalicelib.core.jobs import Changes, Job, JobFilters, NewJob, Upload
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Source
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant, UnmatchedObject
from tests.support.blocks import block
from tests.support.life import DIALECT, SOURCE, Life


@pytest.fixture
def tenants(life: Life) -> PostgresTenants:
    return PostgresTenants(life.pool)


def loaded(life: Life, tenant: Tenant, *, dataset: str = "crm", rows: tuple[str, ...] = ("a", "b")) -> Job:
    """Load a file of these rows on behalf of a tenant."""
    new = NewJob(uuid4(), dataset, "f.csv", Upload("bucket", "key"), 64, tenant=tenant, created_by="key:1")
    life.jobs.create(new)
    claim = life.leases.claim(new.id, owner="me", lease_seconds=60)
    assert claim is not None
    job = life.open(claim.job, SOURCE, DIALECT, 70)
    life.load(job, block(0, list(rows), size=70))
    life.ledger.complete(job, 70)
    return life.found(job.id)


def rows_of(life: Life, tenant: str) -> list[str]:
    return [
        it[0]
        for it in life.sql(f"SELECT record->>'v' FROM ingested_rows WHERE tenant = '{tenant}' ORDER BY 1")
    ]


def test_tenants_that_load_the_same_file_have_rows_of_their_own(life: Life, tenants: PostgresTenants) -> None:
    acme, bond = tenants.create("acme")[0], tenants.create("bond")[0]

    jobs = [loaded(life, tenant) for tenant in (acme, bond, DEFAULT_TENANT)]

    assert [(job.progress.tally.inserted, job.progress.tally.duplicates) for job in jobs] == [(2, 0)] * 3
    assert all(job.outcome.duplicate_of is None for job in jobs)
    assert {tenant: rows_of(life, tenant) for tenant in ("acme", "bond", "default")} == {
        "acme": ["a", "b"],
        "bond": ["a", "b"],
        "default": ["a", "b"],
    }
    assert life.sql("SELECT name FROM datasets") == [("crm",)]


def test_undo_leaves_other_tenants_rows(life: Life, tenants: PostgresTenants) -> None:
    acme, bond = tenants.create("acme")[0], tenants.create("bond")[0]
    job, _ = loaded(life, acme), loaded(life, bond)

    life.jobs.of(Reach(acme)).act(job.id, Action.UNDO)
    claim = life.leases.claim(job.id, owner="me", lease_seconds=60)
    assert claim is not None
    assert life.undo.undo(claim.job, owner="me", keep_going=lambda: True)

    assert life.found(job.id).outcome.undone_rows == 2
    assert (rows_of(life, "acme"), rows_of(life, "bond")) == ([], ["a", "b"])


def test_the_same_content_of_another_tenant_is_no_duplicate(life: Life, tenants: PostgresTenants) -> None:
    acme, bond = tenants.create("acme")[0], tenants.create("bond")[0]
    first = loaded(life, acme)
    for tenant, original in ((bond, None), (acme, first.id)):
        new = NewJob(uuid4(), "crm", "f.csv", Upload("bucket", "key"), 64, tenant=tenant)
        life.jobs.create(new)
        claim = life.leases.claim(new.id, owner="me", lease_seconds=60)
        assert claim is not None
        assert life.ledger.complete_as_duplicate(claim.job, SOURCE) == original


def test_a_parent_of_another_tenant_does_not_exist(life: Life, tenants: PostgresTenants) -> None:
    acme, bond = tenants.create("acme")[0], tenants.create("bond")[0]
    parent, own, other = loaded(life, acme), loaded(life, acme), loaded(life, bond)
    assert life.ledger.parent(own, parent.id) is not None
    assert life.ledger.parent(other, parent.id) is None


def test_to_a_tenants_register_jobs_of_others_do_not_exist(life: Life, tenants: PostgresTenants) -> None:
    acme, bond = tenants.create("acme")[0], tenants.create("bond")[0]
    job = loaded(life, acme)
    waiting = NewJob(uuid4(), "crm", "f.csv", Upload("bucket", "waits"), 64, tenant=acme)
    life.jobs.create(waiting)
    before = life.sql("SELECT * FROM ingestion_jobs ORDER BY id")

    def attempts(reach: Reach) -> list[object]:
        register = life.jobs.of(reach)
        return [
            register.get(job.id),
            *register.list(JobFilters(), limit=9, before=None),
            *register.list(JobFilters(dataset="crm"), limit=9, before=None),
            *register.rejects(job.id, limit=9, after=None),
            register.act(job.id, Action.UNDO),
            register.reread(job.id, Changes()),
            register.load(job.id, None),
            register.mark_arrived(waiting.id, Source("bucket", "waits", "e", 1)) or None,
        ]

    nothing: list[object] = [None] * 5
    assert attempts(Reach(bond)) == nothing
    assert attempts(Reach(DEFAULT_TENANT)) == nothing
    assert attempts(Reach(acme, frozenset({"erp"}))) == nothing
    assert attempts(Reach(acme, None, "key:2")) == nothing
    assert life.sql("SELECT * FROM ingestion_jobs ORDER BY id") == before
    for reach in (Reach(acme), Reach(acme, frozenset({"crm"})), Reach(acme, None, "key:1")):
        assert life.jobs.of(reach).get(job.id) is not None
        found = life.jobs.of(reach).list(JobFilters(), limit=9, before=None)
        assert job.id in {it.id for it in found}


def test_tenants_are_created_once_and_not_over_a_dataset_in_use(life: Life, tenants: PostgresTenants) -> None:
    acme, is_new = tenants.create("acme")
    assert is_new
    assert tenants.create("acme") == (acme, False)
    loaded(life, DEFAULT_TENANT, dataset="sales")
    with pytest.raises(NotPossible, match="sales"):
        tenants.create("sales")
    loaded(life, acme, dataset="leads")
    assert tenants.create("leads")[1]  # only another tenant's files are in it


def test_tenants_are_suspended_and_resumed(tenants: PostgresTenants) -> None:
    tenants.create("acme")
    suspended = tenants.suspend("acme")
    assert suspended is not None
    assert suspended.suspended_at is not None
    again = tenants.suspend("acme")
    assert again is not None
    assert again.suspended_at == suspended.suspended_at
    assert tenants.named(["acme", "x"])["acme"].suspended_at is not None
    resumed = tenants.resume("acme")
    assert resumed is not None
    assert resumed.suspended_at is None
    assert tenants.suspend("x") is None
    assert [it.name for it in tenants.list(limit=9, before=None)] == ["acme", "default"]


def test_unmatched_objects_are_noted_once(tenants: PostgresTenants) -> None:
    objects = [
        UnmatchedObject("b", key, 1, "No tenant.") for key in ("drop/a", "drop/b", "drop/" + "x" * 3000)
    ]
    tenants.note_unmatched(objects)
    tenants.note_unmatched([replace(objects[0], reason="Suspended.")])
    noted = tenants.unmatched(limit=9, before=None)
    assert [(it.key, it.reason) for it in noted] == [
        (objects[2].key, "No tenant."),
        ("drop/b", "No tenant."),
        ("drop/a", "Suspended."),
    ]
    tenants.note_unmatched([objects[1], objects[2], replace(objects[1], key="drop/c"), objects[1]])
    assert [it.number for it in tenants.unmatched(limit=2, before=None)] == [5, 3]  # 4: the other reason
    tenants.forget_unmatched("drop/c")
    tenants.forget_unmatched("drop/b")
    assert len(tenants.unmatched(limit=9, before=None)) == 2
    assert tenants.unmatched(limit=1, before=noted[1].number)[0].key == "drop/a"


def test_datasets_are_found_with_what_default_has(life: Life, tenants: PostgresTenants) -> None:
    upload = Upload("bucket", "key")
    life.jobs.create(NewJob(uuid4(), "crm", "f.csv", upload, 64, tenant=tenants.create("acme")[0]))
    life.jobs.create(NewJob(uuid4(), "erp", "f.csv", upload, 64))
    assert tenants.datasets({"crm", "erp", "x"}) == {"crm": False, "erp": True}


def test_api_keys_are_found_by_their_hashes_and_revoked(life: Life, tenants: PostgresTenants) -> None:
    acme, keys = tenants.create("acme")[0], PostgresApiKeys(life.pool)
    text = make_key()
    new = NewApiKey("crm", frozenset({Scope.JOBS_READ, Scope.UPLOADS_WRITE}), acme, frozenset({"a", "b"}))
    made = keys.create(new, hash_of(text))

    assert made.new == new
    assert keys.find(hash_of(make_key())) is None
    assert made.last_used_at is None
    keys.find(hash_of(text))
    found = keys.find(hash_of(text))
    assert found is not None
    assert (found.id, found.new, found.hash) == (made.id, new, hash_of(text))
    assert found.last_used_at is not None

    operator = keys.create(NewApiKey("operator", frozenset(Scope)), hash_of(make_key()))
    assert [it.id for it in keys.list(tenant=None, limit=9, before=None)] == [operator.id, made.id]
    assert [it.id for it in keys.list(tenant=acme, limit=9, before=None)] == [made.id]
    assert keys.revoke(operator.id, tenant=acme) is None
    revoked = keys.revoke(made.id, tenant=acme)
    assert revoked is not None
    assert revoked.revoked_at is not None
    assert keys.revoke(made.id, tenant=None) == revoked
    assert life.sql(f"SELECT count(*) FROM api_keys WHERE api_keys::text LIKE '%{text}%'") == [(0,)]


def test_no_more_than_two_keys_of_a_name_are_created_at_once(life: Life) -> None:
    keys = PostgresApiKeys(life.pool)
    made: list[UUID | None] = []

    def create() -> None:
        try:
            made.append(keys.create(NewApiKey("crm", frozenset(Scope)), hash_of(make_key())).id)
        except NotPossible:
            made.append(None)

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(it, UUID) for it in made) == 2
    assert len(made) == 6


# The migration, under a database that is in use

_OLD_DATASET = "INSERT INTO datasets (name) VALUES (%s) RETURNING id"  # as the version before did
_OLD_JOB = (
    "INSERT INTO ingestion_jobs (id, dataset_id, filename, block_size, bucket, key)"
    " SELECT gen_random_uuid(), id, 'f.csv', 64, 'b', 'k' FROM datasets WHERE name = %s RETURNING dataset_id"
)
_OLD_ROW = (
    "INSERT INTO ingested_data (first_job, last_job, dataset_id, content_hash, record)"
    " VALUES (1, 1, %s, sha256(%s), '{}') ON CONFLICT (dataset_id, content_hash) DO UPDATE SET last_job = 2"
    " RETURNING last_job"
)


def migrate_to(
    url: str, last: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("migrations")
    for path in FOLDER.glob("[0-9]*.sql"):
        if path.name < last:
            (folder / path.name).write_bytes(path.read_bytes())
    with monkeypatch.context() as patched:
        patched.setattr(migration, "FOLDER", folder)
        migrate(url)


def test_rows_and_jobs_of_the_version_before_are_the_default_tenants(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    migrate_to(empty_database_url, "0018", monkeypatch, tmp_path_factory)
    with psycopg.connect(empty_database_url, autocommit=True) as old:
        dataset = old.execute(_OLD_DATASET, ["crm"]).fetchone()
        assert dataset is not None
        old.execute(_OLD_JOB, ["crm"])
        old.execute(_OLD_ROW, [dataset[0], b"a"])
        table = old.execute(
            "SELECT pg_relation_filenode('ingested_data'), pg_relation_filenode('ingestion_jobs')"
        )
        before = table.fetchone()

        with old.transaction():  # a worker has a block in hand, and migrations do not wait for it
            assert old.execute(_OLD_ROW, [dataset[0], b"a"]).fetchone() == (2,)
            old.execute("SELECT FROM ingested_data FOR UPDATE")
        migrate(empty_database_url)

        table = old.execute(
            "SELECT pg_relation_filenode('ingested_data'), pg_relation_filenode('ingestion_jobs')"
        )
        assert table.fetchone() == before  # neither was written again
        # processes of the earlier version continue to work
        later = old.execute(_OLD_DATASET, ["erp"]).fetchone()
        assert later is not None
        assert old.execute(_OLD_JOB, ["erp"]).fetchone() == later
        old.execute(_OLD_ROW, [later[0], b"a"])
        assert old.execute(_OLD_ROW, [dataset[0], b"a"]).fetchone() == (2,)
        assert old.execute("SELECT tenant, dataset FROM ingested_rows ORDER BY 2").fetchall() == [
            ("default", "crm"),
            ("default", "erp"),
        ]
        assert old.execute("SELECT DISTINCT tenant_id FROM ingestion_jobs").fetchall() == [(1,)]
        assert old.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)
        assert old.execute(
            "SELECT convalidated FROM pg_constraint WHERE conname = 'dataset_of_tenant'"
        ).fetchone() == (True,)


def test_a_migration_waits_briefly_for_a_lock_and_tries_again(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    migrate_to(empty_database_url, "0018", monkeypatch, tmp_path_factory)
    monkeypatch.setattr(migration, "_LOCK_WAIT", "50ms")
    tries = []
    with psycopg.connect(empty_database_url) as busy:
        busy.execute("LOCK TABLE ingestion_jobs IN ROW EXCLUSIVE MODE")  # as a worker that writes

        def pause(seconds: float) -> None:
            tries.append(seconds)
            if len(tries) == 3:
                busy.rollback()

        monkeypatch.setattr("chalicelib.backends.postgres.migrate.time.sleep", pause)
        assert "0018_tenants.sql" in migrate(empty_database_url)
    assert len(tries) == 3


def test_migrations_at_once_do_not_wait_for_each_other_for_ever(empty_database_url: str) -> None:
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(empty_database_url))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, applied)) == [0, 0, len(list(FOLDER.glob("[0-9]*.sql")))]


def test_the_database_lets_no_job_be_in_another_tenants_dataset(life: Life, tenants: PostgresTenants) -> None:
    job = loaded(life, tenants.create("acme")[0])
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        life.change(f"UPDATE ingestion_jobs SET tenant_id = 1 WHERE id = '{job.id}'")
