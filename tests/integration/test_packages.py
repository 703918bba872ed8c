"""The packages as functions find them: built, unpacked, and run where nothing else is installed."""

import bz2
import gzip
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from chalice.deploy.packager import DependencyBuilder, LambdaDeploymentPackager
from chalice.utils import UI, OSUtils

from infra.local import installs
from infra.packages import build_layer, build_vendor
from infra.packages.__main__ import main
from infra.packages.bytecode import RUNNING
from infra.steps.layout import CHECKOUT
from infra.steps.progress import to_nowhere

SAMPLE = CHECKOUT / "infra" / "local" / "sample" / "customers.csv"
MACHINES = {"arm64": 183, "x86_64": 62}  # in the header of an ELF file
# what they ask for as they are imported; nothing of it is there
SETTINGS = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "SLUICE_QUEUE_URL": "http://127.0.0.1:1/queue",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}

IMPORT_ALL = """
import importlib, pkgutil, sys
from importlib._bootstrap_external import SourceLoader
compile_source = SourceLoader.source_to_code
def source_to_code(self, data, path, **options):
    if path.startswith((sys.argv[1], sys.argv[2])):
        print("compiled", path)
    return compile_source(self, data, path, **options)
SourceLoader.source_to_code = source_to_code
import app
import chalicelib
for module in pkgutil.walk_packages(chalicelib.__path__, "chalicelib."):
    importlib.import_module(module.name)
for module in list(sys.modules.values()):
    print("loaded", getattr(module, "__file__", None))
"""

API = """
import app
from chalicelib.core.access import Reach
from chalicelib.core.tenants import DEFAULT_TENANT
made = app.services()
own = made.of(Reach(DEFAULT_TENANT))
print([own.jobs, own.uploads, own.job_actions, made.access, made.intake, made.sweeper, made.sender])
made.close()
"""

INGEST = """
import hashlib, json, pathlib, sys
from uuid import UUID
from chalicelib.entrypoints import worker  # as the process imports it
from chalicelib.api.serializers import describe_dialect
from chalicelib.backends.postgres.copy_format import EncodedRows
from chalicelib.service.ingestion import Result
from chalicelib.core.model import Format, Options, Status
from chalicelib.wiring import services
from tests.support.fakes import MemoryJobs, MemoryStore
from tests.support.jobs import new_job
from tests.support.workers import ingest, new_ingester

OPTIONS = {
    "dates.csv": Options(date_order="DMY", decimal=","),
    "latin.csv": Options(encoding="latin-1", delimiter=";"),
}
assert services().message_handler
found = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.*")):
    jobs, store = MemoryJobs(), MemoryStore(path.read_bytes())
    options = OPTIONS.get(path.name, Options())
    job = jobs.put(new_job(id=UUID(int=7), status=Status.PROCESSING, options=options, block_size=50_000))
    ingester = new_ingester(jobs, store, max_upload=1 << 30, max_record=1 << 20, loaders=1)
    assert ingest(job, ingester, lambda: True) is Result.JOB_ENDED
    ended = jobs.jobs[job.id]
    blocks = [jobs.blocks[job.id][no] for no in sorted(jobs.blocks[job.id])]
    found[path.name] = {
        "status": ended.status,
        "dialect": describe_dialect(ended.reading.dialect),
        "records": [sorted(block.rows["record"].to_pylist()) for block in blocks],
        "rejects": [[(it.code, it.offset, it.field) for it in block.rejects] for block in blocks],
        "copied": [hashlib.sha256(b"".join(EncodedRows(ended, block.rows))).hexdigest() for block in blocks],
    }
services().close()
pathlib.Path(sys.argv[2]).write_text(json.dumps(found))
"""


@dataclass(frozen=True)
class Unpacked:
    """What `/var/task` and `/opt` are."""

    task: Path
    layer: Path

    def run(self, program: str, *arguments: str, layer: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program as a function would be."""
        installs.ensure([installs.LAMBDA], to_nowhere)
        path = [self.task, *([self.layer] if layer else []), CHECKOUT]  # for `tests`
        return python(installs.LAMBDA.python, path, program, *arguments)


def python(
    interpreter: Path, path: list[Path], program: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    env = {"PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1", **SETTINGS}
    return subprocess.run(
        [interpreter, "-sP", "-c", program, *arguments], env=env, capture_output=True, text=True, check=False
    )


def staged_copy(folder: Path) -> Path:
    """Copy the application with its `vendor`, as Chalice packages it."""
    folder.mkdir()
    shutil.copyfile(CHECKOUT / "app.py", folder / "app.py")
    shutil.copytree(
        CHECKOUT / "chalicelib", folder / "chalicelib", ignore=shutil.ignore_patterns("__pycache__")
    )
    build_vendor(folder, python=RUNNING, architecture="x86_64")
    return folder


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    """Built for the running Python; the functions' package by Chalice itself."""
    folder = tmp_path_factory.mktemp("packages")
    staged = staged_copy(folder / "staged")
    osutils = OSUtils()
    packager = LambdaDeploymentPackager(osutils, DependencyBuilder(osutils), UI())
    package = packager.create_deployment_package(str(staged), f"python{RUNNING}")
    layer = build_layer(folder / "layer.zip", python=RUNNING, architecture="x86_64")
    for archive, target in ((package, "task"), (layer, "opt")):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder / target)
    return Unpacked(folder / "task", folder / "opt" / "python")


def test_both_architectures_stay_within_lambdas_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["--output", str(tmp_path)])
    printed = capsys.readouterr().out
    with capsys.disabled():
        sys.stdout.write(f"\n{printed}")
    assert status == 0, printed
    rows = [line.split()[:2] for line in printed.splitlines()[1:5]]
    assert rows == [[part, architecture] for architecture in MACHINES for part in ("function", "layer")]
    for architecture, machine in MACHINES.items():
        for archive in (tmp_path / f"{RUNNING}-{architecture}").glob("*.zip"):
            assert machines(archive) == {machine}
        layer = tmp_path / f"{RUNNING}-{architecture}" / "layer.zip"
        assert set() < needed(layer) <= libraries(layer)
        assert "Arrow Flight" in layer.with_name("layer-contents.txt").read_text()


def test_staging_again_makes_the_same_package(tmp_path: Path) -> None:
    first, second = staged_copy(tmp_path / "first"), staged_copy(tmp_path / "second")
    build_vendor(second, python=RUNNING, architecture="x86_64")  # over what is there
    assert contents(first) == contents(second)
    assert {path.name for path in second.iterdir()} == {"app.py", "chalicelib", "requirements.txt", "vendor"}
    assert (second / "requirements.txt").read_text().startswith("#")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def machines(archive: Path) -> set[int]:
    """Return the architectures of the binaries in a zip file."""
    with zipfile.ZipFile(archive) as opened:
        heads = [opened.read(name)[:20] for name in opened.namelist() if re.search(r"\.so(\.|$)", name)]
    return {int.from_bytes(head[18:20], "little") for head in heads if head.startswith(b"\x7fELF")}


def libraries(archive: Path) -> set[str]:
    """Return the shared libraries in a layer."""
    with zipfile.ZipFile(archive) as opened:
        return {name.rpartition("/")[2] for name in opened.namelist()}


def needed(archive: Path) -> set[str]:
    """Arrow's libraries that any binary in a layer names, as it does when it cannot be loaded without."""
    found: set[bytes] = set()
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            if re.search(r"\.so(\.|$)", name):
                found.update(re.findall(rb"\0(lib(?:arrow|parquet)\w*\.so\.\d+)(?=\0)", opened.read(name)))
    return {name.decode() for name in found}


def test_every_module_is_found_and_none_has_to_be_compiled(unpacked: Unpacked) -> None:
    ended = unpacked.run(IMPORT_ALL, str(unpacked.task), str(unpacked.layer))
    assert ended.returncode == 0, ended.stderr
    told = ended.stdout.splitlines()
    for name in (
        "app.py",
        "chalice/app.py",
        "chalicelib/worker.py",
        "psycopg/__init__.py",
        "redis/client.py",
    ):
        assert f"loaded {unpacked.task / name}" in told
    assert f"loaded {unpacked.layer / 'pyarrow' / 'compute.py'}" in told
    assert [line for line in told if line.startswith("compiled")] == []


def test_the_api_does_without_the_layer(unpacked: Unpacked) -> None:
    ended = unpacked.run(API, layer=False)
    assert ended.returncode == 0, ended.stderr
    assert "PostgresRegister" in ended.stdout


@pytest.mark.parametrize("program", [API, "import app"])
def test_a_missing_requirement_is_named(unpacked: Unpacked, tmp_path: Path, program: str) -> None:
    task = tmp_path / "task"
    shutil.copytree(unpacked.task, task, ignore=shutil.ignore_patterns("psycopg"))
    ended = Unpacked(task, unpacked.layer).run(program)
    assert ended.returncode != 0
    assert "ModuleNotFoundError: No module named 'psycopg'" in ended.stderr


def write_files(folder: Path) -> None:
    """Files of every kind that is read."""
    sample = SAMPLE.read_bytes()
    folder.mkdir()
    rows = [{"id": n, "name": f"Zoë {n}", "tags": [{"deep": n / 7}], "big": 2**60 + n} for n in range(2000)]
    lines = "\n".join(json.dumps(row) for row in rows)
    dates = "day;amount;seen\n" + "".join(
        f"{n % 28 + 1:02}/{n % 12 + 1:02}/2024;{n},50;2024-03-{n % 28 + 1:02}T10:00:00+02:00\n"
        for n in range(3000)
    )
    text = sample.decode(errors="replace").replace("\0", "")
    with zipfile.ZipFile(folder / "sample.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("customers.csv", sample)
    files = {
        "sample.csv": sample,
        "sample.csv.gz": gzip.compress(sample),
        "sample.csv.bz2": bz2.compress(sample),
        "sample.csv.xz": lzma.compress(sample),
        "sample.csv.zst": pa.compress(sample, codec="zstd", asbytes=True),
        "utf16.csv": text.encode("utf-16"),
        "latin.csv": "naïve;café\n1;été\n2;hôtel\n".encode("latin-1"),
        "cp1250.csv": text.encode("cp1250", errors="replace"),
        "dates.csv": dates.encode(),
        "lines.ndjson": (lines + '\n{"broken": \n[1]\n').encode(),
        "array.json": json.dumps(rows, indent=1).encode(),
        "objects.json": "\n\n".join(json.dumps(row, indent=1) for row in rows).encode(),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_files_become_the_same_rows_as_here(unpacked: Unpacked, tmp_path: Path) -> None:
    files = tmp_path / "files"
    write_files(files)
    there = unpacked.run(INGEST, str(files), str(tmp_path / "there.json"))
    assert there.returncode == 0, there.stderr
    here = python(Path(sys.executable), [CHECKOUT], INGEST, str(files), str(tmp_path / "here.json"))
    assert here.returncode == 0, here.stderr
    found = json.loads((tmp_path / "there.json").read_text())
    assert len(found) == 13
    assert {it["status"] for it in found.values()} == {"COMPLETED"}
    assert all(sum(map(len, it["records"])) for it in found.values())
    assert found == json.loads((tmp_path / "here.json").read_text())
