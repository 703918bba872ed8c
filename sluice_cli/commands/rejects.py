"""``sluice errors``: the rejected records of a job, or of all jobs in a dataset."""

import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from uuid import UUID

import click

from sluice_cli import render
from sluice_cli.api import Page
from sluice_cli.commands.completion import complete_datasets, complete_job_ids
from sluice_cli.commands.rejects_file import (
    chosen_target,
    csv_option,
    force_option,
    ndjson_option,
    save_rejects,
)
from sluice_cli.commands.session import Session, json_option
from sluice_cli.documents.jobs import Reject
from sluice_cli.rejects import print_dataset_rejects, print_kinds, print_rejects

_DEFAULT_REJECTS = 100
_TIME_FORM = "%Y-%m-%dT%H:%M:%S"
_TIME = click.DateTime(["%Y-%m-%d", _TIME_FORM])


@click.command("errors", short_help="List the rejected records of a job or a dataset, with reasons.")
@click.argument("job_id", metavar="[ID]", type=click.UUID, shell_complete=complete_job_ids, required=False)
@click.option(
    "--dataset",
    metavar="D",
    shell_complete=complete_datasets,
    help="List those of all jobs in a dataset, newest job first.",
)
@click.option("--code", metavar="C", help="With --dataset: only those of one code, such as missing-cell.")
@click.option("--field", metavar="F", help="With --dataset: only those about one column.")
@click.option(
    "--since",
    metavar="TIME",
    type=_TIME,
    help="With --dataset: only those of jobs from this time on, in UTC, such as 2026-01-31 or "
    "2026-01-31T12:00:00.",
)
@click.option(
    "--until", metavar="TIME", type=_TIME, help="With --dataset: only those of jobs before this time."
)
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    help=f"At most N of them, 0 for all. Default: {_DEFAULT_REJECTS}, with --json all.",
)
@click.option("--summary", is_flag=True, help="Count those of the job by reason and column, instead.")
@csv_option
@ndjson_option
@force_option
@json_option
@click.pass_context
def errors_command(  # noqa: PLR0913 - its options
    ctx: click.Context,
    *,
    job_id: UUID | None,
    dataset: str | None,
    code: str | None,
    field: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    summary: bool,
    csv_file: Path | None,
    ndjson_file: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """List the rejected records of the job ID in file order, or of a dataset, with reasons.

    ROW is the record's row in a spreadsheet, LINE its line in a text editor, RECORD its number among the
    records, all counted from 1. COLUMN is the column that the reason names, if any. With --json: one
    JSON object per line.
    """
    session: Session = ctx.obj
    filters = {"code": code, "field": field, "since": _text(since), "until": _text(until)}
    target = chosen_target(csv_file, ndjson_file)
    if summary and limit is not None:
        raise click.UsageError("--limit cannot be given with --summary.", ctx)
    if limit is None:
        limit = 0 if as_json else _DEFAULT_REJECTS
    if dataset is not None:
        if job_id is not None or target is not None or summary:
            raise click.UsageError("--dataset cannot be given with ID, --summary, --csv or --ndjson.", ctx)
        _list_dataset(session, dataset, filters, limit, as_json=as_json)
        return
    if job_id is None:
        raise click.UsageError("Give the ID of a job, or --dataset.", ctx)
    if any(filters.values()):
        raise click.UsageError("--code, --field, --since and --until need --dataset.", ctx)
    if target is not None:
        with session.api() as api:
            save_rejects(api, job_id, *target, force=force)
    elif summary:
        _print_summary(session, job_id, as_json=as_json)
    else:
        _list_job(session, job_id, limit, as_json=as_json)


def _list_job(session: Session, job_id: UUID, limit: int, *, as_json: bool) -> None:
    with session.api() as api:
        pages = api.errors(job_id, limit=limit or None)
        if as_json:
            _print_documents(pages)
        else:
            list_all_command = session.command_line("errors", job_id, "--limit", 0)
            print_rejects(render.console(sys.stdout), pages, list_all_command)


def _list_dataset(
    session: Session, dataset: str, filters: Mapping[str, str | None], limit: int, *, as_json: bool
) -> None:
    asked = {
        name: f"{text}Z" if text and name in ("since", "until") else text for name, text in filters.items()
    }
    with session.api() as api:
        pages = api.dataset_errors(dataset, asked, limit=limit or None)
        if as_json:
            _print_documents(pages)
        else:
            options = [word for name, text in filters.items() if text for word in (f"--{name}", text)]
            list_all_command = session.command_line("errors", "--dataset", dataset, *options, "--limit", 0)
            print_dataset_rejects(render.console(sys.stdout), pages, list_all_command)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime(_TIME_FORM)


def _print_summary(session: Session, job_id: UUID, *, as_json: bool) -> None:
    with session.api() as api:
        job = api.job(job_id)
    if as_json:
        render.print_documents(kind.document for kind in job.rejects)
    else:
        print_kinds(render.console(sys.stdout), job, session.command_line("errors", job_id))


def _print_documents(pages: Iterable[Page[Reject]]) -> None:
    for page in pages:
        render.print_documents(item.document for item in page.items)
