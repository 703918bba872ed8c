"""Deploy what Chalice does not make: `python -m infra.stacks deploy --stage prod`.

The templates are in `infra/cloudformation`, a stack each. Deploying again is cheap, and changes what has
changed. A parameter keeps its value until another is given; `cache` and `worker`, once deployed, stay.
"""

import argparse
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.progress import Report, step, to_terminal

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import ParameterTypeDef, StackTypeDef

FOLDER = Path(__file__).with_name("cloudformation")
TEMPLATES = ("storage", "network", "database", "cache", "worker", "monitoring")  # each uses those before it
OPTIONAL = ("cache", "worker")
STAGES = ("dev", "prod", "local")
NEVER_MADE = ("ROLLBACK_COMPLETE", "CREATE_FAILED")  # such a stack can only be deleted
LOOKED_AT = "REVIEW_IN_PROGRESS"  # what a first change set that was not executed leaves behind
DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE")
PREPARED = ("CREATE_COMPLETE", "FAILED")  # of a change set
UNCHANGED = ("didn't contain changes", "No updates are to be performed")
STARTS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
MAX_PAUSE_SECONDS = 5.0

# Of each template the values to set, by the parameters' names.
Values = Mapping[str, Mapping[str, str]]


class StackFailedError(Exception):
    """A stack did not come to be what its template says; `reasons` are CloudFormation's own."""

    def __init__(self, name: str, status: str, reasons: Iterable[str]) -> None:
        self.reasons = list(reasons)
        super().__init__("\n".join([f"{name}: {status}", *(f"  {reason}" for reason in self.reasons)]))


def stack_name(stage: str, template: str) -> str:
    """What a template's stack is called."""
    return f"sluice-{stage}-{template}"


def outputs(stage: str, client: "CloudFormationClient") -> dict[str, str]:
    """What the stage's stacks export, by the names that the templates give it."""
    prefix = f"sluice-{stage}-"
    pages = client.get_paginator("list_exports").paginate()
    exports = {export["Name"]: export["Value"] for page in pages for export in page["Exports"]}
    return {name.removeprefix(prefix): value for name, value in exports.items() if name.startswith(prefix)}


def chosen(client: "CloudFormationClient", stage: str, extra: Collection[str]) -> list[str]:
    """The templates to deploy: those that are always needed, `extra`, and what is deployed already."""
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
    """Make the stacks of the templates, in the given order, or bring them up to date.

    Raises `StackFailedError` at the first that fails, and botocore's errors; those before it stay.
    """
    parts = {f"With{part.title()}": str(part in templates).lower() for part in ("database", *OPTIONAL)}
    for template in templates:
        given = {"Stage": stage, **(parts if template == "monitoring" else {}), **values.get(template, {})}
        name = stack_name(stage, template)
        with step(report, template, "changing") as current:
            current.result = change(client, name, (FOLDER / f"{template}.yaml").read_text(), given)
        if stage == "prod":
            client.update_termination_protection(StackName=name, EnableTerminationProtection=True)


def delete(client: "CloudFormationClient", stage: str, *, report: Report = to_terminal) -> None:
    """Delete the stage's stacks, those first that use others.

    What was uploaded stays, in its bucket, and a snapshot of the database. Raises `StackFailedError`, and
    botocore's errors: AWS refuses to delete what is protected.
    """
    for template in reversed(TEMPLATES):
        if find(client, stack_name(stage, template)):
            with step(report, template, "deleting") as current:
                remove(client, stack_name(stage, template))
                current.result = "deleted"


def change(client: "CloudFormationClient", name: str, body: str, given: Mapping[str, str]) -> str:
    """Make or change one stack by a change set; says what was done."""
    stack = _settled(client, name, but=LOOKED_AT)
    if stack and stack["StackStatus"] in NEVER_MADE:
        remove(client, name)
        stack = None
    exists = stack is not None and stack["StackStatus"] != LOOKED_AT
    kind: Literal["UPDATE", "CREATE"] = "UPDATE" if exists else "CREATE"
    change_set = client.create_change_set(
        StackName=name,
        ChangeSetName=f"deploy-{uuid4().hex}",
        ChangeSetType=kind,
        TemplateBody=body,
        Parameters=_parameters(client, body, stack, given),
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": "application", "Value": "sluice"}, {"Key": "stage", "Value": given["Stage"]}],
    )["Id"]
    if not _changes(client, name, change_set):
        client.delete_change_set(ChangeSetName=change_set)
        return "unchanged"
    client.execute_change_set(ChangeSetName=change_set)
    _done(client, name)
    return "updated" if exists else "created"


def _parameters(
    client: "CloudFormationClient", body: str, stack: "StackTypeDef | None", given: Mapping[str, str]
) -> "list[ParameterTypeDef]":
    """What is given, and of the rest that the template knows what it was."""
    known = {one["ParameterKey"] for one in client.get_template_summary(TemplateBody=body)["Parameters"]}
    before = {one["ParameterKey"] for one in stack.get("Parameters", [])} if stack else set()
    kept = sorted((before & known) - given.keys())
    told: list[ParameterTypeDef] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in given.items()
    ]
    return told + [{"ParameterKey": key, "UsePreviousValue": True} for key in kept]


def _changes(client: "CloudFormationClient", name: str, change_set: str) -> bool:
    """Wait for the change set; whether there is anything in it."""
    pauses = _pauses()
    while (told := client.describe_change_set(ChangeSetName=change_set))["Status"] not in PREPARED:
        time.sleep(next(pauses))
    reason = told.get("StatusReason", "")
    if told["Status"] == "CREATE_COMPLETE":
        return True
    if any(text in reason for text in UNCHANGED):
        return False
    raise StackFailedError(name, "no change set", [reason])


def remove(client: "CloudFormationClient", name: str) -> None:
    """Delete one stack. Raises `StackFailedError`."""
    client.delete_stack(StackName=name)
    _done(client, name)


def _done(client: "CloudFormationClient", name: str) -> None:
    """Wait for what is under way, and raise `StackFailedError` if it failed."""
    stack = _settled(client, name)
    if stack and stack["StackStatus"] not in DONE:
        raise StackFailedError(name, stack["StackStatus"], _reasons(client, name))


def _settled(client: "CloudFormationClient", name: str, *, but: str = "") -> "StackTypeDef | None":
    """The stack, once nothing (``but`` this) is under way; None if there is none."""
    pauses = _pauses()
    while (stack := find(client, name)) and stack["StackStatus"].endswith("_IN_PROGRESS"):
        if stack["StackStatus"] == but:
            break
        time.sleep(next(pauses))
    return stack


def find(client: "CloudFormationClient", name: str) -> "StackTypeDef | None":
    """The stack as it is; None if there is none."""
    try:
        return client.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            return None
        raise


def _reasons(client: "CloudFormationClient", name: str) -> Iterator[str]:
    """What failed in the latest operation, first things first."""
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
    """Run one command. Exit status 0: done; 1: something failed."""
    arguments = parser().parse_args(argv)
    client = boto3.client("cloudformation")
    try:
        if arguments.command == "delete":
            delete(client, arguments.stage)
        else:
            values = merged(arguments.parameter, arguments.image)
            deploy(client, arguments.stage, chosen(client, arguments.stage, arguments.extra), values)
    except (StackFailedError, ClientError, BotoCoreError) as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """What can be typed."""
    result = argparse.ArgumentParser(prog="python -m infra.stacks", description=__doc__)
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    making = commands.add_parser("deploy", help="make the stacks, or bring them up to date")
    deleting = commands.add_parser("delete", help="delete them; uploaded files and a snapshot stay")
    for command in (making, deleting):
        command.add_argument("--stage", choices=STAGES, required=True)
    making.add_argument(
        "--with", dest="extra", action="append", default=[], choices=OPTIONAL, help="deploy this, too"
    )
    making.add_argument("--image", help="the worker's image: --parameter worker.Image=IMAGE")
    making.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=assignment,
        metavar="TEMPLATE.NAME=VALUE",
        help="such as worker.MaxWorkers=20; without it, a parameter stays as it is",
    )
    return result


def assignment(text: str) -> tuple[str, str, str]:
    """`TEMPLATE.NAME=VALUE` as its three parts. Raises ArgumentTypeError."""
    place, equals, value = text.partition("=")
    template, _, name = place.partition(".")
    if template not in TEMPLATES or not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not TEMPLATE.NAME=VALUE with one of {TEMPLATES}")
    return template, name, value


def merged(assignments: Iterable[tuple[str, str, str]], image: str | None) -> dict[str, dict[str, str]]:
    """The values to set, by template."""
    values: dict[str, dict[str, str]] = {"worker": {"Image": image}} if image else {}
    for template, name, value in assignments:
        values.setdefault(template, {})[name] = value
    return values


if __name__ == "__main__":
    sys.exit(main())
