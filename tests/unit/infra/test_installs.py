"""Installations beside `.venv`, and what is reported of them."""

import sys
from pathlib import Path

import pytest

from infra.local import installs
from infra.local.installs import Installation, Run
from infra.steps.errors import StepError


class Reader(Installation):
    """An installation that needs no file of requirements."""

    def version(self) -> str:
        return "1"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(installs, "FOLDER", tmp_path / "venvs")
    monkeypatch.setattr(installs, "SHARED", tmp_path)
    return tmp_path


def printing(text: str, status: int) -> list[str]:
    return [sys.executable, "-c", f"print({text!r}); raise SystemExit({status})"]


def test_an_installation_is_announced_made_and_then_left_alone() -> None:
    lines: list[str] = []

    def make(run: Run) -> None:
        assert lines == ["  reader     installing the reader, once: 5 MB"]
        reader.folder.mkdir()
        run("pip install", {}, printing("Collecting reader", 0))

    reader = Reader("reader", "the reader", "once: 5 MB", make)
    installs.ensure([reader], lines.append)
    assert lines[1].startswith("  reader     installed ")
    installs.ensure([reader], lines.append)
    assert len(lines) == 2


def test_a_failed_installation_shows_what_the_tool_printed() -> None:
    reader = Reader(
        "reader", "the reader", "once", lambda run: run("pip install", {}, printing("no such wheel", 2))
    )
    with pytest.raises(StepError) as failed:
        installs.ensure([reader], lambda _: None)
    assert "reader failed: pip install ended with status 2\n  | no such wheel" in failed.value.report()
