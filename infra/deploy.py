"""`python -m infra.deploy --stage prod`: deploy the functions with `chalice deploy`. The main way.

It runs Chalice in a staged copy (:mod:`infra.deployment.staging`), configures what Chalice does not
(:mod:`infra.deployment.functions`) and applies the migrations. Chalice's record of what exists on AWS,
`.chalice/deployed/<stage>.json`, is copied from the checkout and back.

Take the variant :mod:`infra.bundle` where everything must be in CloudFormation stacks. `chalice deploy` in
the checkout itself works too, but its package is larger and starts more slowly, and the functions stay
without a destination for failed events, without log retention and without migrations.

`--delete` removes the functions, the API and their logs.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra import stacks
from infra.deployment.api import (
    ApiSettings,
    LogSettings,
    access_log_group,
    add_arguments,
    finish_api,
    guard_api,
    settings_in,
)
from infra.deployment.chalice import deployed_api, deployed_functions, record_of, run_chalice
from infra.deployment.configuration import Document, read_config
from infra.deployment.functions import MIGRATE, finish_functions, migrate, patient_client, remove_logs
from infra.deployment.log_groups import has_log_group
from infra.deployment.staging import stage_application
from infra.packages.build import check_runtime
from infra.packages.bytecode import RUNNING
from infra.steps.errors import StepError, exit_status
from infra.steps.layout import CHECKOUT, SHARED
from infra.steps.signals import end_on_sigterm

DEAD_LETTERS, KEY = "EventsDeadLetterQueueArn", "KmsKeyArn"  # outputs of the stacks
_LOG_DAYS = 30  # of a stage that sets no other time


def deploy(  # noqa: PLR0913 - where from and where to
    stage: str,
    config: Document,
    *,
    outputs: Mapping[str, str],
    api: ApiSettings,
    folder: Path,
    record: Path,
) -> None:
    """Stage in `folder`, deploy, configure the functions and the API, and migrate. Raises `StepError`.

    `outputs` are those of the stage's stacks, `record` is the checkout's copy of Chalice's record.
    """
    stage_application(folder, stage, config)
    own = _own_record(folder, stage)
    own.unlink(missing_ok=True)
    if record.exists():
        shutil.copyfile(record, own)
    try:
        run_chalice(folder, "deploy", "--stage", stage)
    finally:  # a deployment that broke off may have created resources
        if own.exists():
            record.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(own, record)
    functions = deployed_functions(folder, stage)
    finish_functions(
        functions,
        boto3.client("lambda"),
        boto3.client("logs"),
        dead_letters=outputs[DEAD_LETTERS],
        retention_days=config["stages"][stage].get("log_retention_in_days"),
        key=outputs.get(KEY),
    )
    _finish_api(stage, config["stages"][stage], deployed_api(folder, stage), api, outputs.get(KEY))
    applied = migrate(functions[MIGRATE], patient_client())
    print(f"Migrations applied: {', '.join(applied) or 'none, the schema is up to date'}")


def _finish_api(stage: str, section: Document, api_id: str, api: ApiSettings, key: str | None) -> None:
    name = section["api_gateway_stage"]
    finish_api(
        api_id,
        name,
        api,
        boto3.client("apigateway"),
        boto3.client("logs"),
        log_group=access_log_group(stage),
        log_settings=LogSettings(section.get("log_retention_in_days", _LOG_DAYS), key),
    )
    if api.web_acl:
        guard_api(api_id, name, api.web_acl, boto3.client("wafv2"))


def delete(stage: str, *, folder: Path, record: Path) -> None:
    """Delete everything in the `record`, and the logs. Raises `StepError`."""
    if not record.exists():
        raise StepError("app", f"nothing is deployed as {stage}: there is no {record}")
    shutil.copyfile(record, _own_record(folder, stage))
    functions = deployed_functions(folder, stage)
    run_chalice(folder, "delete", "--stage", stage)
    logs = boto3.client("logs")
    remove_logs(functions, logs)
    if has_log_group(logs, group := access_log_group(stage)):
        logs.delete_log_group(logGroupName=group)
    record.unlink()


def _own_record(folder: Path, stage: str) -> Path:
    """Return the record below the staged copy, after creating its folder."""
    own = record_of(folder, stage)
    own.parent.mkdir(parents=True, exist_ok=True)
    return own


def _outputs(stage: str) -> dict[str, str]:
    outputs = stacks.outputs(stage, boto3.client("cloudformation"))
    if DEAD_LETTERS not in outputs:
        raise StepError("app", f"the stacks of {stage} have no outputs: deploy them first")
    return outputs


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 0, or 1 after saying why it failed."""
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=__doc__)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--delete", action="store_true")
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    return exit_status(lambda: _run(arguments), ClientError, BotoCoreError)


def _run(arguments: argparse.Namespace) -> None:
    stage = arguments.stage
    files = {"folder": SHARED / "deploy" / stage, "record": record_of(CHECKOUT, stage)}
    if arguments.delete:
        delete(stage, **files)
        return
    check_runtime(RUNNING)
    deploy(stage, read_config(), outputs=_outputs(stage), api=settings_in(arguments), **files)


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(main())
