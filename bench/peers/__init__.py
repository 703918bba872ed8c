"""Other loaders, which load the same files in an environment of their own.

The scripts beside this module know nothing of Sluice: they take a file and DATABASE_URL, and print the rows
and the seconds.
"""

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.installation import pinned_installation
from infra.steps.environment import own_env
from infra.steps.layout import Layout

HERE = Path(__file__).parent
PEERS = pinned_installation(
    "peers", "the loaders that Sluice is compared with", HERE / "requirements-peers.txt"
)
# Without these dlt sends telemetry, and warns about settings that its documentation recommends.
_DLT = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}


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
