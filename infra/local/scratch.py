"""Scratch databases: each test and each measurement gets one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from uuid import uuid4

import psycopg
from psycopg import errors, sql

DROP_TIMEOUT = 30.0  # seconds


@contextmanager
def database(url: str, template: str = "template1") -> Iterator[str]:
    """Give the URL of a new database beside the one at `url`, copied from `template`, and drop it afterwards.

    Creating a database makes Postgres write a checkpoint. No connection stays open: Postgres may restart.
    """
    name = f"scratch_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        identifiers = (sql.Identifier(name), sql.Identifier(template))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*identifiers))
    try:
        yield f"{url.rpartition('/')[0]}/{name}"
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            _drop(connection, name)


def _drop(connection: psycopg.Connection, name: str) -> None:
    """Drop the database, ending the sessions that use it.

    Only a superuser may end an autovacuum by force, but a plain DROP DATABASE ends it too.
    """
    deadline = time.monotonic() + DROP_TIMEOUT
    for option in cycle((" WITH (FORCE)", "")):
        try:
            connection.execute(sql.SQL("DROP DATABASE {}" + option).format(sql.Identifier(name)))
        except (errors.InsufficientPrivilege, errors.ObjectInUse):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
