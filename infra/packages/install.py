"""Pinned wheels for Lambda: installed, thinned out, compiled, and cached until their requirements change."""

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from infra.packages.bytecode import compile_tree, interpreter
from infra.packages.contents import why_left_out
from infra.steps.commands import Command, run_logged
from infra.steps.layout import SHARED, Layout
from infra.steps.locks import locked
from infra.steps.pip import PIP_INSTALL, pip, pip_env

CACHE = SHARED / "cache" / "packages"
# Lambda's names for the architectures, and those of wheels.
ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}
# Amazon Linux 2023 has glibc 2.34. pip takes no platform but those listed, so older ones are listed too.
PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
# Any constant that zip files can represent.
MTIME = 946_684_800
LIST = "left-out.txt"


@contextmanager
def installed(
    name: str, entries: Mapping[str, str], *, python: str, architecture: str, runs_in: str
) -> Iterator[Path]:
    """Give a folder with the installed `entries` in `packages`, and the list of omitted files.

    No other process changes the folder within the context. Raises `StepError`.
    """
    interpreter(python)  # fail before downloading anything
    CACHE.mkdir(parents=True, exist_ok=True)
    kind = f"{name}-{python}-{architecture}"
    folder = CACHE / kind
    with locked(CACHE / f"{kind}.lock"):
        stamp = folder / "version"
        version = _version(entries, runs_in)
        if not stamp.exists() or stamp.read_text() != version:
            shutil.rmtree(folder, ignore_errors=True)
            packages = folder / "packages"
            packages.mkdir(parents=True)
            _install(folder, entries, python, ARCHITECTURES[architecture])
            (folder / LIST).write_text(list_removed(thin_out(packages)))
            compile_tree(python, packages, ["."], runs_in=runs_in)
            normalise_files(packages)
            stamp.write_text(version)
        yield folder


def _version(entries: Mapping[str, str], runs_in: str) -> str:
    """Return a hash of the installed requirements and of the code that installs them."""
    content = [
        runs_in,
        *entries.values(),
        *(path.read_text() for path in sorted(Path(__file__).parent.glob("*.py"))),
    ]
    return hashlib.sha256("\0".join(content).encode()).hexdigest()


def _install(folder: Path, entries: Mapping[str, str], python: str, machine: str) -> None:
    layout = Layout.at(SHARED)
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(entries.values()))
    wheels = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", python]
    for platform in PLATFORMS:
        wheels += ["--platform", f"{platform}_{machine}"]
    argv = pip(*PIP_INSTALL, *wheels, "--target", str(folder / "packages"), "-r", str(requirements))
    title = f"pip install for Python {python} on {machine}"
    command = Command(tuple(argv), pip_env(layout), layout.tmp)
    run_logged("packages", title, command, layout.log("packages"))


def thin_out(packages: Path) -> Counter[str]:
    """Remove the files that no function needs. Return the removed bytes by reason."""
    removed: Counter[str] = Counter()
    for path in sorted(packages.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif reason := why_left_out(PurePosixPath(path.relative_to(packages))):
            removed[reason] += path.stat().st_size
            path.unlink()
    return removed


def list_removed(removed: Counter[str]) -> str:
    """Return a table of the removed bytes, the largest first."""
    return "".join(f"{size / 1e6:8.2f} MB  {reason}\n" for reason, size in removed.most_common())


def normalise_files(folder: Path) -> None:
    """Set the permissions that Lambda needs and one constant time: equal files make equal packages."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
        if path.is_file():
            os.utime(path, (MTIME, MTIME))
