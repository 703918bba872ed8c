"""Upload several files, follow their jobs, and sum up what became of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from rich.console import Console

from sluice_cli import errors, render
from sluice_cli.api import Api
from sluice_cli.commands.sending import Upload, opened
from sluice_cli.commands.session import Session, error_console, exit_status
from sluice_cli.documents.jobs import FAILED, Counts, Job
from sluice_cli.documents.uploads import NewUpload
from sluice_cli.escaping import safe
from sluice_cli.formatting import number, shortened
from sluice_cli.transfer.local_file import LocalFile

_TITLES = ("FILE", "STATUS", "READ", "INSERTED", "DUPLICATES", "REJECTED", "JOB")
_NUMBERS = frozenset(("READ", "INSERTED", "DUPLICATES", "REJECTED"))
_NAME_LIMIT = 40  # characters
_UPLOADED, _NOT_UPLOADED = "uploaded", "not uploaded"
_WORST_FIRST = (
    errors.INTERRUPTED,
    errors.SERVICE_ERROR,
    errors.INPUT_ERROR,
    errors.JOB_FAILED,
    errors.REJECTED,
    errors.WARNED,
)


@dataclass
class _File:
    """What became of one file."""

    path: Path
    job_id: UUID | None = None
    job: Job | None = None

    @property
    def status(self) -> str:
        if self.job is not None:
            return self.job.status
        return _UPLOADED if self.job_id else _NOT_UPLOADED


@dataclass
class SeveralUploads:
    """Send all files, then follow all jobs: workers load the first while others are still being sent.

    A file that cannot be read, or that the API refuses, is told and passed over. Trouble with the service or
    the network, and Ctrl-C, end everything: it would be the same for the other files. What is known by then
    is still summed up.
    """

    session: Session
    api: Api
    out: Console
    follow: bool
    as_json: bool
    _files: list[_File] = field(default_factory=list)
    _errors: list[errors.CliError] = field(default_factory=list)

    def run(self, paths: Sequence[Path], new: Callable[[LocalFile], NewUpload]) -> None:
        """Upload the files; ``new`` makes the request for one. Print the summary. Raises nothing of it."""
        self._files = [_File(path) for path in paths]
        if self._in_turn(lambda file: self._send(file, new)) and self.follow:
            self._in_turn(self._follow)
        elif self.as_json:
            self._in_turn(self._look)
        self._print()

    def exit_status(self, *, fail_on_warnings: bool = False, fail_on_rejects: bool = False) -> int:
        """Return the worst exit status of all files."""
        jobs = [file.job for file in self._files if file.job is not None and self.follow]
        statuses = {error.exit_status for error in self._errors} | {
            exit_status(job, fail_on_warnings=fail_on_warnings, fail_on_rejects=fail_on_rejects)
            for job in jobs
        }
        return next((status for status in _WORST_FIRST if status in statuses), 0)

    def _in_turn(self, step: Callable[[_File], None]) -> bool:
        """Do a step for each file; return whether the next step makes sense."""
        for file in self._files:
            try:
                self._interruptible(step, file)
            except errors.CliError as error:
                self._tell(file, error)
                if error.exit_status != errors.INPUT_ERROR:
                    return False
        return True

    @staticmethod
    def _interruptible(step: Callable[[_File], None], file: _File) -> None:
        """Do a step. Raises Interrupted on Ctrl-C, also where the step itself has nothing to say about it."""
        try:
            step(file)
        except KeyboardInterrupt:
            raise errors.Interrupted("Interrupted.") from None

    def _send(self, file: _File, new: Callable[[LocalFile], NewUpload]) -> None:
        with opened(file.path, None, self.out) as local:
            file.job_id = Upload(self.session, self.api, local, self.out).begin(new(local))

    def _follow(self, file: _File) -> None:
        if file.job_id is not None:
            file.job = self.session.follow(self.api, file.job_id, self.out)

    def _look(self, file: _File) -> None:
        if file.job_id is not None:
            file.job = self.api.job(file.job_id)

    def _tell(self, file: _File, error: errors.CliError) -> None:
        self._errors.append(error)
        if (name := safe(file.path)) not in error.message:
            error.message = f"{name}: {error.message}"
        render.print_error(error_console(), error)

    def _print(self) -> None:
        if self.as_json:
            render.print_documents(file.job.document for file in self._files if file.job is not None)
        out = error_console() if self.out.quiet and self.exit_status() else self.out
        jobs = [file.job for file in self._files if file.job is not None]
        render.print_line(out)
        render.print_table(out, _TITLES, [_row(file) for file in self._files], numbers=_NUMBERS)
        statuses = Counter(file.status for file in self._files)
        parts = ", ".join(f"{count} {status}" for status, count in statuses.items())
        sums = Counts(
            *(
                sum(getattr(job.counts, name) for job in jobs)
                for name in ("read", "inserted", "duplicates", "rejected")
            )
        )
        render.print_line(out, f"{len(self._files)} files: {parts}")
        if jobs and self.follow:
            render.print_line(out, render.reconciliation(sums))
        for job in jobs:
            self._print_what_to_look_at(out, job)
        if not self.follow:
            render.print_line(out, "The jobs continue. To see them: ", self.session.command_line("jobs"))

    def _print_what_to_look_at(self, out: Console, job: Job) -> None:
        name = shortened(job.filename, _NAME_LIMIT)
        if job.status == FAILED and job.error is not None:
            render.print_line(out, f"{name}: ", (f"{job.error[0]}: ", "bold"), job.error[1])
        if job.duplicate_of is not None:
            render.print_line(
                out, f"{name}: job {job.duplicate_of} has loaded the same file; --force loads it again."
            )
        if job.counts.rejected:
            command = self.session.command_line("errors", job.id)
            render.print_line(out, f"{name}: {number(job.counts.rejected)} rejected: ", (command, "bold"))
        if job.warnings:
            command = self.session.command_line("job", job.id)
            render.print_line(out, f"{name}: {_counted(len(job.warnings), 'warning')}: ", (command, "bold"))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _row(file: _File) -> tuple[str, ...]:
    counts = file.job.counts if file.job is not None else None
    figures = (counts.read, counts.inserted, counts.duplicates, counts.rejected) if counts else ()
    return (
        shortened(safe(file.path), _NAME_LIMIT),
        file.status,
        *(map(number, figures) if figures else ("",) * 4),
        str(file.job_id or ""),
    )
