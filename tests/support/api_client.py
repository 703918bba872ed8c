"""Requests to the API by Chalice's test client, and what every problem has in common."""

import json
from typing import Any

from chalice.test import Client, HTTPResponse


def post(client: Client, path: str, body: Any = None) -> HTTPResponse:
    """Send the body: bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.http.post(path, headers={"Content-Type": "application/json"}, body=raw)


def assert_problem(response: HTTPResponse, status: int, **members: Any) -> None:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json_body
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == response.headers["X-Request-Id"] != ""
    assert {name: body.get(name) for name in members} == members
