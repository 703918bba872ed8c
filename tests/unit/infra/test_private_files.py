import os
from pathlib import Path

from infra.steps.private_files import write_private


def test_only_the_owner_reads_the_file_whatever_was_there_before(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old")
    file.chmod(0o644)
    half = file.with_name(f"secret.{os.getpid()}")
    half.write_text("of a process that was killed")
    half.chmod(0o644)
    write_private(file, "new")
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
