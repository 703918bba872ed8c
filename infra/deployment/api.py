"""The API's stage: its throttling, its access log and its web ACL, which Chalice does not configure.

Of a CloudFormation stack, `infra/cloudformation/merge.yaml` configures the same.
"""

import argparse
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.deployment.log_groups import keep_log_group
from infra.steps.errors import StepError

if TYPE_CHECKING:
    from types_boto3_apigateway import APIGatewayClient
    from types_boto3_apigateway.type_defs import PatchOperationTypeDef
    from types_boto3_logs import CloudWatchLogsClient

RATE, BURST = 100, 200  # the defaults of merge.yaml
# Of a request, its address, times and path. Headers, query strings and bodies may hold credentials.
LOG_FORMAT = json.dumps(
    {
        "request_id": "$context.requestId",
        "time": "$context.requestTimeEpoch",
        "address": "$context.identity.sourceIp",
        "method": "$context.httpMethod",
        "path": "$context.path",
        "route": "$context.resourcePath",
        "status": "$context.status",
        "bytes": "$context.responseLength",
        "milliseconds": "$context.responseLatency",
        "error": "$context.error.responseType",
    }
)


@dataclass(frozen=True)
class ApiSettings:
    """What the stage of an API lets through, and what it notes."""

    rate: int = RATE  # requests a second, of all clients together
    burst: int = BURST  # requests at once
    access_log: bool = False
    web_acl: str | None = None  # an ARN


@dataclass(frozen=True)
class LogSettings:
    """How logs are kept: for so many days, encrypted with the KMS key of that ARN, if any."""

    days: int
    key: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the settings of the API's stage to a command line."""
    parser.add_argument("--rate-limit", type=int, default=RATE, help=f"requests a second (default: {RATE})")
    parser.add_argument("--burst-limit", type=int, default=BURST, help=f"requests at once (default: {BURST})")
    parser.add_argument(
        "--access-log",
        action="store_true",
        help="log each request to the API; the account needs a role for it: see docs/how-to/deploy-to-aws.md",
    )
    parser.add_argument("--web-acl", metavar="ARN", help="a web ACL of AWS WAF that guards the API")


def settings_in(arguments: argparse.Namespace) -> ApiSettings:
    """Return the settings that a command line has given."""
    return ApiSettings(
        arguments.rate_limit, arguments.burst_limit, arguments.access_log, arguments.web_acl or None
    )


def access_log_group(stage: str) -> str:
    """Return the name of the log group for a stage's requests."""
    return f"/sluice/{stage}/api-access"


def finish_api(  # noqa: PLR0913 - three services of AWS
    api_id: str,
    stage_name: str,
    settings: ApiSettings,
    client: "APIGatewayClient",
    logs: "CloudWatchLogsClient",
    *,
    log_group: str,
    log_settings: LogSettings,
) -> None:
    """Throttle the API's stage, and log its requests if that is set. Raises `StepError`."""
    changes = [
        _replace("/*/*/throttling/rateLimit", str(settings.rate)),
        _replace("/*/*/throttling/burstLimit", str(settings.burst)),
    ]
    if settings.access_log:
        keep_log_group(logs, log_group, days=log_settings.days, key=log_settings.key)
        (group,) = (
            it
            for it in logs.describe_log_groups(logGroupNamePrefix=log_group)["logGroups"]
            if it["logGroupName"] == log_group
        )
        changes += [
            _replace("/accessLogSettings/destinationArn", group["arn"].removesuffix(":*")),
            _replace("/accessLogSettings/format", LOG_FORMAT),
        ]
    try:
        client.update_stage(restApiId=api_id, stageName=stage_name, patchOperations=changes)
    except ClientError as error:
        raise StepError("api", f"the stage {stage_name} could not be configured: {error}") from error


def guard_api(api_id: str, stage_name: str, web_acl: str, client: Any) -> None:  # noqa: ANN401 - without stubs
    """Let a web ACL guard the API's stage; `client` is WAF's. Raises botocore's errors."""
    partition, region = client.meta.partition, client.meta.region_name
    stage = f"arn:{partition}:apigateway:{region}::/restapis/{api_id}/stages/{stage_name}"
    client.associate_web_acl(WebACLArn=web_acl, ResourceArn=stage)


def _replace(path: str, value: str) -> "PatchOperationTypeDef":
    return {"op": "replace", "path": path, "value": value}
