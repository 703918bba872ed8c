"""``sluice cancel``, ``sluice retry`` and ``sluice undo``: what can be done to a job."""

from uuid import UUID

import click

from sluice_cli.documents import CANCELED, COMPLETED, UNDONE
from sluice_cli.session import (
    Session,
    exit_status,
    follow_option,
    job_argument,
    json_option,
    progress_console,
)


@click.command("cancel", short_help="Stop a job.")
@job_argument
@json_option
@click.pass_context
def cancel_command(ctx: click.Context, *, job_id: UUID, as_json: bool) -> None:
    """Stop the job ID, or the upload it waits for. What it has loaded stays.

    `sluice undo` removes that, `sluice retry` goes on with it. Exits with 0 if the job is CANCELED.
    """
    session: Session = ctx.obj
    with session.api() as (api, _):
        job = api.act(job_id, "cancel")
    session.summary(job, progress_console(as_json=as_json), as_json=as_json)
    ctx.exit(exit_status(job, CANCELED))


@click.command("retry", short_help="Go on with a job that FAILED or was CANCELED.")
@job_argument
@follow_option
@json_option
@click.pass_context
def retry_command(ctx: click.Context, *, job_id: UUID, wait: bool, as_json: bool) -> None:
    """Put the job ID, which FAILED or was CANCELED, back on the queue: it goes on from what it had loaded.

    Exits with 0 when that is granted; with --follow, only if the job is COMPLETED in the end.
    """
    _act(ctx, job_id, "retry", COMPLETED, wait=wait, as_json=as_json)


@click.command("undo", short_help="Remove the rows that a job brought.")
@job_argument
@follow_option
@json_option
@click.pass_context
def undo_command(ctx: click.Context, *, job_id: UUID, wait: bool, as_json: bool) -> None:
    """Remove the rows that the job ID alone brought, its rejected records and its counts.

    Exits with 0 when that is granted; with --follow, only if the job is UNDONE in the end.
    """
    _act(ctx, job_id, "undo", UNDONE, wait=wait, as_json=as_json)


def _act(  # noqa: PLR0913 - what the commands are given, and what sets them apart
    ctx: click.Context, job_id: UUID, action: str, wanted: str, *, wait: bool, as_json: bool
) -> None:
    """Act on the job, print it as it is then, or as it has ended if it is waited for; and exit."""
    session: Session = ctx.obj
    out = progress_console(as_json=as_json)
    with session.api() as (api, _):
        job = api.act(job_id, action)
        if wait and not job.ended:
            job = session.followed(api, job_id, out)
    session.summary(job, out, as_json=as_json)
    if not job.ended:
        session.handed_over(job.id, out)
    ctx.exit(exit_status(job, wanted) if wait else 0)
