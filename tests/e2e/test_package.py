"""The other way of deploying: the functions as a stack of CloudFormation's own.

LocalStack's community edition does not update buckets: it takes the parameter that makes `storage` tell the
intake of files, and does nothing. So what that asks for is tried with a bucket that is new, and the stage's own
is attached and detached by hand.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from cfnlint.api import lint_file
from deployment import STAGE, Deployment, stage
from service import finished, upload
from test_lambda_worker import messages, rows_of, wait_for, what_is_there

from infra import bundle, stacks
from infra.local import scratch
from infra.local.progress import to_nowhere

TIMEOUT = 60  # seconds
SETTINGS = {"SLUICE_LAMBDA_WORKERS": "2", "SLUICE_VISIBILITY_TIMEOUT": "10"}
CODE = f"sluice-{STAGE}-code"
FUNCTIONS = {"", "-on_upload", "-on_schedule", "-on_job", "-migrate"}
RECORDS, TWICE, SHORT = 5_000, 100, 3
EVENT = "s3:ObjectCreated:*"


class Bundled:
    """A stage's functions, as the command bundles and deploys them."""

    def __init__(self, dev: Deployment, output: Path) -> None:
        self.dev, self.output, self.cloud = dev, output, boto3.client("cloudformation")

    def bundle(self, **settings: str) -> Path:
        config = json.loads(json.dumps(self.dev.config))
        config["stages"][STAGE]["environment_variables"] |= settings
        return bundle.bundle(STAGE, config, self.dev.outputs, self.output)

    def release(self, template: Path) -> str:
        """What became of the stack."""
        lines: list[str] = []
        values = bundle.parameters(STAGE, self.dev.config)
        bundle.release(self.cloud, template, values, bucket=CODE, report=lines.append)
        return next(line.split()[1] for line in lines if "changing" not in line)

    def delete(self) -> None:
        attach(self.dev.outputs["BucketName"])
        bundle.delete(self.cloud, STAGE, report=to_nowhere)

    @property
    def url(self) -> str:
        api = stacks.outputs(STAGE, self.cloud)["RestAPIId"]
        return f"{self.dev.endpoint}/_aws/execute-api/{api}/{STAGE}"


def attach(bucket: str, *functions: str) -> None:
    """Does what an update of `storage` does on AWS."""
    told: Any = [{"LambdaFunctionArn": function, "Events": [EVENT]} for function in functions]
    boto3.client("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": told}
    )


@pytest.fixture(scope="module")
def database(services: Mapping[str, str]) -> Iterator[str]:
    with scratch.database(services["DATABASE_URL"]) as url:
        yield url


@pytest.fixture(scope="module")
def bundled(
    services: Mapping[str, str], database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bundled]:
    """The stage, with a bucket for the package, and nothing of the functions deployed."""
    folder = tmp_path_factory.mktemp("dev")
    code = boto3.resource("s3").create_bucket(Bucket=CODE)
    with stage(services, database, folder, SETTINGS, TIMEOUT) as made:
        yield Bundled(made, folder / "bundle")
    code.objects.delete()
    code.delete()


@pytest.fixture(scope="module")
def dev(bundled: Bundled) -> Iterator[Bundled]:
    """The functions, deployed, with the database migrated by theirs and the bucket telling the intake."""
    try:
        assert bundled.release(bundled.bundle()) == "created"
        told = stacks.outputs(STAGE, bundled.cloud)
        attach(told["BucketName"], told["IntakeFunctionArn"])
        assert bundled.dev.invoke("migrate")[0]["applied"]
        yield bundled
    finally:
        bundled.delete()


@pytest.mark.parametrize("workers", ["2", "0"])
def test_cfn_lint_finds_nothing(bundled: Bundled, workers: str) -> None:
    template = bundled.bundle(SLUICE_LAMBDA_WORKERS=workers)
    assert [str(match) for match in lint_file(template)] == []
    resources = json.loads(template.read_text())["Resources"]
    kinds = [it["Type"] for it in resources.values()]
    assert (
        kinds.count("AWS::Serverless::Function")
        == kinds.count("AWS::Logs::LogGroup")
        == 4 + bool(int(workers))
    )


def test_everything_has_the_names_that_others_know(dev: Bundled) -> None:
    names = sorted(f"sluice-{STAGE}{it}" for it in FUNCTIONS)
    found = what_is_there(dev.dev.outputs["BucketName"])
    assert found["functions"] == found["logs"] == names
    assert found["sources"] == [f"sluice-{STAGE}-on_job"]
    assert len(found["roles"]) == len(names)
    assert len(found["rules"]) == len(found["apis"]) == 1
    groups = boto3.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/sluice-{STAGE}")
    assert {it["retentionInDays"] for it in groups["logGroups"]} == {14}
    gateway, api = boto3.client("apigateway"), stacks.outputs(STAGE, dev.cloud)["RestAPIId"]
    (made,) = gateway.get_stages(restApiId=api)["item"]
    assert (made["stageName"], made["tracingEnabled"]) == (STAGE, True)
    assert gateway.get_rest_api(restApiId=api)["name"] == "sluice"  # as the alarms have it


def test_what_chalice_leaves_undone_is_done(dev: Bundled) -> None:
    functions, outputs = boto3.client("lambda"), dev.dev.outputs
    intake = f"sluice-{STAGE}-on_upload"
    invoked = functions.get_function_event_invoke_config(FunctionName=intake)
    assert invoked["DestinationConfig"]["OnFailure"] == {"Destination": outputs["EventsDeadLetterQueueArn"]}
    assert (invoked["MaximumRetryAttempts"], invoked["MaximumEventAgeInSeconds"]) == (2, 6 * 3600)
    (allowed,) = json.loads(functions.get_policy(FunctionName=intake)["Policy"])["Statement"]
    assert allowed["Principal"] == {"Service": "s3.amazonaws.com"}
    assert allowed["Condition"] == {
        "ArnLike": {"AWS:SourceArn": outputs["BucketArn"]},
        "StringEquals": {"AWS:SourceAccount": "000000000000"},
    }
    (source,) = functions.list_event_source_mappings(FunctionName=f"sluice-{STAGE}-on_job")[
        "EventSourceMappings"
    ]
    assert source["EventSourceArn"] == outputs["JobsQueueArn"]
    assert (source["BatchSize"], source["ScalingConfig"]) == (1, {"MaximumConcurrency": 2})
    layers = functions.get_function_configuration(FunctionName=f"sluice-{STAGE}-on_job")["Layers"]
    assert [it["Arn"] for it in layers] == dev.dev.config["stages"][STAGE]["lambda_functions"]["on_job"][
        "layers"
    ]


def test_a_file_comes_through(dev: Bundled, database: str, dataset: str) -> None:
    lines = [b"%d,name %d\n" % (n, n % 97) for n in range(RECORDS)]
    file = b"id,name\n" + b"".join(lines + lines[:TWICE]) + b"short\n" * SHORT
    job = finished(dev.url, upload(dev.url, file, dataset=dataset))
    assert job["status"] == "COMPLETED"
    counts = {"inserted": RECORDS, "duplicates": TWICE, "rejected": SHORT}
    assert job["counts"] == {"read": RECORDS + TWICE + SHORT, **counts}
    assert len(rows_of(database, dataset)) == RECORDS


def test_an_event_that_the_intake_cannot_take_is_a_dead_letter(dev: Bundled) -> None:
    boto3.client("lambda").invoke(
        FunctionName=f"sluice-{STAGE}-on_upload", InvocationType="Event", Payload=b'{"Records": ["nonsense"]}'
    )
    (dead,) = wait_for(lambda: messages(dev.dev.outputs["EventsDeadLetterQueueUrl"]))
    assert json.loads(dead)["requestPayload"] == {"Records": ["nonsense"]}


def test_a_new_bucket_tells_the_intake_if_its_stack_is_told_to(dev: Bundled) -> None:
    intake = stacks.outputs(STAGE, dev.cloud)["IntakeFunctionArn"]
    told = notified(dev.cloud, intake)
    assert [(it["LambdaFunctionArn"], it["Events"]) for it in told] == [(intake, [EVENT])]
    assert notified(dev.cloud, "") == []


def notified(cloud: Any, intake: str) -> list[Any]:
    """Whom a bucket tells that is made by `storage` with this parameter."""
    name, values = "trial", {"Stage": "prod", "IntakeFunctionArn": intake}
    cloud.create_stack(
        StackName=name,
        TemplateBody=(stacks.FOLDER / "storage.yaml").read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
    )
    try:
        cloud.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
        bucket = stacks.outputs("prod", cloud)["BucketName"]
        found = boto3.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    finally:
        cloud.delete_stack(StackName=name)
        cloud.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    return list(found.get("LambdaFunctionConfigurations", []))


def test_deploying_again_changes_nothing_and_deleting_leaves_nothing(dev: Bundled) -> None:
    bucket = dev.dev.outputs["BucketName"]
    before = what_is_there(bucket)
    assert all(before.values()), before
    assert dev.release(dev.bundle()) == "unchanged"
    assert what_is_there(bucket) == before
    dev.delete()
    assert not any(what_is_there(bucket).values())
    assert {"IntakeFunctionArn", "RestAPIId"}.isdisjoint(stacks.outputs(STAGE, dev.cloud))
