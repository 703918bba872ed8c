"""Who may do what, through the deployed API: two tenants and a stranger on every route.

`docs/reference/access.md` shows the table. With SLUICE_WRITE_PAGES=1 the test writes it.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

import app as deployed
from chalicelib.core.access import Scope
from tests.support.deployed_service import OPERATOR_KEY, finished, http, query, upload
from tests.support.docpages import ROOT
from tests.support.routes import ROUTES

PAGE = ROOT / "docs" / "reference" / "access.md"
DATASET = "access"
FILE = b"name,city\nAda,York\nBob\nCy,Ely\n"
COLUMNS = (
    "none",
    "revoked",
    "without the scope",
    "its tenant's",
    "another tenant's",
    "of all tenants, naming it",
    "of all tenants, naming another",
)


@dataclass
class Keys:
    """API keys as the table has them, and how they name a tenant."""

    operator: str
    own: str
    other: str
    revoked: str
    bare: Mapping[Scope, str]  # of the owner's tenant, with all scopes but this one

    def headers(self, column: str, scope: Scope, own: str, other: str) -> dict[str, str]:
        keys = {
            "none": None,
            "revoked": self.revoked,
            "without the scope": self.bare[scope],
            "its tenant's": self.own,
            "another tenant's": self.other,
        }
        key = keys.get(column, self.operator)
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        if column.startswith("of all"):
            headers["Sluice-Tenant"] = other if column.endswith("another") else own
        return {**headers, "Content-Type": "application/json"}


@dataclass
class Places:
    """What the parameters in paths stand for: all of it is one tenant's."""

    url: str
    tenant: str
    other: str
    job: str
    upload: str

    def address(self, path: str) -> str:
        job_id = self.upload if path.startswith("/uploads") else self.job
        spare = f"{self.tenant}-spare" if path.startswith("/tenants") else DATASET
        filled = path.replace("{job_id}", job_id).replace("{name}", spare)
        if "{key_id}" in filled:
            filled = filled.replace("{key_id}", create_key(self.url, self.tenant, [Scope.JOBS_READ])["id"])
        if "{erasure_id}" in filled:
            headers = {"Authorization": f"Bearer {OPERATOR_KEY.key}", "Sluice-Tenant": self.tenant}
            wanted = {"field": "name", "value": "nobody"}
            begun = ask("POST", f"{self.url}/datasets/{DATASET}/erase", headers, wanted)
            filled = filled.replace("{erasure_id}", begun.json()["id"])
        return f"{self.url}{filled}?deep=1" if path == "/healthz" else self.url + filled


def ask(method: str, url: str, headers: Mapping[str, str], body: Any = None) -> httpx.Response:
    return httpx.request(method, url, headers=headers, json=body, timeout=http.timeout)


def create_key(url: str, tenant: str, scopes: Iterable[str]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {OPERATOR_KEY.key}", "Sluice-Tenant": tenant}
    made = ask("POST", f"{url}/keys", headers, {"name": str(uuid4()), "scopes": list(scopes)})
    assert made.status_code == 201, made.text
    document: dict[str, Any] = made.json()
    return document


@pytest.fixture(scope="module")
def world(stack: Mapping[str, str]) -> tuple[Keys, Places]:
    url, run = stack["SLUICE_URL"], uuid4().hex[:8]
    own, other, operator = f"own-{run}", f"other-{run}", OPERATOR_KEY.key
    for tenant in (own, other, f"{own}-spare"):
        assert http.post(f"{url}/tenants", json={"name": tenant}).status_code == 201
    revoked = create_key(url, own, Scope)
    assert http.delete(f"{url}/keys/{revoked['id']}").status_code == 200
    keys = Keys(
        operator,
        own=create_key(url, own, Scope)["key"],
        other=create_key(url, other, Scope)["key"],
        revoked=revoked["key"],
        bare={scope: create_key(url, own, set(Scope) - {scope})["key"] for scope in Scope},
    )
    headers = {"Authorization": f"Bearer {keys.own}"}
    body = {"filename": "a.csv", "dataset": DATASET}
    sent = ask("POST", f"{url}/uploads", headers, body).json()
    httpx.put(
        sent["upload"]["url"], headers=sent["upload"]["headers"], content=FILE, timeout=http.timeout
    ).raise_for_status()
    finished(url, sent["job_id"], tenant=own)
    large = ask("POST", f"{url}/uploads", headers, {**body, "size": 200 << 20}).json()
    return keys, Places(url, own, other, sent["job_id"], large["job_id"])


def outcome(response: httpx.Response) -> str:
    """Return how the table shows an answer: as the status, if it is a refusal."""
    return str(response.status_code) if response.status_code in (401, 403, 404) else "yes"


def test_every_route_answers_every_credential_as_documented(world: tuple[Keys, Places]) -> None:
    keys, places = world
    lines = [f"| route | scope | {' | '.join(COLUMNS)} |", "|---|---|" + "---|" * len(COLUMNS)]
    for method, path in ROUTES:
        scope = deployed.view.scopes[deployed.app.routes[path][method].view_name]
        cells = []
        # the owner comes last: it may change what the others must not even see
        for column in sorted(COLUMNS, key=lambda it: it in ("its tenant's", "of all tenants, naming it")):
            headers = keys.headers(column, scope, places.tenant, places.other)
            body = {"name": places.tenant + "-spare"} if (path, method) == ("/tenants", "POST") else {}
            if path.startswith("/tenants/") or path == "/uploads":
                body = {"filename": "a.csv", "dataset": DATASET}
            sent = ask(method, places.address(path), headers, None if method == "GET" else body)
            assert sent.status_code != 500, (method, path, column, sent.text)
            if sent.status_code in (401, 403):
                assert sent.headers["content-type"] == "application/problem+json"
            cells.append((COLUMNS.index(column), outcome(sent)))
        shown = " | ".join(cell for _, cell in sorted(cells))
        lines.append(f"| `{method} {path}` | `{scope}` | {shown} |")
    table = "\n".join(lines)

    page = PAGE.read_text("utf-8")
    written = re.sub(r"(?s)\n\| route \|.*?\n\n", lambda _: f"\n{table}\n\n", page, count=1)
    if os.environ.get("SLUICE_WRITE_PAGES"):
        PAGE.write_text(written, "utf-8")
    assert written == page


def test_both_tenants_load_the_same_file_and_neither_learns_of_the_other(
    stack: Mapping[str, str], world: tuple[Keys, Places]
) -> None:
    url, (keys, places) = stack["SLUICE_URL"], world
    jobs = {}
    for tenant, key in ((places.tenant, keys.own), (places.other, keys.other)):
        job_id = upload(url, FILE, dataset="same", credential=key)
        jobs[tenant] = finished(url, job_id, tenant=tenant)
    counts = {"read": 3, "inserted": 2, "duplicates": 0, "rejected": 1}
    assert [job["counts"] for job in jobs.values()] == [counts, counts]
    assert all(job["duplicate_of"] is None for job in jobs.values())

    undone = ask(
        "POST",
        f"{url}/jobs/{jobs[places.other]['id']}/undo",
        {"Authorization": f"Bearer {keys.other}"},
    )
    assert undone.status_code == 202
    assert finished(url, jobs[places.other]["id"], tenant=places.other)["undone_rows"] == 2
    rows = "SELECT count(*) FROM ingested_rows WHERE tenant = %s AND dataset = 'same'"
    assert [query(stack, rows, tenant) for tenant in jobs] == [[(2,)], [(0,)]]
