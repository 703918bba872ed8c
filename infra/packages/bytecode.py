"""Bytecode, compiled ahead of time.

A function cannot write into the folder of its code. Without bytecode, each cold start would compile every
module.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.steps.commands import Command, run_logged
from infra.steps.errors import StepError
from infra.steps.layout import SHARED, Layout
from infra.steps.pip import pip_env

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def interpreter(python: str) -> str:
    """Return an interpreter of the minor version `python`, which alone uses its bytecode.

    Raises `StepError` if there is none on this machine.
    """
    if python == RUNNING:
        return sys.executable
    candidate = shutil.which(f"python{python}")
    if candidate and _version_of(candidate) == python:
        return candidate
    raise StepError(
        "packages",
        f"bytecode for Python {python} can only be made by Python {python}: this is {RUNNING}, "
        f"and there is no python{python} on the PATH",
    )


def _version_of(program: str) -> str:
    # The program may be a version manager's shim, which fails if that version is not installed.
    done = subprocess.run([program, "-I", "-c", _VERSION], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def compile_tree(python: str, root: Path, names: Sequence[str], *, runs_in: str) -> None:
    """Compile `names` under `root`, whose content will run in the folder `runs_in`. Raises `StepError`.

    Python uses the bytecode whatever the time stamps of the sources are. Tracebacks name paths in `runs_in`.
    """
    layout = Layout.at(SHARED)
    options = ("-q", "-f", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", runs_in)
    argv = (interpreter(python), "-I", "-m", "compileall", *options, *(str(root / name) for name in names))
    run_logged("packages", "compileall", Command(argv, pip_env(layout), root), layout.log("packages"))
