"""The removal of a tenant, on Postgres and on a bucket that keeps versions."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors

from chalicelib.backends.postgres.api_keys import PostgresApiKeys
from chalicelib.backends.postgres.database import Pool, transaction_on
from chalicelib.backends.postgres.holding import Patience
from chalicelib.backends.postgres.record_erasure import PostgresErasures
from chalicelib.backends.postgres.register import PostgresRegister
from chalicelib.backends.postgres.tenant_removal import PostgresRemovedTenants
from chalicelib.backends.postgres.tenants import PostgresTenants
from chalicelib.backends.s3 import S3Bucket
from chalicelib.core.access import Reach, UploadLimits
from chalicelib.core.api_keys import NewApiKey
from chalicelib.core.audit import Actor, AuditAction
from chalicelib.core.errors import JobEnded, NotPossible
from chalicelib.core.jobs import Changes, Instructions, NewJob, Upload
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Status
from chalicelib.core.tenants import DEFAULT_TENANT, Tenant, UnmatchedObject
from chalicelib.service.object_keys import tenant_prefixes
from chalicelib.service.tenant_removal import TenantRemover
from tests.support.blocks import block
from tests.support.buckets import new_bucket, s3_client
from tests.support.life import DIALECT, SOURCE, Backend, Life
from tests.support.roles import as_role

ACTOR = Actor(AuditAction.TENANT_REMOVE, "key", "k1", "operator", "key:k1", "request", "192.0.2.7")
STAYS = {"audit_events", "audit_retention", "schema_migrations"}


@pytest.fixture
def client(services: Mapping[str, str]) -> Any:
    return s3_client(services)


@pytest.fixture
def name(client: Any) -> str:
    return new_bucket(client, keeps_versions=True)


@pytest.fixture
def tenants(life: Life) -> PostgresTenants:
    return PostgresTenants(life.pool)


class _Killed(BaseException):
    """The process is dead."""


def remover(life: Backend, bucket: S3Bucket, *, after: int | None = None) -> TenantRemover:
    """Return a remover that takes small steps, and that is killed after so many of them."""
    left = iter(range(after + 1)) if after is not None else None

    def clock() -> float:
        if left is not None and next(left, None) is None:
            raise _Killed
        return 0.0

    removed = PostgresRemovedTenants(life.pool, rows=2)
    return TenantRemover(life.jobs, removed, bucket, urls_expire=-1000, clock=clock)


def fill(life: Life, tenant: Tenant, client: Any, name: str) -> None:
    """Let the tenant have something in every table, and every kind of object."""
    for status in Status:
        life.job_in(status, tenant)
    labelled = Instructions(metadata={"label": f"label of {tenant.name}"})
    job_id = life.pending(instructions=labelled, block_size=70, tenant=tenant)
    limits = UploadLimits(uuid4(), 100, 2, datetime.now(UTC) + timedelta(days=1))
    life.jobs.create(
        NewJob(uuid4(), "default", "f.csv", Upload("bucket", "key"), 64, tenant=tenant, limits=limits)
    )
    claim = life.leases.claim(job_id, owner="me", lease_seconds=60)
    assert claim is not None
    job = life.open(claim.job, SOURCE, DIALECT, 70)
    life.load(job, block(0, [f"row {n} of {tenant.name}" for n in range(7)], rejects=5, size=70))
    life.ledger.complete(job, 70)
    of_same_file = life.leases.claim(life.pending(tenant=tenant), owner="me", lease_seconds=60)
    assert of_same_file is not None
    assert life.ledger.complete_as_duplicate(of_same_file.job, SOURCE) is not None
    life.rejects_files.wish(job_id)
    split = life.job_in(Status.PROCESSING, tenant)
    for table, columns, values in (
        ("ingestion_ranges", "start_offset, end_offset", "10, 20"),
        ("job_warnings", "block_no, code, count, example", f"-1, 'c', 1, 'seen by {tenant.name}'"),
    ):
        life.change(f"INSERT INTO {table} (job_id, {columns}) VALUES ('{split}', {values})")
    PostgresApiKeys(life.pool).create(
        NewApiKey(f"key of {tenant.name}", frozenset(), tenant), tenant.name.encode().ljust(32)
    )
    PostgresTenants(life.pool).note_unmatched(
        [UnmatchedObject(name, f"drop/{tenant.name}/x", 1, f"of {tenant.name}")]
    )
    erased = PostgresErasures(life.pool, tenant).begin("default", uuid4(), "v", [tenant.name], b"s" * 32)
    assert erased is not None
    life.change(
        "INSERT INTO erasure_jobs (erasure, job_id)"
        f" SELECT number, '{job_id}' FROM erasures WHERE id = '{erased.id}'"
    )
    for prefix in tenant_prefixes(tenant.name):
        for key in (f"{prefix}crm/a", f"{prefix}crm/b"):
            client.put_object(Bucket=name, Key=key, Body=b"1")
            client.put_object(Bucket=name, Key=key, Body=b"2")
        client.delete_object(Bucket=name, Key=f"{prefix}crm/a")
        client.create_multipart_upload(Bucket=name, Key=f"{prefix}crm/open")


def tables(life: Life) -> list[str]:
    found = life.sql(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
    )
    return [it[0] for it in found]


def stored(life: Life, table: str) -> list[str]:
    """Return the rows of a table as JSON."""
    return [it[0] for it in life.sql(f"SELECT to_jsonb(it)::text FROM {table} AS it ORDER BY 1")]


def signs(life: Life, tenant: Tenant) -> list[str]:
    """Return patterns of what only rows that have to do with the tenant contain: its texts, ids, numbers."""
    datasets = [it[0] for it in life.sql(f"SELECT id FROM tenant_datasets WHERE tenant_id = {tenant.id}")]
    jobs = life.sql(f"SELECT id::text, number FROM ingestion_jobs WHERE tenant_id = {tenant.id}")
    assert datasets
    assert jobs
    return [
        rf'[/ ]{tenant.name}[/"]',
        rf'"tenant_id": {tenant.id}\b',
        *(rf'"dataset_id": {it}\b' for it in datasets),
        *(it[0] for it in jobs),
        *(rf'"(first|last)_job": {it[1]}\b' for it in jobs),
    ]


def found(life: Life, wanted: Sequence[str]) -> dict[str, list[str]]:
    """Return the rows of every table that contain one of the patterns."""
    pattern = re.compile("|".join(wanted))
    rows = {table: stored(life, table) for table in tables(life)}
    return {table: [row for row in those if pattern.search(row)] for table, those in rows.items()}


def objects(client: Any, name: str, tenant: Tenant) -> list[object]:
    """Return all versions, delete markers and open uploads of the tenant."""
    seen: list[object] = []
    for prefix in tenant_prefixes(tenant.name):
        listed = client.list_object_versions(Bucket=name, Prefix=prefix)
        for kind in ("Versions", "DeleteMarkers"):
            seen += [(kind, it["Key"], it["VersionId"]) for it in listed.get(kind, [])]
        uploads = client.list_multipart_uploads(Bucket=name, Prefix=prefix).get("Uploads", [])
        seen += [(it["Key"], it["UploadId"]) for it in uploads]
    return seen


@pytest.mark.parametrize("table", ["plain", "partitioned"], indirect=True)
def test_a_tenant_is_removed_whole_though_every_sweep_is_killed(
    life: Life, tenants: PostgresTenants, client: Any, name: str
) -> None:
    acme, other, bucket = tenants.create("acme")[0], tenants.create("acme2")[0], S3Bucket(client, name)
    for tenant in (acme, other, DEFAULT_TENANT):
        fill(life, tenant, client, name)
    of_acme = signs(life, acme)
    before = found(life, of_acme)
    for must_have in set(tables(life)) - STAYS - {"tenants", "datasets", "workers", "sweep_tasks"}:
        assert before[must_have], must_have
    everything = {table: stored(life, table) for table in tables(life)}
    others_objects = [objects(client, name, it) for it in (other, DEFAULT_TENANT)]
    assert len(objects(client, name, acme)) == 3 * (4 + 1 + 1)

    removing = tenants.by(ACTOR).remove("acme")
    assert removing is not None
    assert removing.removing_at is not None
    deaths = 0
    while True:
        try:
            if remover(life, bucket, after=3).remove():
                break
        except _Killed:
            deaths += 1
    assert deaths > 10

    after = found(life, of_acme)
    assert {table for table, rows in after.items() if rows} <= {"audit_events"}
    (event,) = after["audit_events"]
    assert "tenants/acme" in event
    assert objects(client, name, acme) == []
    for table in everything.keys() - {"tenants", "audit_events"}:
        assert stored(life, table) == [it for it in everything[table] if it not in before[table]], table
    assert [objects(client, name, it) for it in (other, DEFAULT_TENANT)] == others_objects
    tombstone = tenants.named(["acme"])["acme"]
    assert tombstone.removed_at is not None
    assert remover(life, bucket).remove() == 0


@pytest.mark.parametrize("role", ["sweep", "worker"])
def test_a_tenant_is_removed_by_each_role_that_sweeps(  # noqa: PLR0913, PLR0917 - fixtures
    life: Life, database_url: str, tenants: PostgresTenants, client: Any, name: str, role: str
) -> None:
    """The API's role begins it, and a block is being written."""
    acme = tenants.create("acme")[0]
    fill(life, acme, client, name)
    wanted = signs(life, acme)
    held = life.job_in(Status.PROCESSING, acme)
    api = Pool(as_role(database_url, "api"), size=1)
    assert PostgresTenants(api).by(ACTOR).remove("acme")
    api.close()
    sweep = Backend(database_url, as_role(database_url, role))
    sweep.jobs = PostgresRegister(sweep.pool, Patience(commit=0.05, longest=30))
    with psycopg.connect(life.url) as writing:
        writing.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [str(held)])
        assert remover(sweep, S3Bucket(client, name)).remove() == 1
        with pytest.raises(psycopg.OperationalError):
            writing.execute("SELECT 1")
    with pytest.raises(errors.InsufficientPrivilege), transaction_on(sweep.pool) as connection:
        connection.execute("SELECT hash FROM api_keys")
    sweep.pool.close()
    assert not any(rows for table, rows in found(life, wanted).items() if table != "audit_events")


def test_a_token_that_counts_a_file_at_the_last_moment_goes_with_the_next_sweep(
    life: Life, tenants: PostgresTenants
) -> None:
    acme = tenants.create("acme")[0]
    tenants.remove("acme")
    removed = PostgresRemovedTenants(life.pool)
    assert list(removed.remove_all(acme, dropped="drop/acme/")) == []
    life.change(f"INSERT INTO upload_tokens VALUES ('{uuid4()}', {acme.id}, 1, now() + interval '1 day')")
    assert not removed.finish(acme, seconds=-1)
    assert remover(life, _NoBucket()).remove() == 1
    assert life.sql("SELECT FROM upload_tokens") == []


def test_two_sweeps_at_once_remove_a_tenant(
    life: Life, tenants: PostgresTenants, client: Any, name: str
) -> None:
    acme, bucket = tenants.create("acme")[0], S3Bucket(client, name)
    fill(life, acme, client, name)
    wanted = signs(life, acme)
    tenants.remove("acme")
    first = PostgresRemovedTenants(life.pool, rows=1).remove_all(acme, dropped="drop/acme/")
    for _ in first:
        second = PostgresRemovedTenants(life.pool, rows=2).remove_all(acme, dropped="drop/acme/")
        next(second, None)
    assert remover(life, bucket).remove() == 1
    assert not any(rows for table, rows in found(life, wanted).items() if table != "audit_events")


def test_a_running_worker_commits_nothing_more(life: Life, tenants: PostgresTenants) -> None:
    acme = tenants.create("acme")[0]
    job_id = life.job_in(Status.PROCESSING, acme)
    undone = life.job_in(Status.UNDOING, acme)
    job, undoing = life.found(job_id), life.found(undone)
    tenants.remove("acme")

    assert remover(life, _NoBucket()).remove() == 1

    with pytest.raises(JobEnded):
        life.load(job, block(1, ["late"]))
    with pytest.raises(JobEnded):
        life.undo.undo(undoing, owner="me", keep_going=lambda: True)
    assert not life.leases.holds(job_id, owner="me")
    assert life.leases.claim(job_id, owner="you", lease_seconds=60) is None
    assert life.sql("SELECT count(*) FROM ingested_data") == [(0,)]


class _NoBucket(S3Bucket):
    """A bucket without objects."""

    def __init__(self) -> None:
        pass

    def remove_all(self, prefix: str, *, but: str | None = None) -> Any:
        assert prefix
        assert but is None
        return iter(())


def test_a_tenant_that_is_being_removed_gets_no_jobs(life: Life, tenants: PostgresTenants) -> None:
    """Not even from a process that has not heard of it."""
    acme = tenants.create("acme")[0]
    own = life.jobs.of(Reach(acme))
    canceled, previewed, completed, pending = (
        life.job_in(it, acme) for it in (Status.CANCELED, Status.PREVIEWED, Status.COMPLETED, Status.PENDING)
    )
    tenants.remove("acme")

    new = NewJob(uuid4(), "default", "f.csv", Upload("bucket", "key"), 64, tenant=acme)
    calls: list[Callable[[], object]] = [
        lambda: life.jobs.create(new),
        lambda: own.act(canceled, Action.RETRY),
        lambda: own.reread(canceled, Changes()),
        lambda: own.load(previewed, None),
        lambda: own.act(completed, Action.UNDO),
    ]
    for call in calls:
        with pytest.raises(NotPossible, match="being removed"):
            call()
    assert own.get(new.id) is None
    assert own.act(pending, Action.CANCEL) is not None


def test_the_name_of_a_removed_tenant_is_not_given_away(life: Life, tenants: PostgresTenants) -> None:
    acme = tenants.create("acme")[0]
    first = tenants.remove("acme")
    assert first is not None
    assert first.suspended_at is not None
    again = tenants.by(ACTOR).remove("acme")
    assert again is not None
    assert again.removing_at == first.removing_at
    assert life.sql("SELECT count(*) FROM audit_events") == [(0,)]  # it had been done before
    for _ in range(2):
        with pytest.raises(NotPossible, match="not given to another"):
            tenants.create("acme")
        with pytest.raises(NotPossible, match="removed"):
            tenants.resume("acme")
        remover(life, _NoBucket()).remove()
    assert tenants.named(["acme"])["acme"].id == acme.id
    assert tenants.remove("nothere") is None


def test_a_tenant_counts_as_removed_only_once_time_has_passed(life: Life, tenants: PostgresTenants) -> None:
    tenants.create("acme")
    tenants.remove("acme")
    removed = PostgresRemovedTenants(life.pool)
    (acme,) = removed.removing()
    assert not removed.finish(acme, seconds=3600)
    life.change("UPDATE tenants SET removing_at = now() - interval '2 hours' WHERE name = 'acme'")
    assert removed.finish(acme, seconds=3600)
    assert not removed.finish(acme, seconds=3600)


def test_no_removal_keeps_another_waiting(life: Life, tenants: PostgresTenants) -> None:
    """The first one of a sweep may take all its time."""
    names = {"acme", "acme2"}
    for name in names:
        tenants.create(name)
        tenants.remove(name)
    removed = PostgresRemovedTenants(life.pool)
    firsts = set[str]()
    while firsts != names:
        found = [it.name for it in removed.removing()]
        assert set(found) == names
        firsts.add(found[0])


def test_default_cannot_be_removed(life: Life, tenants: PostgresTenants) -> None:
    """The API refuses it; and should it not, Postgres does."""
    with pytest.raises(Exception, match="default_stays"):
        tenants.remove("default")
    assert isinstance(life.pending(), UUID)
