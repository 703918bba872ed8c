"""A stage, deployed to LocalStack from a copy of the checkout by the commands of a how-to page.

`prepared` takes them from `deploy-to-aws.md`, `Shell` from `try-the-aws-stages-on-localstack.md`.
"""

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
from tests.support.docpages import blocks, section

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


class Shell:
    """A shell in a copy of the checkout, in which the page about LocalStack is followed."""

    PAGE = "how-to/try-the-aws-stages-on-localstack.md"
    # The tests' stack is up. The real make would find the copied files newer than `.venv`, and install again.
    MAKE = """
    make() {
        case "$1" in
            up | down) ;;
            psql) .venv/bin/python -m infra.local psql --root "$SLUICE_TEST_ROOT" --sql "${2#SQL=}" ;;
            *) false ;;
        esac
    }
    """

    def __init__(self, stack: Mapping[str, str], checkout: Path, change: Callable[[Path], None]) -> None:
        self.checkout = checkout
        self._api_id = ""
        _copy(checkout)
        change(checkout)
        for command in ("init --quiet", "add .chalice", "commit --quiet --message copy"):
            identity = ("-c", "user.name=test", "-c", "user.email=test@sluice.example")
            subprocess.run(["git", *identity, *command.split()], cwd=checkout, check=True)
        root = stack["SLUICE_TEST_ROOT"]
        shutil.copyfile(Path(root) / "env", checkout / ".local" / "env")
        keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        code = {"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
        self._env = {**keep, **code, "SLUICE_TEST_ROOT": root}

    def follow(self, *titles: str) -> str:
        """Run the commands of sections of the page as they stand; return what they print.

        The variables that they set stay, as in a shell. The id in the address that Chalice prints replaces
        `API_ID`.
        """
        page = [block for title in titles for block in blocks(section(self.PAGE, title), "sh")]
        return "".join(self._run(block) for block in page)

    def _run(self, script: str) -> str:
        script = script.replace("API_ID", self._api_id)
        left = self.checkout / ".local" / "left"
        whole = f"{self.MAKE}\nset -a\n{script}\nenv -0 > {left}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", whole],
            cwd=self.checkout,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        self._env = dict(it.split("=", 1) for it in left.read_text().split("\0") if it)
        if found := re.search(r"https://(\w+)\.execute-api\.", done.stdout):
            self._api_id = found[1]
        return done.stdout


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
    _choose_architecture(checkout)
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
def tried(shell: Shell, services: Mapping[str, str]) -> Iterator[Deployment]:
    """The page about LocalStack, from its stacks to its functions, and back if its clean-up has not run."""
    made = Deployment(shell.checkout, services["AWS_ENDPOINT_URL"], {}, {})
    try:
        shell.follow("Choose the architecture", "Deploy the stacks and the layer")
        made.outputs = stacks.outputs(STAGE, boto3.client("cloudformation"))
        assert "0001_initial.sql" in shell.follow("Configure and deploy the functions")
        yield made
    finally:
        remove, remove_stacks = commands("Update and remove")
        if (made.checkout / f".chalice/deployed/{STAGE}.json").exists():
            made.run(remove)
        for bucket in _own_buckets(made):
            bucket.object_versions.delete()
        made.run(remove_stacks)
        for bucket in _own_buckets(made):  # the clean-up keeps it, with the file in it
            bucket.delete()


def _own_buckets(made: Deployment) -> list[Any]:
    """Return the stage's bucket, if it is there."""
    name = made.outputs.get("BucketName")
    return [bucket for bucket in boto3.resource("s3").buckets.all() if bucket.name == name]


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


def _choose_architecture(checkout: Path) -> None:
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
