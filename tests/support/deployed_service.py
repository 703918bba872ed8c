"""The deployed service, as a client sees it."""

from collections.abc import Generator, Mapping
from typing import Any

import httpx
import psycopg

from chalicelib.backends.postgres.api_keys import PostgresApiKeys
from chalicelib.backends.postgres.database import Pool
from chalicelib.core.access import Scope
from chalicelib.core.api_keys import NewApiKey
from chalicelib.service.api_keys import ApiKeys
from tests.support.waiting import PATIENCE, wait_for


class _Key(httpx.Auth):
    """Sends an API key to the API, and none with a presigned URL, which refuses a second credential."""

    key = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if "X-Amz-Signature" not in request.url.params:
            request.headers.setdefault("Authorization", f"Bearer {self.key}")
        yield request


OPERATOR_KEY = _Key()  # of the tests' stack, once that is up

# The emulator unpacks a function's package at its first request: there a request takes as long as it takes.
http = httpx.Client(timeout=PATIENCE, auth=OPERATOR_KEY)


def client_env(url: str) -> dict[str, str]:
    """Return the variables that the command line client reads, for the operator at the address of an API."""
    return {"SLUICE_URL": url, "SLUICE_API_KEY": OPERATOR_KEY.key}


def adopt_operator_key(database: str) -> None:
    """Let the operator's key work with another migrated database as well."""
    pool = Pool(database, size=1)
    try:
        new = NewApiKey(name="operator", scopes=frozenset(Scope))
        ApiKeys(PostgresApiKeys(pool)).adopt(new, OPERATOR_KEY.key)
    finally:
        pool.close()


ENDED = {"PREVIEWED", "COMPLETED", "FAILED", "CANCELED", "EXPIRED", "UNDONE"}


def upload(url: str, data: bytes, *, credential: str | None = None, **request: Any) -> str:
    """Request an upload, send its object as the API says, and return the job's id.

    ``credential`` is another than the operator's key.
    """
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    promised = http.post(f"{url}/uploads", headers=headers, json={"filename": "file.csv", **request})
    assert promised.status_code == 202, promised.text
    body = promised.json()
    assert promised.headers["Location"] == f"/jobs/{body['job_id']}"
    sent = http.request(
        body["upload"]["method"], body["upload"]["url"], headers=body["upload"]["headers"], content=data
    )
    assert sent.status_code == 200, sent.text
    return str(body["job_id"])


def finished(url: str, job_id: str, *, tenant: str = "default") -> dict[str, Any]:
    """Wait until the tenant's job has ended and return its document."""

    def document() -> dict[str, Any]:
        response = http.get(f"{url}/jobs/{job_id}", headers={"Sluice-Tenant": tenant})
        assert response.status_code == 200, response.text
        job: dict[str, Any] = response.json()
        assert response.headers.get("Retry-After") == (None if job["status"] in ENDED else "1")
        return job

    def ended() -> dict[str, Any] | None:
        job = document()
        return job if job["status"] in ENDED else None

    job = wait_for(ended, document, pause=0.1)
    assert job is not None
    return job


def query(stack: Mapping[str, str], statement: str, *parameters: Any) -> list[Any]:
    """Return the rows of a query."""
    with psycopg.connect(stack["DATABASE_URL"]) as connection:
        return connection.execute(statement.encode(), parameters).fetchall()


def change(stack: Mapping[str, str], statement: str, *parameters: Any) -> None:
    """Execute a statement and commit it."""
    with psycopg.connect(stack["DATABASE_URL"]) as connection:
        connection.execute(statement.encode(), parameters)


def rows(stack: Mapping[str, str], dataset: str) -> int:
    """How many rows a dataset has."""
    statement = "SELECT count(*) FROM ingested_data JOIN datasets ON id = dataset_id WHERE name = %s"
    return int(query(stack, statement, dataset)[0][0])
