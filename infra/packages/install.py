"""Pinned wheels for Lambda, installed, thinned out and compiled; kept until anything of that changes."""

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from infra.local.environment import pip_env
from infra.local.installs import PIP_INSTALL, pip
from infra.local.layout import SHARED, Layout
from infra.local.locks import locked
from infra.local.processes import Command, logged
from infra.packages.bytecode import compile_tree, interpreter
from infra.packages.contents import why_left_out

KEPT = SHARED / "cache" / "packages"
# as Lambda calls them, and as wheels do
ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}
# Amazon Linux 2023 has glibc 2.34. pip takes just what it is given, so older names are given, too.
PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
# Any time will do that zip files can tell and that is the same every time.
MTIME = 946_684_800
LIST = "left-out.txt"


@contextmanager
def installed(
    name: str, entries: Mapping[str, str], *, python: str, architecture: str, runs_in: str
) -> Iterator[Path]:
    """A folder with the packages of `entries` in `packages`, and what was left out of them in `left-out.txt`.

    Nobody else changes it meanwhile. Raises `StackError`.
    """
    interpreter(python)  # before anything is downloaded in vain
    KEPT.mkdir(parents=True, exist_ok=True)
    kind = f"{name}-{python}-{architecture}"
    folder = KEPT / kind
    with locked(KEPT / f"{kind}.lock"):
        stamp = folder / "version"
        version = _version(entries, runs_in)
        if not stamp.exists() or stamp.read_text() != version:
            shutil.rmtree(folder, ignore_errors=True)
            packages = folder / "packages"
            packages.mkdir(parents=True)
            _install(folder, entries, python, ARCHITECTURES[architecture])
            (folder / LIST).write_text(listed(thin_out(packages)))
            compile_tree(python, packages, ["."], runs_in=runs_in)
            settle(packages)
            stamp.write_text(version)
        yield folder


def _version(entries: Mapping[str, str], runs_in: str) -> str:
    """Changes with what is installed and with how that is done."""
    told = [
        runs_in,
        *entries.values(),
        *(path.read_text() for path in sorted(Path(__file__).parent.glob("*.py"))),
    ]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()


def _install(folder: Path, entries: Mapping[str, str], python: str, machine: str) -> None:
    layout = Layout.at(SHARED)
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(entries.values()))
    wheels = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", python]
    for platform in PLATFORMS:
        wheels += ["--platform", f"{platform}_{machine}"]
    argv = pip(*PIP_INSTALL, *wheels, "--target", str(folder / "packages"), "-r", str(requirements))
    what = f"pip install for Python {python} on {machine}"
    logged("packages", what, Command(tuple(argv), pip_env(layout), layout.tmp), layout.log("packages"))


def thin_out(packages: Path) -> Counter[str]:
    """Remove what no function needs; the bytes that went, by reason."""
    removed: Counter[str] = Counter()
    for path in sorted(packages.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif reason := why_left_out(PurePosixPath(path.relative_to(packages))):
            removed[reason] += path.stat().st_size
            path.unlink()
    return removed


def listed(removed: Counter[str]) -> str:
    """A table of what was left out, the largest first."""
    return "".join(f"{size / 1e6:8.2f} MB  {reason}\n" for reason, size in removed.most_common())


def settle(folder: Path) -> None:
    """Give all files the rights that Lambda needs, and one time: equal files make equal packages."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
        if path.is_file():
            os.utime(path, (MTIME, MTIME))
