"""What all commands share: options, the session with one API, the exit status."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from uuid import UUID

import click
import httpx
from rich.console import Console

from sluice_cli import errors, render
from sluice_cli.api import Api, Credential
from sluice_cli.commands.completion import complete_job_ids
from sluice_cli.commands.verbosity import is_quiet, is_verbose, logging_hooks
from sluice_cli.documents.jobs import COMPLETED, PREVIEWED, Job
from sluice_cli.documents.previews import Preview
from sluice_cli.escaping import shell_quoted
from sluice_cli.follow import follow
from sluice_cli.previews import print_preview
from sluice_cli.progress import reporter_for

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON on stdout, everything else on stderr."
)
job_argument = click.argument("job_id", metavar="ID", type=click.UUID, shell_complete=complete_job_ids)
follow_option = click.option("--follow", "wait", is_flag=True, help="Wait until the job has ended.")

warnings_option = click.option(
    "--fail-on-warnings", is_flag=True, help="Exit with 5 if the job is COMPLETED with warnings."
)
rejects_option = click.option(
    "--fail-on-rejects",
    is_flag=True,
    help="Exit with 6 if the job is COMPLETED and has rejected records, with warnings or without.",
)
on_failure_option = click.option(
    "--on-failure",
    type=click.Choice(["keep", "undo"]),
    help="Whether the loaded rows stay if the job fails. Default: keep.",
)

beyond_limit_option = click.option(
    "--rejects-beyond-limit",
    type=click.Choice(["fail", "count"]),
    help="Whether a job with more rejects than the service stores fails, or counts further rejects without "
    "storing them. Default: fail.",
)


@dataclass(frozen=True)
class Session:
    """The API's address, the credential, the tenant.

    ``program``: how to call this program again with the same global options, but for the credential.
    """

    url: str | None
    program: str
    api_key: str | None = None
    tenant: str | None = None

    @contextmanager
    def api(self) -> Iterator[Api]:
        """Connect to the API. Raises InputError without an address or with an invalid one."""
        if not self.url:
            raise errors.InputError(
                "The address of the API is not set: set SLUICE_URL, or give --url.",
                hint="In a checkout, `make up` writes .local/env; load it with: set -a; . .local/env; set +a",
            )
        agent = f"sluice-cli/{version('sluice')}"
        hooks = logging_hooks() if is_verbose() else None
        with httpx.Client(headers={"User-Agent": agent}, event_hooks=hooks) as http:
            yield Api(self.url, http, Credential(self.api_key, self.tenant))

    def command_line(self, *arguments: object) -> str:
        """Return the command line that runs another command against the same API."""
        return " ".join([self.program, *(shell_quoted(argument) for argument in arguments)])

    def follow(self, api: Api, job_id: UUID, out: Console) -> Job:
        """Follow the job until it has ended and return it. Raises Interrupted on Ctrl-C."""
        hint = f"To look at it: {self.command_line('job', job_id, '--follow')}"
        try:
            with reporter_for(out).job() as watcher:
                return follow(lambda: api.job(job_id), watcher)
        except KeyboardInterrupt:
            raise errors.Interrupted("No longer following; the job continues.", hint=hint) from None
        except errors.CliError as error:
            if error.transient:
                error.hint = f"The job may still be running. {hint}"
            raise

    def print_summary(self, job: Job, out: Console, *, as_json: bool, success: str = COMPLETED) -> None:
        """Print how the job ended, or its present state, or its preview if it waits after that.

        With --quiet, not if it ended in the status ``success``; a job that failed is told on stderr.
        """
        if out.quiet and job.ended and job.status != success:
            out = error_console()
        if not self.print_preview(job, out):
            render.print_summary(out, job, self.command_line("errors", job.id))
        if as_json:
            render.print_document(job.document)

    def print_preview(self, job: Job, out: Console) -> bool:
        """Print the preview of a job that waits after it; return whether it does."""
        preview = Preview.read_from(job) if job.status == PREVIEWED else None
        if preview is None:
            return False
        load, retry = self.command_line("load", job.id, "--follow"), self.command_line("retry", job.id)
        print_preview(out, job, preview, load, f"{retry} --follow")
        return True

    def print_follow_command(self, job_id: UUID | str, out: Console) -> None:
        """Print how to follow a job that this command does not wait for."""
        command = self.command_line("job", job_id, "--follow")
        render.print_line(out, "The job continues by itself. To follow it: ", command)


def progress_console(*, as_json: bool) -> Console:
    """Return the console for people: stdout, or stderr if stdout is for JSON; a mute one with --quiet."""
    return render.console(sys.stderr if as_json else sys.stdout, quiet=is_quiet())


def error_console() -> Console:
    """Return the console for errors, stderr. --quiet does not mute it."""
    return render.console(sys.stderr)


def exit_status(
    job: Job, success: str = COMPLETED, *, fail_on_warnings: bool = False, fail_on_rejects: bool = False
) -> int:
    """Return the exit status for the job's status; ``success`` is the one that exits with 0.

    Rejects come before warnings: they are records that are missing.
    """
    if job.status == success:
        if fail_on_rejects and job.counts.rejected:
            return errors.REJECTED
        return errors.WARNED if fail_on_warnings and job.warnings else 0
    return errors.JOB_FAILED if job.ended and job.status != PREVIEWED else errors.NOT_FINISHED
