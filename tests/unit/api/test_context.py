"""What a view may know about its request."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from chalicelib.api.context import RequestContext, request_id_of
from chalicelib.api.problems import UnknownJob
from chalicelib.core.errors import InvalidRequest


def request(**changes: Any) -> Any:
    members: dict[str, Any] = {"context": {}, "lambda_context": None, "query_params": None}
    members |= {"json_body": None, "headers": {}}
    return SimpleNamespace(**(members | changes))


@pytest.mark.parametrize(
    ("gateway", "function", "request_id"),
    [("gateway's", "function's", "gateway's"), (None, "function's", "function's"), (None, None, "")],
)
def test_the_request_id_is_api_gateways_or_else_lambdas(
    gateway: str | None, function: str | None, request_id: str
) -> None:
    lambda_context = SimpleNamespace(aws_request_id=function) if function else None
    assert request_id_of(request(context={"requestId": gateway}, lambda_context=lambda_context)) == request_id


@pytest.mark.parametrize(
    "sent", ["0b9c6f0e-8f2a-4a0e-9a53-4c1f1d0b7a11", "01J9ZQ8M7N6P5R4S3T2V1W0XYZ", "a" * 64]
)
def test_the_request_id_may_be_the_clients(sent: str) -> None:
    assert request_id_of(request(context={"requestId": "gateway's"}, headers={"X-Request-Id": sent})) == sent


@pytest.mark.parametrize(
    "sent", ["", "short", "a" * 65, "with blanks in it", 'quote"d-id', "line\nending", "é" * 9]
)
def test_a_request_id_that_is_none_is_not_taken(sent: str) -> None:
    given = request(context={"requestId": "gateway's"}, headers={"X-Request-Id": sent})
    assert request_id_of(given) == "gateway's"


def test_the_body_is_not_parsed_before_a_view_asks_for_it() -> None:
    class Nested(SimpleNamespace):
        @property
        def json_body(self) -> Any:
            raise RecursionError

    context = RequestContext.of(Nested(context={}, lambda_context=None, query_params=None, headers={}), {})  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="nested too deep"):
        _ = context.body


def test_the_job_id_is_the_paths() -> None:
    job_id = UUID(int=7)
    assert RequestContext.of(request(), {"job_id": str(job_id)}).job_id == job_id


def test_a_job_id_that_is_no_uuid_names_no_job() -> None:
    context = RequestContext.of(request(), {"job_id": "x" * 200})
    with pytest.raises(UnknownJob) as error:
        _ = context.job_id
    assert str(error.value) == f"There is no job '{'x' * 100}…'."


def test_a_request_without_a_query_has_an_empty_one() -> None:
    assert RequestContext.of(request(), {}).query == {}
    assert RequestContext.of(request(query_params={"limit": 3}), {}).query == {"limit": "3"}
