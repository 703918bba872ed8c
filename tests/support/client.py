"""The command line client, as a person uses it on the deployed service."""

import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.deployed_service import client_env
from tests.support.paths import CHECKOUT


def run(stack: Mapping[str, str], folder: Path, line: str, *, with_messages: bool = False) -> str:
    """Run a command line of the client in a folder, perhaps with `< FILE`; return what it prints.

    With its messages, on standard error, too: as a terminal shows both.
    """
    line, _, given = line.partition(" < ")
    program, *arguments = shlex.split(line)
    assert program == "sluice"
    done = subprocess.run(
        [sys.executable, "-m", "sluice_cli", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **client_env(stack["SLUICE_URL"]), "PYTHONPATH": str(CHECKOUT)},
        input=(folder / given).read_text(encoding="utf-8") if given else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if with_messages else subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout
