"""A stage's section of `.chalice/config.json`, and the rights of its functions.

The checked-in `.chalice/config.json` holds the common settings. A stage adds those that only the stacks know:
addresses, subnets, the layer. `.chalice/policies/` holds the rights, one file per function, with
`${Name}` for an output of the stacks. The filled policies of a stage go into a folder with the stage's name.
"""

import json
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalicelib.settings import UNCONFIGURED
from infra.steps.layout import CHECKOUT

FUNCTIONS = ("api_handler", "on_upload", "on_schedule", "on_job", "migrate")
# The role in Postgres of each function but the migrations', which is the owner: docs/how-to/manage-access.md.
ROLES = {"api_handler": "api", "on_upload": "sweep", "on_schedule": "sweep", "on_job": "worker"}
OWNER_SECRET = "DatabaseSecretArn"  # noqa: S105 - the output that names the owner's secret
# The outputs that name the secrets of the other roles.
ROLE_SECRETS = {role: f"{role.title()}DatabaseSecretArn" for role in ("api", "worker", "sweep", "analyst")}
CERTIFICATES = "certificates"  # below .chalice: a stage's file of the CA that signs Postgres' certificate
DATABASE_CA = "chalicelib/database-ca.pem"  # that file in the package
_SECRET, _LOGINS = "DATABASE_SECRET", "DATABASE_ROLE_SECRETS"
GATEWAY = "gateway"  # the policy that says who may call the API
ALLOWED_ORIGINS = "SLUICE_ALLOWED_ORIGINS"
# The settings whose values are outputs of the stacks.
OUTPUTS = {
    "DATABASE_URL": "DatabaseUrl",
    "SLUICE_TOKEN_SECRETS_ID": "UploadTokenSecretArn",
    ALLOWED_ORIGINS: "AllowedOrigins",
    "SLUICE_BUCKET": "BucketName",
    "SLUICE_QUEUE_URL": "JobsQueueUrl",
    "SLUICE_DEAD_LETTER_QUEUE_URL": "DeadLetterQueueUrl",
    "REDIS_URL": "RedisUrl",
    "REDIS_SECRET": "RedisSecretArn",
}
Document = dict[str, Any]
FunctionSettings = Mapping[str, Mapping[str, str]]  # by the function's name
NO_SETTINGS: FunctionSettings = {}


class ConfigurationError(Exception):
    """The stage cannot be configured; the message says why."""


def read_config() -> Document:
    """Return the checkout's `.chalice/config.json`."""
    config: Document = json.loads((CHECKOUT / ".chalice" / "config.json").read_text())
    return config


def configure_stage(  # noqa: PLR0913 - what a stage is made of
    config: Document,
    stage: str,
    outputs: Mapping[str, str],
    *,
    settings: Mapping[str, str],
    of_functions: FunctionSettings = NO_SETTINGS,
    layer: str | None = None,
) -> Document:
    """Return a copy of `config` in which `stage` has the stacks' `outputs` and, above them, `settings`.

    Each function gets the secret of its role in Postgres. A setting with an empty value is left out.
    `of_functions` has further settings of single functions, above those of all.
    `layer` is the ARN of the Lambda worker's layer. Raises ConfigurationError for an unknown stage.
    """
    result = copy_of(config)
    if stage not in result["stages"]:
        stages = ", ".join(result["stages"])
        raise ConfigurationError(f"no stage {stage!r} in .chalice/config.json, but {stages}")
    section: Document = result["stages"][stage]
    variables = {name: outputs[output] for name, output in OUTPUTS.items() if output in outputs}
    variables["POWERTOOLS_METRICS_NAMESPACE"] = f"Sluice/{stage}"  # infra/cloudformation reads this namespace
    gone = {UNCONFIGURED: ""} | ({} if _SECRET in settings else {_SECRET: ""})  # of all functions once
    merged = section.get("environment_variables", {}) | variables | dict(settings) | gone
    section["environment_variables"] = {name: value for name, value in merged.items() if value}
    if "PrivateSubnetIds" in outputs:
        section["subnet_ids"] = outputs["PrivateSubnetIds"].split(",")
        section["security_group_ids"] = [outputs["FunctionSecurityGroupId"]]
    functions = section.setdefault("lambda_functions", {})
    for name in FUNCTIONS:
        function = functions.setdefault(name, {})
        function["iam_policy_file"] = f"policies/{stage}/{name}.json"
        if own := database_secrets(name, outputs) | dict(of_functions.get(name, {})):
            function["environment_variables"] = function.get("environment_variables", {}) | own
    if layer is not None:
        functions["on_job"]["layers"] = [layer]
    if "AllowedAddresses" in outputs:
        section["api_gateway_policy_file"] = f"policies/{stage}/{GATEWAY}.json"
    return result


def database_secrets(function: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that name the secrets of a function: its role's; the migrations' those of all."""
    if function in ROLES:
        secret = ROLE_SECRETS[ROLES[function]]
        return {_SECRET: outputs[secret]} if secret in outputs else {}
    if OWNER_SECRET not in outputs:
        return {}
    logins = [f"{role}={outputs[secret]}" for role, secret in ROLE_SECRETS.items() if secret in outputs]
    return {_SECRET: outputs[OWNER_SECRET]} | ({_LOGINS: ",".join(logins)} if logins else {})


def copy_of(document: Document) -> Document:
    """Return a deep copy of a JSON document."""
    result: Document = json.loads(json.dumps(document))
    return result


def fill_policies(stage: str, outputs: Mapping[str, str]) -> dict[str, Document]:
    """Return the checkout's policies by name, their placeholders replaced by `outputs`.

    Leave out statements about resources that the stage does not have, and policies without statements.
    """
    values = {**outputs, "Stage": stage}
    if queue := outputs.get("JobsQueueArn"):  # arn:PARTITION:sqs:REGION:ACCOUNT:NAME
        _, partition, _, region, account, _ = queue.split(":")
        values["LogGroups"] = f"arn:{partition}:logs:{region}:{account}:log-group:"
    folder = CHECKOUT / ".chalice" / "policies"
    policies = {}
    for name in (*FUNCTIONS, GATEWAY):
        document: Document = json.loads((folder / f"{name}.json").read_text())
        statements = [_fill(statement, values) for statement in document["Statement"]]
        document["Statement"] = [statement for statement in statements if statement is not None]
        if document["Statement"]:
            policies[name] = document
    return policies


def _fill(statement: Document, values: Mapping[str, str]) -> Document | None:
    if statement["Sid"] == "Network" and "PrivateSubnetIds" not in values:
        return None

    def fill(value: Any) -> Any:  # noqa: ANN401 - JSON
        match value:
            case "${AllowedAddresses}":
                return values["AllowedAddresses"].split(",")
            case str():
                return string.Template(value).substitute(values)
            case list():
                return [fill(item) for item in value]
            case dict():
                return {name: fill(item) for name, item in value.items()}
        return value

    try:
        result: Document = fill(statement)
    except KeyError:
        return None
    return result


def write_stage(folder: Path, stage: str, config: Document, policies: Mapping[str, Document]) -> None:
    """Write the configuration and the stage's policies to where Chalice reads them below `folder`."""
    chalice = folder / ".chalice"
    target = chalice / "policies" / stage
    target.mkdir(parents=True, exist_ok=True)
    for name, document in policies.items():
        (target / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
    (chalice / "config.json").write_text(json.dumps(config, indent=2) + "\n")
