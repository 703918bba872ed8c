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
from collections.abc import Sequence
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra import stacks
from infra.deployment.chalice import deployed_functions, record_of, run_chalice
from infra.deployment.configuration import Document, read_config
from infra.deployment.functions import MIGRATE, finish_functions, migrate, patient_client, remove_logs
from infra.deployment.staging import stage_application
from infra.packages.build import check_runtime
from infra.packages.bytecode import RUNNING
from infra.steps.errors import StepError, exit_status
from infra.steps.layout import CHECKOUT, SHARED
from infra.steps.signals import end_on_sigterm

DEAD_LETTERS = "EventsDeadLetterQueueArn"  # an output of the stacks


def deploy(stage: str, config: Document, *, dead_letters: str, folder: Path, record: Path) -> None:
    """Stage in `folder`, deploy, configure the functions and migrate. Raises `StepError`.

    `dead_letters` is the ARN of the queue for failed events, `record` the checkout's copy of Chalice's
    record.
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
        dead_letters=dead_letters,
        retention_days=config["stages"][stage].get("log_retention_in_days"),
    )
    applied = migrate(functions[MIGRATE], patient_client())
    print(f"Migrations applied: {', '.join(applied) or 'none, the schema is up to date'}")


def delete(stage: str, *, folder: Path, record: Path) -> None:
    """Delete everything in the `record`, and the logs. Raises `StepError`."""
    if not record.exists():
        raise StepError("app", f"nothing is deployed as {stage}: there is no {record}")
    shutil.copyfile(record, _own_record(folder, stage))
    functions = deployed_functions(folder, stage)
    run_chalice(folder, "delete", "--stage", stage)
    remove_logs(functions, boto3.client("logs"))
    record.unlink()


def _own_record(folder: Path, stage: str) -> Path:
    """Return the record below the staged copy, after creating its folder."""
    own = record_of(folder, stage)
    own.parent.mkdir(parents=True, exist_ok=True)
    return own


def _dead_letters(stage: str) -> str:
    outputs = stacks.outputs(stage, boto3.client("cloudformation"))
    if DEAD_LETTERS not in outputs:
        raise StepError("app", f"the stacks of {stage} have no outputs: deploy them first")
    return outputs[DEAD_LETTERS]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return 0, or 1 after saying why it failed."""
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=__doc__)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--delete", action="store_true")
    arguments = parser.parse_args(argv)
    return exit_status(lambda: _run(arguments), ClientError, BotoCoreError)


def _run(arguments: argparse.Namespace) -> None:
    stage = arguments.stage
    files = {"folder": SHARED / "deploy" / stage, "record": record_of(CHECKOUT, stage)}
    if arguments.delete:
        delete(stage, **files)
        return
    check_runtime(RUNNING)
    deploy(stage, read_config(), dead_letters=_dead_letters(stage), **files)


if __name__ == "__main__":
    end_on_sigterm()
    sys.exit(main())
