"""The program: what all commands share, and those that look at jobs."""

import shlex
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from typing import Any
from uuid import UUID

import click
from click.core import ParameterSource

from sluice_cli import errors, render
from sluice_cli.actions import cancel_command, retry_command, undo_command
from sluice_cli.api import Page
from sluice_cli.documents import Job, Reject
from sluice_cli.session import (
    Session,
    exit_status,
    follow_option,
    job_argument,
    json_option,
    progress_console,
)
from sluice_cli.uploading import upload_command

_JOBS, _REJECTS = 20, 100  # shown unless told otherwise
_STATUSES = "PENDING, PROCESSING, COMPLETED, FAILED, CANCELED, EXPIRED, UNDOING or UNDONE"
_HELP = """
Load files into Sluice, and see what became of every record in them.

\b
  sluice upload people.csv    load a file and wait until it is done
  sluice errors ID            what was rejected, and why
"""
_EXIT_STATUS = """
\b
Exit status:
  0    the job is COMPLETED, or what was asked for is done
  1    the job FAILED, is CANCELED, EXPIRED or UNDONE
  2    something is wrong with the command line or the file,
       or the job is not in a status that allows it
  3    the service, S3 or the network is in trouble
  4    the job has not ended yet (only `sluice job` without --follow)
  130  interrupted by Ctrl-C
"""


class _Sluice(click.Group):
    """Turns errors into messages and exit statuses, for all commands alike."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # a name need not fit the terminal's encoding
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except errors.CliError as error:
            render.problem(render.console(sys.stderr), error)
            ctx.exit(error.exit_status)
        except KeyboardInterrupt:
            ctx.exit(errors.INTERRUPTED)


@click.group(
    cls=_Sluice, help=_HELP, epilog=_EXIT_STATUS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--url", metavar="URL", envvar="SLUICE_URL", help="Address of the API. Default: the variable SLUICE_URL."
)
@click.pass_context
def main(ctx: click.Context, url: str | None) -> None:
    """Fix what all commands share."""
    given = url and ctx.get_parameter_source("url") is ParameterSource.COMMANDLINE
    ctx.obj = Session(url, f"sluice --url {shlex.quote(url)}" if url and given else "sluice")


for _command in (upload_command, cancel_command, retry_command, undo_command):
    main.add_command(_command)


@main.command("jobs", short_help="List jobs, newest first.")
@click.option("--status", metavar="S", help=f"Only those in one status: {_STATUSES}.")
@click.option("--dataset", metavar="D", help="Only those of one dataset.")
@click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), default=_JOBS, show_default=True, help="At most N."
)
@json_option
@click.pass_obj
def jobs_command(
    session: Session, *, status: str | None, dataset: str | None, limit: int, as_json: bool
) -> None:
    """List jobs, newest first. With --json: one job document a line."""
    with session.api() as (api, _):
        found = api.jobs(status=status.upper() if status else None, dataset=dataset, limit=limit)
        if as_json:
            _print_documents(found)
        else:
            render.jobs(render.console(sys.stdout), found)


@main.command("job", short_help="Show one job, or follow it.")
@job_argument
@follow_option
@json_option
@click.pass_context
def job_command(ctx: click.Context, *, job_id: UUID, wait: bool, as_json: bool) -> None:
    """Show the job ID: how far it is, or how it ended.

    Exits with 0 only if the job is COMPLETED, with 4 if it has not ended yet.
    """
    session: Session = ctx.obj
    out = progress_console(as_json=as_json)
    with session.api() as (api, _):
        job = api.job(job_id)
        if wait and not job.ended:
            job = session.followed(api, job_id, out)
    if wait:
        session.summary(job, out, as_json=as_json)
    elif as_json:
        render.document(job.document)
    else:
        render.details(out, job, session.again("errors", job.id))
    ctx.exit(exit_status(job))


@main.command("errors", short_help="List the rejected records of a job, with reasons.")
@job_argument
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    help=f"At most N of them, 0 for all. Default: {_REJECTS}, with --json all.",
)
@json_option
@click.pass_obj
def errors_command(session: Session, *, job_id: UUID, limit: int | None, as_json: bool) -> None:
    """List the rejected records of the job ID, in file order, with reasons.

    RECORD counts the file's records from 1 and BYTE is where the record begins. With --json: one JSON object
    a line.
    """
    if limit is None:
        limit = 0 if as_json else _REJECTS
    with session.api() as (api, _):
        found = api.errors(job_id, limit=limit or None)
        if as_json:
            _print_documents(found)
        else:
            see_all = session.again("errors", job_id, "--limit", 0)
            render.rejects(render.console(sys.stdout), found, see_all)


def _print_documents(pages: Iterable[Page[Job] | Page[Reject]]) -> None:
    for page in pages:
        for item in page.items:
            render.document(item.document)
