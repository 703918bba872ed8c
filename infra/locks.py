"""Compile the locks again, requirements*.txt: `python -m infra.locks`, which `make lock` runs.

Those at the top come from pyproject.toml: its dependencies, which are the client's, and its extras. Those of
environments beside `.venv` come from the `.in` file next to each. What is locked already keeps its version.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

CHECKOUT = Path(__file__).parents[1]
PROJECT = CHECKOUT / "pyproject.toml"
CLIENT = ""  # in place of an extra's name: the dependencies that have none
DEVELOPMENT = (CLIENT, "development")
# The widest lock comes first: the others take their versions from it.
FROM_PROJECT = {
    "requirements-dev.txt": DEVELOPMENT,
    "requirements-client.txt": (CLIENT,),
    "requirements-worker.txt": ("worker",),
    "requirements.txt": ("functions",),  # the name that Chalice reads
}
# For some of them, options of `uv pip compile`.
FROM_FILES: dict[str, tuple[str, ...]] = {
    "infra/local/requirements-localstack": ("--constraints", "infra/local/constraints-localstack.txt"),
    "infra/local/requirements-lambda": (),
    "infra/local/requirements-build": (),
    "infra/local/requirements-redis": ("--no-deps",),
    "bench/peers/requirements-peers": (),
    "bench/reading/requirements-reading": (),
    "tests/support/spreadsheet/requirements-spreadsheet": (),
}
_COMPILE = ("pip", "compile", "--quiet", "--generate-hashes", "--universal", "--python-version", "3.11")


def declared(project: Path, *extras: str) -> list[str]:
    """Return the requirements of extras in a pyproject.toml, sorted; CLIENT stands for those of no extra.

    An extra that requires the project itself has the requirements of the extras that it names.
    """
    table = tomllib.loads(project.read_text())["project"]
    lists = {CLIENT: table["dependencies"], **table["optional-dependencies"]}
    return sorted({line for extra in extras for line in _lines(lists, extra, table["name"])})


def _lines(lists: dict[str, list[str]], extra: str, project: str) -> Iterator[str]:
    for line in lists[extra]:
        requirement = Requirement(line)
        if requirement.name == project:
            for further in requirement.extras:
                yield from _lines(lists, further, project)
        else:
            yield line


def lock_project(target: Path, extras: tuple[str, ...], preferred: Path) -> None:
    """Compile a lock from extras, with the versions of ``preferred`` where they will do.

    uv would add the project's own dependencies to those of an extra, and no function needs the client's. So
    it is given a project with the extra's requirements alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        lines = "".join(f"    {line!r},\n" for line in declared(PROJECT, *extras))
        text = f'[project]\nname = "sluice"\nversion = "0"\ndependencies = [\n{lines}]\n'
        Path(folder, "pyproject.toml").write_text(text)
        made = Path(folder, target.name)
        if preferred.exists():
            shutil.copyfile(preferred, made)
        _compile(Path(folder), "pyproject.toml", made.name, ())
        shutil.move(made, target)


def lock_file(name: str, options: tuple[str, ...]) -> None:
    """Compile `{name}.in` into `{name}.txt`; `name` is a path in the checkout."""
    _compile(CHECKOUT, f"{name}.in", f"{name}.txt", options)


def _compile(folder: Path, source: str, target: str, options: tuple[str, ...]) -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    command = [uv, *_COMPILE, *options, source, "--output-file", target]
    env = {**os.environ, "UV_CUSTOM_COMPILE_COMMAND": "make lock"}
    subprocess.run(command, cwd=folder, env=env, check=True)


def main() -> None:
    """Compile all locks. Raises CalledProcessError where uv, which has said why, fails."""
    widest, *_ = FROM_PROJECT
    for name, extras in FROM_PROJECT.items():
        lock_project(CHECKOUT / name, extras, CHECKOUT / widest)
    for name, options in FROM_FILES.items():
        lock_file(name, options)


if __name__ == "__main__":
    main()
