"""``sluice erase``: erase one person's records from a dataset."""

import sys
import time

import click
from rich.console import Console

from sluice_cli import render
from sluice_cli.api import Api
from sluice_cli.commands.session import Session, json_option
from sluice_cli.documents.datasets import Erasure
from sluice_cli.errors import CliError
from sluice_cli.escaping import safe
from sluice_cli.follow import ask_patiently


@click.command("erase", short_help="Erase one person's records from a dataset.")
@click.argument("dataset", metavar="DATASET")
@click.option("--field", required=True, help="The field that identifies the person, such as email.")
@click.option(
    "--value",
    help="Its value. Without this option it is read from standard input, or asked for: "
    "on the command line, others could read it, and the shell keeps it.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-wait", is_flag=True, help="Do not wait until it is done.")
@json_option
@click.pass_obj
def erase_command(  # noqa: PLR0913 - the command's options
    session: Session, *, dataset: str, field: str, value: str | None, yes: bool, no_wait: bool, as_json: bool
) -> None:
    """Erase the records of DATASET that have a value in a field, with their rejects and files.

    The erasure cannot be undone. Records with the value are rejected from now on.
    """
    value = _value(value, field, is_confirmed=yes)
    if not yes:
        question = f"Erase all records of {dataset} with this {field}, and the files that hold them?"
        click.confirm(question, abort=True, err=True)
    with session.api() as api:
        erasure = api.erase(dataset, field, value)
        messages = render.console(sys.stderr)
        render.print_line(messages, f"The erasure {erasure.erasure_id} has begun.")
        if not no_wait:
            erasure = _wait(api, erasure)
    if as_json:
        render.print_document(erasure.document)
    else:
        render.print_line(render.console(sys.stdout), erasure.sentence)


def _value(value: str | None, field: str, *, is_confirmed: bool) -> str:
    if value is not None:
        return value
    if sys.stdin.isatty():
        asked: str = click.prompt(f"The {field}", hide_input=True, err=True)
        return asked
    if not is_confirmed:
        raise click.UsageError(
            "The value comes from standard input, so the command cannot ask for confirmation: give --yes."
        )
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def _wait(api: Api, erasure: Erasure) -> Erasure:
    """Look at the erasure until it is completed; say once that it waits for jobs.

    An API that does not answer is asked again, as it is for a job that is followed.
    """
    messages, has_told = render.console(sys.stderr), False
    while not erasure.is_completed:
        time.sleep(erasure.pause)
        erasure = _look(api, erasure, messages)
        if erasure.waits_for and not has_told:
            has_told = True
            jobs = " ".join(erasure.waits_for)
            render.print_line(messages, f"It waits for jobs that have not ended: {jobs}")
    return erasure


def _look(api: Api, erasure: Erasure, messages: Console) -> Erasure:
    try:
        return ask_patiently(
            lambda: api.erasure(erasure.dataset, erasure.erasure_id),
            lambda text: render.print_line(messages, safe(text)),
        )
    except CliError as error:
        if error.transient:
            error.hint = "The erasure continues by itself."
        raise
