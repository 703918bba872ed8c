"""``sluice upload FILE...``: several files and patterns, one summary, one exit status."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_cli import errors
from sluice_cli.api import Api
from sluice_cli.commands.upload import expanded
from sluice_cli.transfer.local_file import LocalFile
from tests.support.cli_fake import JOB_ID, Answer, FakeSluice, job, problem, run

WARNING: dict[str, Any] = {"code": "short-rows", "message": "Rows.", "count": 1, "first": {}}
LOADED = job(counts={"read": 4, "inserted": 3, "duplicates": 1, "rejected": 0})
REJECTS = job(counts={"read": 4, "inserted": 2, "duplicates": 1, "rejected": 1})
WARNED = LOADED | {"warnings": [WARNING]}
BROKEN = job("FAILED", error={"code": "corrupt-file", "message": "It is cut off."}, counts={})


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{name}.csv" for name in "abc"]
    for path in paths:
        path.write_text(f"name\n{path.stem}\n")
    return [str(path) for path in paths]


def jobs(server: FakeSluice, *documents: dict[str, Any]) -> None:
    server.polls = [Answer(200, document) for document in documents]


def sent(server: FakeSluice) -> list[str]:
    return [post.json["filename"] for post in server.requests_of("POST", "/uploads")]


def test_each_file_becomes_a_job_and_all_are_summed_up(server: FakeSluice, files: list[str]) -> None:
    jobs(server, LOADED, REJECTS, LOADED)
    result = run(server, "upload", *files, "--dataset", "sales")
    assert result.exit_code == 0
    assert sent(server) == ["a.csv", "b.csv", "c.csv"]
    assert {post.json["dataset"] for post in server.requests_of("POST", "/uploads")} == {"sales"}
    *_, head, first, second, third, counted, reconciled, rejects = result.stdout.splitlines()
    assert head.split() == ["FILE", "STATUS", "READ", "INSERTED", "DUPLICATES", "REJECTED", "JOB"]
    assert first.split()[1:] == ["COMPLETED", "4", "3", "1", "0", JOB_ID]
    assert second.split()[1:] == ["COMPLETED", "4", "2", "1", "1", JOB_ID]
    assert third.split()[0].endswith("c.csv")
    assert counted == "3 files: 3 COMPLETED"
    assert reconciled == "read 12 = 8 inserted + 3 duplicates + 1 rejected"
    assert rejects == f"people.csv: 1 rejected: sluice errors {JOB_ID}"


def test_all_files_are_sent_before_the_first_job_is_followed(server: FakeSluice, files: list[str]) -> None:
    jobs(server, LOADED)
    run(server, "upload", *files)
    methods = [request.method for request in server.requests]
    assert methods == ["POST", "PUT"] * 3 + ["GET"] * 3


def test_a_file_that_cannot_be_uploaded_does_not_stop_the_others(
    server: FakeSluice, files: list[str], tmp_path: Path
) -> None:
    jobs(server, LOADED)
    result = run(server, "upload", files[0], str(tmp_path / "none.csv"), files[2])
    assert result.exit_code == errors.INPUT_ERROR
    assert sent(server) == ["a.csv", "c.csv"]
    assert result.stderr == f"Error: Cannot read {tmp_path}/none.csv: No such file or directory.\n"
    assert "3 files: 2 COMPLETED, 1 not uploaded" in result.stdout


def test_a_refusal_names_the_file(server: FakeSluice, files: list[str]) -> None:
    server.create = problem(400, "Bad Request", "No such dataset.", field="dataset")
    result = run(server, "upload", *files)
    assert result.exit_code == errors.INPUT_ERROR
    assert [line for line in result.stderr.splitlines() if line.startswith("Error")] == [
        f"Error: {file}: Bad Request: No such dataset." for file in files
    ]


def test_trouble_with_the_service_ends_it_and_what_is_known_is_summed_up(
    server: FakeSluice, files: list[str]
) -> None:
    server.create = problem(503, "Service Unavailable", "Later.")
    result = run(server, "upload", *files)
    assert result.exit_code == errors.SERVICE_ERROR
    assert len(server.requests) == 1
    assert result.stderr.count("Error") == 1
    assert "3 files: 3 not uploaded" in result.stdout


Method = tuple[type, str]


def interrupt(monkeypatch: pytest.MonkeyPatch, method: Method) -> None:
    """Let Ctrl-C come when the method is called for the second time."""
    owner, name = method
    original, calls = getattr(owner, name), count(1)

    def interrupted(*arguments: Any) -> Any:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(owner, name, interrupted)


@pytest.mark.parametrize("method", [(LocalFile, "sha256"), (Api, "create_upload")])
@pytest.mark.parametrize("options", [[], ["-q"], ["-q", "--no-follow"], ["--json"]])
def test_ctrl_c_while_a_file_is_hashed_or_registered_is_summed_up(
    server: FakeSluice,
    files: list[str],
    monkeypatch: pytest.MonkeyPatch,
    method: Method,
    options: list[str],
) -> None:
    interrupt(monkeypatch, method)
    result = run(server, "upload", *files, *options)
    assert result.exit_code == errors.INTERRUPTED
    assert sent(server) == ["a.csv"]
    assert f"Error: {files[1]}: Interrupted.\n" in result.stderr
    summary = result.stderr if options else result.stdout
    assert f"3 files: 1 {'COMPLETED' if '--json' in options else 'uploaded'}, 2 not uploaded\n" in summary
    assert JOB_ID in summary


def test_ctrl_c_between_two_answers_is_summed_up(
    server: FakeSluice, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs(server, LOADED)
    interrupt(monkeypatch, (Api, "job"))
    result = run(server, "upload", "-q", *files)
    assert result.exit_code == errors.INTERRUPTED
    assert "3 files: 1 COMPLETED, 2 uploaded\n" in result.stderr
    assert result.stderr.count(JOB_ID) >= 3


@pytest.mark.parametrize(
    ("documents", "options", "status"),
    [
        ([LOADED, LOADED, LOADED], ["--fail-on-rejects", "--fail-on-warnings"], 0),
        ([LOADED, BROKEN, REJECTS], ["--fail-on-rejects"], errors.JOB_FAILED),
        ([LOADED, REJECTS, WARNED], ["--fail-on-rejects", "--fail-on-warnings"], errors.REJECTED),
        ([LOADED, REJECTS, WARNED], ["--fail-on-warnings"], errors.WARNED),
        ([LOADED, REJECTS, WARNED], [], 0),
    ],
)
def test_the_exit_status_is_the_worst(
    server: FakeSluice, files: list[str], documents: list[dict[str, Any]], options: list[str], status: int
) -> None:
    jobs(server, *documents)
    assert run(server, "upload", *files, *options).exit_code == status


def test_a_job_that_failed_and_one_with_warnings_are_told(server: FakeSluice, files: list[str]) -> None:
    jobs(server, BROKEN, WARNED)
    output = run(server, "upload", *files).stdout
    assert "people.csv: corrupt-file: It is cut off.\n" in output
    assert f"people.csv: 1 warning: sluice job {JOB_ID}\n" in output
    assert "3 files: 1 FAILED, 2 COMPLETED" in output


def test_a_file_that_was_loaded_before_is_told(server: FakeSluice, files: list[str]) -> None:
    jobs(server, job(duplicate_of="77", counts={}))
    assert "job 77 has loaded the same file" in run(server, "upload", *files).stdout


def test_json_is_one_document_a_line(server: FakeSluice, files: list[str]) -> None:
    jobs(server, LOADED, REJECTS, LOADED)
    result = run(server, "upload", *files, "--json")
    assert [json.loads(line)["counts"]["inserted"] for line in result.stdout.splitlines()] == [3, 2, 3]
    assert "3 files: 3 COMPLETED" in result.stderr


def test_without_following_the_jobs_are_named(server: FakeSluice, files: list[str]) -> None:
    result = run(server, "upload", *files, "--no-follow")
    assert result.exit_code == 0
    assert server.requests_of("GET") == []
    assert "3 files: 3 uploaded\nThe jobs continue. To see them: sluice jobs\n" in result.stdout
    assert result.stdout.count(JOB_ID) == 3 + 3


def test_without_following_json_shows_the_jobs_as_they_are(server: FakeSluice, files: list[str]) -> None:
    jobs(server, BROKEN)
    result = run(server, "upload", *files, "--no-follow", "--json")
    assert result.exit_code == 0
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == [JOB_ID] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-"], "Standard input (-) cannot be given with other files."),
        (["--filename", "x.csv"], "--filename can be given with one FILE only."),
        (["--resume", JOB_ID], "--resume can be given with one FILE only."),
    ],
)
def test_what_is_for_one_file_is_refused_with_several(
    server: FakeSluice, files: list[str], options: list[str], message: str
) -> None:
    result = run(server, "upload", *files, *options)
    assert result.exit_code == errors.INPUT_ERROR
    assert message in result.stderr
    assert server.requests == []


def test_a_pattern_in_quotes_is_expanded(server: FakeSluice, files: list[str], tmp_path: Path) -> None:
    assert files
    (tmp_path / "folder.csv").mkdir()
    result = run(server, "upload", str(tmp_path / "*.csv"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert sent(server) == ["a.csv", "b.csv", "c.csv"]


def test_a_pattern_may_match_one_file(server: FakeSluice, files: list[str], tmp_path: Path) -> None:
    assert files
    result = run(server, "upload", str(tmp_path / "a*"))
    assert sent(server) == ["a.csv"]
    assert "files:" not in result.stdout


def test_a_pattern_that_matches_nothing_is_a_name(server: FakeSluice, tmp_path: Path) -> None:
    result = run(server, "upload", str(tmp_path / "*.csv"))
    assert result.exit_code == errors.INPUT_ERROR
    assert "*.csv: No such file or directory." in result.stderr


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    odd, other = tmp_path / "[a].csv", tmp_path / "a.csv"
    odd.touch()
    other.touch()
    assert expanded([odd]) == [odd]
    odd.unlink()
    assert expanded([odd]) == [other]


@given(st.lists(st.sampled_from(["a", "b", "c"])))
def test_each_file_is_sent_once_in_the_order_given(names: list[str]) -> None:
    paths = [Path(name) for name in names]
    assert expanded(paths) == [path for at, path in enumerate(paths) if path not in paths[:at]]


def test_labels_reach_the_api(server: FakeSluice, files: list[str]) -> None:
    run(server, "upload", files[0], "--metadata", "source=crm", "--metadata", "note=a=b")
    (post,) = server.requests_of("POST", "/uploads")
    assert post.json["metadata"] == {"source": "crm", "note": "a=b"}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["source"], "'source' is not a label such as customer=4711."),
        (["=x"], "'=x' is not a label such as customer=4711."),
        (["a=1", "a=2"], "'a' is given more than once."),
    ],
)
def test_labels_of_another_form_are_refused(
    server: FakeSluice, files: list[str], labels: list[str], message: str
) -> None:
    result = run(server, "upload", files[0], *[word for label in labels for word in ("--metadata", label)])
    assert result.exit_code == errors.INPUT_ERROR
    assert message in result.stderr
    assert server.requests == []


def test_labels_are_settled_by_a_resumed_upload(server: FakeSluice, files: list[str]) -> None:
    result = run(server, "upload", files[0], "--resume", JOB_ID, "--metadata", "a=1")
    assert result.exit_code == errors.INPUT_ERROR
    assert "--metadata cannot be given with --resume" in result.stderr
