"""Earlier states of Sluice, to measure beside this one."""

import io
import subprocess
import tarfile
from pathlib import Path

from bench.stack import CHECKOUT


def checkout(commit: str, folder: Path) -> Path | None:
    """Return a folder with a commit's `chalicelib`, made once in ``folder``; None if git lacks the commit."""
    path = folder / f"checkout-{commit}"
    if not path.exists():
        command = ["git", "-C", str(CHECKOUT), "archive", commit, "chalicelib"]
        process = subprocess.run(command, capture_output=True, check=False)
        if process.returncode:
            return None
        unfinished = path.with_suffix(".unfinished")
        with tarfile.open(fileobj=io.BytesIO(process.stdout)) as archive:
            archive.extractall(unfinished, filter="data")
        unfinished.rename(path)
    return path
