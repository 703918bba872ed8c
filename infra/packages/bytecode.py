"""Bytecode, made beforehand.

A function's code lies where it cannot write. Without bytecode, each cold start would compile everything anew.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.local.environment import pip_env
from infra.local.errors import StackError
from infra.local.layout import SHARED, Layout
from infra.local.processes import Command, logged

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def interpreter(python: str) -> str:
    """An interpreter of the minor version `python`: bytecode is of use to no other. Raises `StackError`."""
    if python == RUNNING:
        return sys.executable
    found = shutil.which(f"python{python}")
    if found and _version_of(found) == python:
        return found
    raise StackError(
        "packages",
        f"bytecode for Python {python} can only be made by Python {python}: this is {RUNNING}, "
        f"and there is no python{python} on the PATH",
    )


def _version_of(found: str) -> str:
    # one that is found may be no more than a version manager's note that it has another
    asked = subprocess.run([found, "-I", "-c", _VERSION], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def compile_tree(python: str, root: Path, names: Sequence[str], *, runs_in: str) -> None:
    """Compile `names` under `root`, which will be the folder `runs_in` there. Raises `StackError`.

    The bytecode is used whatever the time stamps of the sources are, and names them as they are called there.
    """
    layout = Layout.at(SHARED)
    options = ("-q", "-f", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", runs_in)
    argv = (interpreter(python), "-I", "-m", "compileall", *options, *(str(root / name) for name in names))
    logged("packages", "compileall", Command(argv, pip_env(layout), root), layout.log("packages"))
