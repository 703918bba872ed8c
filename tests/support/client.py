"""The command line client, as a person uses it on the deployed service."""

import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.deployed_service import client_env
from tests.support.paths import CHECKOUT


def run(stack: Mapping[str, str], folder: Path, line: str) -> str:
    """Run a command line of the client in a folder, perhaps with `< FILE`; return what it prints."""
    line, _, given = line.partition(" < ")
    program, *arguments = shlex.split(line)
    assert program == "sluice"
    done = subprocess.run(
        [sys.executable, "-m", "sluice_cli", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **client_env(stack["SLUICE_URL"]), "PYTHONPATH": str(CHECKOUT)},
        input=(folder / given).read_text(encoding="utf-8") if given else None,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
