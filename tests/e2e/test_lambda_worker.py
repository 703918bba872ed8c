"""Everything as functions: a stage deployed from its own stacks, its worker a function of 20 seconds."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest

from infra import stacks
from infra.deployment.api import BURST, RATE
from infra.deployment.chalice import deployed_api
from infra.deployment.configuration import ROLE_SECRETS
from tests.support.deployed_service import adopt_operator_key, finished, http, upload
from tests.support.deployment import (
    STAGE,
    Deployment,
    Shell,
    commands,
    messages,
    rows_of,
    tried,
    what_is_there,
)
from tests.support.waiting import wait_for

TIMEOUT, GRACE = 20, 17  # seconds: the worker takes no block after the first three of them
DATABASE = "sluice_dev"  # the page's
SETTINGS = {
    "SLUICE_GRACE_SECONDS": str(GRACE),
    "SLUICE_BLOCK_SIZE": "4096",
    "SLUICE_LOADERS": "1",
    "SLUICE_VISIBILITY_TIMEOUT": "3",
    "SLUICE_LEASE_SECONDS": "2",
    "SLUICE_SWEEP_SECONDS": "1",
    "SLUICE_MAX_DELIVERIES": "2",
}
RECORDS, TWICE, SHORT = 300_000, 1_000, 10
# A worker that some file kills, whenever and wherever it reads it.
POISON = """

def _poisoned():
    import os
    from chalicelib.backends.s3.objects import S3Store
    def deadly(read):
        def reading(self, *request):
            got = read(self, *request)
            if b"poison" in (got if isinstance(got, bytes) else got[1])[:100]:
                os._exit(70)
            return got
        return reading
    S3Store.begin, S3Store.read = deadly(S3Store.begin), deadly(S3Store.read)

_poisoned()
"""


def short_and_mortal(checkout: Path) -> None:
    """Give the Lambda worker 20 seconds and the settings of the tests, and make some files kill it."""
    path = checkout / ".chalice/config.json"
    config = json.loads(path.read_text())
    config["lambda_functions"]["on_job"]["lambda_timeout"] = TIMEOUT
    config["stages"][STAGE]["environment_variables"] |= SETTINGS
    path.write_text(json.dumps(config))
    with (checkout / "app.py").open("a") as app:
        app.write(POISON)


@pytest.fixture(scope="module")
def shell(stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(stack, tmp_path_factory.mktemp("dev") / "checkout", short_and_mortal)


@pytest.fixture(scope="module")
def database(stack: Mapping[str, str], shell: Shell) -> Iterator[str]:
    """Yield the address of the database that the page creates for the stage."""
    url = stack["DATABASE_URL"]
    drop = f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(drop.encode())
        shell.follow("Start LocalStack and Postgres")
        yield f"{url.rpartition('/')[0]}/{DATABASE}"
        connection.execute(drop.encode())


@pytest.fixture(scope="module")
def dev(stack: Mapping[str, str], shell: Shell, database: str) -> Iterator[Deployment]:
    with tried(shell, stack) as made:
        adopt_operator_key(database)
        be_quick(made)
        yield made


def be_quick(made: Deployment) -> None:
    """Retry failures less often than AWS does, so that no test waits for minutes."""
    redrive = {"deadLetterTargetArn": made.outputs["DeadLetterQueueArn"], "maxReceiveCount": 2}
    boto3.client("sqs").set_queue_attributes(
        QueueUrl=made.outputs["JobsQueueUrl"], Attributes={"RedrivePolicy": json.dumps(redrive)}
    )
    boto3.client("lambda").update_function_event_invoke_config(
        FunctionName=f"sluice-{STAGE}-on_upload", MaximumRetryAttempts=0
    )


def test_the_page_about_localstack_loads_a_file(dev: Deployment, shell: Shell, stack_root: Path) -> None:
    assert dev.outputs
    assert "2,900 inserted" in shell.follow("Load a file")
    assert (stack_root / "logs" / f"lambda-sluice-{STAGE}-on_job.log").exists()


def a_file() -> bytes:
    lines = [b"%d,name %d,%d\n" % (n, n % 977, n * n) for n in range(RECORDS)]
    return b"id,name,square\n" + b"".join(lines + lines[:TWICE]) + b"short\n" * SHORT


def test_a_large_file_is_loaded_by_many_invocations(
    dev: Deployment, database: str, stack: Mapping[str, str], dataset: str
) -> None:
    file = a_file()
    job = finished(dev.url, upload(dev.url, file, dataset=dataset))
    assert job["status"] == "COMPLETED"
    assert job["counts"] == {
        "read": RECORDS + TWICE + SHORT,
        "inserted": RECORDS,
        "duplicates": TWICE,
        "rejected": SHORT,
    }
    assert job["attempts"] >= 4  # three continuations or more
    loaded = rows_of(database, dataset)
    assert len(loaded) == RECORDS
    by_container = finished(stack["SLUICE_URL"], upload(stack["SLUICE_URL"], file, dataset=dataset))
    assert by_container["counts"] == job["counts"]
    assert rows_of(stack["DATABASE_URL"], dataset) == loaded


def test_each_function_logs_in_as_its_role(dev: Deployment, database: str, dataset: str) -> None:
    finished(dev.url, upload(dev.url, b"a\n1\n", dataset=dataset))
    dev.sweep()
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "SELECT DISTINCT usename FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'sluice'"
        )
        names = {row[0] for row in found}
    assert names >= {f"sluice_{STAGE}_{role}" for role in ("api", "worker", "sweep")}
    assert "sluice" not in names  # the owner: the migrations' function closes its connection


def test_the_api_is_throttled(dev: Deployment) -> None:
    gateway = boto3.client("apigateway")
    (made,) = gateway.get_stages(restApiId=deployed_api(dev.checkout, STAGE))["item"]
    settings = made["methodSettings"]["*/*"]
    assert (settings["throttlingRateLimit"], settings["throttlingBurstLimit"]) == (RATE, BURST)


def test_all_logs_of_a_job_have_its_id(dev: Deployment, dataset: str) -> None:
    job_id = upload(dev.url, b"a\n1\n", dataset=dataset)
    finished(dev.url, job_id)
    expected = {
        "": {"upload requested", "request answered"},
        "-on_upload": {"object arrived"},
        "-on_job": {"job claimed", "job completed"},
    }
    for function, logged in expected.items():
        wait_for(partial(has_logged, function, job_id, logged))
    (loaded,) = lines_of("-on_job", job_id, "RecordsRead")
    assert loaded["_aws"]["CloudWatchMetrics"][0]["Namespace"] == f"Sluice/{STAGE}"


def has_logged(function: str, job_id: str, expected: set[str]) -> bool:
    return expected <= {line["message"] for line in lines_of(function, job_id, "message")}


def lines_of(function: str, job_id: str, member: str) -> list[dict[str, Any]]:
    """Return the lines of a function's log about a job that have that member."""
    pages = boto3.client("logs").get_paginator("filter_log_events")
    events = pages.paginate(logGroupName=f"/aws/lambda/sluice-{STAGE}{function}").search("events[].message")
    lines = [json.loads(line) for line in events if line.startswith("{")]
    return [line for line in lines if line.get("job_id") == job_id and member in line]


def test_a_file_that_kills_its_worker_fails_and_its_message_is_a_dead_letter(
    dev: Deployment, dataset: str
) -> None:
    with no_scheduled_sweeps():  # they would enqueue the job, which fails once it was tried often enough
        job_id = upload(dev.url, b"poison,b\n1,2\n", dataset=dataset)
        wait_for(lambda: {"job_id": job_id} in map(json_of, messages(dev.outputs["DeadLetterQueueUrl"])))
    wait_for(lambda: dev.sweep() and http.get(f"{dev.url}/jobs/{job_id}").json()["error"])
    job = finished(dev.url, job_id)
    assert (job["status"], job["error"]["code"]) == ("FAILED", "retries-exhausted")
    assert "made no progress" in job["error"]["message"]


def json_of(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None


@contextmanager
def no_scheduled_sweeps() -> Iterator[None]:
    """Keep EventBridge from invoking the stage's sweeps."""
    events = boto3.client("events")
    names = [rule["Name"] for rule in events.list_rules(NamePrefix=f"sluice-{STAGE}")["Rules"]]
    assert names
    for name in names:
        events.disable_rule(Name=name)
    try:
        yield
    finally:
        for name in names:
            events.enable_rule(Name=name)


def test_a_message_that_is_not_a_jobs_id_becomes_a_dead_letter(dev: Deployment) -> None:
    boto3.client("sqs").send_message(QueueUrl=dev.outputs["JobsQueueUrl"], MessageBody="no job")
    wait_for(lambda: "no job" in messages(dev.outputs["DeadLetterQueueUrl"]))


def test_an_event_that_fails_becomes_a_dead_letter_and_a_sweep_finds_its_file(
    dev: Deployment, database: str, services: Mapping[str, str], dataset: str
) -> None:
    promised = http.post(f"{dev.url}/uploads", json={"filename": "f.csv", "dataset": dataset}).json()
    name = urlsplit(database).path.lstrip("/")
    with database_away(services["DATABASE_URL"], name):
        target = promised["upload"]
        assert http.put(target["url"], headers=target["headers"], content=b"a\n1\n").status_code == 200
        (dead,) = wait_for(lambda: messages(dev.outputs["EventsDeadLetterQueueUrl"]))
    assert promised["job_id"] in json.dumps(json.loads(dead)["requestPayload"])
    job = f"{dev.url}/jobs/{promised['job_id']}"
    wait_for(lambda: dev.sweep() and http.get(job).json()["status"] == "COMPLETED")
    assert http.get(job).json()["counts"]["inserted"] == 1


@contextmanager
def database_away(url: str, name: str) -> Iterator[None]:
    """End all connections to the database, and refuse others."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false'.encode())
        try:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true'.encode())


def test_no_password_is_in_a_function_or_its_logs(dev: Deployment, database: str) -> None:
    secrets = boto3.client("secretsmanager")
    held = [
        secrets.get_secret_value(SecretId=dev.outputs[it])["SecretString"] for it in ROLE_SECRETS.values()
    ]
    passwords = [json.loads(it)["password"] for it in held] + [urlsplit(database).password]
    assert all(passwords)
    functions = boto3.client("lambda").list_functions()["Functions"]
    own = [it for it in functions if it["FunctionName"].startswith(f"sluice-{STAGE}")]
    assert len(own) == 5
    for password in passwords:
        assert password not in json.dumps([it["Environment"] for it in own])
        assert password not in json.dumps(dev.config)


def test_deploying_again_changes_nothing_and_deleting_leaves_nothing(dev: Deployment) -> None:
    bucket = dev.outputs["BucketName"]
    before = what_is_there(bucket)
    assert all(before.values()), before
    assert "none, the schema is up to date" in dev.deploy().stdout
    assert what_is_there(bucket) == before
    dev.run(commands("Update and remove")[0])
    assert not any(what_is_there(bucket).values())


def test_a_requirement_that_is_missing_from_the_package_is_named(dev: Deployment) -> None:
    path = dev.checkout / "requirements.txt"
    path.write_text(
        re.sub(r"^psycopg[^\n]*\\\n(    --hash[^\n]*\n)+", "", path.read_text(), flags=re.MULTILINE)
    )
    done = dev.attempt(commands("With workers as Lambda functions")[-1])
    assert done.returncode == 1
    assert "migrations failed: Runtime.ImportModuleError" in done.stderr
    assert "No module named 'psycopg'" in done.stderr


def test_the_page_about_localstack_cleans_up(dev: Deployment, shell: Shell) -> None:
    shell.follow("Clean up")
    assert stacks.outputs(STAGE, boto3.client("cloudformation")) == {}
    assert not any(what_is_there(dev.outputs["BucketName"]).values())
    changed = ["git", "status", "--short", ".chalice/config.json", ".chalice/policies"]
    assert subprocess.check_output(changed, cwd=dev.checkout, text=True) == ""
