"""The other way of deploying: the functions as a stack of CloudFormation's own.

LocalStack's community edition does not update buckets: it takes the parameter that makes `storage` tell the
intake of files, and does nothing. So what that asks for is tried with a bucket that is new, and the stage's
own is attached and detached by hand. Nor does it keep a log group's retention, or the settings of an API's
stage but its tracing.
"""

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from cfnlint.api import lint_file

from infra import bundle, stacks
from infra.deployment.api import LOG_FORMAT, ApiSettings
from infra.steps.errors import StepError
from infra.steps.progress import to_nowhere
from tests.support.deployed_service import adopt_operator_key, finished, upload
from tests.support.deployment import (
    STAGE,
    Deployment,
    commands,
    messages,
    prepared,
    rows_of,
    what_is_there,
)
from tests.support.waiting import wait_for

SETTINGS = {"SLUICE_LAMBDA_WORKERS": "2", "SLUICE_VISIBILITY_TIMEOUT": "10"}
CODE = f"sluice-{STAGE}-code"
FUNCTIONS = {"", "-on_upload", "-on_schedule", "-on_job", "-migrate"}
RECORDS, TWICE, SHORT = 5_000, 100, 3
EVENT = "s3:ObjectCreated:*"
API = ApiSettings(rate=50, burst=70, access_log=True)


class Bundled:
    """A stage's functions, as the command bundles and deploys them."""

    def __init__(self, dev: Deployment, output: Path) -> None:
        self.dev, self.output, self.cloud = dev, output, boto3.client("cloudformation")

    def bundle(self) -> Path:
        (command,) = commands("CloudFormation only")
        words = shlex.split(command)
        self.dev.run(shlex.join([*words[: words.index("--bucket")], "--output", str(self.output)]))
        return self.output / bundle.TEMPLATE

    def release(self, template: Path) -> str:
        """Deploy the template and return what the command reports of the stack."""
        lines: list[str] = []
        values = bundle.parameters(STAGE, self.dev.config, self.dev.outputs, API)
        bundle.release(self.cloud, template, values, bucket=CODE, report=lines.append)
        return next(line.split()[1] for line in lines if "changing" not in line)

    def delete(self) -> None:
        attach(self.dev.outputs["BucketName"])
        bundle.delete(self.cloud, STAGE, report=to_nowhere)

    @property
    def url(self) -> str:
        api = stacks.outputs(STAGE, self.cloud)["RestAPIId"]
        return f"{self.dev.endpoint}/_aws/execute-api/{api}/{STAGE}"


def kinds(template: Path) -> Counter[str]:
    """How many of each kind of resource there are."""
    return Counter(it["Type"] for it in json.loads(template.read_text())["Resources"].values())


def attach(bucket: str, *functions: str) -> None:
    """Notify the functions of uploads, as an update of `storage` does on AWS."""
    told: Any = [{"LambdaFunctionArn": function, "Events": [EVENT]} for function in functions]
    boto3.client("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": told}
    )


@pytest.fixture(scope="module")
def bundled(
    stack: Mapping[str, str], database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bundled]:
    """Yield the stage with a bucket for the package, before any function is deployed."""
    folder = tmp_path_factory.mktemp("dev")
    code = boto3.resource("s3").create_bucket(Bucket=CODE)
    with prepared(stack, database, folder / "checkout", SETTINGS, lambda _checkout: None) as made:
        yield Bundled(made, folder / "bundle")
    code.objects.delete()
    code.delete()


@pytest.fixture(scope="module")
def template(bundled: Bundled) -> Path:
    return bundled.bundle()


@pytest.fixture(scope="module")
def dev(bundled: Bundled, template: Path, database: str) -> Iterator[Bundled]:
    """Yield the stage with its functions, a migrated database, and a bucket that notifies the intake."""
    try:
        assert bundled.release(template) == "created"
        told = stacks.outputs(STAGE, bundled.cloud)
        assert what_is_there(told["BucketName"])["events"] == []
        attach(told["BucketName"], told["IntakeFunctionArn"])
        logins = [f"sluice_{STAGE}_{role}" for role in ("api", "worker", "sweep", "analyst")]
        assert bundled.dev.invoke("migrate") == ({"applied": [], "logins": logins}, False)
        adopt_operator_key(database)
        yield bundled
    finally:
        with suppress(StepError):  # a test has done so
            bundled.delete()


def test_cfn_lint_finds_nothing(template: Path) -> None:
    assert [str(match) for match in lint_file(template)] == []
    assert kinds(template)["AWS::Serverless::Function"] == 5
    assert kinds(template)["AWS::Logs::LogGroup"] == 6  # one for the requests


def test_the_stage_of_the_api_is_throttled_and_logs_requests(template: Path) -> None:
    document = json.loads(template.read_text())
    stage = document["Resources"]["RestAPI"]["Properties"]
    throttled = {"ThrottlingRateLimit": {"Ref": "RateLimit"}, "ThrottlingBurstLimit": {"Ref": "BurstLimit"}}
    assert stage["MethodSettings"] == [{"HttpMethod": "*", "ResourcePath": "/*", **throttled}]
    condition, log, otherwise = stage["AccessLogSetting"]["Fn::If"]
    assert (condition, otherwise) == ("LogsAccess", {"Ref": "AWS::NoValue"})
    assert log["DestinationArn"]["Fn::Sub"].endswith(":log-group:${AccessLogGroup}")
    assert log["Format"] == {"Ref": "AccessLogFormat"}
    assert document["Parameters"]["AccessLogFormat"]["Default"] == LOG_FORMAT


def test_every_resource_has_the_name_that_others_use(dev: Bundled) -> None:
    names = sorted(f"sluice-{STAGE}{it}" for it in FUNCTIONS)
    found = what_is_there(dev.dev.outputs["BucketName"])
    assert found["functions"] == found["logs"] == names
    assert found["sources"] == [f"sluice-{STAGE}-on_job"]
    assert len(found["roles"]) == len(names)
    assert len(found["rules"]) == len(found["apis"]) == 1
    gateway, api = boto3.client("apigateway"), stacks.outputs(STAGE, dev.cloud)["RestAPIId"]
    (made,) = gateway.get_stages(restApiId=api)["item"]
    assert (made["stageName"], made["tracingEnabled"]) == (STAGE, True)
    assert gateway.get_rest_api(restApiId=api)["name"] == "sluice"  # as the alarms have it
    assert log_groups() == {f"/sluice/{STAGE}/api-access"}


def log_groups() -> set[str]:
    """Return the stage's log groups that are not of functions."""
    groups = boto3.client("logs").describe_log_groups(logGroupNamePrefix=f"/sluice/{STAGE}/")["logGroups"]
    return {it["logGroupName"] for it in groups}


def test_the_template_adds_what_chalice_leaves_out(dev: Bundled) -> None:
    functions, outputs = boto3.client("lambda"), dev.dev.outputs
    intake = f"sluice-{STAGE}-on_upload"
    invoked = functions.get_function_event_invoke_config(FunctionName=intake)
    assert invoked["DestinationConfig"]["OnFailure"] == {"Destination": outputs["EventsDeadLetterQueueArn"]}
    assert (invoked["MaximumRetryAttempts"], invoked["MaximumEventAgeInSeconds"]) == (2, 6 * 3600)
    (allowed,) = json.loads(functions.get_policy(FunctionName=intake)["Policy"])["Statement"]
    assert allowed["Principal"] == {"Service": "s3.amazonaws.com"}
    assert allowed["Condition"]["ArnLike"] == {"AWS:SourceArn": outputs["BucketArn"]}
    (source,) = functions.list_event_source_mappings(FunctionName=f"sluice-{STAGE}-on_job")[
        "EventSourceMappings"
    ]
    assert source["EventSourceArn"] == outputs["JobsQueueArn"]
    assert (source["BatchSize"], source["ScalingConfig"]) == (1, {"MaximumConcurrency": 20})  # as on the page
    layers = functions.get_function_configuration(FunctionName=f"sluice-{STAGE}-on_job")["Layers"]
    assert [it["Arn"] for it in layers] == dev.dev.config["stages"][STAGE]["lambda_functions"]["on_job"][
        "layers"
    ]


def test_a_file_is_loaded(dev: Bundled, database: str, dataset: str) -> None:
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


def test_a_new_bucket_notifies_the_intake_if_its_stack_has_the_parameter(dev: Bundled) -> None:
    cloud, intake = dev.cloud, stacks.outputs(STAGE, dev.cloud)["IntakeFunctionArn"]
    try:
        stacks.deploy(
            cloud, "prod", ["storage"], {"storage": {"IntakeFunctionArn": intake}}, report=to_nowhere
        )
        bucket = stacks.outputs("prod", cloud)["BucketName"]
        found = boto3.client("s3").get_bucket_notification_configuration(Bucket=bucket)
        (told,) = found["LambdaFunctionConfigurations"]
        assert (told["LambdaFunctionArn"], told["Events"]) == (intake, [EVENT])
    finally:
        stacks.delete(cloud, "prod", report=to_nowhere)


def test_deploying_again_changes_nothing(dev: Bundled) -> None:
    before, found = versions(), what_is_there(dev.dev.outputs["BucketName"])
    assert all(found.values()), found
    dev.release(dev.bundle())  # of which LocalStack says "updated"
    assert versions() == before
    assert what_is_there(dev.dev.outputs["BucketName"]) == found


def versions() -> dict[str, str]:
    """When each function was last changed."""
    functions = boto3.client("lambda").list_functions()["Functions"]
    return {it["FunctionName"]: it["LastModified"] for it in functions}


def test_the_worker_function_is_only_deployed_with_lambda_workers(bundled: Bundled) -> None:
    path = bundled.dev.checkout / ".chalice/config.json"
    with_worker = path.read_text()
    config = bundled.dev.config
    config["stages"][STAGE]["environment_variables"]["SLUICE_LAMBDA_WORKERS"] = "0"
    path.write_text(json.dumps(config))
    template = bundled.bundle()
    path.write_text(with_worker)
    assert [str(match) for match in lint_file(template)] == []
    assert kinds(template)["AWS::Serverless::Function"] == 4
    assert kinds(template)["AWS::Logs::LogGroup"] == 5


def test_deleting_leaves_nothing(dev: Bundled) -> None:
    dev.delete()
    assert not any(what_is_there(dev.dev.outputs["BucketName"]).values())
    assert log_groups() == set()
    assert {"IntakeFunctionArn", "RestAPIId"}.isdisjoint(stacks.outputs(STAGE, dev.cloud))
    with pytest.raises(StepError, match="there is no stack sluice-dev-app"):
        dev.delete()
