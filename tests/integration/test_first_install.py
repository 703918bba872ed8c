"""The first install, before there is a `.venv`."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra import venv
from infra.steps.errors import StepError
from infra.steps.layout import CHECKOUT, Layout

MISSING = f"no-such-package==1.0 --hash=sha256:{'0' * 64}\n"
IMPORT = "import sys; sys.path.insert(0, sys.argv[1]); import infra.venv"


def test_it_needs_the_standard_library_only() -> None:
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    subprocess.run([base, "-I", "-S", "-c", IMPORT, str(CHECKOUT)], check=True)


def test_it_says_what_it_does_and_shows_what_pip_says_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    requirements, lines = tmp_path / "requirements.txt", list[str]()
    requirements.write_text(MISSING)
    with pytest.raises(StepError) as failed:
        venv.make(Layout.at(tmp_path / "root"), tmp_path / "venv", requirements, lines.append)
    assert lines[0].startswith("  .venv      installing 1 packages, once: ")
    assert "  | ERROR: No matching distribution found for no-such-package==1.0" in failed.value.report()


def test_all_tests_run_after_the_installation_of_what_they_need() -> None:
    plan = ["make", "--dry-run", "--what-if=requirements-dev.txt", "test"]
    planned = subprocess.run(plan, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    parts = [planned.index(part) for part in ("-m infra.venv", "-m infra.local install", ".venv/bin/pytest")]
    assert parts == sorted(parts)
