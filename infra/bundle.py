"""`python -m infra.bundle --stage prod`: deploy the functions as one CloudFormation stack. The variant.

Take it instead of :mod:`infra.deploy` where everything must be in CloudFormation stacks, for example because
another pipeline applies them. It shares the staged copy, the configuration and the migrations with the main
way. The real `chalice package` writes a template, `infra/cloudformation/merge.yaml` adds what Chalice leaves
out, and the stack is `sluice-STAGE-app`.

`chalice package` does not support events of existing buckets. So the stack `storage` connects the bucket to
the intake afterwards, and disconnects it before the functions are deleted.

`--deploy` does what the printed commands do; `--delete` removes the stack.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from chalice.package import YAMLTemplateSerializer

from chalicelib import settings
from infra import stacks
from infra.deployment.api import LOG_FORMAT, ApiSettings, add_arguments, settings_in
from infra.deployment.chalice import run_chalice
from infra.deployment.configuration import ConfigurationError, Document, configure_stage, read_config
from infra.deployment.functions import MIGRATE, migrate, patient_client
from infra.deployment.staging import stage_application
from infra.packages.build import check_runtime
from infra.packages.bytecode import RUNNING
from infra.steps.errors import StepError, exit_status
from infra.steps.layout import SHARED
from infra.steps.progress import Report, step, to_terminal
from infra.steps.signals import end_on_sigterm

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_s3 import S3Client

STACK = "app"
TEMPLATE, PACKAGE = "sam.json", "deployment.zip"  # Chalice's names
MERGE = stacks.FOLDER / "merge.yaml"
JOB_RESOURCES = ("OnJob", "OnJobLogGroup")  # in MERGE, for stages with Lambda workers only
INTAKE = "IntakeFunctionArn"  # an output of this stack, and a parameter of `storage`
KEY = "KmsKeyArn"  # an output of `storage`, and a parameter of this stack
_LOG_DAYS = 30  # default


def bundle(stage: str, config: Document, output: Path) -> Path:
    """Write the template and, beside it, the package to `output`, and return the template.

    Raises `StepError`, `ConfigurationError` for an unknown stage and `SettingError` for a setting.
    """
    configured = configure_stage(config, stage, {}, settings={"SLUICE_BUCKET_EVENTS": "template"})
    folder = output / "app"
    stage_application(folder, stage, configured)
    merge = folder / "merge.json"
    merge.write_text(json.dumps(additions(configured["stages"][stage]["environment_variables"])))
    merging = ("--pkg-format", "cloudformation", "--merge-template", str(merge))
    run_chalice(folder, "package", "--stage", stage, *merging, str(output))
    return output / TEMPLATE


def additions(environment: Mapping[str, str]) -> Document:
    """Return what to merge into Chalice's template of functions that have this environment."""
    document: Document = YAMLTemplateSerializer().load_template(MERGE.read_text(), str(MERGE))
    document["Parameters"]["AccessLogFormat"]["Default"] = LOG_FORMAT
    if not settings.load(environment).lambda_workers:
        for name in JOB_RESOURCES:
            del document["Resources"][name]
    return document


def parameters(stage: str, config: Document, outputs: Mapping[str, str], api: ApiSettings) -> dict[str, str]:
    """Return the values of the template's parameters; `outputs` are those of the stage's stacks."""
    days = config["stages"][stage].get("log_retention_in_days", _LOG_DAYS)
    return {
        "Stage": stage,
        "LogDays": str(days),
        "RateLimit": str(api.rate),
        "BurstLimit": str(api.burst),
        "AccessLog": str(api.access_log).lower(),
        "WebAclArn": api.web_acl or "",
        KEY: outputs.get(KEY, ""),
    }


def release(
    client: "CloudFormationClient",
    template: Path,
    values: Mapping[str, str],
    *,
    bucket: str,
    report: Report = to_terminal,
) -> None:
    """Create or update the stack from the template, migrate, and connect the uploads' bucket to the intake.

    `bucket` holds the package for Lambda, and the template, which is too large for a request.
    Raises `StackFailedError`, `StepError` and botocore's errors.
    """
    stage = values["Stage"]
    with step(report, STACK, "changing", note="") as current:
        url = upload(template, f"sluice-{stage}", bucket, boto3.client("s3"))
        name = stacks.stack_name(stage, STACK)
        current.result = stacks.change(client, name, {"TemplateURL": url}, values)
    with step(report, "migrations", "applying") as current:
        applied = migrate(f"sluice-{stage}-{MIGRATE}", patient_client())
        current.result = f"{len(applied)} applied"
    _connect_bucket(client, stage, stacks.outputs(stage, client)[INTAKE], report)


def _connect_bucket(client: "CloudFormationClient", stage: str, intake: str, report: Report) -> None:
    """Send the bucket's events to the function `intake`, or to none if that is empty."""
    stacks.deploy(client, stage, ["storage"], {"storage": {INTAKE: intake}}, report=report)


def upload(template: Path, folder: str, bucket: str, client: "S3Client") -> str:
    """Upload the package and a template that names it to `folder` of `bucket`. Return the template's address.

    Keys contain the content's hash, so CloudFormation sees a change if and only if the package changes.
    """

    def put(content: bytes, suffix: str) -> str:
        key = f"{folder}/{hashlib.sha256(content).hexdigest()}.{suffix}"
        client.put_object(Bucket=bucket, Key=key, Body=content)
        return key

    key = put(template.with_name(PACKAGE).read_bytes(), "zip")
    document = json.loads(template.read_text())
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": key}
    return f"{client.meta.endpoint_url}/{bucket}/{put(json.dumps(document).encode(), 'json')}"


def delete(client: "CloudFormationClient", stage: str, *, report: Report = to_terminal) -> None:
    """Disconnect the bucket from the intake, and delete the stack.

    Raises `StepError` if there is no stack, `StackFailedError`, and botocore's errors.
    """
    name = stacks.stack_name(stage, STACK)
    if not stacks.find(client, name):
        raise StepError(STACK, f"nothing is deployed as {stage}: there is no stack {name}")
    _connect_bucket(client, stage, "", report)
    with step(report, STACK, "deleting", note="") as current:
        stacks.remove(client, name)
        current.result = "deleted"


def commands(template: Path, values: Mapping[str, str], bucket: str) -> str:
    """Return the shell commands that do the same as :func:`release`."""
    stage, packaged = values["Stage"], template.with_name("packaged.json")
    name = stacks.stack_name(stage, STACK)
    overrides = " ".join(f"{key}={value}" for key, value in values.items() if value)
    query = f"Stacks[0].Outputs[?OutputKey=='{INTAKE}'].OutputValue"
    return f"""\
aws cloudformation package --template-file {template} \\
    --s3-bucket {bucket} --s3-prefix sluice-{stage} --use-json --output-template-file {packaged}
aws cloudformation deploy --template-file {packaged} --stack-name {name} \\
    --s3-bucket {bucket} --s3-prefix sluice-{stage} --capabilities CAPABILITY_IAM \\
    --parameter-overrides {overrides}
aws lambda invoke --function-name sluice-{stage}-{MIGRATE} --cli-read-timeout 900 /dev/stdout
INTAKE=$(aws cloudformation describe-stacks --stack-name {name} --query "{query}" --output text)
python -m infra.stacks deploy --stage {stage} --parameter "storage.{INTAKE}=$INTAKE"
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 0, or 1 after saying why it failed."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.deploy and not arguments.bucket:
        parser.error("--deploy needs a --bucket")
    own = (ConfigurationError, settings.SettingError, stacks.StackFailedError)
    return exit_status(lambda: _run(arguments), *own, ClientError, BotoCoreError)


def _run(arguments: argparse.Namespace) -> None:
    stage, client = arguments.stage, boto3.client("cloudformation")
    if arguments.delete:
        delete(client, stage)
        return
    check_runtime(RUNNING)
    config = read_config()
    output = (arguments.output or SHARED / "bundle" / stage).absolute()
    template = bundle(stage, config, output)
    values = parameters(stage, config, stacks.outputs(stage, client), settings_in(arguments))
    if arguments.deploy:
        release(client, template, values, bucket=arguments.bucket)
    else:
        print(f"\n{commands(template, values, arguments.bucket or 'BUCKET')}", end="")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.bundle", description=__doc__)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--output", type=Path, help="a folder (default: .local/bundle/STAGE)")
    parser.add_argument(
        "--bucket", help="the bucket for the package on its way to Lambda, not that for uploads"
    )
    add_arguments(parser)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--deploy", action="store_true")
    mode.add_argument("--delete", action="store_true")
    return parser


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(main())
