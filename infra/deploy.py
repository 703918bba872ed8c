"""`python -m infra.deploy --stage prod`: the real `chalice deploy`, and what it leaves undone.

It runs in a copy that holds what a deployment consists of and nothing else, with its requirements installed,
thinned out and compiled (:mod:`infra.packages`): so packages are small and start fast. What Chalice knows of
what exists on AWS, `.chalice/deployed/<stage>.json`, is taken from the checkout and put back.

`chalice deploy` in the checkout itself works, too. Its package is larger and starts more slowly, and nobody
does what :func:`finish` does.

`--delete` takes all of it away again.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from infra import configure, stacks
from infra.local.errors import StackError
from infra.local.layout import CHECKOUT, SHARED
from infra.packages.build import build_vendor, check_runtime, copy_part
from infra.packages.bytecode import RUNNING

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient

# What a deployment consists of. The client, the tests and the tools stay out of it.
STAGED = ("app.py", "chalicelib", "requirements.txt", ".chalice/policies")
# What Chalice keeps between deployments: what exists on AWS, and the packages it built.
KEPT = ("deployed", "deployments")
CHALICE = Path(sys.executable).with_name("chalice")
EMULATED = CHECKOUT / "infra" / "local" / "fast_chalice.py"
INTAKE, MIGRATE = "on_upload", "migrate"  # functions, by their names in app.py
DEAD_LETTERS = "EventsDeadLetterQueueArn"  # an output of the stacks
_EVENT_HOURS = 6  # for which Lambda tries an S3 event again
_MIGRATE_SECONDS = 900  # the longest that a function may take
_ARCHITECTURE = "x86_64"  # Lambda's own default


def stage_copy(
    folder: Path,
    stage: str,
    config: configure.Document,
    rights: Mapping[str, configure.Document] = MappingProxyType({}),
) -> None:
    """Make `folder` a copy of what is to be deployed as `stage`, ready for Chalice. Raises `StackError`.

    `config` is its `.chalice/config.json`; `rights` are the policies of the stage that the checkout lacks.
    """
    _clear(folder)
    for name in STAGED:
        source, target = CHECKOUT / name, folder / name
        if not source.exists():
            raise StackError("app", f"{source} is missing: there is nothing to deploy")
        copy_part(source, target)
    configure.write(folder, stage, _without_retention(config, stage), rights)
    _check_configured(folder, stage, config)
    architecture = config["stages"][stage].get("lambda_architecture", _ARCHITECTURE)
    build_vendor(folder, python=RUNNING, architecture=architecture)


def _check_configured(folder: Path, stage: str, config: configure.Document) -> None:
    functions = config["stages"].get(stage, {}).get("lambda_functions", {})
    files = [functions.get(name, {}).get("iam_policy_file") for name in configure.FUNCTIONS]
    if not all(file and (folder / ".chalice" / file).exists() for file in files):
        raise StackError("app", f"stage {stage} is not configured: run infra.configure first")


def _clear(folder: Path) -> None:
    """Remove what was staged before, but not what Chalice keeps."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [path for path in folder.iterdir() if path.name != ".chalice"]
    paths += [path for path in folder.glob(".chalice/*") if path.name not in KEPT]
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def deployed_functions(folder: Path, stage: str) -> dict[str, str]:
    """The functions that Chalice has deployed from `folder`: the name in the code to the ARN."""
    resources = json.loads((folder / ".chalice" / "deployed" / f"{stage}.json").read_text())["resources"]
    return {it["name"]: it["lambda_arn"] for it in resources if it["resource_type"] == "lambda_function"}


def finish(
    functions: Mapping[str, str],
    client: "LambdaClient",
    logs: "CloudWatchLogsClient",
    *,
    dead_letters: str,
    retention_days: int | None,
) -> None:
    """What Chalice does not do: where events go that the intake failed at, and how long logs are kept.

    `dead_letters` is the ARN of a queue. Chalice sets a retention itself, for the API to another log group.
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
        group = _log_group(arn)
        if not _exists(logs, group):
            logs.create_log_group(logGroupName=group)
        logs.put_retention_policy(logGroupName=group, retentionInDays=retention_days)


def remove_logs(functions: Mapping[str, str], logs: "CloudWatchLogsClient") -> None:
    """Remove the functions' log groups, which outlive them."""
    for arn in functions.values():
        if _exists(logs, group := _log_group(arn)):
            logs.delete_log_group(logGroupName=group)


def _log_group(arn: str) -> str:
    return f"/aws/lambda/{arn.rpartition(':')[2]}"


def _exists(logs: "CloudWatchLogsClient", group: str) -> bool:
    found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    return any(it["logGroupName"] == group for it in found)


def deploy(
    stage: str,
    config: configure.Document,
    *,
    dead_letters: str,
    folder: Path,
    state: Path,
) -> None:
    """Stage in `folder`, deploy, finish and migrate; `state` is what Chalice keeps. Raises `StackError`."""
    stage_copy(folder, stage, config)
    own = folder / ".chalice" / "deployed" / f"{stage}.json"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.unlink(missing_ok=True)
    if state.exists():
        shutil.copyfile(state, own)
    try:
        run_chalice(folder, "deploy", "--stage", stage)
    finally:  # a deployment that broke off has made something, too
        if own.exists():
            state.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(own, state)
    functions = deployed_functions(folder, stage)
    finish(
        functions,
        boto3.client("lambda"),
        boto3.client("logs"),
        dead_letters=dead_letters,
        retention_days=config["stages"][stage].get("log_retention_in_days"),
    )
    applied = migrate(functions, patient_client())
    print(f"Migrations applied: {', '.join(applied) or 'none, the schema is up to date'}")


def patient_client() -> "LambdaClient":
    """A client that waits for an invocation to its end, and asks once: migrations may take long."""
    once = Config(read_timeout=_MIGRATE_SECONDS, retries={"total_max_attempts": 1})
    return boto3.client("lambda", config=once)


def migrate(functions: Mapping[str, str], client: "LambdaClient") -> list[str]:
    """Bring the database to the schema of what is deployed; the migrations applied. Raises `StackError`."""
    answer = client.invoke(FunctionName=functions[MIGRATE], Payload=b"{}")
    said = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise StackError("migrations", f"{said.get('errorType')}: {said.get('errorMessage')}")
    applied: list[str] = said["applied"]
    return applied


def delete(stage: str, *, folder: Path, state: Path) -> None:
    """Delete what Chalice made, and the logs. Raises `StackError`."""
    if not state.exists():
        raise StackError("app", f"nothing is deployed as {stage}: there is no {state}")
    own = folder / ".chalice" / "deployed" / f"{stage}.json"
    own.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(state, own)
    functions = deployed_functions(folder, stage)
    run_chalice(folder, "delete", "--stage", stage)
    remove_logs(functions, boto3.client("logs"))
    state.unlink()


def _without_retention(config: configure.Document, stage: str) -> configure.Document:
    """Chalice would set it for the API's log group under a name that is not the API's."""
    made: dict[str, Any] = json.loads(json.dumps(config))
    made["stages"].get(stage, {}).pop("log_retention_in_days", None)
    return made


def run_chalice(folder: Path, *arguments: str) -> None:
    """Run the `chalice` command in `folder`. Raises `StackError`."""
    # bytecode of the staged copy is there already, and Python's own would not be for /var/task
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    emulated = "AWS_ENDPOINT_URL" in os.environ
    command = (sys.executable, "-P", str(EMULATED)) if emulated else (str(CHALICE),)
    done = subprocess.run((*command, *arguments), cwd=folder, env=env, check=False)
    if done.returncode:
        raise StackError("app", f"chalice {arguments[0]} ended with status {done.returncode}")


def _dead_letters(stage: str) -> str:
    outputs = stacks.outputs(stage, boto3.client("cloudformation"))
    if DEAD_LETTERS not in outputs:
        raise StackError("app", f"the stacks of {stage} have no outputs: deploy them first")
    return outputs[DEAD_LETTERS]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 with a reason if something fails."""
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=__doc__)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--delete", action="store_true")
    chosen = parser.parse_args(arguments)
    places = {
        "folder": SHARED / "deploy" / chosen.stage,
        "state": CHECKOUT / ".chalice" / "deployed" / f"{chosen.stage}.json",
    }
    try:
        if chosen.delete:
            delete(chosen.stage, **places)
            return 0
        check_runtime(RUNNING)
        config = json.loads((CHECKOUT / ".chalice" / "config.json").read_text())
        deploy(chosen.stage, config, dead_letters=_dead_letters(chosen.stage), **places)
    except StackError as error:
        sys.stderr.write(f"{error.report()}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
