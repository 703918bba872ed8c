"""`python -m infra.configure`: writes a stage of `.chalice/config.json` and the rights of its functions.

What is the same everywhere is in `.chalice/config.json` by hand; this adds what is known only once the
stacks of `infra/cloudformation` are there: addresses, subnets, the layer. Rights are in `.chalice/policies/`,
also by hand, one file a function, with `${Name}` where an output of the stacks belongs. What comes of them
for a stage is beside them in a folder of the stage's name, where Chalice reads it. No secret is written: the
password of the database stays in Secrets Manager, and the functions know its name.
"""

import argparse
import ipaddress
import json
import string
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3

from chalicelib import settings
from infra import stacks

CHECKOUT = Path(__file__).parents[1]
FUNCTIONS = ("api_handler", "on_upload", "on_schedule", "on_job", "migrate")
GATEWAY = "gateway"  # who may call the API, in the same form
# Where a setting is an output of the stacks.
OUTPUTS = {
    "DATABASE_URL": "DatabaseUrl",
    "DATABASE_SECRET": "DatabaseSecretArn",
    "SLUICE_BUCKET": "BucketName",
    "SLUICE_QUEUE_URL": "JobsQueueUrl",
    "SLUICE_DEAD_LETTER_QUEUE_URL": "DeadLetterQueueUrl",
    "REDIS_URL": "RedisUrl",
}
Document = dict[str, Any]


class ConfigureError(Exception):
    """The stage cannot be configured; the message says why."""


def configured(
    config: Document,
    stage: str,
    outputs: Mapping[str, str],
    *,
    settings: Mapping[str, str],
    layer: str | None = None,
) -> Document:
    """`config` with everything that `stage` is told by the stacks' `outputs`, and `settings` in addition.

    `layer` is the ARN of the Lambda worker's layer. Raises ConfigureError for an unknown stage.
    """
    made: Document = json.loads(json.dumps(config))
    if stage not in made["stages"]:
        raise ConfigureError(f"no stage {stage!r} in .chalice/config.json, but {', '.join(made['stages'])}")
    section: Document = made["stages"][stage]
    known = {name: outputs[output] for name, output in OUTPUTS.items() if output in outputs}
    known["POWERTOOLS_METRICS_NAMESPACE"] = f"Sluice/{stage}"  # where infra/cloudformation looks for them
    section["environment_variables"] = section.get("environment_variables", {}) | known | dict(settings)
    if "PrivateSubnetIds" in outputs:
        section["subnet_ids"] = outputs["PrivateSubnetIds"].split(",")
        section["security_group_ids"] = [outputs["FunctionSecurityGroupId"]]
    functions = section.setdefault("lambda_functions", {})
    for name in FUNCTIONS:
        functions.setdefault(name, {})["iam_policy_file"] = f"policies/{stage}/{name}.json"
    if layer is not None:
        functions["on_job"]["layers"] = [layer]
    if "AllowedAddresses" in outputs:
        section["api_gateway_policy_file"] = f"policies/{stage}/{GATEWAY}.json"
    return made


def policies(folder: Path, stage: str, outputs: Mapping[str, str]) -> dict[str, Document]:
    """The policies in `folder` with their placeholders filled in, by name.

    A statement about something that the stage does not have is left out, and so is an empty policy.
    """
    values = {**outputs, "Stage": stage}
    made = {}
    for name in (*FUNCTIONS, GATEWAY):
        document: Document = json.loads((folder / f"{name}.json").read_text())
        filled = [_filled(statement, values) for statement in document["Statement"]]
        document["Statement"] = [it for it in filled if it is not None]
        if document["Statement"]:
            made[name] = document
    return made


def _filled(statement: Document, values: Mapping[str, str]) -> Document | None:
    if statement["Sid"] == "Network" and "PrivateSubnetIds" not in values:
        return None

    def fill(value: Any) -> Any:  # noqa: ANN401 - JSON
        match value:
            case "${AllowedAddresses}":
                return values["AllowedAddresses"].split(",")
            case str():
                return string.Template(value).substitute(values)
            case list():
                return [fill(it) for it in value]
            case dict():
                return {name: fill(it) for name, it in value.items()}
        return value

    try:
        filled: Document = fill(statement)
    except KeyError:
        return None
    return filled


def write(folder: Path, stage: str, config: Document, rights: Mapping[str, Document]) -> None:
    """Puts both where Chalice looks for them below `folder`."""
    chalice = folder / ".chalice"
    place = chalice / "policies" / stage
    place.mkdir(parents=True, exist_ok=True)
    for name, document in rights.items():
        (place / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
    (chalice / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def addresses(text: str) -> str:
    """Comma-separated networks, checked. Raises ConfigureError."""
    try:
        return ",".join(str(ipaddress.ip_network(it.strip())) for it in text.split(","))
    except ValueError as error:
        raise ConfigureError(f"--allow: {error}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Configures a stage of this checkout."""
    chosen = _parser().parse_args(arguments)
    try:
        _configure(chosen)
    except ConfigureError as error:
        print(f"not configured: {error}", file=sys.stderr)
        return 1
    print(f"stage {chosen.stage} of .chalice/config.json written, and .chalice/policies/{chosen.stage}/")
    return 0


def _configure(chosen: argparse.Namespace) -> None:
    found = stacks.outputs(chosen.stage, boto3.client("cloudformation"))
    if not found:
        raise ConfigureError(f"the stacks of {chosen.stage} have no outputs: deploy them first")
    if chosen.lambda_workers and chosen.layer is None:
        raise ConfigureError("a Lambda worker needs its layer: --layer ARN (see infra.packages publish)")
    outputs = found | {"AllowedAddresses": addresses(chosen.allow)}
    given = dict(chosen.setting) | {"SLUICE_LAMBDA_WORKERS": str(chosen.lambda_workers)}
    config = json.loads((CHECKOUT / ".chalice" / "config.json").read_text())
    made = configured(config, chosen.stage, outputs, settings=given, layer=chosen.layer)
    try:
        settings.load(made["stages"][chosen.stage]["environment_variables"])
    except settings.SettingError as error:
        raise ConfigureError(str(error)) from None
    write(CHECKOUT, chosen.stage, made, policies(CHECKOUT / ".chalice" / "policies", chosen.stage, outputs))


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"not NAME=VALUE: {text!r}")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.configure", description=__doc__)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--allow", required=True, help="networks that may call the API: 203.0.113.0/24,…")
    parser.add_argument("--lambda-workers", type=int, default=0, help="at most; 0: workers are containers")
    parser.add_argument("--layer", help="ARN of the Lambda worker's layer")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", type=_setting)
    return parser


if __name__ == "__main__":
    sys.exit(main())
