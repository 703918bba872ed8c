"""A page of another origin in a real Chromium: `docs/how-to/upload-from-a-browser.md`, followed.

One server has the page under two origins: `http://localhost:…`, which the stack allows, and
`http://127.0.0.1:…`, which it does not.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zipfile import ZipFile

import httpx
import pytest
from localstack_client.session import Session

from tests.support.browser import Browser, chromium, require_programs
from tests.support.client import run
from tests.support.deployed_service import finished, http, query, rows, upload
from tests.support.docpages import blocks, page
from tests.support.waiting import wait_for

PAGE = "how-to/upload-from-a-browser.md"
# What a page may try: each function returns what it has read, or throws.
ATTEMPTS = {
    "read": "return (await fetch(`${args[0].api}/jobs/${args[0].job}`, {headers: args[0].headers})).status",
    "register": """
        const body = JSON.stringify({filename: "stolen.csv", size: 4});
        const headers = {...args[0].headers, "Content-Type": "application/json"};
        return (await fetch(`${args[0].api}/uploads`, {method: "POST", headers, body})).status""",
    "read an error": "return (await fetch(`${args[0].api}/jobs/${args[0].job}`)).status",
    "send": 'return (await fetch(args[0].bucket, {method: "PUT", body: "name\\nAda\\n"})).status',
}
READ = {"read": 200, "register": 202, "read an error": 401, "send": 200}


@pytest.fixture(scope="module")
def browser(stack: Mapping[str, str]) -> Iterator[Browser]:
    require_programs()
    folder = Path(stack["SLUICE_TEST_ROOT"]) / "browser"
    with chromium(folder) as made:
        yield made


@pytest.fixture(scope="module")
def origin(stack: Mapping[str, str]) -> str:
    """Return the origin that the stack allows."""
    return stack["SLUICE_ALLOWED_ORIGINS"]


def token(stack: Mapping[str, str], dataset: str, **members: Any) -> str:
    made = http.post(f"{stack['SLUICE_URL']}/upload-tokens", json={"dataset": dataset, **members})
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


def opened(browser: Browser, origin: str, stack: Mapping[str, str], credential: str) -> None:
    browser.open(f"{origin}/#{urlencode({'url': stack['SLUICE_URL'], 'token': credential})}")


def sent(browser: Browser, file: Path) -> str:
    """Send a file with the page, and return the last sentence that it shows."""
    browser.type("input[type=file]", str(file))
    browser.click("button")

    def sentence() -> str | None:
        idle = browser.run("return !document.querySelector('button').disabled")
        return browser.text("#status") if idle else None

    found = wait_for(sentence, lambda: browser.text("#status"))
    assert found is not None
    return found


def test_a_page_sends_a_file_and_shows_what_became_of_it(
    browser: Browser, origin: str, stack: Mapping[str, str], dataset: str, tmp_path: Path
) -> None:
    (example,) = blocks(page(PAGE), "csv")
    (tmp_path / "people.csv").write_text(example)
    (command,) = (line.strip() for line in blocks(page(PAGE), "sh") if line.startswith("sluice"))
    command = command.replace("people", dataset).replace("--max-files 3", "--max-files 1")
    opened(browser, origin, stack, run(stack, tmp_path, command).strip())

    assert sent(browser, tmp_path / "people.csv") == (
        "COMPLETED: read 2, inserted 1, there already 0, rejected 1."
    )
    assert browser.text("#rejects") == "Row 3 has 1 cell; the header has 2.\n2"
    assert rows(stack, dataset) == 1

    refused = sent(browser, tmp_path / "people.csv")
    found = re.fullmatch(r"403: (.+) Request: ([0-9a-f-]{36})", refused)
    assert found, refused
    assert query(stack, "SELECT refused FROM audit_events WHERE request_id = %s", found[2]) == [(403,)]


def test_a_page_sends_a_large_file_in_parts(
    browser: Browser, origin: str, stack: Mapping[str, str], dataset: str, tmp_path: Path
) -> None:
    with ZipFile(tmp_path / "large.zip", "w") as archive:
        archive.writestr("people.csv", "id,name\n1,Ada\n")
        archive.writestr(".DS_Store", bytes(65 << 20))  # not a part of the table: this is about sending
    opened(browser, origin, stack, token(stack, dataset))

    assert sent(browser, tmp_path / "large.zip") == (
        "COMPLETED: read 1, inserted 1, there already 0, rejected 0."
    )
    job = "ingestion_jobs JOIN datasets ON datasets.id = dataset_id WHERE name = %s"
    assert query(stack, f"SELECT part_size IS NOT NULL FROM {job}", dataset) == [(True,)]


def attempted(browser: Browser, stack: Mapping[str, str], dataset: str) -> dict[str, Any]:
    """Return what the page that is open reads when it tries everything with a stolen token and URL."""
    stolen = {"Authorization": f"Bearer {token(stack, dataset, max_files=2)}"}
    registered = httpx.post(
        f"{stack['SLUICE_URL']}/uploads",
        headers=stolen,
        json={"filename": "a.csv", "size": 9},
        timeout=http.timeout,
    ).json()
    world = {
        "api": stack["SLUICE_URL"],
        "headers": stolen,
        "job": registered["job_id"],
        "bucket": registered["upload"]["url"],
    }
    return {name: browser.run(body, world) for name, body in ATTEMPTS.items()}


def jobs(stack: Mapping[str, str], dataset: str) -> list[tuple[str, bool]]:
    """Return the file names of the dataset's jobs, and whether their files have arrived."""
    found = http.get(f"{stack['SLUICE_URL']}/jobs", params={"dataset": dataset}).json()["jobs"]
    return [(job["filename"], job["phase"] != "awaiting-upload") for job in found]


def test_from_an_origin_that_is_not_allowed_nothing_works(
    browser: Browser, origin: str, stack: Mapping[str, str], dataset: str, tmp_path: Path
) -> None:
    opened(browser, origin, stack, "")
    assert attempted(browser, stack, f"{dataset}-allowed") == READ

    other = origin.replace("localhost", "127.0.0.1")
    opened(browser, other, stack, token(stack, dataset))
    (tmp_path / "people.csv").write_text("id,name\n1,Ada\n")
    assert sent(browser, tmp_path / "people.csv") == "Sluice cannot be reached, or does not allow this page."
    assert set(attempted(browser, stack, dataset).values()) == {"TypeError: Failed to fetch"}
    assert jobs(stack, dataset) == [("a.csv", False)]  # the one that was registered elsewhere


def test_a_page_reads_the_headers_that_it_needs(
    browser: Browser, origin: str, stack: Mapping[str, str], dataset: str
) -> None:
    opened(browser, origin, stack, "")
    read = browser.run(
        """
        const headers = {Authorization: `Bearer ${args[1]}`, "Content-Type": "application/json"};
        const body = JSON.stringify({filename: "a.csv", size: 9});
        const made = await fetch(`${args[0]}/uploads`, {method: "POST", headers, body});
        const {upload} = await made.json();
        const put = await fetch(upload.url, {method: "PUT", body: "name\\nAda\\n"});
        const names = ["Location", "Retry-After", "X-Request-Id"];
        return [...names.map((name) => made.headers.get(name)), put.headers.get("ETag")];
        """,
        stack["SLUICE_URL"],
        token(stack, dataset),
    )
    location, retry_after, request_id, etag = read
    assert location.startswith("/jobs/")
    assert (retry_after, len(request_id), len(etag)) == ("1", 36, 34)


def test_a_page_reads_the_rejects_file(
    browser: Browser, origin: str, stack: Mapping[str, str], dataset: str
) -> None:
    credential, data = token(stack, dataset), b"id,name\n1,Ada\n2\n"
    job = upload(stack["SLUICE_URL"], data, credential=credential, size=len(data))
    assert finished(stack["SLUICE_URL"], job)["counts"]["rejected"] == 1
    opened(browser, origin, stack, "")
    read = """
        const headers = {Authorization: `Bearer ${args[1]}`, Accept: "application/json"};
        for (;;) {
          const asked = await fetch(`${args[0]}/rejects.csv`, {headers});
          const made = await asked.json();
          if (asked.status === 200) return await (await fetch(made.url)).text();
          await new Promise((resolve) => setTimeout(resolve, 500));
        }
        """
    rejects = browser.run(read, f"{stack['SLUICE_URL']}/jobs/{job}", credential)
    header, row = rejects.splitlines()
    assert "name" in header
    assert "2" in row.split(",")


def granted(address: str, origin: str, method: str) -> list[str]:
    """Return the headers with which an address lets pages of an origin in."""
    answers = [
        httpx.options(address, headers={"Origin": origin, "Access-Control-Request-Method": method}),
        httpx.get(address, headers={"Origin": origin}),
    ]
    return [name for answer in answers for name in answer.headers if name.startswith("access-control-")]


def test_the_emulator_lets_no_page_in_that_aws_keeps_out(
    stack: Mapping[str, str], origin: str, aws: Session, dataset: str
) -> None:
    aws.client("s3").create_bucket(Bucket=dataset)
    emulator = stack["AWS_ENDPOINT_URL"]
    addresses = {
        f"{stack['SLUICE_URL']}/jobs": "GET",
        f"{emulator}/{stack['SLUICE_BUCKET']}/uploads/a": "PUT",
        f"{emulator}/{dataset}/a": "PUT",  # a bucket without rules
        f"{emulator}/_aws/sqs/messages": "GET",
    }
    ours = [address for address, method in addresses.items() if granted(address, origin, method)]
    assert ours == list(addresses)[:2]
    strangers = ["https://app.localstack.cloud", "http://localhost", emulator, "null"]
    for stranger in strangers:
        for address, method in addresses.items():
            assert granted(address, stranger, method) == [], (stranger, address)
    aws.client("s3").delete_bucket(Bucket=dataset)
