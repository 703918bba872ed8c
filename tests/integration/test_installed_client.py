"""`pip install .` in an empty environment: the command `sluice`, what it needs, nothing of the service."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import chalicelib
from infra.steps.environment import inherited_env
from infra.steps.layout import SHARED
from infra.steps.pip import PIP_INSTALL, pip
from tests.support.cli_fake import JOB_ID, FakeSluice
from tests.support.paths import CHECKOUT

BUILT = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "sluice_cli", "chalicelib/__init__.py")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with the client and the packages of its lock."""
    root = tmp_path_factory.mktemp("installed")
    source = root / "source"
    for name in BUILT:  # the build writes beside what it builds
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        path = CHECKOUT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source / name)
    _run(root, pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(root), str(source)))
    (wheel,) = root.glob("sluice-*.whl")
    own = root / "own.txt"
    own.write_text(f"{wheel.as_uri()} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    _run(root, [sys.executable, "-m", "venv", "--without-pip", str(root / "venv")])
    into = pip("--python", str(root / "venv" / "bin" / "python"), *PIP_INSTALL)
    _run(root, [*into, "-r", str(CHECKOUT / "requirements-client.txt"), "-r", str(own)])
    return root


def _run(root: Path, command: list[str]) -> None:
    done = subprocess.run(
        command, env=env(root), cwd=root, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def env(root: Path, **more: str) -> dict[str, str]:
    own = {"HOME": str(root), "TMPDIR": str(root), "PIP_CACHE_DIR": str(SHARED / "cache" / "pip")}
    return inherited_env() | own | more


def sluice(root: Path, *arguments: str, **more: str) -> str:
    command = [str(root / "venv" / "bin" / "sluice"), *arguments]
    done = subprocess.run(
        command, env=env(root, **more), cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_command_tells_its_version(environment: Path) -> None:
    assert sluice(environment, "--version") == f"sluice {chalicelib.__version__}\n"


def test_the_command_has_help(environment: Path) -> None:
    told = sluice(environment, "--help")
    assert told.startswith("Usage: sluice ")
    assert "upload" in told


def test_the_command_uploads_a_file(environment: Path, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("name\nAda\n")
    with FakeSluice() as server:
        told = sluice(environment, "upload", str(file), SLUICE_URL=server.url)
        (created,) = server.requests_of("POST", "/uploads")
    assert f"job {JOB_ID}" in told
    assert created.headers["User-Agent"] == f"sluice-cli/{chalicelib.__version__}"


def test_only_the_client_is_installed(environment: Path) -> None:
    (site,) = environment.glob("venv/lib/python*/site-packages")
    assert (site / "sluice_cli" / "py.typed").exists()
    assert {path.name for path in site.glob("sluice*")} == {
        "sluice_cli",
        f"sluice-{chalicelib.__version__}.dist-info",
    }
    service = ("chalicelib", "infra", "tests", "bench", "pyarrow", "psycopg", "boto3", "chalice")
    assert [name for name in service if (site / name).exists()] == []
