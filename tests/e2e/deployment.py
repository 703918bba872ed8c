"""A stage that is deployed to LocalStack as `docs/deploy.md` deploys it to AWS, from its own stacks."""

import json
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from infra import configure, deploy, stacks
from infra.local import application
from infra.local.layout import CHECKOUT
from infra.packages.build import build_layer
from infra.packages.bytecode import RUNNING
from infra.packages.publish import Layer, publish

STAGE = "dev"
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
MACHINE: Any = {"aarch64": "arm64"}.get(platform.machine(), "x86_64")


@dataclass
class Deployment:
    """Where a deployed stage is, and what it was made of."""

    folder: Path
    state: Path
    endpoint: str
    outputs: dict[str, str]
    config: dict[str, Any]

    def deploy(self, change: Callable[[Path], None] = lambda _folder: None) -> None:
        """As the command does it; `change` may do something to what is staged."""
        deploy.stage_copy(self.folder, STAGE, self.config, self.outputs)
        change(self.folder)
        dead_letters = self.outputs["EventsDeadLetterQueueArn"]
        deploy.release(self.folder, STAGE, self.config, dead_letters=dead_letters, state=self.state)

    def delete(self) -> None:
        deploy.delete(STAGE, folder=self.folder, state=self.state)

    @property
    def url(self) -> str:
        """The API's."""
        return application.api_url(self.folder, self.endpoint, STAGE)

    def invoke(self, function: str) -> tuple[dict[str, Any], bool]:
        """What a function answers to EventBridge's scheduler, and whether that is an error."""
        answer = boto3.client("lambda").invoke(
            FunctionName=f"sluice-{STAGE}-{function}", Payload=json.dumps(TICK).encode()
        )
        return json.loads(answer["Payload"].read()), "FunctionError" in answer

    def sweep(self) -> dict[str, Any]:
        """What a sweep did."""
        answer, failed = self.invoke("on_schedule")
        assert not failed, answer
        return answer


@contextmanager
def stage(
    services: Mapping[str, str], database_url: str, folder: Path, settings: Mapping[str, str], timeout: int
) -> Iterator[Deployment]:
    """The stage's stacks, its database's secret, the layer and its configuration; nothing deployed yet."""
    cloudformation, secrets = boto3.client("cloudformation"), boto3.client("secretsmanager")
    stacks.deploy(cloudformation, STAGE, ["storage"], {}, report=lambda _line: None)
    address = urlsplit(database_url)
    login = json.dumps({"username": address.username, "password": address.password})
    secret = secrets.create_secret(Name=f"sluice/{STAGE}/database", SecretString=login)["ARN"]
    place = f"{address.hostname}:{address.port}{address.path}"
    outputs = stacks.outputs(STAGE, cloudformation)
    outputs |= {"DatabaseUrl": f"postgresql://{place}", "DatabaseSecretArn": secret}
    outputs |= {"AllowedAddresses": "127.0.0.0/8"}
    try:
        yield Deployment(
            folder / "app",
            folder / "deployed.json",
            services["AWS_ENDPOINT_URL"],
            outputs,
            _configured(
                outputs, layer(folder), settings | {"AWS_ENDPOINT_URL": services["AWS_ENDPOINT_URL"]}, timeout
            ),
        )
    finally:
        secrets.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
        _empty(outputs["BucketName"])
        stacks.delete(cloudformation, STAGE, report=lambda _line: None)


def layer(folder: Path) -> str:
    """The ARN of the worker's layer, for this machine."""
    archive = build_layer(folder / "layer.zip", python=RUNNING, architecture=MACHINE)
    made = Layer(archive, STAGE, RUNNING, MACHINE)
    return publish(boto3.client("lambda"), boto3.client("s3"), made, None)


def _configured(
    outputs: Mapping[str, str], layer: str, settings: Mapping[str, str], timeout: int
) -> dict[str, Any]:
    config = json.loads((CHECKOUT / ".chalice" / "config.json").read_text())
    config["lambda_functions"]["on_job"]["lambda_timeout"] = timeout
    config["stages"][STAGE]["lambda_architecture"] = MACHINE
    return configure.configured(config, STAGE, outputs, settings=settings, layer=layer)


def _empty(bucket: str) -> None:
    boto3.resource("s3").Bucket(bucket).object_versions.delete()
