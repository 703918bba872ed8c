"""``sluice jobs`` and ``sluice job``."""

import sys
from uuid import UUID

import click

from sluice_cli import render
from sluice_cli.commands.completion import complete_datasets, complete_statuses
from sluice_cli.commands.session import (
    Session,
    exit_status,
    follow_option,
    job_argument,
    json_option,
    progress_console,
    rejects_option,
    warnings_option,
)
from sluice_cli.documents.jobs import STATUSES

_DEFAULT_JOBS = 20


@click.command("jobs", short_help="List jobs, newest first.")
@click.option(
    "--status",
    metavar="S",
    shell_complete=complete_statuses,
    help=f"Only those in one status: {', '.join(STATUSES[:-1])} or {STATUSES[-1]}.",
)
@click.option("--dataset", metavar="D", shell_complete=complete_datasets, help="Only those of one dataset.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    default=_DEFAULT_JOBS,
    show_default=True,
    help="At most N.",
)
@json_option
@click.pass_obj
def jobs_command(
    session: Session, *, status: str | None, dataset: str | None, limit: int, as_json: bool
) -> None:
    """List jobs, newest first. With --json: one job document per line."""
    with session.api() as api:
        pages = api.jobs(status=status.upper() if status else None, dataset=dataset, limit=limit)
        if as_json:
            render.print_documents(job.document for page in pages for job in page.items)
        else:
            render.print_jobs(render.console(sys.stdout), pages)


@click.command("job", short_help="Show one job, or follow it.")
@job_argument
@follow_option
@warnings_option
@rejects_option
@json_option
@click.pass_context
def job_command(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    *,
    job_id: UUID,
    wait: bool,
    fail_on_warnings: bool,
    fail_on_rejects: bool,
    as_json: bool,
) -> None:
    """Show the job ID: its progress, its preview if it waits to be loaded, or its result.

    Exits with 0 only if the job is COMPLETED, with 4 if it has not ended yet or is PREVIEWED.
    """
    session: Session = ctx.obj
    out = progress_console(as_json=as_json)
    with session.api() as api:
        job = api.job(job_id)
        if wait and not job.ended:
            job = session.follow(api, job_id, out)
    if wait:
        session.print_summary(job, out, as_json=as_json)
    elif as_json:
        render.print_document(job.document)
    else:
        shown = render.console(sys.stdout)  # --quiet does not hide what was asked for
        if not session.print_preview(job, shown):
            render.print_details(shown, job, session.command_line("errors", job.id))
    ctx.exit(exit_status(job, fail_on_warnings=fail_on_warnings, fail_on_rejects=fail_on_rejects))
