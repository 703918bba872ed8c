"""What a shell completes: names of commands by click, values of the service by the client."""

import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from click.shell_completion import ShellComplete, get_completion_class

from chalicelib.api.requests.uploads import OptionsBody
from chalicelib.core.model import BLANKS
from sluice_cli.commands.file_options import OPTION_VALUES
from sluice_cli.main import main
from tests.support.cli_fake import JOB_ID, FakeSluice, job, problem
from tests.support.paths import CHECKOUT


def completed(server: FakeSluice | None, monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """Return what the last word may become."""
    monkeypatch.delenv("SLUICE_URL", raising=False)
    monkeypatch.delenv("SLUICE_API_KEY", raising=False)
    if server is not None:
        monkeypatch.setenv("SLUICE_URL", server.url)
        monkeypatch.setenv("SLUICE_API_KEY", "key")
    *before, last = words
    shell = ShellComplete(main, {}, "sluice", "_SLUICE_COMPLETE")
    return [item.value for item in shell.get_completions(list(before), last)]


def test_commands_and_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed(None, monkeypatch, "up") == ["upload"]
    assert completed(None, monkeypatch, "upload", "--format", "") == ["csv", "ndjson", "json"]


@pytest.mark.parametrize(
    "command", [("upload",), ("preview", "x"), ("load", JOB_ID), ("retry", JOB_ID), ("options", "people")]
)
def test_options_of_files(monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    def options(typed: str) -> list[str]:
        return completed(None, monkeypatch, *command, "-o", typed)

    assert options("") == [f"{name}=" for name in OPTION_VALUES]
    assert options("skip_") == ["skip_initial_space=", "skip_lines=", "skip_after_header="]
    assert options("extra_cells=") == ["extra_cells=reject", "extra_cells=drop", "extra_cells=keep"]
    assert options("extra_cells=d") == ["extra_cells=drop"]
    assert options("encoding=") == options("unknown=") == options("unknown") == []


def test_the_options_are_those_of_the_service() -> None:
    members = {name: hint for name, hint in get_type_hints(OptionsBody).items() if name != "names_members"}
    service = {name: values_of(hint) for name, hint in members.items()}
    assert {**service, "delimiter": (BLANKS,)} == OPTION_VALUES


def values_of(hint: Any) -> tuple[str, ...]:
    """Return the values that a member of a request may have, none if there is no fixed set of them."""
    kind = next(it for it in get_args(hint) if it is not type(None))
    if get_origin(kind) is Literal:
        return get_args(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return tuple(kind)
    return ("true", "false") if kind is bool else ()


BASH = """
compopt() { echo "compopt $1 $2"; }
complete() { echo "complete $*"; }
eval "$(_SLUICE_COMPLETE=bash_source sluice)"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_sluice_completion sluice
printf '<%s>' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        ("upload -o date", "compopt -o nospace\n<date_order=>"),
        ("upload -o decimal =", "<.><,>"),  # as bash splits it
        ("upload -o short_rows = p", "<pad>"),
        ("upload -o short_rows=p", "<short_rows=pad>"),  # if COMP_WORDBREAKS has no =
        ("upload --format = nd", "<ndjson>"),
        ("upload peo", "compopt -o default\n<>"),
        ("jobs --status und", "<UNDOING><UNDONE>"),
    ],
)
def test_bash(tmp_path: Path, words: str, printed: str) -> None:
    program = tmp_path / "sluice"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m sluice_cli "$@"\n')
    program.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(CHECKOUT)}
    command = ["bash", "-c", BASH, "bash", "sluice", *words.split(" ")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (
        f"complete -o nosort -F _sluice_completion sluice\n{printed}",
        "",
    )


def test_zsh_adds_no_space_after_a_name() -> None:
    zsh = get_completion_class("zsh")
    assert zsh is not None
    assert "compadd -U -V unsorted -S '' -- ${(M)completions:#*=}" in zsh.source_template


@pytest.mark.parametrize("typed", ["UNDO", "undo"])
def test_statuses(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    assert completed(None, monkeypatch, "jobs", "--status", typed) == ["UNDOING", "UNDONE"]


@pytest.mark.parametrize(
    "words", [("upload", "--dataset"), ("preview", "--dataset"), ("jobs", "--dataset"), ("options",)]
)
def test_datasets_of_the_latest_jobs(
    server: FakeSluice, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    server.jobs = [job(dataset=name) for name in ("sales", "people", "sales", "parts")]
    assert completed(server, monkeypatch, *words, "") == ["parts", "people", "sales"]
    assert completed(server, monkeypatch, *words, "p") == ["parts", "people"]
    assert server.requests[0].headers["Authorization"] == "Bearer key"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "words",
    [*((it,) for it in ("job", "errors", "cancel", "retry", "undo", "load")), ("upload", "x", "--resume")],
)
def test_ids_of_the_latest_jobs(
    server: FakeSluice, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    other = "73a3eb48-477f-4fcb-bd18-1865d0026c05"
    server.jobs = [job(), job(id=other)]
    assert completed(server, monkeypatch, *words, "") == [JOB_ID, other]
    assert completed(server, monkeypatch, *words, "73A") == [other]


def test_the_options_of_the_line_choose_the_service(
    server: FakeSluice, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert completed(None, monkeypatch, "--url", server.url, "--tenant", "acme", "job", "") == [JOB_ID]
    assert server.requests[0].headers["Sluice-Tenant"] == "acme"


def test_an_id_comes_with_what_it_is(server: FakeSluice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_URL", server.url)
    (item,) = ShellComplete(main, {}, "sluice", "_SLUICE_COMPLETE").get_completions(["job"], "")
    assert str(item.help).startswith("COMPLETED people.csv, ")


def test_without_a_service_nothing_is_completed_and_nothing_printed(
    server: FakeSluice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server, "_get", lambda *_: problem(503, "Service Unavailable", "No."))
    assert completed(None, monkeypatch, "job", "") == []
    assert completed(server, monkeypatch, "job", "") == []
    assert capsys.readouterr() == ("", "")
