"""Commands: what to run, and running it to its end."""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.steps.environment import inherited_env
from infra.steps.errors import StepError


@dataclass(frozen=True)
class Command:
    """Everything that decides how a process behaves.

    The process also gets `inherited_env()`. The fingerprint leaves that out: `up` from another terminal must
    not restart anything.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    # Anything else that makes a running process outdated, such as its code.
    version: str = ""

    def fingerprint(self) -> str:
        """Return a hash that only equal commands share."""
        content = [self.argv, sorted(self.env.items()), str(self.cwd), self.version]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def run_logged(step: str, title: str, command: Command, log: Path) -> None:
    """Run `command` to its end and append its output to `log`.

    Raises `StepError` for `step` if the command fails; its reason calls the command `title`.
    """
    with log.open("a") as output:
        done = subprocess.run(
            command.argv,
            env={**inherited_env(), **command.env},
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise StepError(step, f"{title} ended with status {done.returncode}", log)
