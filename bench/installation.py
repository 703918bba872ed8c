"""Environments of their own for what Sluice is compared with, from pinned requirements."""

import hashlib
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.local import installs
from infra.local.installs import Installation, Run
from infra.steps.pip import PIP_INSTALL, pip
from infra.steps.progress import to_terminal


@dataclass(frozen=True)
class PinnedInstallation(Installation):
    """An installation of a file of pinned requirements."""

    pinned: Path

    def version(self) -> str:
        """See Installation."""
        inputs = [sys.version, sys.base_prefix, platform.machine(), str(self.folder), self.pinned.read_text()]
        return hashlib.sha256("\n".join(inputs).encode()).hexdigest()

    def ensure(self) -> None:
        """Install the requirements unless they are installed. Raises StepError if that fails."""
        installs.ensure([self], to_terminal)

    def version_of(self, package: str) -> str:
        """Return the pinned version of a package, `not there` if there is none."""
        match = re.search(rf"^{re.escape(package)}==(\S+)", self.pinned.read_text(), re.MULTILINE)
        return match[1] if match else "not there"


def pinned_installation(name: str, program: str, requirements: Path) -> PinnedInstallation:
    """Return the installation of `program` in a virtual environment, from a file of pinned requirements."""

    def make(run: Run) -> None:
        run("venv", {}, [sys.executable, "-m", "venv", "--without-pip", str(installation.folder)])
        into = pip("--python", str(installation.python), *PIP_INSTALL)
        run("pip install", {}, [*into, "--only-binary", ":all:", "-r", str(requirements)])

    installation = PinnedInstallation(name, program, "once", make, requirements)
    return installation
