"""`python -m chalicelib.keys`: create an operator's API key, on a machine that reaches the database.

The first key cannot be created through the API: every request to it needs one.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg

from chalicelib.core.access import Scope
from chalicelib.core.api_keys import NewApiKey, is_key, make_key
from chalicelib.core.audit import Actor, AuditAction
from chalicelib.core.errors import NotPossible, RetryLater
from chalicelib.service.api_keys import ApiKeys
from chalicelib.settings import SettingError
from chalicelib.wiring import services

_OPERATOR = "operator"
_ACTOR = Actor(AuditAction.KEY_CREATE, "command", "chalicelib.keys", "chalicelib.keys")


def main(argv: Sequence[str] | None = None) -> int:
    """Print a new key, or keep one in a file; return 0, or 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m chalicelib.keys", description=__doc__)
    parser.add_argument("--name", default=_OPERATOR, help=f"what uses the key (default: {_OPERATOR})")
    parser.add_argument(
        "--file",
        type=Path,
        help="keep the key in this file, instead of printing it; a key that is in it already stays",
    )
    arguments = parser.parse_args(argv)
    try:
        if arguments.file is None:
            print(create_operator_key(services().api_keys, arguments.name))
        else:
            keep_operator_key(services().api_keys, arguments.name, arguments.file)
    except (SettingError, RetryLater, NotPossible, OSError, psycopg.Error) as error:
        print(f"no key was created: {error}", file=sys.stderr)
        return 1
    return 0


def create_operator_key(keys: ApiKeys, name: str = _OPERATOR) -> str:
    """Return a new key for all tenants with all scopes. Raises NotPossible, RetryLater."""
    _, text = keys.by(_ACTOR).create(_operator(name))
    return text


def keep_operator_key(keys: ApiKeys, name: str, file: Path) -> None:
    """Let the file hold a key that works; only its owner may read it.

    The key that is in it stays, also for a database that does not know it. Raises NotPossible if that has
    been revoked, OSError, RetryLater.
    """
    text = file.read_text(encoding="ascii").strip() if file.exists() else ""
    if not is_key(text):
        text = make_key()
        half = file.with_name(f"{file.name}.{os.getpid()}")
        half.unlink(missing_ok=True)
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
            new.write(f"{text}\n")
        half.replace(file)
    file.chmod(0o600)
    keys.by(_ACTOR).adopt(_operator(name), text)


def _operator(name: str) -> NewApiKey:
    return NewApiKey(name=name, scopes=frozenset(Scope))
