"""Whatever clients send and files hold, an answer has at most 1 MiB, and is not a server error."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pyarrow as pa
import pytest
from chalice.test import Client, HTTPResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.jobs import Instructions, Job, JobError
from chalicelib.core.model import (
    Dialect,
    Format,
    Options,
    Place,
    Reject,
    RejectCount,
    Source,
    Status,
    StoredReject,
)
from chalicelib.core.preview import Preview, Sureness
from chalicelib.core.warnings import KINDS, FileWarning, JobWarning
from chalicelib.rows.identify import SCHEMA
from chalicelib.service.preview import MOST_JSON
from tests.support.api_client import assert_problem, post
from tests.support.fakes import MemoryServices
from tests.support.jobs import NOW, new_job

MIB = 1 << 20
# Characters that take much room in JSON, and those that take little.
CHARACTERS = ("a", '"', "é", "𐍈", "\x01")
Fill = Callable[[int], str]


def in_lambda(response: HTTPResponse) -> int:
    """Return how many bytes the answer has in the one that Lambda gives to API Gateway."""
    return len(json.dumps({"body": response.body.decode(), "headers": response.headers}))


def assert_bounded(response: HTTPResponse) -> None:
    assert in_lambda(response) <= MIB
    assert response.status_code < 500


def dialect_of(fill: Fill) -> Dialect:
    """Return the dialect of a header that is as long as it may be, in many columns or in few."""
    columns = tuple(f"{number}{fill(22)}" for number in range(10_000))
    return Dialect(
        format=Format.CSV,
        data_start=262_144,
        columns=columns,
        decimal_columns=columns,
        dropped=columns,
        missing_values=tuple(fill(100) for _ in range(100)),
    )


def job_of(fill: Fill, number: int) -> Job:
    """Return a job of which everything is as long as it can be, or was in earlier versions."""
    place = Place(1, 2, 3, 4)
    stored = StoredReject((0, 1), place, fill(101), "missing-cell", fill(5000), fill(2000))
    warnings = tuple(JobWarning(code, 10**9, 10**12, fill(2000)) for code in KINDS)
    size = len(json.dumps(fill(1), ensure_ascii=False).encode()) - 2
    long = fill(MOST_JSON // 21 // size)
    preview = Preview(
        records=tuple(json.dumps({"v": long, str(n): ""}, ensure_ascii=False) for n in range(20)),
        rejects=(stored,) * 20,
        warnings=warnings,
        read=20,
        rejected=20,
        text_bytes=1,
        is_whole=False,
        sure=dict.fromkeys(("delimiter", "quote"), Sureness.CLEAR),
    )
    return replace(
        new_job(
            number=number,
            filename=fill(1024),
            status=Status.FAILED,
            completed_at=NOW,
            started_at=NOW,
            source=Source("bucket", fill(1024), "etag", 1),
            dialect=dialect_of(fill),
            instructions=Instructions(
                options=Options(missing_values=tuple(fill(100) for _ in range(100))),
                metadata={f"{n}{fill(198)}": fill(200) for n in range(20)},
            ),
            error=JobError("dialect-unclear", fill(1_000_000)),
        ),
        preview=preview,
        rejects=tuple(RejectCount("missing-cell", fill(101), n, place, fill(5000)) for n in range(100)),
        warnings=warnings,
    )


def put_hostile_jobs(services: MemoryServices, fill: Fill, count: int) -> list[Job]:
    services.jobs.jobs.clear()
    jobs = [services.jobs.put(job_of(fill, number)) for number in range(count)]
    for job in jobs:
        services.jobs.head_warnings[job.id] = [FileWarning(code, 1, 0, fill(2000)) for code in KINDS]
    rejects = tuple(Reject("missing-cell", fill(5000), n, n, fill(2000), fill(101)) for n in range(200))
    rows = pa.RecordBatch.from_pylist([], SCHEMA)
    services.jobs.blocks[jobs[0].id] = {0: PreparedBlock(0, 0, 200, 200, 0, rows, rejects)}
    return jobs


@pytest.mark.parametrize("character", CHARACTERS)
def test_what_is_stored_is_shown_within_bounds(
    client: Client, services: MemoryServices, character: str
) -> None:
    jobs = put_hostile_jobs(services, lambda length: character * length, 3)
    first = jobs[0]

    shown = client.http.get(f"/jobs/{first.id}")

    assert_bounded(shown)
    document = shown.json_body
    assert document["detected"]["column_count"] == 10_000
    columns = document["detected"]["columns"]
    assert columns
    assert first.reading
    assert columns == list(first.reading.dialect.columns[: len(columns)])
    assert document["metadata"]
    assert document["rejects"]
    assert document["preview"]["records"]
    for path in ("retry", "undo", "cancel"):
        assert_bounded(client.http.post(f"/jobs/{first.id}/{path}"))
    assert pages(client, "/jobs", "jobs", "id") == [str(job.id) for job in reversed(jobs)]
    rejects = pages(client, f"/jobs/{first.id}/errors", "errors", "record_number")
    assert rejects == list(range(1, 201))


def pages(client: Client, path: str, member: str, name: str) -> list[Any]:
    """Return a member of all documents of a list, page by page."""
    found: list[Any] = []
    query = ""
    while True:
        response = client.http.get(f"{path}?limit=200{query}")
        assert_bounded(response)
        page = response.json_body
        found += [document[name] for document in page[member]]
        if page["next_cursor"] is None:
            return found
        query = f"&cursor={page['next_cursor']}"


def test_a_list_shows_neither_labels_nor_columns(client: Client, services: MemoryServices) -> None:
    put_hostile_jobs(services, lambda length: "x" * length, 1)
    (document,) = client.http.get("/jobs").json_body["jobs"]
    long = {"metadata", "rejects", "preview"}
    assert not long & document.keys()
    assert not {"columns", "column_count", "decimal_columns"} & document["detected"].keys()


LENGTHS = st.sampled_from([1, 101, 5000, 100_000])
TEXTS = st.builds(
    lambda character, length: character * length, st.sampled_from([*CHARACTERS, "\ud800"]), LENGTHS
)
NUMBERS = st.sampled_from([0, -1, 1.5, 10**15, 2**63, 2**64, 10**4000, 1e308, float("inf"), float("nan")])
SCALARS = TEXTS | NUMBERS | st.none() | st.booleans()
_NAMES = (
    "filename dataset format size metadata options sha256 force max_rejects on_failure parent_job parts"
    " number delimiter missing_values encoding records"
)
NAMES = st.sampled_from(_NAMES.split()) | TEXTS
LISTS = st.lists(SCALARS, max_size=3) | NUMBERS.map(lambda number: [number] * 2000)
VALUES = SCALARS | LISTS | st.dictionaries(NAMES, SCALARS | LISTS, max_size=3)
BODIES = st.dictionaries(NAMES, VALUES, max_size=2) | VALUES
UPLOADS = st.dictionaries(NAMES, VALUES, max_size=2).map(lambda it: {"filename": "a", **it})
PATHS = st.sampled_from(
    ["/uploads", "/jobs/{}/retry", "/jobs/{}/load", "/uploads/{}/parts", "/uploads/{}/complete"]
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(path=PATHS, body=BODIES | UPLOADS)
def test_whatever_is_sent_is_answered_within_bounds(
    client: Client, services: MemoryServices, path: str, body: Any
) -> None:
    job = services.jobs.put(new_job(id=UUID(int=1), status=Status.FAILED, completed_at=NOW))

    assert_bounded(post(client, path.format(job.id), body))
    raw = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    assert_bounded(client.http.put("/datasets/people/options", headers=headers, body=raw))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=20), length=st.sampled_from([1, 500]))
def test_whatever_is_in_an_address_is_answered_within_bounds(
    client: Client, services: MemoryServices, text: str, length: int
) -> None:
    services.jobs.put(new_job())
    long = quote(text * length, safe="")
    for name in ("limit", "cursor", "status", "dataset"):
        assert_bounded(client.http.get(f"/jobs?{name}={long}"))
    for path in ("/jobs/{}", "/jobs/{}/errors", "/datasets/{}/options", "/jobs/{}/rejects.csv"):
        assert_bounded(client.http.get(path.format(long or "x")))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/uploads", {"filename": "a", "x" * MIB: 1}),
        ("/uploads", {"filename": "a", "options": {"x" * MIB: 1}}),
        ("/jobs/00000000-0000-0000-0000-000000000001/retry", {"x" * MIB: 1}),
    ],
)
def test_a_name_of_a_mebibyte_is_repeated_in_part(client: Client, path: str, body: Any) -> None:
    response = post(client, path, body)

    assert_problem(response, 400)
    assert f"'{'x' * 100}…'" in response.json_body["detail"]
    assert in_lambda(response) < 5000
