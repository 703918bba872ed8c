"""Pages of other origins: who may read answers, and what a preflight tells."""

from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn
from uuid import uuid4

import pytest
from chalice.test import Client, HTTPResponse

import app as deployed
from chalicelib.api.cors import EXPOSED_HEADERS
from chalicelib.core.errors import RetryLater
from tests.support.fakes import MemoryServices
from tests.support.jobs import new_job
from tests.support.routes import ROUTES

ORIGINS = ("https://app.example", "http://localhost:8000")
OTHERS = (
    "https://other.example",
    "https://app.example.other.example",
    "https://app.example:444",
    "http://app.example",
    "https://app.exampl",
    "https://app.example,http://localhost:8000",
    "HTTPS://APP.EXAMPLE",
    "null",
    "*",
    "",
)
PATHS = sorted({path for _, path in ROUTES})


@pytest.fixture(autouse=True)
def _origins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployed, "environment", replace(deployed.environment, allowed_origins=ORIGINS))


def cors(response: HTTPResponse) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("Access-Control-")}


def preflight(client: Client, path: str, origin: str | None, method: str = "POST") -> HTTPResponse:
    headers = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization"}
    if origin is not None:
        headers["Origin"] = origin
    return client.http.options(path.replace("{job_id}", str(uuid4())), headers=headers)


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the request fail that needs a service."""

    def fail() -> NoReturn:
        raise AssertionError("a preflight asked a service")

    monkeypatch.setattr(deployed, "services", fail)


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize("path", PATHS)
def test_every_path_answers_the_preflight_of_an_allowed_page(path: str) -> None:
    methods = ", ".join(method for method, other in ROUTES if other == path)
    with Client(deployed.app) as client:
        for origin in ORIGINS:
            answer = preflight(client, path, origin)
            assert (answer.status_code, answer.body) == (204, b"")
            assert answer.headers["Vary"] == "Origin"
            assert cors(answer) == {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Allow-Methods": methods,
                "Access-Control-Allow-Headers": "Authorization, Content-Type, Sluice-Tenant, X-Request-Id",
                "Access-Control-Expose-Headers": ", ".join(EXPOSED_HEADERS),
                "Access-Control-Max-Age": "7200",
            }


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize("path", PATHS)
def test_the_preflight_of_any_other_page_tells_nothing(path: str) -> None:
    with Client(deployed.app) as client:
        for origin in (*OTHERS, None):
            answer = preflight(client, path, origin)
            assert (answer.status_code, answer.body, cors(answer)) == (204, b"", {})
            assert answer.headers["Vary"] == "Origin"


def test_only_preflights_are_for_all() -> None:
    for path, methods in deployed.app.routes.items():
        assert methods.keys() >= {"OPTIONS"}, path
        assert [name for name, route in methods.items() if route.view_name == "options"] == ["OPTIONS"]


def ask(client: Client, method: str, path: str, origin: str = ORIGINS[0], **headers: str) -> HTTPResponse:
    sent = {"Origin": origin, "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return client.http.request(method, path, headers=sent, body=b"{}")


JOB = f"/jobs/{uuid4()}"
ANSWERS: dict[int, Callable[[Client, str], HTTPResponse]] = {
    200: lambda client, origin: ask(client, "GET", "/jobs", origin),
    400: lambda client, origin: ask(client, "POST", "/uploads", origin),
    401: lambda client, origin: ask(client, "GET", "/jobs", origin, Authorization="Bearer nonsense"),
    404: lambda client, origin: ask(client, "GET", JOB, origin),
    405: lambda client, origin: ask(client, "PATCH", "/jobs", origin),
    415: lambda client, origin: ask(client, "POST", "/uploads", origin, Content_Type="text/plain"),
}


@pytest.mark.parametrize("status", ANSWERS)
def test_an_allowed_page_reads_every_answer_and_no_other_page_does(client: Client, status: int) -> None:
    for origin in (*ORIGINS, *OTHERS):
        answer = ANSWERS[status](client, origin)
        assert (answer.status_code, answer.headers["Vary"]) == (status, "Origin")
        allowed = {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": ", ".join(EXPOSED_HEADERS),
        }
        assert cors(answer) == (allowed if origin in ORIGINS else {})


@pytest.mark.parametrize(("error", "status"), [(RetryLater("down"), 503), (ValueError("a fault"), 500)])
def test_an_allowed_page_reads_of_outages_and_faults(
    client: Client, services: MemoryServices, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    assert services

    def fail() -> NoReturn:
        raise error

    monkeypatch.setattr(deployed, "services", fail)
    answer = ask(client, "GET", "/jobs")
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, ORIGINS[0])
    assert cors(ask(client, "GET", "/jobs", OTHERS[0])) == {}


def test_without_the_setting_no_page_reads_anything(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployed, "environment", replace(deployed.environment, allowed_origins=()))
    for origin in (*ORIGINS, *OTHERS):
        assert cors(ask(client, "GET", "/jobs", origin)) == {}
        assert cors(preflight(client, "/jobs", origin)) == {}


def test_the_job_says_what_its_headers_say(client: Client, services: MemoryServices) -> None:
    path = f"/jobs/{services.jobs.put(new_job()).id}"
    told = []
    for method, action in (("GET", ""), ("POST", "/cancel"), ("GET", "")):
        answer = ask(client, method, path + action)
        header = answer.headers.get("Retry-After")
        assert answer.json_body["retry_after"] == (None if header is None else int(header))
        told.append(answer.json_body["retry_after"])
    assert told == [1, 1, None]
    assert "retry_after" not in ask(client, "GET", "/jobs").json_body["jobs"][0]
