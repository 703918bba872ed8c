"""Readers of `Dockerfile`, `.dockerignore` and `docker-compose.yml`, for checks without a Docker engine.

They understand only the parts of the three languages that these files use.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from ruamel.yaml import YAML

from infra.steps.layout import CHECKOUT

VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


@dataclass
class Target:
    """A stage of the Dockerfile, including the settings of its base stage."""

    image: str
    copied: list[str] = field(default_factory=list)  # paths in the build's context
    env: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)  # the last USER, CMD and the like
    runs: list[str] = field(default_factory=list)


def targets(text: str | None = None) -> dict[str, Target]:
    """Return the stages of the Dockerfile by their names."""
    stages: dict[str, Target] = {}
    current = Target("")
    for name, arguments in instructions(text or (CHECKOUT / "Dockerfile").read_text()):
        if name == "FROM":
            base, _, title = arguments.split()
            before = stages.get(base, Target(base))
            current = stages[title] = Target(
                before.image, [], dict(before.env), dict(before.settings), list(before.runs)
            )
        elif name == "COPY" and not arguments.startswith("--from="):
            current.copied += arguments.split()[:-1]
        elif name == "ENV":
            current.env |= dict(word.split("=", 1) for word in shlex.split(arguments))
        elif name == "RUN":
            current.runs.append(arguments)
        else:
            current.settings[name] = arguments
    return stages


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction's name and arguments, with continued lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        if line.strip():
            name, _, arguments = line.partition(" ")
            yield name, arguments.strip()


def command_of(arguments: str) -> list[str]:
    """Return the words of the command in a CMD or HEALTHCHECK."""
    command: list[str] = json.loads(arguments[arguments.index("[") :])
    return command


def is_sent(path: str, text: str | None = None) -> bool:
    """Return whether `.dockerignore` sends a file to the builder. The last matching line decides."""
    sent = True
    for line in (text or (CHECKOUT / ".dockerignore").read_text()).splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and _matches(path, pattern):
            sent = line.startswith("!")
    return sent


def _matches(path: str, pattern: str) -> bool:
    """Return whether the pattern matches the path or a folder above it."""
    names = path.split("/")
    if pattern.startswith("**/"):
        return any(fnmatchcase(name, pattern[3:]) for name in names)
    depth = pattern.count("/") + 1
    return len(names) >= depth and all(map(fnmatchcase, names[:depth], pattern.split("/")))


def compose(env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the compose file with the variables of `.env`, which is empty by default."""
    variables = env or {}

    def substitute(match: re.Match[str]) -> str:
        return variables.get(match[1]) or match[2]

    text = VARIABLE.sub(substitute, (CHECKOUT / "docker-compose.yml").read_text())
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return document
