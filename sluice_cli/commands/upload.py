"""``sluice upload``: register a file, send it in one PUT or in parts, resume an upload that broke off."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from time import sleep
from uuid import UUID

import click
from click.core import ParameterSource
from rich.console import Console

from sluice_cli import errors, render
from sluice_cli.api import Api
from sluice_cli.commands.budget import max_rejects_option
from sluice_cli.commands.file_options import format_option, options_option
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
from sluice_cli.documents.uploads import MultipartUpload, NewUpload, SinglePutUpload, StoredPart
from sluice_cli.escaping import safe
from sluice_cli.formatting import instant, size
from sluice_cli.progress import reporter_for
from sluice_cli.retry import retry_with_backoff
from sluice_cli.transfer.local_file import LocalFile
from sluice_cli.transfer.multipart import MultipartSender, TotalProgress, missing_parts
from sluice_cli.transfer.put import put_file

# Bytes. By default the server takes a larger file in parts, without a checksum of the whole, so reading the
# file once more to compute one would mostly be wasted.
_MAX_HASHED_SIZE = 64 << 20
_SETTLED_BY_RESUME = {
    "dataset": "--dataset",
    "file_format": "--format",
    "options": "-o",
    "force": "--force",
    "parent_job": "--parent-job",
    "max_rejects": "--max-rejects",
    "on_failure": "--on-failure",
    "rejects_beyond_limit": "--rejects-beyond-limit",
}


@click.command("upload", short_help="Load a file and follow its job.")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--dataset", metavar="D", help="The dataset of the rows, in which each is unique. Default: default."
)
@format_option("detected from the file")
@options_option
@click.option("--force", is_flag=True, help="Load the file even if the same file was loaded before.")
@click.option(
    "--parent-job", metavar="ID", type=click.UUID, help="FILE holds the corrected rejects of the job ID."
)
@max_rejects_option(may_be_none=False)
@on_failure_option
@beyond_limit_option
@click.option("--resume", metavar="ID", type=click.UUID, help="Resume the upload of the job ID.")
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
    path: Path,
    dataset: str | None,
    file_format: str | None,
    options: dict[str, object],
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

    FILE is CSV or JSON, plain or compressed. A record that cannot be loaded is
    rejected with a reason and does not stop the others. With --json, the last state of the job is printed.

    A large FILE is sent in parts. If that breaks off, --resume sends the parts that are missing.
    """
    session: Session = ctx.obj
    for option, is_given in (("warnings", fail_on_warnings), ("rejects", fail_on_rejects)):
        if no_follow and is_given:
            raise click.UsageError(f"--fail-on-{option} cannot be given with --no-follow.", ctx)
    if resume:
        _refuse_settled_options(ctx)
    out = progress_console(as_json=as_json)
    with session.api() as api, LocalFile.open(path) as file:
        upload = Upload(session, api, file, out)
        if resume:
            job_id = upload.resume(resume)
        else:
            new = NewUpload(file.name, file.size, dataset, file_format, options, force=force)
            new = replace(new, parent_job=parent_job, max_rejects=max_rejects, on_failure=on_failure)
            new = replace(new, rejects_beyond_limit=rejects_beyond_limit)
            job_id = upload.begin(new)
        if no_follow and as_json:
            render.print_document(api.job(job_id).document)
            return
        if no_follow:
            session.print_follow_command(job_id, out)
            return
        job = session.follow(api, job_id, out)
    session.print_summary(job, out, as_json=as_json)
    ctx.exit(exit_status(job, fail_on_warnings=fail_on_warnings, fail_on_rejects=fail_on_rejects))


def _refuse_settled_options(ctx: click.Context) -> None:
    for name, option in _SETTLED_BY_RESUME.items():
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{option} cannot be given with --resume: the upload keeps what it was begun with.", ctx
            )


@dataclass(frozen=True)
class Upload:
    """Send one file. Both methods return the job's id and raise CliErrors, Interrupted among them."""

    session: Session
    api: Api
    file: LocalFile
    out: Console

    def begin(self, new: NewUpload) -> UUID:
        """Register the file and send all of it."""
        upload = self._register(new)
        render.print_line(self.out, f"job {upload.job_id}")
        if isinstance(upload, SinglePutUpload):
            self._send_whole(upload)
        elif upload.size != self.file.size:
            raise errors.ServiceError(
                f"The API expects {upload.size:,} bytes; the file has {self.file.size:,}."
            )
        else:
            self._send_parts(upload, [])
        return upload.job_id

    def resume(self, job_id: UUID) -> UUID:
        """Send the missing parts of a multipart upload, none if it is complete."""
        render.print_line(self.out, f"job {job_id}")
        try:
            upload, stored = retry_with_backoff(
                lambda: self.api.stored_parts(job_id), "Trying again", self._note, sleep
            )
        except errors.ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            # Completing is idempotent: it succeeds if the upload is complete, else the API says what became
            # of the upload.
            self.api.complete(job_id)
            render.print_line(self.out, "The upload is complete: nothing is left to send.")
        else:
            self._send_parts(upload, stored)
        return job_id

    def _register(self, new: NewUpload) -> SinglePutUpload | MultipartUpload:
        if new.size > _MAX_HASHED_SIZE:
            return self.api.create_upload(new)
        try:
            return self.api.create_upload(replace(new, sha256=self.file.sha256()))
        except errors.ApiError as error:
            if error.status != HTTPStatus.BAD_REQUEST or error.field != "sha256":
                raise
        return self.api.create_upload(new)  # this server takes the file in parts only

    def _send_whole(self, upload: SinglePutUpload) -> None:
        try:
            with reporter_for(self.out).upload(self.file) as watcher:
                put_file(self.api.http, upload, self.file, watcher)
        except KeyboardInterrupt:
            raise errors.Interrupted(
                "The upload was interrupted. Unless all of the file had arrived, none of it will be loaded.",
                hint=f"To see whether it had: {self.session.command_line('job', upload.job_id)}",
            ) from None

    def _send_parts(self, upload: MultipartUpload, stored: Sequence[StoredPart]) -> None:
        # With the absolute path: the line may be read in a log, by somebody in another directory.
        path = self.file.path.absolute()
        resume_command = self.session.command_line("upload", path, "--resume", upload.job_id)
        until = f" until {instant(upload.expires_at)}" if upload.expires_at else ""
        render.print_line(self.out, f"If the upload breaks off, resume it{until}: ", resume_command)
        with _resume_hint(resume_command):
            numbers = missing_parts(upload, self.file, stored)
            already_stored = self.file.size - sum(map(upload.length, numbers))
            if already_stored:
                render.print_line(self.out, f"{size(already_stored)} of it have arrived already")
            with reporter_for(self.out).upload(self.file, already_stored) as watcher:
                progress = TotalProgress(watcher, already_stored)
                MultipartSender(self.api, upload, self.file, progress).send(numbers)

    def _note(self, text: str) -> None:
        render.print_line(self.out, safe(text))


@contextmanager
def _resume_hint(resume_command: str) -> Iterator[None]:
    """Add to every error the hint how to resume, except where the file has changed."""
    try:
        yield
    except KeyboardInterrupt:
        raise errors.Interrupted(
            "The upload was interrupted. The parts that have arrived are kept.",
            hint=f"To resume it: {resume_command}",
        ) from None
    except errors.InputError:
        raise  # the file has changed: it cannot be resumed
    except errors.CliError as error:
        error.hint = f"To resume the upload: {resume_command}"
        raise
