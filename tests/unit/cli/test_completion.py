"""What a shell completes: names of commands by click, values of the service by the client."""

import pytest
from click.shell_completion import ShellComplete

from sluice_cli.main import main
from tests.support.cli_fake import JOB_ID, FakeSluice, job, problem


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
