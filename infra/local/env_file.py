"""The env file: the addresses of a running stack, for other processes."""

import re
import shlex
from collections.abc import Mapping

from infra.steps.layout import Layout
from infra.steps.private_files import write_private

PLAIN = re.compile(r"[\w@%+:,./-]*", re.ASCII)


def quote(value: str) -> str:
    """Return the value as a shell reads it back, unquoted where that is safe."""
    return value if PLAIN.fullmatch(value) else shlex.quote(value)


def write_env_file(layout: Layout, env: Mapping[str, str]) -> None:
    """Write `KEY=value` lines for `set -a; . FILE; set +a`, atomically.

    Only the owner may read the file: it holds the passwords of the database and of Redis.
    """
    write_private(layout.env_file, "".join(f"{name}={quote(value)}\n" for name, value in env.items()))


def read_env_file(layout: Layout) -> dict[str, str]:
    """Return what `write_env_file` wrote, or nothing when the stack is not up."""
    try:
        lines = layout.env_file.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines)
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}
