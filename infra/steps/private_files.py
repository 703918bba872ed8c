"""Files that hold secrets."""

import os
from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Write the file, whole or not at all. Only its owner may read it. Raises OSError."""
    half = file.with_name(f"{file.name}.{os.getpid()}")
    half.unlink(missing_ok=True)  # of a process that was killed: its mode is not known
    half.touch(mode=0o600)
    half.write_text(text, encoding="utf-8")
    half.replace(file)
