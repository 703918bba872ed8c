"""Deploy the resources that Chalice does not create: `python -m infra.stacks deploy --stage prod`.

Each template in `infra/cloudformation` is a stack. Deploying again is cheap and updates only stacks that
changed. A parameter keeps its value until another is given; `cache` and `worker`, once deployed, stay.
"""

import argparse
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict
from uuid import uuid4

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.steps.errors import exit_status
from infra.steps.progress import Report, step, to_terminal

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import ParameterTypeDef, StackTypeDef

FOLDER = Path(__file__).with_name("cloudformation")
TEMPLATES = ("storage", "network", "database", "cache", "worker", "monitoring")  # each uses those before it
OPTIONAL = ("cache", "worker")
KEYED = ("storage", "database", "cache", "worker")  # those with the parameter KmsKeyArn
STAGES = ("dev", "prod", "local")
NEVER_CREATED = ("ROLLBACK_COMPLETE", "CREATE_FAILED")  # such a stack can only be deleted
IN_REVIEW = "REVIEW_IN_PROGRESS"  # left by a first change set that was not executed
DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE")
PREPARED = ("CREATE_COMPLETE", "FAILED")  # final states of a change set
UNCHANGED = ("didn't contain changes", "No updates are to be performed")
STARTS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
MAX_PAUSE_SECONDS = 5.0

# Parameter values, by template and by the parameter's name.
Values = Mapping[str, Mapping[str, str]]


class Template(TypedDict, total=False):
    """A template: its text, of up to 51,200 bytes, or where it is in S3."""

    TemplateBody: str
    TemplateURL: str


class StackFailedError(Exception):
    """CloudFormation failed to bring a stack to its template; `reasons` are its own."""

    def __init__(self, name: str, status: str, reasons: Iterable[str]) -> None:
        self.reasons = list(reasons)
        super().__init__("\n".join([f"{name}: {status}", *(f"  {reason}" for reason in self.reasons)]))


def stack_name(stage: str, template: str) -> str:
    """Return the name of a template's stack."""
    return f"sluice-{stage}-{template}"


def outputs(stage: str, client: "CloudFormationClient") -> dict[str, str]:
    """Return the exports of the stage's stacks, by their names in the templates."""
    prefix = f"sluice-{stage}-"
    pages = client.get_paginator("list_exports").paginate()
    exports = {export["Name"]: export["Value"] for page in pages for export in page["Exports"]}
    return {name.removeprefix(prefix): value for name, value in exports.items() if name.startswith(prefix)}


def select_templates(client: "CloudFormationClient", stage: str, extra: Collection[str]) -> list[str]:
    """Return the templates to deploy: the required ones, `extra`, and those that are deployed already."""
    return [
        template
        for template in TEMPLATES
        if template not in OPTIONAL or template in extra or find(client, stack_name(stage, template))
    ]


def deploy(
    client: "CloudFormationClient",
    stage: str,
    templates: Collection[str],
    values: Values,
    *,
    report: Report = to_terminal,
) -> None:
    """Create or update the stacks of the templates, in the given order.

    Raises `StackFailedError` at the first stack that fails, and botocore's errors. The stacks before it stay.
    """
    flags = {f"With{name.title()}": str(name in templates).lower() for name in ("database", *OPTIONAL)}
    for template in templates:
        given = {"Stage": stage, **(flags if template == "monitoring" else {}), **values.get(template, {})}
        name = stack_name(stage, template)
        with step(report, template, "changing", note="") as current:
            body = (FOLDER / f"{template}.yaml").read_text()
            current.result = change(client, name, {"TemplateBody": body}, given)
        if stage == "prod":
            client.update_termination_protection(StackName=name, EnableTerminationProtection=True)


def delete(client: "CloudFormationClient", stage: str, *, report: Report = to_terminal) -> None:
    """Delete the stage's stacks, dependent ones first.

    The bucket with the uploaded files stays, and a snapshot of the database. Raises `StackFailedError`, and
    botocore's errors: AWS refuses to delete protected stacks.
    """
    for template in reversed(TEMPLATES):
        if find(client, stack_name(stage, template)):
            with step(report, template, "deleting", note="") as current:
                remove(client, stack_name(stage, template))
                current.result = "deleted"


def change(client: "CloudFormationClient", name: str, template: Template, given: Mapping[str, str]) -> str:
    """Create or update one stack by a change set. Return `created`, `updated` or `unchanged`."""
    stack = _wait_until_settled(client, name, unless=IN_REVIEW)
    if stack and stack["StackStatus"] in NEVER_CREATED:
        remove(client, name)
        stack = None
    exists = stack is not None and stack["StackStatus"] != IN_REVIEW
    kind: Literal["UPDATE", "CREATE"] = "UPDATE" if exists else "CREATE"
    change_set = client.create_change_set(
        StackName=name,
        ChangeSetName=f"deploy-{uuid4().hex}",
        ChangeSetType=kind,
        **template,
        Parameters=_parameters(client, template, stack, given),
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": "application", "Value": "sluice"}, {"Key": "stage", "Value": given["Stage"]}],
    )["Id"]
    if not _has_changes(client, name, change_set):
        client.delete_change_set(ChangeSetName=change_set)
        return "unchanged"
    client.execute_change_set(ChangeSetName=change_set)
    _wait_until_done(client, name)
    return "updated" if exists else "created"


def _parameters(
    client: "CloudFormationClient", template: Template, stack: "StackTypeDef | None", given: Mapping[str, str]
) -> "list[ParameterTypeDef]":
    """Return the `given` values, and for the template's other parameters their previous values."""
    declared = {
        parameter["ParameterKey"] for parameter in client.get_template_summary(**template)["Parameters"]
    }
    before = {parameter["ParameterKey"] for parameter in stack.get("Parameters", [])} if stack else set()
    kept = sorted((before & declared) - given.keys())
    values: list[ParameterTypeDef] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in given.items()
    ]
    return values + [{"ParameterKey": key, "UsePreviousValue": True} for key in kept]


def _has_changes(client: "CloudFormationClient", name: str, change_set: str) -> bool:
    """Wait for the change set and return whether it changes anything. Raises `StackFailedError`."""
    pauses = _pauses()
    while (description := client.describe_change_set(ChangeSetName=change_set))["Status"] not in PREPARED:
        time.sleep(next(pauses))
    reason = description.get("StatusReason", "")
    if description["Status"] == "CREATE_COMPLETE":
        return True
    if any(text in reason for text in UNCHANGED):
        return False
    raise StackFailedError(name, "no change set", [reason])


def remove(client: "CloudFormationClient", name: str) -> None:
    """Delete one stack. Raises `StackFailedError`."""
    client.delete_stack(StackName=name)
    _wait_until_done(client, name)


def _wait_until_done(client: "CloudFormationClient", name: str) -> None:
    """Wait for the running operation. Raises `StackFailedError` if it fails."""
    stack = _wait_until_settled(client, name)
    if stack and stack["StackStatus"] not in DONE:
        raise StackFailedError(name, stack["StackStatus"], _reasons(client, name))


def _wait_until_settled(
    client: "CloudFormationClient", name: str, *, unless: str = ""
) -> "StackTypeDef | None":
    """Wait until no operation runs, or the status is `unless`. Return the stack, or None if there is none."""
    pauses = _pauses()
    while (stack := find(client, name)) and stack["StackStatus"].endswith("_IN_PROGRESS"):
        if stack["StackStatus"] == unless:
            break
        time.sleep(next(pauses))
    return stack


def find(client: "CloudFormationClient", name: str) -> "StackTypeDef | None":
    """Return the stack as it is, or None if there is no stack."""
    try:
        return client.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            return None
        raise


def _reasons(client: "CloudFormationClient", name: str) -> Iterator[str]:
    """Yield the failures of the latest operation, the first one first."""
    failed = []
    for page in client.get_paginator("describe_stack_events").paginate(StackName=name):
        for event in page["StackEvents"]:  # newest first
            status = event.get("ResourceStatus", "")
            if status.endswith("_FAILED"):
                resource = event.get("LogicalResourceId", "?")
                failed.append(f"{resource}: {status}: {event.get('ResourceStatusReason', 'no reason given')}")
            if event.get("ResourceType") == "AWS::CloudFormation::Stack" and status in STARTS:
                return reversed(failed)
    return reversed(failed)


def _pauses() -> Iterator[float]:
    pause = 0.2
    while True:
        yield pause
        pause = min(2 * pause, MAX_PAUSE_SECONDS)


def main(argv: list[str] | None = None) -> int:
    """Run one command. Return 0, or 1 after saying why it failed."""
    arguments = parser().parse_args(argv)
    return exit_status(lambda: _run(arguments), StackFailedError, ClientError, BotoCoreError)


def _run(arguments: argparse.Namespace) -> None:
    client, stage = boto3.client("cloudformation"), arguments.stage
    if arguments.command == "delete":
        delete(client, stage)
        return
    values = merge_values(arguments.parameter, arguments.image, arguments.key)
    deploy(client, stage, select_templates(client, stage, arguments.extra), values)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(prog="python -m infra.stacks", description=__doc__)
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    making = commands.add_parser("deploy", help="create or update the stacks")
    deleting = commands.add_parser(
        "delete", help="delete them; uploaded files and a snapshot of the database stay"
    )
    for command in (making, deleting):
        command.add_argument("--stage", choices=STAGES, required=True)
    making.add_argument(
        "--with",
        dest="extra",
        action="append",
        default=[],
        choices=OPTIONAL,
        help="an optional stack to deploy",
    )
    making.add_argument("--key", metavar="ARN", help="a KMS key: --parameter TEMPLATE.KmsKeyArn=ARN of all")
    making.add_argument("--image", help="the worker's image: --parameter worker.Image=IMAGE")
    making.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=parse_assignment,
        metavar="TEMPLATE.NAME=VALUE",
        help="such as worker.MaxWorkers=20; without it, a parameter stays as it is",
    )
    return result


def parse_assignment(text: str) -> tuple[str, str, str]:
    """Split `TEMPLATE.NAME=VALUE` into these three. Raises ArgumentTypeError."""
    key, equals, value = text.partition("=")
    template, _, name = key.partition(".")
    if template not in TEMPLATES or not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not TEMPLATE.NAME=VALUE with one of {TEMPLATES}")
    return template, name, value


def merge_values(
    assignments: Iterable[tuple[str, str, str]], image: str | None, key: str | None = None
) -> dict[str, dict[str, str]]:
    """Return the parameter values by template; `image` is short for the worker's, `key` for that of all."""
    values: dict[str, dict[str, str]] = {"worker": {"Image": image}} if image else {}
    for template in KEYED if key else ():
        values.setdefault(template, {})["KmsKeyArn"] = key or ""
    for template, name, value in assignments:
        values.setdefault(template, {})[name] = value
    return values


if __name__ == "__main__":
    sys.exit(main())
