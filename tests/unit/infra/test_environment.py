import subprocess
from pathlib import Path

import pytest

from infra.local import env_file
from infra.steps import environment, pip
from infra.steps.layout import Layout

AWKWARD = {
    "PLAIN": "http://127.0.0.1:4566/queue/us-east-1/000000000000/sluice-jobs",
    "URL": "postgresql://sluice:a%2Fb@127.0.0.1:1/sluice?x=1&y=2",
    "SPACES": "two words",
    "QUOTES": 'it\'s "so" `$HOME` \\',
    "EMPTY": "",
    "UNICODE": "grün",
}


def test_a_shell_reads_the_env_file(tmp_path: Path) -> None:
    layout = Layout.at(tmp_path)
    env_file.write_env_file(layout, AWKWARD)

    shell = ["bash", "-c", 'set -a; . "$0"; set +a; env -0', str(layout.env_file)]
    told = subprocess.check_output(shell, text=True, env={"PATH": "/usr/bin:/bin"})
    seen = dict(pair.split("=", 1) for pair in told.split("\0") if pair)

    assert {name: seen[name] for name in AWKWARD} == AWKWARD
    assert layout.env_file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob("env*")) == [layout.env_file]


def test_the_env_file_is_read_back_as_written(tmp_path: Path) -> None:
    layout = Layout.at(tmp_path)
    assert env_file.read_env_file(layout) == {}

    env_file.write_env_file(layout, AWKWARD)

    assert env_file.read_env_file(layout) == AWKWARD


def test_children_inherit_only_network_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "PYTHONPATH", "VIRTUAL_ENV", "SLUICE_BUCKET", "DATABASE_URL"):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "example.org")

    passed = environment.inherited_env()

    assert passed["https_proxy"] == "http://proxy:3128"
    assert passed["NO_PROXY"] == "example.org,127.0.0.1,localhost"
    assert "PATH" in passed
    assert "mine" not in passed.values()


def test_childrens_folders_are_under_the_root(tmp_path: Path) -> None:
    own = environment.own_env(Layout.at(tmp_path))

    folders = [value for name, value in own.items() if name != "PYTHONUNBUFFERED"]
    assert all(Path(folder).is_relative_to(tmp_path) for folder in folders)


def test_pip_keeps_the_callers_home_for_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)

    env = pip.pip_env(Layout.at(tmp_path))

    assert env["HOME"] == "/home/somebody"
    assert ".local/cache/pip" in env["PIP_CACHE_DIR"]
    assert Path(env["TMPDIR"]).is_relative_to(tmp_path)
