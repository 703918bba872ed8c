"""`GET` and `PUT /datasets/{name}/options`, and the uploads that the options apply to."""

import json
from typing import Any

import pytest
from chalice.test import Client, HTTPResponse

from chalicelib.core.model import ExtraCells, Options, ShortRows
from tests.support.api_client import assert_problem, post
from tests.support.fakes import MemoryServices

SIZE = 1001  # in parts


def put(client: Client, path: str, body: Any) -> HTTPResponse:
    headers = {"Content-Type": "application/json"}
    return client.http.put(path, headers=headers, body=json.dumps(body).encode())


def uploaded(client: Client, services: MemoryServices, options: dict[str, Any]) -> Options:
    """Upload a file to the dataset `people`, and return the options of its job."""
    response = post(client, "/uploads", {"filename": "a.csv", "dataset": "people", "options": options})
    assert response.status_code == 202
    (job,) = [it for it in services.jobs.jobs.values() if str(it.id) == response.json_body["job_id"]]
    return job.instructions.options


def test_options_replace_those_that_were_set_before(client: Client) -> None:
    path = "/datasets/people/options"
    assert_problem(client.http.get(path), 404)
    for options in ({"delimiter": ";", "missing_values": ["-"]}, {"short_rows": "pad"}, {}):
        answer = put(client, path, options)
        assert (answer.status_code, answer.json_body) == (200, {"dataset": "people", "options": options})
        assert client.http.get(path).json_body == answer.json_body


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("people", [], None),
        ("people", None, None),
        ("people", {"delimitr": ";"}, "delimitr"),
        ("people", {"delimiter": None}, "delimiter"),
        ("people", {"delimiter": ";", "comment": ";"}, "options"),
        ("People", {}, "name"),
    ],
)
def test_options_that_are_wrong_are_refused(
    client: Client, services: MemoryServices, name: str, body: Any, field: str | None
) -> None:
    assert_problem(put(client, f"/datasets/{name}/options", body), 400, field=field)
    assert not services.jobs.defaults


def test_a_name_that_no_dataset_may_have_is_refused(client: Client) -> None:
    assert_problem(client.http.get("/datasets/No/options"), 400, field="name")


def test_an_upload_has_the_datasets_options_where_it_declares_no_others(
    client: Client, services: MemoryServices
) -> None:
    before = uploaded(client, services, {"comment": "#"})
    put(client, "/datasets/people/options", {"delimiter": ";", "short_rows": "pad", "decimal": ","})
    assert before == Options(comment="#")
    assert uploaded(client, services, {}) == Options(delimiter=";", short_rows=ShortRows.PAD, decimal=",")
    # A member that is declared counts, also if it is what Sluice does anyway.
    declared = {"short_rows": "reject", "decimal": ".", "extra_cells": "drop"}
    assert uploaded(client, services, declared) == Options(
        delimiter=";", extra_cells=ExtraCells.DROP, decimal="."
    )
    assert post(client, "/uploads", {"filename": "a.csv"}).status_code == 202
    assert [it.instructions.options for it in services.jobs.jobs.values()][-1] == Options()


@pytest.mark.parametrize("size", [1, SIZE])
def test_options_that_do_not_go_together_are_refused_before_anything_is_begun(
    client: Client, services: MemoryServices, size: int
) -> None:
    put(client, "/datasets/people/options", {"delimiter": ";"})
    request = {"filename": "a.csv", "dataset": "people", "size": size, "options": {"comment": ";"}}
    response = post(client, "/uploads", request)
    assert_problem(response, 400, field="options")
    assert "dataset 'people', delimiter and comment" in response.json_body["detail"]
    assert not services.jobs.jobs
    assert not services.upload_bucket.arrived
