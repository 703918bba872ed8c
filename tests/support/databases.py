"""The Postgres of the tests' stack."""

from pathlib import Path

import psycopg

from infra.local import ports
from infra.local.postgres import SUPERUSER, Postgres
from infra.steps.layout import Layout


def do_not_wait_for_the_disk(root: Path) -> None:
    """Have the server leave writing to the operating system, which does it even if the server is killed.

    No test ends the operating system. Each makes databases and drops them, and that waits for the disk most.
    """
    layout = Layout.at(root)
    server = Postgres(layout, ports.port_of(layout, "postgres") or 0)
    with psycopg.connect(server._url(SUPERUSER, "postgres"), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
