"""Other loaders, which load the same files in an environment of their own.

The scripts beside this module know nothing of Sluice: they take a file and DATABASE_URL, and print the rows
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
# Without these dlt sends telemetry, and warns about settings that its documentation recommends.
_DLT = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}


@dataclass(frozen=True)
class PeersInstallation(Installation):
    """An installation of the requirements in this folder."""

    def version(self) -> str:
        """See Installation."""
        inputs = [
            sys.version,
            sys.base_prefix,
            platform.machine(),
            str(self.folder),
            REQUIREMENTS.read_text(),
        ]
        return hashlib.sha256("\n".join(inputs).encode()).hexdigest()


def _make(run: Run) -> None:
    run("venv", {}, [sys.executable, "-m", "venv", "--without-pip", str(PEERS.folder)])
    into = pip("--python", str(PEERS.python), *PIP_INSTALL)
    run("pip install", {}, [*into, "--only-binary", ":all:", "-r", str(REQUIREMENTS)])


PEERS = PeersInstallation("peers", "installing the loaders that Sluice is compared with, once", _make)


def ensure() -> None:
    """Install the loaders unless they are installed. Raises StepError if that fails."""
    installs.ensure([PEERS], to_terminal)


def version(package: str) -> str:
    """Return the pinned version of a package, `not there` if there is none."""
    match = re.search(rf"^{re.escape(package)}==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE)
    return match[1] if match else "not there"


def run(layout: Layout, url: str, script: str, *arguments: str) -> tuple[int, float]:
    """Run one of the scripts and return its rows and seconds. Raises RuntimeError if it fails."""
    command = [str(PEERS.python), "-P", str(HERE / script), *arguments]
    with TemporaryDirectory(dir=layout.tmp) as folder:
        env = {"PATH": os.environ["PATH"], **own_env(layout), **_DLT, "DATABASE_URL": url, "TMPDIR": folder}
        process = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError(f"{script} ended with status {process.returncode}: {process.stderr}")
    output = json.loads(process.stdout.splitlines()[-1])
    return output["rows"], output["seconds"]
