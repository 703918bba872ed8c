"""The API during outages answers as usual, or 503 with a reason and a time; never 500."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from infra.local import stack as local_stack
from tests.support.faults import outages
from tests.support.function_settings import API, function_settings
from tests.support.waiting import PATIENCE, wait_for

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Answer:
    status: int
    headers: Message
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


def ask(url: str, method: str, path: str, body: object = None) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url + path, data=data, method=method, headers={"Content-Type": "application/json"}
    )
    try:
        with OPENER.open(request, timeout=PATIENCE) as answer:
            return Answer(answer.status, answer.headers, answer.read().decode())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answer(refusal.code, refusal.headers, refusal.read().decode())


def requests(job: str) -> Iterator[tuple[str, str, object, set[int]]]:
    """Every endpoint, and what it answers as usual."""
    yield "POST", "/uploads", {"filename": "a.csv"}, {202}
    yield "GET", "/jobs", None, {200}
    yield "GET", f"/jobs/{job}", None, {200}
    yield "GET", f"/jobs/{job}/errors", None, {200}
    yield "POST", f"/jobs/{job}/cancel", None, {202, 409}
    yield "GET", "/healthz", None, {200}


def check_every_endpoint(url: str, job: str, *, outage: bool) -> set[int]:
    """Request every endpoint at once, as each may wait 5 s for the database, and return the statuses."""
    asked = list(requests(job))
    with ThreadPoolExecutor(len(asked)) as threads:
        answers = list(threads.map(lambda it: ask(url, *it[:3]), asked))
    for (method, path, _, usual), answer in zip(asked, answers, strict=True):
        place = f"{method} {path}: {answer.status} {answer.text}"
        assert "Traceback" not in answer.text, place
        assert "psycopg" not in answer.text, place
        if answer.status not in usual:
            assert outage, place
            assert answer.status == 503, place
            assert answer.headers.get_content_type() == "application/problem+json", place
            assert int(answer.headers["Retry-After"]) > 0, place
            assert answer.body["status"] == 503, place
    return {answer.status for answer in answers}


@pytest.fixture
def api(faults_stack: Mapping[str, str], faults_root: Path) -> Iterator[str]:
    assert faults_stack
    env = local_stack.up(faults_root, components=("migrations", "app"))
    OPENER.addheaders = [("Authorization", f"Bearer {env['SLUICE_API_KEY']}")]
    yield env["SLUICE_URL"]
    outages.start(faults_root)


def new_job(url: str) -> str:
    answer = ask(url, "POST", "/uploads", {"filename": "a.csv"})
    assert answer.status == 202, answer.text
    return str(answer.body["job_id"])


def well_again(url: str, job: str) -> None:
    wait_for(lambda: ask(url, "GET", "/healthz").status == 200)
    assert 503 not in check_every_endpoint(url, job, outage=False)


def test_the_api_answers_503_while_postgres_is_down(api: str, faults_root: Path) -> None:
    job = new_job(api)
    outages.kill(faults_root, "postgres")
    assert 503 in check_every_endpoint(api, job, outage=True)
    assert ask(api, "GET", "/healthz").body["checks"]["database"] == "unavailable"
    outages.start(faults_root, "postgres")
    well_again(api, job)


def test_the_api_answers_503_while_postgres_has_no_connection_left(
    api: str, faults_stack: Mapping[str, str]
) -> None:
    job = new_job(api)
    with outages.all_connections_of(faults_stack["DATABASE_URL"]):
        assert 503 in check_every_endpoint(api, job, outage=True)
    well_again(api, job)


def test_the_api_takes_uploads_while_redis_is_down(
    api: str, faults_stack: Mapping[str, str], faults_root: Path
) -> None:
    endpoint = faults_stack["AWS_ENDPOINT_URL"]
    with function_settings(endpoint, API, SLUICE_QUEUE_BACKEND="redis"):
        job = new_job(api)
        assert ask(api, "GET", "/healthz").status == 200
        outages.kill(faults_root, "redis")
        health = ask(api, "GET", "/healthz")
        assert (health.status, health.body["checks"]["queue"]) == (503, "unavailable")
        assert "queue" in health.body["detail"]
        assert ask(api, "POST", "/uploads", {"filename": "b.csv"}).status == 202
        assert check_every_endpoint(api, job, outage=True) == {200, 202, 503}
        outages.start(faults_root, "redis")
        well_again(api, job)
