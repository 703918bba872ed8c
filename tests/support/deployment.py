"""A stage that `docs/how-to/deploy-to-aws.md` deploys, from a copy of the checkout, to LocalStack."""

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg

from infra import stacks
from infra.emulator import application
from infra.steps.layout import CHECKOUT, SHARED

STAGE = "dev"
PAGE = CHECKOUT / "docs" / "how-to" / "deploy-to-aws.md"
COPIED = (".chalice", "app.py", "chalicelib", "infra", "requirements.txt", "requirements-worker.txt")
MACHINE = {"aarch64": "arm64"}.get(platform.machine(), "x86_64")
# An event of EventBridge's scheduler.
TICK = {
    "version": "0",
    "id": "1",
    "account": "000000000000",
    "region": "us-east-1",
    "time": "2026-01-01T00:00:00Z",
    "source": "aws.events",
    "detail-type": "Scheduled Event",
    "resources": [],
    "detail": {},
}


def commands(title: str) -> list[str]:
    """Return the commands in the first block of a section of the page."""
    found = re.search(
        rf"^## {re.escape(title)}\n.*?```sh\n(.*?)```", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    assert found
    return found[1].splitlines()


@dataclass
class Deployment:
    """The stage, and the checkout that it is deployed from."""

    checkout: Path
    endpoint: str
    outputs: dict[str, str]
    settings: Mapping[str, str]
    layer: str = ""

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the page for this stage and this machine; fail if it fails."""
        done = self.attempt(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def attempt(self, command: str) -> subprocess.CompletedProcess[str]:
        mine = {"prod": STAGE, "arm64": MACHINE, "LAYER_ARN": self.layer}
        words = [mine.get(word, word) for word in shlex.split(command)]
        if "infra.configure" in words:
            for name, value in self.settings.items():
                words += ["--setting", f"{name}={value}"]
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(words, cwd=self.checkout, env=env, capture_output=True, text=True, check=False)

    def deploy(self) -> subprocess.CompletedProcess[str]:
        """Run the page's last command."""
        return self.run(commands("With workers as Lambda functions")[-1])

    @property
    def config(self) -> dict[str, Any]:
        """What `infra.configure` has made of `.chalice/config.json`."""
        made: dict[str, Any] = json.loads((self.checkout / ".chalice/config.json").read_text())
        return made

    @property
    def url(self) -> str:
        """The API's."""
        return application.api_url(self.checkout, self.endpoint, STAGE)

    def invoke(self, function: str) -> tuple[dict[str, Any], bool]:
        """Invoke a function as EventBridge does; return its answer, and whether it is an error."""
        answer = boto3.client("lambda").invoke(
            FunctionName=f"sluice-{STAGE}-{function}", Payload=json.dumps(TICK).encode()
        )
        return json.loads(answer["Payload"].read()), "FunctionError" in answer

    def sweep(self) -> dict[str, Any]:
        """Invoke a sweep and return its counts."""
        answer, failed = self.invoke("on_schedule")
        assert not failed, answer
        return answer


@contextmanager
def prepared(
    services: Mapping[str, str],
    database_url: str,
    checkout: Path,
    settings: Mapping[str, str],
    change: Callable[[Path], None],
) -> Iterator[Deployment]:
    """All of the page but its last command, and back: stacks, layer, configuration.

    LocalStack has no Postgres, so the address of the tests' own is among the settings, and its password is
    put into the secret that the stacks made. `change` may do something to the checkout first.
    """
    _copy(checkout)
    change(checkout)
    address = urlsplit(database_url)
    place = f"postgresql://{address.hostname}:{address.port}{address.path}"
    endpoint = services["AWS_ENDPOINT_URL"]
    own = {"DATABASE_URL": place, "AWS_ENDPOINT_URL": endpoint, **settings}
    made = Deployment(checkout, endpoint, {}, own)
    to_stacks, to_layer, to_configuration, _ = commands("With workers as Lambda functions")
    try:
        made.run(to_stacks)
        made.outputs = stacks.outputs(STAGE, boto3.client("cloudformation"))
        login = json.dumps({"username": address.username, "password": address.password})
        boto3.client("secretsmanager").put_secret_value(
            SecretId=made.outputs["DatabaseSecretArn"], SecretString=login
        )
        made.layer = made.run(to_layer).stdout.strip()
        made.run(to_configuration)
        yield made
    finally:
        if bucket := made.outputs.get("BucketName"):
            boto3.resource("s3").Bucket(bucket).object_versions.delete()
        made.run(commands("Update and remove")[1])


@contextmanager
def deployed(made: Deployment) -> Iterator[Deployment]:
    """Run the last command too, and delete the functions afterwards."""
    assert "0001_initial.sql" in made.deploy().stdout
    yield made
    if (made.checkout / f".chalice/deployed/{STAGE}.json").exists():
        made.run(commands("Update and remove")[0])


def _copy(checkout: Path) -> None:
    for name in COPIED:
        source, target = CHECKOUT / name, checkout / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(
                source, target, ignore=shutil.ignore_patterns("__pycache__", "deployed", "deployments")
            )
        else:
            shutil.copyfile(source, target)
    (checkout / ".venv").symlink_to(CHECKOUT / ".venv")
    (checkout / ".local").mkdir()
    (checkout / ".local/cache").symlink_to(SHARED / "cache")
    path = checkout / ".chalice/config.json"
    config = json.loads(path.read_text())
    config["stages"][STAGE]["lambda_architecture"] = MACHINE
    path.write_text(json.dumps(config))


def messages(url: str) -> list[str]:
    """Return the bodies of the messages on a queue, without taking them."""
    answer = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [it["Body"] for it in answer.get("Messages", [])]


def rows_of(url: str, dataset: str) -> set[tuple[bytes, str]]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT content_hash, record::text FROM ingested_data JOIN datasets ON id = dataset_id"
            " WHERE name = %s",
            [dataset],
        )
        return {(row[0], row[1]) for row in found}


def what_is_there(bucket: str) -> dict[str, list[str]]:
    """All that may belong to the stage, apart from its stacks."""
    functions, mappings = boto3.client("lambda"), boto3.client("lambda").list_event_source_mappings()
    prefix, gateway = f"sluice-{STAGE}", boto3.client("apigateway")
    apis = [it["id"] for it in gateway.get_rest_apis()["items"]]
    events = boto3.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    found = {
        "functions": [it["FunctionName"] for it in functions.list_functions()["Functions"]],
        "roles": [
            it["RoleName"]
            for it in boto3.client("iam").list_roles()["Roles"]
            if "database" not in it["RoleName"]
        ],
        "rules": [it["Name"] for it in boto3.client("events").list_rules()["Rules"]],
        "apis": [
            f"{prefix} {api}"
            for api in apis
            if STAGE in [it["stageName"] for it in gateway.get_stages(restApiId=api)["item"]]
        ],
        "logs": [
            it["logGroupName"].rpartition("/")[2]
            for it in boto3.client("logs").describe_log_groups()["logGroups"]
        ],
        "sources": [it["FunctionArn"].rpartition(":")[2] for it in mappings["EventSourceMappings"]],
        "events": [
            it["LambdaFunctionArn"].rpartition(":")[2]
            for it in events.get("LambdaFunctionConfigurations", [])
        ],
    }
    return {kind: sorted(it for it in names if it.startswith(prefix)) for kind, names in found.items()}
