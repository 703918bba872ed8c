"""``sluice cancel``, ``sluice retry`` and ``sluice undo``."""

from collections.abc import Mapping
from uuid import UUID

import click

from sluice_cli.commands.file_options import changes_body, format_option, options_option
from sluice_cli.commands.session import (
    Session,
    exit_status,
    follow_option,
    job_argument,
    json_option,
    progress_console,
)
from sluice_cli.documents.jobs import CANCELED, COMPLETED, UNDONE


@click.command("cancel", short_help="Stop a job.")
@job_argument
@json_option
@click.pass_context
def cancel_command(ctx: click.Context, *, job_id: UUID, as_json: bool) -> None:
    """Stop the job ID, or the upload it waits for. Rows that it has loaded stay.

    `sluice undo` removes them, `sluice retry` resumes the job. Exits with 0 if the job is CANCELED.
    """
    session: Session = ctx.obj
    with session.api() as api:
        job = api.act(job_id, "cancel")
    session.print_summary(job, progress_console(as_json=as_json), as_json=as_json)
    ctx.exit(exit_status(job, CANCELED))


@click.command("retry", short_help="Resume a job, or read its file again in another way.")
@job_argument
@format_option("as before")
@options_option
@follow_option
@json_option
@click.pass_context
def retry_command(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    *,
    job_id: UUID,
    file_format: str | None,
    options: dict[str, object],
    wait: bool,
    as_json: bool,
) -> None:
    """Enqueue the job ID, which FAILED, was CANCELED or is UNDONE, again.

    It resumes after what it has loaded.

    With -o or --format the file is read again from its beginning, without another upload, and a job that is
    COMPLETED may be retried, too: what it has loaded is removed first. Options that are not given stay as
    they are; null, as in -o comment=null, gives an option its default. A job that is PREVIEWED gets another
    preview.

    Exits with 0 when the API accepts that; with --follow, only if the job ends as COMPLETED.
    """
    body = changes_body(options, file_format)
    act(ctx, job_id, "retry", COMPLETED, body=body, wait=wait, as_json=as_json)


@click.command("undo", short_help="Remove the rows that a job brought.")
@job_argument
@follow_option
@json_option
@click.pass_context
def undo_command(ctx: click.Context, *, job_id: UUID, wait: bool, as_json: bool) -> None:
    """Remove the rows that only the job ID brought, its rejected records and its counts.

    Exits with 0 when the API accepts that; with --follow, only if the job ends as UNDONE.
    """
    act(ctx, job_id, "undo", UNDONE, wait=wait, as_json=as_json)


def act(  # noqa: PLR0913 - the commands' parameters, and their differences
    ctx: click.Context,
    job_id: UUID,
    action: str,
    success: str,
    *,
    body: Mapping[str, object] | None = None,
    wait: bool,
    as_json: bool,
) -> None:
    """Do the action, follow the job if asked to, print the job, and exit."""
    session: Session = ctx.obj
    out = progress_console(as_json=as_json)
    with session.api() as api:
        job = api.act(job_id, action, body)
        if wait and not job.ended:
            job = session.follow(api, job_id, out)
    session.print_summary(job, out, as_json=as_json)
    if not job.ended:
        session.print_follow_command(job.id, out)
    ctx.exit(exit_status(job, success) if wait else 0)
