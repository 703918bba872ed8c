"""What `Dockerfile`, `.dockerignore` and `docker-compose.yml` say: for checks without a Docker engine.

Only as much of their languages is understood as these three files use.
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
    """A stage of the Dockerfile, with what it has of the stage that it goes on from."""

    image: str
    copied: list[str] = field(default_factory=list)  # from the build's context, relative to it
    env: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)  # USER, CMD and the like: the last word
    runs: list[str] = field(default_factory=list)


def targets(text: str | None = None) -> dict[str, Target]:
    """The stages of the Dockerfile by their names."""
    made: dict[str, Target] = {}
    current = Target("")
    for name, said in instructions(text or (CHECKOUT / "Dockerfile").read_text()):
        if name == "FROM":
            base, _, title = said.split()
            before = made.get(base, Target(base))
            current = made[title] = Target(
                before.image, [], dict(before.env), dict(before.settings), list(before.runs)
            )
        elif name == "COPY" and not said.startswith("--from="):
            current.copied += said.split()[:-1]
        elif name == "ENV":
            current.env |= dict(part.split("=", 1) for part in shlex.split(said))
        elif name == "RUN":
            current.runs.append(said)
        else:
            current.settings[name] = said
    return made


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction's name and the rest, continued lines put together."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        if line.strip():
            name, _, said = line.partition(" ")
            yield name, said.strip()


def command_of(said: str) -> list[str]:
    """The arguments in a CMD or HEALTHCHECK."""
    command: list[str] = json.loads(said[said.index("[") :])
    return command


def is_sent(path: str, text: str | None = None) -> bool:
    """Whether `.dockerignore` lets a file of the checkout through to the builder: the last line decides."""
    sent = True
    for line in (text or (CHECKOUT / ".dockerignore").read_text()).splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and _matches(path, pattern):
            sent = line.startswith("!")
    return sent


def _matches(path: str, pattern: str) -> bool:
    """Whether the pattern is of the path or of a folder that it lies in."""
    parts = path.split("/")
    if pattern.startswith("**/"):
        return any(fnmatchcase(part, pattern[3:]) for part in parts)
    depth = pattern.count("/") + 1
    return len(parts) >= depth and all(map(fnmatchcase, parts[:depth], pattern.split("/")))


def compose(env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The compose file with the variables of `.env` put in; by default there are none."""
    known = env or {}

    def put_in(found: re.Match[str]) -> str:
        return known.get(found[1]) or found[2]

    text = VARIABLE.sub(put_in, (CHECKOUT / "docker-compose.yml").read_text())
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return document
