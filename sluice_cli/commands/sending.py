"""Send one file: in one PUT or in parts, or the parts that an upload still lacks."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from time import sleep
from uuid import UUID

import click
from rich.console import Console

from sluice_cli import errors, render
from sluice_cli.api import Api
from sluice_cli.commands.session import Session
from sluice_cli.documents.uploads import MultipartUpload, NewUpload, SinglePutUpload, StoredPart
from sluice_cli.escaping import safe
from sluice_cli.formatting import instant, size
from sluice_cli.progress import reporter_for
from sluice_cli.retry import retry_with_backoff
from sluice_cli.transfer.local_file import STDIN, LocalFile
from sluice_cli.transfer.multipart import MultipartSender, TotalProgress, missing_parts
from sluice_cli.transfer.put import put_file

# Bytes. By default the server takes a larger file in parts, without a checksum of the whole, so reading the
# file once more to compute one would mostly be wasted.
_MAX_HASHED_SIZE = 64 << 20

filename_option = click.option(
    "--filename", metavar="NAME", help="The name that the service gets. Needed if FILE is -, standard input."
)


@contextmanager
def opened(path: Path, filename: str | None, out: Console) -> Iterator[LocalFile]:
    """Open the file at ``path``, or standard input if that is STDIN. Raises InputError, Interrupted.

    ``filename`` replaces the file's own name; standard input has none.
    """
    if path != STDIN:
        with LocalFile.open(path) as file:
            yield replace(file, name=filename) if filename else file
        return
    if not filename:
        raise errors.InputError(
            "Standard input has no name.", hint="Give one, such as --filename people.csv: sluice upload -"
        )
    ends = ", which Ctrl-D ends" if sys.stdin.isatty() else ""
    with ExitStack() as stack:
        try:
            render.print_line(out, f"reading standard input{ends}")
            file = stack.enter_context(LocalFile.spooled(sys.stdin.buffer, filename))
        except KeyboardInterrupt:
            raise errors.Interrupted(
                "Interrupted while standard input was read: nothing has been uploaded."
            ) from None
        yield file


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
        resume_command = self._resume_command(upload.job_id)
        until = f" until {instant(upload.expires_at)}" if upload.expires_at else ""
        how = f", with the same bytes on standard input{until}" if self.file.path == STDIN else until
        render.print_line(self.out, f"If the upload breaks off, resume it{how}: ", resume_command)
        with _resume_hint(resume_command):
            numbers = missing_parts(upload, self.file, stored)
            already_stored = self.file.size - sum(map(upload.length, numbers))
            if already_stored:
                render.print_line(self.out, f"{size(already_stored)} of it have arrived already")
            with reporter_for(self.out).upload(self.file, already_stored) as watcher:
                progress = TotalProgress(watcher, already_stored)
                MultipartSender(self.api, upload, self.file, progress).send(numbers)

    def _resume_command(self, job_id: UUID) -> str:
        if self.file.path == STDIN:
            again = ("upload", STDIN, "--filename", self.file.name)
            return self.session.command_line(*again, "--resume", job_id)
        # With the absolute path: the line may be read in a log, by somebody in another directory.
        return self.session.command_line("upload", self.file.path.absolute(), "--resume", job_id)

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
