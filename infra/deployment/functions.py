"""The deployed functions: what Chalice does not configure, their logs, and the migrations."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from infra.deployment.log_groups import has_log_group, keep_log_group
from infra.steps.errors import StepError

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient

INTAKE, MIGRATE = "on_upload", "migrate"  # names in app.py
_EVENT_HOURS = 6  # for which Lambda retries an S3 event
_MIGRATE_SECONDS = 900  # Lambda's limit for one invocation


def finish_functions(  # noqa: PLR0913 - two services of AWS
    functions: Mapping[str, str],
    client: "LambdaClient",
    logs: "CloudWatchLogsClient",
    *,
    dead_letters: str,
    retention_days: int | None,
    key: str | None = None,
) -> None:
    """Configure what Chalice does not: the destination of failed S3 events, and the retention of logs.

    `functions` maps names in the code to ARNs; `dead_letters` is the ARN of a queue, `key` that of a KMS key
    for the logs. Chalice sets a retention itself, but for the API's functions it uses the wrong log group.
    """
    if INTAKE in functions:
        client.put_function_event_invoke_config(
            FunctionName=functions[INTAKE],
            MaximumRetryAttempts=2,
            MaximumEventAgeInSeconds=_EVENT_HOURS * 3600,
            DestinationConfig={"OnFailure": {"Destination": dead_letters}},
        )
    if not retention_days:
        return
    for arn in functions.values():
        keep_log_group(logs, _log_group(arn), days=retention_days, key=key)


def remove_logs(functions: Mapping[str, str], logs: "CloudWatchLogsClient") -> None:
    """Delete the functions' log groups, which outlive the functions."""
    for arn in functions.values():
        if has_log_group(logs, group := _log_group(arn)):
            logs.delete_log_group(logGroupName=group)


def _log_group(arn: str) -> str:
    return f"/aws/lambda/{arn.rpartition(':')[2]}"


def migrate(function: str, client: "LambdaClient") -> list[str]:
    """Invoke the migrating `function` (name or ARN) and return the applied migrations. Raises `StepError`."""
    response = client.invoke(FunctionName=function, Payload=b"{}")
    result = json.loads(response["Payload"].read())
    if response.get("FunctionError"):
        raise StepError("migrations", f"{result.get('errorType')}: {result.get('errorMessage')}")
    applied: list[str] = result["applied"]
    return applied


def patient_client() -> "LambdaClient":
    """Return a client that waits as long as migrations may take and sends the request once."""
    once = Config(read_timeout=_MIGRATE_SECONDS, retries={"total_max_attempts": 1})
    return boto3.client("lambda", config=once)
