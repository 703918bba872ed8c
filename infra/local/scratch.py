"""Databases to throw away: each test and each measurement has one of its own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from uuid import uuid4

import psycopg
from psycopg import errors, sql

PATIENCE = 30.0  # seconds


@contextmanager
def database(url: str, template: str = "template1") -> Iterator[str]:
    """The address of a fresh database, made from `template`, beside the one at `url`; gone afterwards.

    Creating one makes Postgres write a checkpoint. No connection is kept: Postgres may restart meanwhile.
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
    """Ends what still uses the database.

    An autovacuum only Postgres itself may end: dropping does that, but not by force.
    """
    deadline = time.monotonic() + PATIENCE
    for how in cycle((" WITH (FORCE)", "")):
        try:
            connection.execute(sql.SQL("DROP DATABASE {}" + how).format(sql.Identifier(name)))
        except (errors.InsufficientPrivilege, errors.ObjectInUse):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
