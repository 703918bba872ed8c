"""Give the roles of Sluice's processes logins.

The roles themselves, and their rights, are made by a migration. They have no login: several may be in one
role, such as the old and the new one while a password is replaced, or those of two databases of one server.
"""

import psycopg
from psycopg import sql

GROUPS = {role: f"sluice_{role}" for role in ("api", "worker", "sweep", "analyst")}


def set_login(connection: psycopg.Connection, role: str, login: str, password: str) -> None:
    """Let ``login`` be one of the role, with this password; it is created, or changed.

    It has no other right. The caller, who owns the tables, becomes a member of it: so the function by which
    the API ends a worker's transaction may do that. Raises psycopg.Error.
    """
    exists = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [login]).fetchone() is not None
    # As psql's \password does: the server's log gets a hash.
    verifier = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256")
    name, group = sql.Identifier(login), sql.Identifier(GROUPS[role])
    with connection.transaction():
        connection.execute(
            sql.SQL("{} ROLE {} LOGIN NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                sql.SQL("ALTER" if exists else "CREATE"), name, sql.Literal(verifier.decode())
            )
        )
        connection.execute(sql.SQL("GRANT {} TO {}").format(group, name))
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
