"""Logins of their own for the processes, and the migration that makes their roles."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors, sql

from chalicelib.backends.postgres import database
from chalicelib.backends.postgres.holding import Patience
from chalicelib.backends.postgres.migrate import FOLDER, migrate
from chalicelib.backends.postgres.register import PostgresRegister
from chalicelib.backends.postgres.roles import set_login
from chalicelib.core.access import Reach
from chalicelib.core.lifecycle import Action
from chalicelib.core.model import Status
from chalicelib.core.tenants import DEFAULT_TENANT
from tests.support.life import Life

MIGRATION = FOLDER / "0021_roles.sql"
RENAMING = FOLDER / "0027_sweep_tasks.sql"  # of a table that the first one names
Login = Callable[[str, str], str]


def address(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}").geturl()


@pytest.fixture
def login(database_url: str) -> Iterator[Login]:
    """Return a function that gives a role a login with a password, and returns the address for it.

    Logins belong to the server, which other tests use: each has a name that no other has.
    """
    suffix, made = uuid4().hex, set[str]()

    def make(role: str, password: str) -> str:
        name = f"login_{role}_{suffix}"
        with psycopg.connect(database_url) as connection:
            set_login(connection, role, name, password)
        made.add(name)
        return address(database_url, name, password)

    yield make
    with psycopg.connect(database_url, autocommit=True) as connection:
        for name in made:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_a_login_has_the_rights_of_its_role_and_no_others(login: Login) -> None:
    with psycopg.connect(login("api", "pass'word"), autocommit=True) as connection:
        assert connection.execute("SELECT FROM ingestion_jobs").fetchall() == []
        for statement in ("SELECT FROM ingested_data", "CREATE ROLE another", "CREATE DATABASE another"):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement.encode())
        granted = connection.execute(
            "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
        assert granted == (False,)


def test_a_password_is_replaced(login: Login) -> None:
    old = login("worker", "old")
    new = login("worker", "new")
    with psycopg.connect(new):
        pass
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(old)


def test_the_api_ends_a_block_of_a_worker_with_another_login(life: Life, login: Login) -> None:
    job = life.job()
    with psycopg.connect(login("worker", "w")) as writing:
        writing.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [str(job.id)])
        pool = database.Pool(login("api", "a"), size=1)
        register = PostgresRegister(pool, Patience(commit=0.05, longest=30)).of(Reach(DEFAULT_TENANT))
        canceled = register.act(job.id, Action.CANCEL)
        pool.close()
        assert canceled is not None
        assert canceled.status is Status.CANCELED
        with pytest.raises(psycopg.OperationalError):
            writing.execute("SELECT 1")


def test_the_api_cannot_end_transactions_in_another_way(life: Life, login: Login) -> None:
    with psycopg.connect(login("worker", "w")) as writing:
        own = writing.execute("SELECT pg_backend_pid()").fetchone()
        with psycopg.connect(login("api", "a")) as api, pytest.raises(errors.InsufficientPrivilege):
            api.execute("SELECT pg_terminate_backend(%s)", own)
        assert writing.execute("SELECT 1").fetchone() == (1,)
    assert life.sql("SELECT 1") == [(1,)]


def test_the_migration_may_stop_half_way_and_run_again(life: Life) -> None:
    policies = "SELECT tablename, policyname, roles::text, qual, with_check FROM pg_policies ORDER BY 1, 2"
    before = life.sql(policies)
    assert before
    life.change("DROP POLICY of_workers ON job_warnings")
    forget_migrations(life)
    assert migrate(life.url) == [MIGRATION.name, RENAMING.name]
    assert life.sql(policies) == before


def test_the_migration_waits_for_a_table_that_is_in_use_and_blocks_no_other(life: Life) -> None:
    forget_migrations(life)
    with ThreadPoolExecutor() as threads:
        with life.meanwhile("SELECT FROM job_warnings"):
            migrating = threads.submit(migrate, life.url)
            waits = (
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            while life.sql(waits) == [(0,)]:
                assert not migrating.done()
            held = "SELECT DISTINCT relation::regclass::text FROM pg_locks WHERE mode = 'AccessExclusiveLock'"
            assert life.sql(
                f"{held} AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                " AND relation::regclass::text NOT LIKE 'pg_%'"
            ) == [("job_warnings",)]
        assert migrating.result() == [MIGRATION.name, RENAMING.name]


def forget_migrations(life: Life) -> None:
    """Make the database one to which the migration about roles has not been applied, or only a part of it."""
    life.change("ALTER TABLE sweep_tasks RENAME TO chores")
    life.change(f"DELETE FROM schema_migrations WHERE name IN ('{MIGRATION.name}', '{RENAMING.name}')")


def disown(connection: psycopg.Connection[Any], name: str, attempts: int = 5) -> None:
    """Reassign what a role owns. Postgres fails if a function ends between its list and its look at it."""
    try:
        connection.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER".encode())
    except psycopg.errors.InternalError_:
        if attempts == 1:
            raise
        time.sleep(0.2)
        disown(connection, name, attempts - 1)


@pytest.fixture
def plain_owner(empty_database_url: str) -> Iterator[str]:
    """Yield the address of an empty database whose owner may not create roles."""
    name = f"owner_{uuid4().hex}"
    place = urlsplit(empty_database_url).path[1:]
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p'".encode())
        connection.execute(f"GRANT {name} TO CURRENT_USER".encode())
        connection.execute(f"ALTER DATABASE {place} OWNER TO {name}".encode())
    yield address(empty_database_url, name, "p")
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        disown(connection, name)
        connection.execute(f"DROP OWNED BY {name}".encode())
        connection.execute(f"DROP ROLE {name}".encode())


def test_an_owner_who_may_create_no_roles_migrates_where_they_exist(
    plain_owner: str, template_database: str
) -> None:
    assert template_database  # its migration has made them
    assert MIGRATION.name in migrate(plain_owner)


def test_an_owner_who_may_create_no_roles_is_told_what_to_run(plain_owner: str) -> None:
    step = MIGRATION.read_text().split("\n\n")[0].replace("'sluice_", "'missing_")
    with psycopg.connect(plain_owner) as connection, pytest.raises(errors.InsufficientPrivilege) as refused:
        connection.execute(step.encode())
    assert "CREATE ROLE missing_api NOLOGIN; CREATE ROLE missing_worker NOLOGIN;" in str(refused.value)
