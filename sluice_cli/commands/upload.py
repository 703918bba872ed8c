"""``sluice upload``: send files and follow their jobs; resume an upload that broke off."""

import glob
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import click
from click.core import ParameterSource

from sluice_cli import render
from sluice_cli.commands.budget import max_rejects_option
from sluice_cli.commands.completion import complete_datasets, complete_job_ids
from sluice_cli.commands.file_options import format_option, options_option
from sluice_cli.commands.labels import labels_option
from sluice_cli.commands.paths import FileOrStream, file_path
from sluice_cli.commands.sending import Upload, filename_option, opened
from sluice_cli.commands.session import (
    Session,
    beyond_limit_option,
    exit_status,
    json_option,
    on_failure_option,
    progress_console,
    rejects_option,
    warnings_option,
)
from sluice_cli.commands.several import SeveralUploads
from sluice_cli.documents.uploads import NewUpload
from sluice_cli.transfer.local_file import STDIN, LocalFile

_SETTLED_BY_RESUME = {
    "dataset": "--dataset",
    "file_format": "--format",
    "options": "-o",
    "labels": "--metadata",
    "force": "--force",
    "parent_job": "--parent-job",
    "max_rejects": "--max-rejects",
    "on_failure": "--on-failure",
    "rejects_beyond_limit": "--rejects-beyond-limit",
}


@click.command("upload", short_help="Load files and follow their jobs.")
@click.argument("paths", metavar="FILE...", type=FileOrStream(), nargs=-1, required=True)
@click.option(
    "--dataset",
    metavar="D",
    shell_complete=complete_datasets,
    help="The dataset of the rows, in which each is unique. Default: default.",
)
@filename_option
@format_option("detected from the file")
@options_option
@labels_option("--metadata", "A label that is stored with the job.")
@click.option("--force", is_flag=True, help="Load the file even if the same file was loaded before.")
@click.option(
    "--parent-job",
    metavar="ID",
    type=click.UUID,
    shell_complete=complete_job_ids,
    help="FILE holds the corrected rejects of the job ID.",
)
@max_rejects_option(may_be_none=False)
@on_failure_option
@beyond_limit_option
@click.option(
    "--resume",
    metavar="ID",
    type=click.UUID,
    shell_complete=complete_job_ids,
    help="Resume the upload of the job ID.",
)
@click.option(
    "--no-follow", is_flag=True, help="Exit when the file is uploaded, without waiting for the job."
)
@warnings_option
@rejects_option
@json_option
@click.pass_context
def upload_command(  # noqa: PLR0913 - one parameter per option
    ctx: click.Context,
    *,
    paths: tuple[Path, ...],
    dataset: str | None,
    filename: str | None,
    file_format: str | None,
    options: dict[str, object],
    labels: dict[str, str],
    force: bool,
    parent_job: UUID | None,
    max_rejects: int | str | None,
    on_failure: str | None,
    rejects_beyond_limit: str | None,
    resume: UUID | None,
    no_follow: bool,
    fail_on_warnings: bool,
    fail_on_rejects: bool,
    as_json: bool,
) -> None:
    """Load FILE: upload it, then follow its job until every record is accounted for.

    FILE is CSV or JSON, plain or compressed; - is standard input. A record that cannot be loaded is
    rejected with a reason and does not stop the others. With --json, the last state of the job is printed.

    A large FILE is a multipart upload. If it breaks off, --resume sends the missing parts.

    Several FILEs, or a pattern in quotes such as 'sales/*.csv', become one job each, with one summary. A FILE
    that cannot be uploaded does not stop the others. The exit status is the first of these that applies to
    any of them: 130, 3, 2, 1, 6, 5.
    """
    session: Session = ctx.obj
    for option, is_given in (("warnings", fail_on_warnings), ("rejects", fail_on_rejects)):
        if no_follow and is_given:
            raise click.UsageError(f"--fail-on-{option} cannot be given with --no-follow.", ctx)
    if resume:
        _refuse_settled_options(ctx)
    files = expanded(paths)
    if len(files) > 1:
        _refuse_options_for_one(ctx, files)

    def new(file: LocalFile) -> NewUpload:
        upload = NewUpload(file.name, file.size, dataset, file_format, options, force=force)
        upload = replace(upload, parent_job=parent_job, max_rejects=max_rejects, on_failure=on_failure)
        return replace(upload, rejects_beyond_limit=rejects_beyond_limit, metadata=labels)

    out = progress_console(as_json=as_json)
    with session.api() as api:
        if len(files) > 1:
            several = SeveralUploads(session, api, out, follow=not no_follow, as_json=as_json)
            several.run(files, new)
            ctx.exit(several.exit_status(fail_on_warnings=fail_on_warnings, fail_on_rejects=fail_on_rejects))
        with opened(files[0], filename or ("standard input" if resume else None), out) as file:
            upload = Upload(session, api, file, out)
            job_id = upload.resume(resume) if resume else upload.begin(new(file))
        if no_follow and as_json:
            render.print_document(api.job(job_id).document)
            return
        if no_follow:
            session.print_follow_command(job_id, out)
            return
        job = session.follow(api, job_id, out)
    session.print_summary(job, out, as_json=as_json)
    ctx.exit(exit_status(job, fail_on_warnings=fail_on_warnings, fail_on_rejects=fail_on_rejects))


def expanded(paths: Sequence[Path]) -> list[Path]:
    """Return the files that are named, each once, and those that match a pattern, sorted.

    A pattern is what contains `*`, `?` or `[` and is not the name of a file. One that matches nothing is
    taken for a name, as shells do.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if path == STDIN or not glob.has_magic(str(path)) or path.exists():
            files[path] = None
            continue
        names = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - the pattern may be absolute
        matches = [match for match in map(file_path, names) if match.is_file()]
        files |= dict.fromkeys(matches or [path])
    return list(files)


def _refuse_settled_options(ctx: click.Context) -> None:
    for name, option in _SETTLED_BY_RESUME.items():
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{option} cannot be given with --resume: the upload keeps its first settings.", ctx
            )


def _refuse_options_for_one(ctx: click.Context, files: Sequence[Path]) -> None:
    if STDIN in files:
        raise click.UsageError("Standard input (-) cannot be given with other files.", ctx)
    for option in ("filename", "resume"):
        if ctx.params[option]:
            raise click.UsageError(f"--{option} can be given with one FILE only.", ctx)
