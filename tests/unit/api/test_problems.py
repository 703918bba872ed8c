"""Errors of any kind are answered as problems."""

import json
from dataclasses import replace

import pytest
from chalice.test import Client

from tests.support.api_client import assert_problem, post
from tests.support.fakes import MemoryServices


def test_an_invalid_body_is_a_problem_that_names_the_field(client: Client) -> None:
    assert_problem(post(client, "/uploads", {"filename": ""}), 400, field="filename")


def test_a_body_that_is_not_json_is_a_problem(client: Client) -> None:
    assert_problem(post(client, "/uploads", b"{"), 400)


def test_a_body_that_is_nested_too_deep_is_a_problem(client: Client) -> None:
    assert_problem(post(client, "/uploads", b"[" * 100_000), 400)


def test_a_body_of_another_content_type_is_a_problem(client: Client) -> None:
    response = client.http.post("/uploads", headers={"Content-Type": "text/csv"}, body=b"a,b\n")
    assert_problem(response, 415)


def test_a_method_that_is_not_allowed_is_a_problem_that_names_those_that_are(client: Client) -> None:
    response = client.http.put("/jobs")
    assert_problem(response, 405)
    assert response.headers["Allow"] == "GET, OPTIONS"


def test_an_outage_is_a_503_that_says_when_to_try_again(client: Client, services: MemoryServices) -> None:
    services.jobs.down = True
    response = post(client, "/uploads", {"filename": "a"})
    assert_problem(response, 503)
    assert response.headers["Retry-After"] == "5"


def test_a_bug_is_a_500_that_shows_none_of_sluices_insides(client: Client, services: MemoryServices) -> None:
    services.signer = None  # type: ignore[assignment]
    response = post(client, "/uploads", {"filename": "a"})
    assert_problem(response, 500)
    assert "NoneType" not in json.dumps(response.json_body)


@pytest.mark.parametrize("job_id", ["nonsense", "00000000-0000-0000-0000-000000000001", "..", "%00"])
@pytest.mark.parametrize("path", ["/jobs/{}", "/jobs/{}/errors", "/uploads/{}/parts"])
def test_a_job_that_does_not_exist_is_a_404(client: Client, path: str, job_id: str) -> None:
    assert_problem(client.http.get(path.format(job_id)), 404)


def test_a_size_over_the_limit_is_a_413(client: Client, services: MemoryServices) -> None:
    services.upload_rules = replace(services.upload_rules, max_size=100)
    assert post(client, "/uploads", {"filename": "a", "size": 100}).status_code == 202
    assert_problem(post(client, "/uploads", {"filename": "a", "size": 101}), 413, field="size")
