"""`python -m infra.bundle --stage prod`: the functions as one CloudFormation template.

The other way to deploy them, for who wants CloudFormation to know of everything; :mod:`infra.deploy` lets
Chalice make them by itself. Here, the real `chalice package` makes a template of the same staged copy,
`infra/cloudformation/merge.yaml` adds what it leaves undone, and a stack, `sluice-STAGE-app`, comes of it.

`chalice package` knows no events of buckets that exist. So the bucket's own stack, `storage`, is told of the
intake afterwards, and made to forget it before the functions are deleted.

`--deploy` does what the printed commands do; `--delete` takes it away again.
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
from infra import configure, deploy, stacks
from infra.local.errors import StackError
from infra.local.layout import CHECKOUT, SHARED
from infra.local.progress import Report, step, to_terminal
from infra.packages.build import check_runtime
from infra.packages.bytecode import RUNNING

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_s3 import S3Client

STACK = "app"
TEMPLATE, PACKAGE = "sam.json", "deployment.zip"  # as Chalice calls them
MERGE = stacks.FOLDER / "merge.yaml"
OF_JOBS = ("OnJob", "OnJobLogGroup")  # in MERGE, and only there if a function works on jobs
INTAKE = "IntakeFunctionArn"  # an output of this stack, and a parameter of `storage`
_LOG_DAYS = 30  # if the configuration says nothing


def bundle(stage: str, config: configure.Document, output: Path) -> Path:
    """Write the template and the package beside it to `output`, and return the template.

    Raises `StackError`, `ConfigureError` for an unknown stage and `SettingError` for a setting.
    """
    made = configure.configured(config, stage, {}, settings={"SLUICE_BUCKET_EVENTS": "template"})
    folder = output / "app"
    deploy.stage_copy(folder, stage, made)
    merge = folder / "merge.json"
    merge.write_text(json.dumps(additions(made["stages"][stage]["environment_variables"])))
    merging = ("--pkg-format", "cloudformation", "--merge-template", str(merge))
    deploy.run_chalice(folder, "package", "--stage", stage, *merging, str(output))
    return output / TEMPLATE


def additions(environment: Mapping[str, str]) -> configure.Document:
    """What is merged into Chalice's template of functions that have this environment."""
    made: configure.Document = YAMLTemplateSerializer().load_template(MERGE.read_text(), str(MERGE))
    if not settings.load(environment).lambda_workers:
        for name in OF_JOBS:
            del made["Resources"][name]
    return made


def parameters(stage: str, config: configure.Document) -> dict[str, str]:
    """The values of the template's parameters."""
    days = config["stages"][stage].get("log_retention_in_days", _LOG_DAYS)
    return {"Stage": stage, "LogDays": str(days)}


def release(
    client: "CloudFormationClient",
    template: Path,
    values: Mapping[str, str],
    *,
    bucket: str,
    report: Report = to_terminal,
) -> None:
    """Make the stack of what is bundled, or bring it up to date; migrate; have the bucket tell the intake.

    The package goes by way of `bucket`. Raises `StackFailedError`, `StackError` and botocore's errors.
    """
    stage = values["Stage"]
    with step(report, STACK, "changing") as current:
        body = uploaded(template, f"sluice-{stage}", bucket, boto3.client("s3"))
        name = stacks.stack_name(stage, STACK)
        current.result = stacks.change(client, name, body, values)
    with step(report, "migrations") as current:
        functions = {deploy.MIGRATE: f"sluice-{stage}-migrate"}
        applied = deploy.migrate(functions, deploy.patient_client())
        current.result = f"{len(applied)} applied"
    intake = stacks.outputs(stage, client)[INTAKE]
    stacks.deploy(client, stage, ["storage"], {"storage": {INTAKE: intake}}, report=report)


def uploaded(template: Path, folder: str, bucket: str, client: "S3Client") -> str:
    """The template, its package put into `folder` of `bucket` under a name that changes with its content."""
    package = template.with_name(PACKAGE).read_bytes()
    key = f"{folder}/{hashlib.sha256(package).hexdigest()}.zip"
    client.put_object(Bucket=bucket, Key=key, Body=package)
    made = json.loads(template.read_text())
    for resource in made["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": key}
    return json.dumps(made, separators=(",", ":"))  # a request takes 51,200 bytes


def delete(client: "CloudFormationClient", stage: str, *, report: Report = to_terminal) -> None:
    """Have the bucket tell nobody, and delete the stack.

    Raises `StackError` if there is none, `StackFailedError`, and botocore's errors.
    """
    name = stacks.stack_name(stage, STACK)
    if not stacks.find(client, name):
        raise StackError(STACK, f"nothing is deployed as {stage}: there is no stack {name}")
    stacks.deploy(client, stage, ["storage"], {"storage": {INTAKE: ""}}, report=report)
    with step(report, STACK, "deleting") as current:
        stacks.remove(client, name)
        current.result = "deleted"


def commands(template: Path, values: Mapping[str, str], bucket: str) -> str:
    """What :func:`release` does, to be typed."""
    stage, packaged = values["Stage"], template.with_name("packaged.json")
    name = stacks.stack_name(stage, STACK)
    given = " ".join(f"{key}={value}" for key, value in values.items())
    query = f"Stacks[0].Outputs[?OutputKey=='{INTAKE}'].OutputValue"
    return f"""\
aws cloudformation package --template-file {template} \\
    --s3-bucket {bucket} --s3-prefix sluice-{stage} --use-json --output-template-file {packaged}
aws cloudformation deploy --template-file {packaged} --stack-name {name} \\
    --s3-bucket {bucket} --s3-prefix sluice-{stage} --capabilities CAPABILITY_IAM \\
    --parameter-overrides {given}
aws lambda invoke --function-name sluice-{stage}-migrate --cli-read-timeout 900 /dev/stdout
INTAKE=$(aws cloudformation describe-stacks --stack-name {name} --query "{query}" --output text)
python -m infra.stacks deploy --stage {stage} --parameter "storage.{INTAKE}=$INTAKE"
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 with a reason if something fails."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.deploy and not chosen.bucket:
        parser.error("--deploy needs a --bucket")
    try:
        _run(chosen, boto3.client("cloudformation"))
    except StackError as error:
        sys.stderr.write(f"{error.report()}\n")
        return 1
    except (
        configure.ConfigureError,
        settings.SettingError,
        stacks.StackFailedError,
        ClientError,
        BotoCoreError,
    ) as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    return 0


def _run(chosen: argparse.Namespace, client: "CloudFormationClient") -> None:
    stage, bucket = chosen.stage, chosen.bucket
    if chosen.delete:
        delete(client, stage)
        return
    check_runtime(RUNNING)
    config = json.loads((CHECKOUT / ".chalice" / "config.json").read_text())
    output = (chosen.output or SHARED / "bundle" / stage).absolute()
    template = bundle(stage, config, output)
    values = parameters(stage, config)
    if chosen.deploy:
        release(client, template, values, bucket=bucket)
    else:
        print(f"\n{commands(template, values, bucket or 'BUCKET')}", end="")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.bundle", description=__doc__)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--output", type=Path, help="a folder; .local/bundle/STAGE")
    parser.add_argument(
        "--bucket", help="where the package goes on its way to Lambda: another one than for uploads"
    )
    doing = parser.add_mutually_exclusive_group()
    doing.add_argument("--deploy", action="store_true")
    doing.add_argument("--delete", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
