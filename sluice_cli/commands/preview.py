"""``sluice preview`` and ``sluice load``: look at how a file would be loaded, then load it."""

import sys
from pathlib import Path
from uuid import UUID

import click

from sluice_cli import render
from sluice_cli.commands.actions import act
from sluice_cli.commands.completion import complete_datasets
from sluice_cli.commands.file_options import changes_body, format_option, options_option
from sluice_cli.commands.paths import FileOrStream
from sluice_cli.commands.sending import Upload, filename_option, opened
from sluice_cli.commands.session import (
    Session,
    exit_status,
    follow_option,
    job_argument,
    json_option,
    progress_console,
)
from sluice_cli.documents.jobs import COMPLETED, PREVIEWED
from sluice_cli.documents.uploads import NewUpload


@click.command("preview", short_help="Upload a file and show how it would be loaded.")
@click.argument("path", metavar="FILE", type=FileOrStream())
@click.option(
    "--dataset",
    metavar="D",
    shell_complete=complete_datasets,
    help="The dataset of the rows, in which each is unique. Default: default.",
)
@filename_option
@format_option("detected from the file")
@options_option
@json_option
@click.pass_context
def preview_command(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    *,
    path: Path,
    dataset: str | None,
    filename: str | None,
    file_format: str | None,
    options: dict[str, object],
    as_json: bool,
) -> None:
    """Upload FILE and show how it would be loaded: how it is read, its first records, what is rejected.

    No row is stored. Then `sluice load` loads the file without another upload, and `sluice retry` with -o
    makes another preview. A preview waits for 7 days; `sluice job` shows it again.

    Exits with 0 if the job is PREVIEWED, with 1 if the file cannot be read.
    """
    session: Session = ctx.obj
    out = progress_console(as_json=as_json)
    with session.api() as api, opened(path, filename, out) as file:
        new = NewUpload(file.name, file.size, dataset, file_format, options, preview=True)
        job_id = Upload(session, api, file, out).begin(new)
        job = session.follow(api, job_id, out)
    shown = out if as_json else render.console(sys.stdout)  # --quiet does not hide what was asked for
    session.print_summary(job, shown, as_json=as_json, success=PREVIEWED)
    ctx.exit(exit_status(job, PREVIEWED))


@click.command("load", short_help="Load a file after its preview.")
@job_argument
@format_option("as before")
@options_option
@follow_option
@json_option
@click.pass_context
def load_command(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    *,
    job_id: UUID,
    file_format: str | None,
    options: dict[str, object],
    wait: bool,
    as_json: bool,
) -> None:
    """Load the file of the job ID, which is PREVIEWED, as the preview showed it.

    With -o or --format the file is read in another way, and loaded without another preview. Options that are
    not given stay unchanged; -o comment=null restores the default of an option.

    Exits with 0 when the API accepts that; with --follow, only if the job ends as COMPLETED.
    """
    body = changes_body(options, file_format)
    act(ctx, job_id, "load", COMPLETED, body=body, wait=wait, as_json=as_json)
