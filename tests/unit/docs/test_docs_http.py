"""The examples of `docs/reference/http-api.md` are what the API gives, and every route is there."""

import ast
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import pytest

from chalicelib.api import serializers
from chalicelib.api.context import RequestContext
from chalicelib.api.middleware import request_middleware
from chalicelib.api.pagination import format_cursor
from chalicelib.api.problems import handle_errors
from chalicelib.api.requests.retry import RetryBody, parse_retry
from chalicelib.api.requests.uploads import parse_upload
from chalicelib.api.views import datasets, health, upload_tokens, uploads
from chalicelib.api.views import jobs as jobs_views
from chalicelib.api.views import workers as workers_views
from chalicelib.backends.postgres.mappers import dialect_of
from chalicelib.core.budget import Budget
from chalicelib.core.dependencies import Dependency
from chalicelib.core.errors import InvalidRequest
from chalicelib.core.jobs import Part, RejectsSource
from chalicelib.core.lifecycle import TRANSITIONS, Action
from chalicelib.core.model import Dialect, Format, Place, RejectCount, Source, Status, StoredReject, Tally
from chalicelib.core.preview import Sureness
from chalicelib.core.uploads import SignedDownload
from chalicelib.core.waiting import PATIENCE, Obstacle
from chalicelib.core.warnings import JobWarning
from chalicelib.core.workers import Wait, WorkOnJob
from chalicelib.service.rejects_request import RejectsDownload
from tests.support.docpages import ROOT, blocks, page, quoted, section, table
from tests.support.fakes import MemoryServices, MemoryStore
from tests.support.jobs import new_job
from tests.support.previewing import World
from tests.support.principals import OPERATOR, REACH
from tests.support.routes import ROUTES
from tests.support.worker_states import hold, holders, work, worker

JOB = "GET /jobs/{job_id}"
DIVISION = ("size", "part_size", "part_count")


def example(title: str) -> Any:
    """Return the last JSON document under an endpoint's heading, without its subsections."""
    own = section("http-api.md", f"`{title}`").split("\n### ")[0]
    return json.loads(blocks(own, "json")[-1])


def shape(document: Any) -> Any:
    """Return the names of all members, without their values."""
    if isinstance(document, dict):
        return {name: shape(value) for name, value in document.items()}
    return [shape(item) for item in document] if isinstance(document, list) else None


def test_every_route_is_documented_and_no_other_is() -> None:
    documented = re.findall(r"^## `(.*)`$", page("http-api.md"), re.MULTILINE)
    routes = {f"{method} {path}" for method, path in ROUTES}

    assert set(documented) == routes
    assert len(documented) == len(routes)


def test_the_job_is_what_describe_gives() -> None:
    document = example(JOB)
    source, counts, detected = document["source"], document["counts"], document["detected"]
    times: dict[str, Any] = {
        name: datetime.fromisoformat(document[name])
        for name in ("created_at", "queued_at", "started_at", "updated_at", "completed_at")
    }
    job = new_job(
        id=UUID(document["id"]),
        status=Status.COMPLETED,
        dataset="demo",
        filename="customers.csv",
        max_rejects=Budget.parse(document["max_rejects"]),
        source=Source(**source),
        arrived_at=times["created_at"],
        dialect=dialect_of({name: detected[name] for name in detected if name != "column_count"}),
        attempts=1,
        bytes_processed=source["size"],
        tally=Tally(counts["read"], counts["inserted"], counts["duplicates"], counts["rejected"]),
        warnings=[
            JobWarning(
                it["code"],
                it["count"],
                it["first"]["offset"],
                it["example"],
                it["first"]["record"],
                it["first"]["line"],
            )
            for it in document["warnings"]
        ],
        rejects=[
            RejectCount(
                it["code"],
                it["field"],
                it["count"],
                Place(it["first"]["offset"], it["first"]["record"], it["first"]["line"], it["first"]["row"]),
                it["first"]["message"],
            )
            for it in document["rejects"]
        ],
        rejects_format=Format.CSV,
        **times,
    )

    assert serializers.describe(job, times["completed_at"]) == document
    explained = [
        name for row in table(section("http-api.md", f"`{JOB}`"), "member", "") for name in names(row[0])
    ]
    inside = {"progress": document["progress"]}
    assert explained == [
        full
        for name, value in document.items()
        for full in ([f"{name}.{part}" for part in value] if name in inside else [name])
    ]


def test_every_member_of_a_warning_is_documented() -> None:
    explained = [
        name
        for row in table(section("http-api.md", "Warnings of a job"), "member", "")
        for name in names(row[0])
    ]
    (warning,) = example(JOB)["warnings"]
    assert explained == [
        full
        for name, value in warning.items()
        for full in ([f"{name}.{part}" for part in value] if isinstance(value, dict) else [name])
    ]


def test_a_preview_is_what_a_worker_makes() -> None:
    markdown = section("http-api.md", "Preview of a job")
    (document,) = map(json.loads, blocks(markdown, "json"))
    lines = ["name;city, country;amount", "Ada;York, GB;12.50", "Cy;Hull, GB;3.20", "Bo;Leeds, GB"]
    made = World(MemoryStore("\n".join([*lines, ""]).encode())).preview()

    shown = json.loads(msgspec.json.encode(serializers.describe_preview(made)))
    shown["rejects"][0]["message"] = document["rejects"][0]["message"]
    assert shown == document
    explained = [name for row in table(markdown, "member", "") for name in names(row[0])]
    assert explained == list(document)
    assert [quoted(row[0]) for row in table(markdown, "`sure`", "")] == list(Sureness)


@pytest.mark.parametrize("form", [Format.NDJSON, Format.JSON])
def test_every_member_of_the_dialect_is_documented(form: Format) -> None:
    (row,) = (it for it in table(section("http-api.md", f"`{JOB}`"), "member", "") if it[0] == "`detected`")

    assert serializers.describe_dialect(Dialect(form, 0)).keys() <= set(re.findall("`([a-z_]+)`", row[1]))


def test_lists_leave_out_what_is_long() -> None:
    now = datetime.fromisoformat("2025-11-23T14:56:58Z")
    job = new_job(
        source=Source("bucket", "key", "etag", 1), dialect=Dialect(Format.CSV, 0, columns=("name",))
    )
    whole = serializers.describe(job, now)
    long = {"metadata", "rejects", "preview", "retry_after"}
    of_dialect = {"columns", "column_count", "decimal_columns"}
    for name in long:
        del whole[name]
    for name in of_dialect:
        del whole["detected"][name]

    assert serializers.summarise(job, now) == whole
    named = re.findall("`([a-z_]+)`", section("http-api.md", "`GET /jobs`"))
    assert long | of_dialect <= set(named)


def test_the_documented_formats_are_those_of_the_code() -> None:
    fields = table(section("http-api.md", "`POST /uploads`"), "member", "type", "")
    (row,) = (it for it in fields if it[0] == "`format`")

    assert re.findall("`([a-z]+)`", row[1]) == list(Format)


def test_an_error_in_options_names_the_option() -> None:
    markdown = section("http-api.md", "`POST /uploads`")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"delimiter": None}, "options.delimiter"),
        ({"delimiter": ";", "comment": ";"}, "options"),
    ]
    for options, field in wrong:
        with pytest.raises(InvalidRequest) as error:
            parse_upload({"filename": "x", "options": options}, max_size=0)
        assert error.value.field == field
        assert f"`{field}`" in markdown


def test_the_documents_of_a_rejects_file_are_what_the_api_gives() -> None:
    text = section("http-api.md", "`GET /jobs/{job_id}/rejects.csv`")
    requested, made = map(json.loads, blocks(text, "json"))
    job = new_job(id=UUID(requested["job_id"]), tally=Tally(10, 0, 0, 10))
    assert serializers.describe_requested_rejects(job) == requested
    signed = SignedDownload(made["url"], datetime.fromisoformat(made["expires_at"]))
    download = RejectsDownload(made["filename"], made["rejects"], RejectsSource(made["source"]), signed)
    assert serializers.describe_rejects_download(download) == made


def names(cell: str) -> list[str]:
    return [quoted(name) for name in cell.split(", ")]


def test_every_phase_is_documented() -> None:
    source = ast.parse((ROOT / "chalicelib/api/serializers.py").read_text("utf-8"))
    (phase,) = (node for node in source.body if isinstance(node, ast.FunctionDef) and node.name == "phase")
    returned = [node for node in ast.walk(phase) if isinstance(node, ast.Return)]
    phases = {
        node.value
        for statement in returned
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    (row,) = (it for it in table(section("http-api.md", f"`{JOB}`"), "member", "") if it[0] == "`phase`")

    assert set(names(row[1])) == phases


def test_the_life_of_a_job_is_the_table_in_the_code() -> None:
    markdown = section("http-api.md", "The life of a job")
    statuses = [quoted(row[0]) for row in table(markdown, "status", "")]
    assert statuses == list(Status)
    documented = {
        Action(quoted(action)): (frozenset(map(Status, names(before))), Status(quoted(after)))
        for action, before, after, _ in table(markdown, "action", "from", "to", "who")
    }
    assert documented == {
        action: (transition.before, transition.after) for action, transition in TRANSITIONS.items()
    }


def test_a_reject_is_what_describe_gives() -> None:
    document = example("GET /jobs/{job_id}/errors")
    (reject,) = document["errors"]

    place = Place(reject["byte_offset"], reject["record_number"], reject["line"], reject["row"])
    texts = {name: reject[name] for name in ("field", "code", "message", "raw")}
    assert serializers.describe_reject(StoredReject((0, 564), place, **texts)) == reject
    assert document["next_cursor"] == format_cursor(0, 564)


def sent(body: Any = None, job_id: str = "") -> RequestContext:
    return RequestContext("", {"job_id": job_id}, {}, lambda: body, principal=OPERATOR)


def test_an_upload_is_answered_as_documented() -> None:
    request, answer = map(json.loads, blocks(section("http-api.md", "`POST /uploads`"), "json"))
    services = MemoryServices()
    fields = table(section("http-api.md", "`POST /uploads`"), "member", "type", "")

    given = uploads.create(sent(request | {"sha256": "0" * 64}), services.of(REACH).uploads)

    answer["upload"]["headers"] = {}  # S3Signer's own
    assert shape(given.body) == shape(answer)
    assert given.status_code == 202
    assert given.headers.keys() == {"Content-Type", "Location", "Retry-After"}
    others = {"format", "part_checksums", "force", "preview", "parent_job", "max_rejects", "on_failure"}
    others.add("rejects_beyond_limit")
    assert request.keys() | others == {quoted(row[0]) for row in fields}
    uploads.create(
        sent(dict.fromkeys(quoted(row[0]) for row in fields) | {"filename": "x"}), services.of(REACH).uploads
    )


def test_an_upload_token_is_made_as_documented() -> None:
    request, answer = map(json.loads, blocks(section("http-api.md", "`POST /upload-tokens`"), "json"))
    fields = table(section("http-api.md", "`POST /upload-tokens`"), "member", "type", "")

    services = MemoryServices()
    given = upload_tokens.create(sent(request), services.upload_tokens, services.audit, 10**12)

    assert shape(given.body) == shape(answer)
    assert {name: given.body[name] for name in ("scopes", "metadata", *request.keys() & answer.keys())} == {
        name: answer[name] for name in ("scopes", "metadata", *request.keys() & answer.keys())
    }
    lifetime = datetime.fromisoformat(answer["expires_at"]) - datetime.fromisoformat(answer["created_at"])
    assert lifetime.total_seconds() == request["expires_in"]
    assert given.status_code == 201
    assert request.keys() == {quoted(row[0]) for row in fields}
    upload_tokens.create(sent({"dataset": "people"}), services.upload_tokens, services.audit, 10**12)


def test_a_retry_takes_what_is_documented() -> None:
    markdown = section("http-api.md", "`POST /jobs/{job_id}/retry`")
    fields = table(markdown, "member", "type", "")
    assert {quoted(row[0]) for row in fields} == set(RetryBody.__struct_fields__)
    (body,) = map(json.loads, blocks(markdown, "json"))
    changes = parse_retry(body)
    assert changes is not None
    assert changes.options == body["options"]


def test_default_options_are_answered_as_documented() -> None:
    services = MemoryServices()
    (shown,) = map(json.loads, blocks(section("http-api.md", "`GET /datasets/{name}/options`"), "json"))
    (body,) = map(json.loads, blocks(section("http-api.md", "`PUT /datasets/{name}/options`"), "json"))
    path = {"name": shown["dataset"]}

    given = datasets.set_options(
        RequestContext("", path, {}, lambda: body, principal=OPERATOR), services.jobs
    )
    assert (given.status_code, given.body) == (200, shown)
    assert datasets.show_options(RequestContext("", path, principal=OPERATOR), services.jobs).body == shown


def test_a_multipart_upload_is_answered_as_documented() -> None:
    begun = json.loads(blocks(section("http-api.md", "Files in parts"), "json")[0])
    asked, signed = map(json.loads, blocks(section("http-api.md", "`POST /uploads/{job_id}/parts`"), "json"))
    listed = example("GET /uploads/{job_id}/parts")
    services = MemoryServices()
    jobs, multipart = services.jobs, services.multipart_uploads
    request = {"filename": "people.csv", "size": begun["upload"]["size"]}
    services.upload_rules = replace(services.upload_rules, part_size=begun["upload"]["part_size"])

    given = uploads.create(sent(request), services.of(REACH).uploads).body
    given["upload"]["parts"] = given["upload"]["parts"][:1]
    begun["upload"]["parts"][0]["headers"] = {}
    assert shape(given) == shape(begun)
    assert {n: begun["upload"][n] for n in DIVISION} == {n: given["upload"][n] for n in DIVISION}

    job_id = uploads.create(sent(request | {"part_checksums": True}), services.of(REACH).uploads).body[
        "job_id"
    ]
    given = uploads.sign_parts(sent(asked, job_id), jobs, multipart).body
    signed["parts"][0]["headers"] = {}
    assert shape(given) == shape(signed)
    services.upload_bucket.arrived["upload-1"][1] = Part(**listed["parts"][0])
    given = uploads.list_parts(sent(job_id=job_id), jobs, multipart).body
    assert shape(given) == shape(listed)
    assert given["parts"] == listed["parts"]

    lacking = example("POST /uploads/{job_id}/complete")
    refused = uploads.complete(sent(job_id=job_id), jobs, multipart)
    assert refused.status_code == lacking["status"]
    assert shape({**refused.body, "request_id": ""}).keys() == shape(lacking).keys()


def test_a_problem_is_written_as_documented() -> None:
    (problem,) = (
        document
        for document in map(json.loads, blocks(section("http-api.md", "Errors"), "json"))
        if "type" in document
    )
    view = handle_errors(uploads.create)
    context = sent({"filename": "people.csv", "colour": "red"})

    request: Any = SimpleNamespace(context={"requestId": problem["request_id"]}, uri_params=None, headers={})
    request.lambda_context = None
    assert (
        request_middleware(request, lambda _: view(context, MemoryServices().of(REACH).uploads)).body
        == problem
    )


def test_health_is_answered_as_documented() -> None:
    well, ill, deep = map(json.loads, blocks(section("http-api.md", "`GET /healthz`"), "json"))
    services = MemoryServices()

    assert health.show(RequestContext(), services.dependencies, services.workers).body == well
    services.jobs.down = True
    response = health.show(RequestContext(), services.dependencies, services.workers)
    assert response.headers["Retry-After"] == "5"
    assert {**response.body, "request_id": ill["request_id"]} == ill
    services.jobs.down = False
    (silent,) = deep["workers"]["silent"]
    services.workers.workers = [worker(), worker(name=silent, unseen=99)]
    context = RequestContext(query={"deep": "1"})
    assert health.show(context, services.dependencies, services.workers).body == deep


def test_a_worker_is_what_describe_gives() -> None:
    document = example("GET /workers")
    (shown,) = document["workers"]
    services = MemoryServices()
    (job,) = shown["jobs"]
    since, progress_at = map(datetime.fromisoformat, (job["since"], job["progress_at"]))
    told = job["waiting_for"]
    waits = Wait(Dependency(told["what"]), told["message"], datetime.fromisoformat(told["since"]))
    members: dict[str, Any] = {name: shown[name] for name in ("name", "version", "slots")}
    members |= {name: datetime.fromisoformat(shown[name]) for name in ("started_at", "seen_at")}
    at_work = WorkOnJob(UUID(job["job_id"]), "owner", since, progress_at, waits)
    services.workers.workers = [worker(jobs=[at_work], **members)]

    assert workers_views.list_workers(RequestContext(), services.workers).body == document
    markdown = section("http-api.md", "`GET /workers`")
    assert [name for row in table(markdown, "member", "") for name in names(row[0])] == list(shown)


def test_what_a_job_waits_for_is_documented() -> None:
    markdown = section("http-api.md", "What a job waits for").split("\n### ")[0]
    (document,) = map(json.loads, blocks(markdown, "json"))
    waits = Wait(Dependency.DATABASE, document["message"], datetime.fromisoformat(document["since"]))
    holder = worker(jobs=[work(wait=waits)])
    job = new_job(status=Status.PROCESSING, updated_at=waits.since, holders=holders(hold(holder)))

    now = waits.since + timedelta(seconds=PATIENCE)
    assert serializers.describe(job, now)["waiting_for"] == document
    assert [quoted(row[0]) for row in table(markdown, "member", "")] == list(document)
    assert [quoted(row[0]) for row in table(markdown, "`what`", "")] == list(Obstacle)
    assert f"less than {PATIENCE:.0f} seconds" in markdown


@pytest.mark.parametrize(
    ("title", "most"), [("GET /jobs", 200), ("GET /jobs/{job_id}/errors", 1000), ("GET /workers", 1000)]
)
def test_the_documented_limits_of_pages_are_those_of_the_code(title: str, most: int) -> None:
    (row,) = (it for it in table(section("http-api.md", f"`{title}`"), "parameter", "") if it[0] == "`limit`")
    told = re.fullmatch(r"page size, 1 to ([\d,]+)\. Default: (\d+)", row[1])
    assert told
    assert int(told[1].replace(",", "")) == most
    asked: list[int] = []

    def note(limit: int) -> list[object]:
        asked.append(limit)
        return []

    views = {"GET /jobs": jobs_views.list_jobs, "GET /workers": workers_views.list_workers}
    jobs: Any = SimpleNamespace(
        get=lambda _: new_job(),
        list=lambda *_, limit, **__: note(limit),
        rejects=lambda _, limit, **__: note(limit),
    )
    view: Any = views.get(title, jobs_views.list_errors)

    def ask(query: dict[str, str]) -> Any:
        path = {"job_id": "00000000-0000-4000-8000-000000000000"}
        return view(RequestContext(path=path, query=query), jobs)

    for query in ({}, {"limit": "1"}, {"limit": str(most)}):
        ask(query)
    assert asked == [int(told[2]) + 1, 2, most + 1]
    with pytest.raises(InvalidRequest):
        ask({"limit": str(most + 1)})
