"""``sluice jobs``, ``sluice job`` and ``sluice errors``."""

import sys
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

import click

from sluice_cli import render
from sluice_cli.api import Page
from sluice_cli.commands.completion import complete_datasets, complete_statuses
from sluice_cli.commands.rejects_file import (
    chosen_target,
    csv_option,
    force_option,
    ndjson_option,
    save_rejects,
)
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
from sluice_cli.documents.jobs import STATUSES, Job, Reject
from sluice_cli.rejects import print_kinds, print_rejects

_DEFAULT_JOBS, _DEFAULT_REJECTS = 20, 100


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
    """List jobs, newest first. With --json: one job document a line."""
    with session.api() as api:
        pages = api.jobs(status=status.upper() if status else None, dataset=dataset, limit=limit)
        if as_json:
            _print_documents(pages)
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
    """Show the job ID: how far it is, its preview if it waits to be loaded, or how it ended.

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


@click.command("errors", short_help="List the rejected records of a job, with reasons.")
@job_argument
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    help=f"At most N of them, 0 for all. Default: {_DEFAULT_REJECTS}, with --json all.",
)
@click.option("--summary", is_flag=True, help="Count them by reason and column, instead.")
@csv_option
@ndjson_option
@force_option
@json_option
@click.pass_context
def errors_command(  # noqa: PLR0913 - its options
    ctx: click.Context,
    *,
    job_id: UUID,
    limit: int | None,
    summary: bool,
    csv_file: Path | None,
    ndjson_file: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """List the rejected records of the job ID, in file order, with reasons.

    ROW is the record's row in a spreadsheet, LINE its line in a text editor, RECORD its number among the
    records, all counted from 1. COLUMN is the column that the reason is about, if it is about one. With
    --json: one JSON object a line.
    """
    session: Session = ctx.obj
    target = chosen_target(csv_file, ndjson_file)
    if target is not None:
        with session.api() as api:
            save_rejects(api, job_id, *target, force=force)
        return
    if summary:
        if limit is not None:
            raise click.UsageError("--limit cannot be given with --summary.", ctx)
        _print_summary(session, job_id, as_json=as_json)
        return
    if limit is None:
        limit = 0 if as_json else _DEFAULT_REJECTS
    with session.api() as api:
        pages = api.errors(job_id, limit=limit or None)
        if as_json:
            _print_documents(pages)
        else:
            list_all_command = session.command_line("errors", job_id, "--limit", 0)
            print_rejects(render.console(sys.stdout), pages, list_all_command)


def _print_summary(session: Session, job_id: UUID, *, as_json: bool) -> None:
    with session.api() as api:
        job = api.job(job_id)
    if as_json:
        render.print_documents(kind.document for kind in job.rejects)
    else:
        print_kinds(render.console(sys.stdout), job, session.command_line("errors", job_id))


def _print_documents(pages: Iterable[Page[Job] | Page[Reject]]) -> None:
    for page in pages:
        render.print_documents(item.document for item in page.items)
