"""The audit log on Postgres: in the transaction of what it tells of, and append-only."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from chalicelib.backends.postgres.api_keys import PostgresApiKeys
from chalicelib.backends.postgres.audit import PostgresAuditLog
from chalicelib.backends.postgres.tenants import PostgresTenants
from chalicelib.core.access import Reach
from chalicelib.core.api_keys import NewApiKey
from chalicelib.core.audit import Actor, AuditAction, AuditEvent, AuditFilters, Target
from chalicelib.core.errors import NotPossible
from chalicelib.core.jobs import Changes, Instructions, NewJob, Upload
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Options
from chalicelib.core.tenants import Tenant
from tests.support.life import Life

ACTOR = Actor(AuditAction.JOB_CANCEL, "key", "k1", "crm", "key:k1", "request", "192.0.2.7")
CHANGED = ("datasets", "tenants", "ingestion_jobs", "api_keys")  # by what is audited

Act = tuple[str, Callable[[], object]]  # the subject of its event, and the call


@pytest.fixture
def log(life: Life) -> PostgresAuditLog:
    return PostgresAuditLog(life.pool)


@pytest.fixture
def acme(life: Life) -> Tenant:
    return PostgresTenants(life.pool).create("acme")[0]


def new_job(tenant: Tenant, *, preview: bool = False) -> NewJob:
    return NewJob(
        uuid4(), "crm", "f.csv", Upload("bucket", "key"), 64, Instructions(preview=preview), tenant=tenant
    )


def acts_on_jobs(life: Life, acme: Tenant) -> dict[str, Act]:
    jobs, created = life.jobs.of(Reach(acme), ACTOR), new_job(acme)
    waiting, canceled, previewed, ended = (
        life.jobs.create(new_job(acme, preview=preview)).id for preview in (False, False, True, False)
    )
    life.jobs.act(canceled, Action.CANCEL)
    life.change(f"UPDATE ingestion_jobs SET status = 'PREVIEWED' WHERE id = '{previewed}'")
    life.change(f"UPDATE ingestion_jobs SET status = 'COMPLETED', completed_at = now() WHERE id = '{ended}'")
    return {
        "register": (f"jobs/{created.id}", lambda: jobs.create(created)),
        "cancel": (f"jobs/{waiting}", lambda: jobs.act(waiting, Action.CANCEL)),
        "retry": (f"jobs/{canceled}", lambda: jobs.reread(canceled, Changes())),
        "load": (f"jobs/{previewed}", lambda: jobs.load(previewed, None)),
        "undo": (f"jobs/{ended}", lambda: jobs.act(ended, Action.UNDO)),
        "options": ("datasets/erp", lambda: jobs.set_dataset_options("erp", Options(decimal=","))),
    }


def acts_on_others(life: Life, acme: Tenant) -> dict[str, Act]:
    keys, tenants = PostgresApiKeys(life.pool), PostgresTenants(life.pool).by(ACTOR)
    key = keys.create(NewApiKey("old", frozenset(), acme), b"1" * 32)
    by_actor = keys.by(ACTOR)
    new = NewApiKey("new", frozenset(), acme)
    return {
        "tenant": ("tenants/bond", lambda: tenants.create("bond")),
        "suspend": ("tenants/acme", lambda: tenants.suspend("acme")),
        "key": ("keys/", lambda: by_actor.create(new, b"2" * 32)),
        "revoke": (f"keys/{key.id}", lambda: by_actor.revoke(key.id, tenant=None)),
    }


def acts(life: Life, acme: Tenant) -> dict[str, Act]:
    return {**acts_on_jobs(life, acme), **acts_on_others(life, acme)}


def fail_at_commit(life: Life, table: str) -> None:
    """Let transactions that have written to the table fail at their very end."""
    life.change(
        "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'refused at commit'; END $$"
    )
    life.change(
        f"CREATE CONSTRAINT TRIGGER fails AFTER INSERT OR UPDATE ON {table}"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()"
    )


def stored(life: Life, *tables: str) -> list[list[object]]:
    return [life.sql(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]


def events_of(log: PostgresAuditLog) -> list[AuditEvent]:
    return list(log.list(AuditFilters(), reader=None, limit=99, before=None))


def test_an_act_and_its_event_are_there_together(life: Life, log: PostgresAuditLog, acme: Tenant) -> None:
    for act, (subject, call) in acts(life, acme).items():
        before, events = stored(life, *CHANGED), events_of(log)

        call()

        event, *others = events_of(log)
        assert others == events
        assert event.actor == ACTOR
        assert (event.subject or "").startswith(subject)
        assert event.tenant == {"tenant": "bond", "options": None}.get(act, "acme")
        assert (f"jobs/{event.job_id}" == subject) is subject.startswith("jobs/")
        assert event.refused is None
        assert stored(life, *CHANGED) != before


def test_an_act_that_is_rolled_back_has_no_event(life: Life, log: PostgresAuditLog, acme: Tenant) -> None:
    calls = acts(life, acme)
    for table in CHANGED:
        fail_at_commit(life, table)
    for _, call in calls.values():
        with pytest.raises(psycopg.Error, match="refused at commit"):
            call()
    assert events_of(log) == []


def test_an_event_that_is_rolled_back_has_no_act(life: Life, log: PostgresAuditLog, acme: Tenant) -> None:
    calls = acts(life, acme)
    fail_at_commit(life, "audit_events")
    before = stored(life, *CHANGED)
    for _, call in calls.values():
        with pytest.raises(psycopg.Error, match="refused at commit"):
            call()
    assert events_of(log) == []
    assert stored(life, *CHANGED) == before


def test_what_changes_nothing_has_no_event(life: Life, log: PostgresAuditLog, acme: Tenant) -> None:
    jobs, new = life.jobs.of(Reach(acme), ACTOR), new_job(acme)
    life.jobs.create(new)
    jobs.create(new)  # again
    PostgresTenants(life.pool).by(ACTOR).create("acme")  # again
    assert PostgresTenants(life.pool).by(ACTOR).suspend("nothere") is None
    assert PostgresApiKeys(life.pool).by(ACTOR).revoke(uuid4(), tenant=None) is None
    assert jobs.act(uuid4(), Action.CANCEL) is None
    with pytest.raises(NotPossible):
        jobs.act(new.id, Action.UNDO)
    assert events_of(log) == []


def test_what_nobody_asked_for_has_no_event(life: Life, log: PostgresAuditLog, acme: Tenant) -> None:
    """Intake, workers and sweeps act by themselves."""
    job_id = life.jobs.create(new_job(acme)).id
    life.jobs.act(job_id, Action.CANCEL)
    assert events_of(log) == []


def test_refusals_and_downloads_are_stored(life: Life, log: PostgresAuditLog, acme: Tenant) -> None:
    job_id = life.jobs.create(new_job(acme)).id
    life.jobs.of(Reach(acme), ACTOR).note_download(job_id)
    log.note_refusal(ACTOR, Target(acme.id, job_id), 409)
    log.note_refusal(ACTOR, Target(), 404)

    events = log.list(AuditFilters(), reader=None, limit=9, before=None)

    assert [(it.refused, it.tenant, it.job_id) for it in events] == [
        (404, None, None),
        (409, "acme", job_id),
        (None, "acme", job_id),
    ]


def test_events_are_never_changed(life: Life, log: PostgresAuditLog, acme: Tenant) -> None:
    """By the owner of the table, who is a superuser here."""
    log.note_refusal(ACTOR, Target(acme.id), 409)
    before = stored(life, "audit_events", "tenants")
    for statement in (
        "UPDATE audit_events SET refused = NULL",
        "UPDATE audit_events SET refused = NULL WHERE false",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "TRUNCATE tenants, audit_events CASCADE",
        "INSERT INTO audit_events SELECT FROM audit_events ON CONFLICT (number) DO UPDATE SET action = 'x'",
    ):
        with pytest.raises(errors.InsufficientPrivilege, match="append-only"):
            life.change(statement)
        assert stored(life, "audit_events", "tenants") == before


def test_events_are_filtered(life: Life, log: PostgresAuditLog, acme: Tenant) -> None:
    bond = PostgresTenants(life.pool).create("bond")[0]
    job_id = life.jobs.create(new_job(bond)).id
    undo = Actor(AuditAction.JOB_UNDO, "key", "k1", "crm")
    log.note_refusal(ACTOR, Target(acme.id), 403)
    log.note_refusal(undo, Target(bond.id, job_id), 403)
    log.note_refusal(ACTOR, Target(), 403)

    def found(before: int | None = None, limit: int = 9, **filters: object) -> list[int]:
        asked = AuditFilters(**filters)  # type: ignore[arg-type]
        events = log.list(asked, reader=None, limit=limit, before=before)
        return [event.number for event in events]

    first, second, third = sorted(found())
    assert found() == [third, second, first]
    assert found(limit=2) == [third, second]
    assert found(before=second) == [first]
    assert found(tenant="acme") == [first]
    assert found(tenant="nothere") == []
    assert found(action=AuditAction.JOB_UNDO) == [second]
    assert found(job_id=job_id) == [second]
    time = log.list(AuditFilters(), reader=None, limit=1, before=None)[0].time
    assert found(since=time) == [third]
    assert found(since=time + timedelta(seconds=1)) == []
    assert found(tenant="bond", action=AuditAction.JOB_UNDO, job_id=job_id) == [second]
