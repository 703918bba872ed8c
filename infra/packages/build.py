"""The functions' package, as far as Chalice does not build it, and the worker's layer."""

import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import chalice

from infra.packages.bytecode import compile_tree
from infra.packages.contents import pinned, required
from infra.packages.install import LIST, installed, normalise_files
from infra.steps.errors import StepError
from infra.steps.layout import CHECKOUT

FUNCTIONS = CHECKOUT / "requirements.txt"
WORKER = CHECKOUT / "requirements-worker.txt"
# The only files of its own that Chalice puts into the package.
CHALICE = tuple(Path(chalice.__file__).with_name(name) for name in ("app.py", "__init__.py"))
TASK, LAYER = "/var/task", "/opt/python"
OLDEST_ON_AWS = (3, 12)
INSTALLED = "# vendor/ holds the requirements, except those that the Lambda runtime provides.\n"
# Times in zip files have no time zone. Level 9 takes three times as long and saves one per cent.
_DATE = (2000, 1, 1, 0, 0, 0)
_LEVEL = 6


def check_runtime(python: str) -> None:
    """Raise `StepError` if AWS's runtime for the Python minor version `python` is too old for the wheels.

    Source: AWS Lambda Developer Guide, "Building Lambda functions with Python".
    """
    emulated = "AWS_ENDPOINT_URL" in os.environ  # functions run with this machine's own Python
    if not emulated and tuple(map(int, python.split("."))) < OLDEST_ON_AWS:
        raise StepError(
            "packages",
            f"AWS runs Python {python} on Amazon Linux 2, whose glibc 2.26 is too old for pyarrow (2.28): "
            "deploy with Python 3.12 or newer",
        )


def copy_source(source: Path, target: Path) -> None:
    """Copy a file or folder of the application without its bytecode, which names paths of the checkout."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    else:
        shutil.copyfile(source, target)


def build_vendor(folder: Path, *, python: str, architecture: str) -> None:
    """Install the functions' requirements into `folder/vendor`, and compile all files of their package.

    `folder` is a staged copy of the application. Chalice adds `vendor` to the package as it is. The staged
    requirements.txt is emptied, so that Chalice does not install the same again. Raises `StepError`.
    """
    vendor = folder / "vendor"
    shutil.rmtree(vendor, ignore_errors=True)
    entries = required(FUNCTIONS.read_text())
    options = {"python": python, "architecture": architecture, "runs_in": TASK}
    with installed("functions", entries, **options) as installation:
        shutil.copytree(installation / "packages", vendor)
    (folder / "requirements.txt").write_text(INSTALLED)
    _compile_application(folder, vendor, python)
    for package in (vendor, folder / "chalicelib"):
        normalise_files(package)


def _compile_application(folder: Path, vendor: Path, python: str) -> None:
    """Compile the files beside `vendor`. Put the bytecode that Chalice would not package into `vendor`."""
    staged = folder / "chalice"
    staged.mkdir()
    for path in CHALICE:
        shutil.copyfile(path, staged / path.name)
    compile_tree(python, folder, ["app.py", "chalicelib", "chalice"], runs_in=TASK)
    shutil.copytree(staged / "__pycache__", vendor / "chalice" / "__pycache__")
    shutil.copytree(folder / "__pycache__", vendor / "__pycache__", dirs_exist_ok=True)
    for leftover in (staged, folder / "__pycache__"):
        shutil.rmtree(leftover)


def function_files(folder: Path) -> dict[str, Path]:
    """Return the files of the package that Chalice makes after `build_vendor`, by their names in it."""
    files = {f"chalice/{path.name}": path for path in CHALICE} | {"app.py": folder / "app.py"}
    for tree, base in ((folder / "chalicelib", folder), (folder / "vendor", folder / "vendor")):
        files |= {path.relative_to(base).as_posix(): path for path in tree.rglob("*") if path.is_file()}
    return files


def build_layer(target: Path, *, python: str, architecture: str) -> Path:
    """Write the worker's layer to the zip file `target` and return it. Raises `StepError`.

    The layer holds the requirements of the worker that the functions do not have. `layer-contents.txt` beside
    it lists the files that were left out. The zip file is kept with the installed requirements.
    """
    functions = frozenset(pinned(FUNCTIONS.read_text()))
    entries = required(WORKER.read_text(), without=functions)
    target.parent.mkdir(parents=True, exist_ok=True)
    with installed("layer", entries, python=python, architecture=architecture, runs_in=LAYER) as installation:
        packages, made = installation / "packages", installation / "layer.zip"
        if not made.exists():
            files = (path for path in packages.rglob("*") if path.is_file())
            write_zip(made, {f"python/{path.relative_to(packages)}": path for path in files})
        shutil.copyfile(made, target)
        shutil.copyfile(installation / LIST, target.with_name("layer-contents.txt"))
    return target


def write_zip(target: Path, files: Mapping[str, Path]) -> None:
    """Zip `files`, given by their names in the archive. Equal files make equal bytes."""
    half = target.with_name(f"{target.name}.half")
    with zipfile.ZipFile(half, "w") as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes(), compresslevel=_LEVEL)
    half.replace(target)
