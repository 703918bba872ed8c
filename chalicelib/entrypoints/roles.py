"""`python -m chalicelib.roles api=FILE worker=FILE …`: give Sluice's processes logins of their own.

The owner of the database in DATABASE_URL runs it, after the migrations, and again when a password changes.
FILE holds the password of the login `sluice_api_login`, `sluice_worker_login` and so on. In place of a file
there may be the ARN of a secret of AWS Secrets Manager, with `username` and `password`.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg

from chalicelib.backends.postgres.roles import GROUPS, set_login
from chalicelib.backends.secrets import credentials_in
from chalicelib.core.errors import RetryLater
from chalicelib.settings import SettingError
from chalicelib.wiring import services


class NoPassword(Exception):  # noqa: N818 - names the problem
    """A file has no password that can be used."""


def main(argv: Sequence[str] | None = None) -> int:
    """Set the logins and print their names; return 0, or 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m chalicelib.roles", description=__doc__)
    parser.add_argument("logins", nargs="+", metavar="ROLE=SOURCE", type=_pair)
    arguments = parser.parse_args(argv)
    try:
        logins = set_logins(services().database_url(), dict(arguments.logins))
    except (SettingError, RetryLater, NoPassword, OSError, UnicodeError, psycopg.Error) as error:
        print(f"no login was changed: {error}", file=sys.stderr)
        return 1
    print(f"logins: {', '.join(logins)}")
    return 0


def set_logins(url: str, sources: Mapping[str, str]) -> list[str]:
    """Set the logins of roles, each from its source, and return their names. All of them, or none.

    Raises NoPassword, OSError, UnicodeError, RetryLater, psycopg.Error.
    """
    credentials = {role: _credentials(role, source) for role, source in sources.items()}
    with psycopg.connect(url) as connection:
        for role, (login, password) in credentials.items():
            set_login(connection, role, login, password)
    return [login for login, _ in credentials.values()]


def sources_in(text: str) -> dict[str, str]:
    """Return the roles and their sources in a list with commas between them. Raises SettingError."""
    try:
        return dict(_pair(item.strip()) for item in text.split(","))
    except argparse.ArgumentTypeError as error:
        raise SettingError(f"DATABASE_ROLE_SECRETS: {error}") from None


def _pair(text: str) -> tuple[str, str]:
    role, separator, source = text.partition("=")
    if role not in GROUPS or not separator or not source:
        raise argparse.ArgumentTypeError(f"{text!r} is not ROLE=SOURCE with a role of {', '.join(GROUPS)}")
    return role, source


def _credentials(role: str, source: str) -> tuple[str, str]:
    if source.startswith("arn:"):
        return credentials_in(source, fresh=True)  # it may have been replaced a moment ago
    password = Path(source).read_text(encoding="utf-8").strip()
    if not password:
        raise NoPassword(f"the file {source} is empty")
    return f"{GROUPS[role]}_login", password
