"""The locks hold what pyproject.toml declares, in the same versions everywhere."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import chalicelib
from infra import locks
from infra.packages.contents import pinned
from tests.support.paths import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
DEVELOPMENT = "requirements-dev.txt"


def versions(lock: str) -> dict[str, set[str]]:
    """Return the locked versions by name: several where they differ by platform."""
    found: dict[str, set[str]] = {}
    for line in (CHECKOUT / lock).read_text().splitlines():
        if match := re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", line):
            found.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return found


@pytest.mark.parametrize("lock", locks.FROM_PROJECT)
def test_a_lock_holds_what_is_declared(lock: str) -> None:
    locked = versions(lock)
    for line in locks.declared(CHECKOUT / "pyproject.toml", *locks.FROM_PROJECT[lock]):
        requirement = Requirement(line)
        assert locked.get(canonicalize_name(requirement.name), set()), line
        assert all(requirement.specifier.contains(it) for it in locked[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("lock", locks.FROM_PROJECT)
def test_a_lock_holds_nothing_else(lock: str) -> None:
    """What is there is declared, or required by something that is there: uv notes by what."""
    text = (CHECKOUT / lock).read_text()
    declared = {
        canonicalize_name(Requirement(line).name)
        for line in locks.declared(CHECKOUT / "pyproject.toml", *locks.FROM_PROJECT[lock])
    }
    noted = {name for name, entry in _annotated(text).items() if "sluice (pyproject.toml)" in entry}
    assert {canonicalize_name(name) for name in noted} == declared


def _annotated(text: str) -> dict[str, str]:
    entries = re.split(r"^(?=[\w.-]+(?:\[[\w,-]+\])?==)", text, flags=re.MULTILINE)[1:]
    return {re.split(r"\[|==", entry)[0]: entry for entry in entries}


@pytest.mark.parametrize("lock", [name for name in locks.FROM_PROJECT if name != DEVELOPMENT])
def test_what_runs_elsewhere_is_tested_here(lock: str) -> None:
    tested = versions(DEVELOPMENT)
    assert {name: it for name, it in versions(lock).items() if tested.get(name) != it} == {}


def test_the_functions_and_the_worker_do_without_the_client() -> None:
    client = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    for lock in ("requirements.txt", "requirements-worker.txt"):
        assert client.isdisjoint(versions(lock))


@pytest.mark.parametrize("lock", locks.FROM_PROJECT)
def test_each_entry_has_a_hash(lock: str) -> None:
    assert [
        name for name, entry in pinned((CHECKOUT / lock).read_text()).items() if "--hash=" not in entry
    ] == []


def test_every_input_and_every_lock_is_named() -> None:
    ignored = {".venv", ".local", "build"}
    files = [
        str(path.relative_to(CHECKOUT))
        for folder in (".", "infra/local", "bench/peers", "bench/reading", "tests/support/spreadsheet")
        for path in (CHECKOUT / folder).glob("requirements*")
        if ignored.isdisjoint(path.relative_to(CHECKOUT).parts)
    ]
    compiled = {f"{name}.txt" for name in locks.FROM_FILES} | set(locks.FROM_PROJECT)
    assert {name for name in files if name.endswith(".txt")} == compiled
    assert {name for name in files if name.endswith(".in")} == {f"{name}.in" for name in locks.FROM_FILES}


def test_extras_that_name_others_have_theirs(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text(
        '[project]\nname = "p"\ndependencies = ["a"]\n'
        '[project.optional-dependencies]\nx = ["b[c]>1"]\ny = ["p[x]", "d"]\nz = ["p[y]"]\n'
    )
    assert locks.declared(project, "z") == ["b[c]>1", "d"]
    assert locks.declared(project, locks.CLIENT, "z") == ["a", "b[c]>1", "d"]


def test_the_version_is_in_one_place() -> None:
    assert "version" not in PROJECT
    assert PROJECT["dynamic"] == ["version"]
    written = [
        str(path.relative_to(CHECKOUT))
        for folder in ("chalicelib", "sluice_cli", "infra")
        for path in (CHECKOUT / folder).rglob("*.py")
        if f'"{chalicelib.__version__}"' in path.read_text()
    ]
    assert written == ["chalicelib/__init__.py"]


def test_every_package_of_the_client_is_installed() -> None:
    table = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {
        ".".join(path.parent.relative_to(CHECKOUT).parts)
        for path in CHECKOUT.glob("sluice_cli/**/__init__.py")
    }
    assert set(table["packages"]) == packages
    assert (CHECKOUT / "sluice_cli" / "py.typed").exists()
