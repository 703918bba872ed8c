"""The functions' package, as far as Chalice leaves it to us, and the worker's layer."""

import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import chalice

from infra.local.errors import StackError
from infra.local.layout import CHECKOUT
from infra.packages.bytecode import compile_tree
from infra.packages.contents import pinned, wanted
from infra.packages.install import LIST, installed, settle

FUNCTIONS = CHECKOUT / "requirements.txt"
WORKER = CHECKOUT / "requirements-worker.txt"
# Chalice puts these two of its own files into the package, and no others.
CHALICE = tuple(Path(chalice.__file__).with_name(name) for name in ("app.py", "__init__.py"))
TASK, LAYER = "/var/task", "/opt/python"
OLDEST_ON_AWS = (3, 12)
INSTALLED = "# What requirements.txt lists is in vendor/, but for what the Lambda runtime has itself.\n"
# What zip files tell of times has no time zone. Level 9 takes thrice as long for one per cent less.
_DATE = (2000, 1, 1, 0, 0, 0)
_LEVEL = 6


def check_runtime(python: str) -> None:
    """Raises `StackError` if AWS's runtime for the Python minor version `python` is too old for the wheels.

    Source: AWS Lambda Developer Guide, "Building Lambda functions with Python".
    """
    emulated = "AWS_ENDPOINT_URL" in os.environ  # functions run with this machine's own Python
    if not emulated and tuple(map(int, python.split("."))) < OLDEST_ON_AWS:
        raise StackError(
            "packages",
            f"AWS runs Python {python} on Amazon Linux 2, whose glibc 2.26 is too old for pyarrow (2.28): "
            "deploy with Python 3.12 or newer",
        )


def copy_part(source: Path, target: Path) -> None:
    """Copy a file or folder of the application, without the bytecode that is for where it lies."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    else:
        shutil.copyfile(source, target)


def build_vendor(folder: Path, *, python: str, architecture: str) -> None:
    """Install what the functions need into `folder/vendor`, and compile all that goes into their package.

    `folder` is a staged copy of the application. Chalice adds `vendor` to the package as it is, so its own
    installing has to be kept from doing that again: the staged requirements.txt is emptied.
    Raises `StackError`.
    """
    vendor = folder / "vendor"
    shutil.rmtree(vendor, ignore_errors=True)
    entries = wanted(FUNCTIONS.read_text())
    options = {"python": python, "architecture": architecture, "runs_in": TASK}
    with installed("functions", entries, **options) as kept:
        shutil.copytree(kept / "packages", vendor)
    (folder / "requirements.txt").write_text(INSTALLED)
    _compile_application(folder, vendor, python)
    for part in (vendor, folder / "chalicelib"):
        settle(part)


def _compile_application(folder: Path, vendor: Path, python: str) -> None:
    """The bytecode of what Chalice puts beside `vendor`: what it takes no bytecode from goes there."""
    staged = folder / "chalice"
    staged.mkdir()
    for path in CHALICE:
        shutil.copyfile(path, staged / path.name)
    compile_tree(python, folder, ["app.py", "chalicelib", "chalice"], runs_in=TASK)
    shutil.copytree(staged / "__pycache__", vendor / "chalice" / "__pycache__")
    shutil.copytree(folder / "__pycache__", vendor / "__pycache__", dirs_exist_ok=True)
    for done in (staged, folder / "__pycache__"):
        shutil.rmtree(done)


def function_files(folder: Path) -> dict[str, Path]:
    """What Chalice makes the package of, once `build_vendor` has been there: name to file."""
    files = {f"chalice/{path.name}": path for path in CHALICE} | {"app.py": folder / "app.py"}
    for part, base in ((folder / "chalicelib", folder), (folder / "vendor", folder / "vendor")):
        files |= {path.relative_to(base).as_posix(): path for path in part.rglob("*") if path.is_file()}
    return files


def build_layer(target: Path, *, python: str, architecture: str) -> Path:
    """Write the worker's layer to the zip file `target`: what its requirements add to the functions' ones.

    Beside it, `layer-contents.txt` says what was left out. Returns `target`. Raises `StackError`.
    """
    functions = frozenset(pinned(FUNCTIONS.read_text()))
    entries = wanted(WORKER.read_text(), without=functions)
    target.parent.mkdir(parents=True, exist_ok=True)
    with installed("layer", entries, python=python, architecture=architecture, runs_in=LAYER) as kept:
        packages = kept / "packages"
        write_zip(
            target,
            {f"python/{path.relative_to(packages)}": path for path in packages.rglob("*") if path.is_file()},
        )
        shutil.copyfile(kept / LIST, target.with_name("layer-contents.txt"))
    return target


def write_zip(target: Path, files: Mapping[str, Path]) -> None:
    """Zip `files`, name to file. Equal files make equal bytes."""
    half = target.with_name(f"{target.name}.half")
    with zipfile.ZipFile(half, "w") as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes(), compresslevel=_LEVEL)
    half.replace(target)
