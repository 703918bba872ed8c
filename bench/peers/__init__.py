"""Other ways to load a file, on the same data, in an environment of their own.

The scripts beside this module know nothing of Sluice: they take a file, and DATABASE_URL, and print the rows
and the seconds.
"""

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.local import installs
from infra.local.installs import Installation, Run
from infra.steps.environment import own_env
from infra.steps.layout import Layout
from infra.steps.pip import PIP_INSTALL, pip
from infra.steps.progress import to_terminal

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements-peers.txt"
# dlt tells its makers of each run, and warns of what its documentation recommends
_DLT = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}


@dataclass(frozen=True)
class PeersInstallation(Installation):
    """An installation whose requirements stand here."""

    def version(self) -> str:
        """See Installation."""
        told = [sys.version, sys.base_prefix, platform.machine(), str(self.folder), REQUIREMENTS.read_text()]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _make(run: Run) -> None:
    run("venv", {}, [sys.executable, "-m", "venv", "--without-pip", str(PEERS.folder)])
    into = pip("--python", str(PEERS.python), *PIP_INSTALL)
    run("pip install", {}, [*into, "--only-binary", ":all:", "-r", str(REQUIREMENTS)])


PEERS = PeersInstallation("peers", "installing what Sluice is compared with, once", _make)


def ensure() -> None:
    """Installs them if they are not there. Raises StepError."""
    installs.ensure([PEERS], to_terminal)


def version(package: str) -> str:
    """Which version of a package is pinned."""
    found = re.search(rf"^{re.escape(package)}==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE)
    return found[1] if found else "not there"


def run(layout: Layout, url: str, script: str, *arguments: str) -> tuple[int, float]:
    """Rows and seconds of one of the scripts. Raises RuntimeError."""
    command = [str(PEERS.python), "-P", str(HERE / script), *arguments]
    with TemporaryDirectory(dir=layout.tmp) as folder:
        env = {"PATH": os.environ["PATH"], **own_env(layout), **_DLT, "DATABASE_URL": url, "TMPDIR": folder}
        ended = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"{script} ended with status {ended.returncode}: {ended.stderr}")
    told = json.loads(ended.stdout.splitlines()[-1])
    return told["rows"], told["seconds"]
