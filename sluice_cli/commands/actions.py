"""``sluice cancel``, ``sluice retry`` and ``sluice undo``."""

from collections.abc import Mapping
from uuid import UUID

import click

from sluice_cli.commands.budget import NONE, max_rejects_option
from sluice_cli.commands.file_options import changes_body, format_option, options_option
from sluice_cli.commands.session import (
    Session,
    beyond_limit_option,
    exit_status,
    follow_option,
    job_argument,
    json_option,
    on_failure_option,
    progress_console,
    rejects_option,
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
    session.print_summary(job, progress_console(as_json=as_json), as_json=as_json, success=CANCELED)
    ctx.exit(exit_status(job, CANCELED))


@click.command("retry", short_help="Resume a job, or read its file again in another way.")
@job_argument
@format_option("as before")
@options_option
@max_rejects_option(may_be_none=True)
@on_failure_option
@beyond_limit_option
@follow_option
@rejects_option
@json_option
@click.pass_context
def retry_command(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    *,
    job_id: UUID,
    file_format: str | None,
    options: dict[str, object],
    max_rejects: int | str | None,
    on_failure: str | None,
    rejects_beyond_limit: str | None,
    wait: bool,
    fail_on_rejects: bool,
    as_json: bool,
) -> None:
    """Enqueue the job ID again: a job that is FAILED, CANCELED or UNDONE.

    The job continues after the blocks that it has loaded.

    With -o or --format the file is read again from its beginning, without another upload. Then a job that
    is COMPLETED may be retried, too. Its rows are removed first. Options that are not given stay unchanged;
    -o comment=null restores the default of an option. A job that is PREVIEWED gets another preview.

    With --max-rejects a job that failed because of its rejected records continues with another limit.

    Exits with 0 when the API accepts that; with --follow, only if the job ends as COMPLETED.
    """
    if fail_on_rejects and not wait:
        raise click.UsageError("--fail-on-rejects can only be given with --follow.", ctx)
    limits = {
        "max_rejects": max_rejects,
        "on_failure": on_failure,
        "rejects_beyond_limit": rejects_beyond_limit,
    }
    changed = {name: None if value == NONE else value for name, value in limits.items() if value is not None}
    body = {**changes_body(options, file_format), **changed}
    act(
        ctx,
        job_id,
        "retry",
        COMPLETED,
        body=body,
        wait=wait,
        fail_on_rejects=fail_on_rejects,
        as_json=as_json,
    )


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
    fail_on_rejects: bool = False,
    as_json: bool,
) -> None:
    """Do the action, follow the job if asked to, print the job, and exit."""
    session: Session = ctx.obj
    out = progress_console(as_json=as_json)
    with session.api() as api:
        job = api.act(job_id, action, body)
        if wait and not job.ended:
            job = session.follow(api, job_id, out)
    session.print_summary(job, out, as_json=as_json, success=success)
    if not job.ended:
        session.print_follow_command(job.id, out)
    ctx.exit(exit_status(job, success, fail_on_rejects=fail_on_rejects) if wait else 0)
