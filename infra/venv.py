"""`python3 -m infra.venv`: make `.venv`, in which everything else runs.

It runs on the machine's own Python and imports the standard library only.
"""

import os
import sys
from pathlib import Path

from infra.steps.commands import Command, run_logged
from infra.steps.errors import exit_status
from infra.steps.layout import CHECKOUT, SHARED, Layout
from infra.steps.pip import pip_env
from infra.steps.progress import Report, step, to_terminal
from infra.steps.signals import end_on_sigterm

REQUIREMENTS = CHECKOUT / "requirements-dev.txt"
VENV = CHECKOUT / ".venv"
OPTIONS = ("--no-deps", "--require-hashes", "--progress-bar", "off")


def make(layout: Layout, venv: Path, requirements: Path, report: Report) -> None:
    """Make the virtual environment `venv` from scratch, with the pinned requirements. Raises `StepError`."""
    log = layout.log("install-venv")
    log.write_text("")

    def run(title: str, *argv: str) -> None:
        run_logged(".venv", title, Command(argv, {**os.environ, **pip_env(layout)}, layout.tmp), log)

    packages = sum("==" in line for line in requirements.read_text().splitlines())
    with step(report, ".venv", f"installing {packages} packages", "once: 900 MB, a minute or two") as current:
        run("venv", sys.executable, "-m", "venv", "--clear", str(venv))
        python = str(venv / "bin" / "python")
        run("pip install", python, "-m", "pip", "install", *OPTIONS, "-r", str(requirements))
        current.result = "installed"


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(exit_status(lambda: make(Layout.at(SHARED), VENV, REQUIREMENTS, to_terminal)))
