"""What all commands share: the address of the API, following a job, how the program ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import click
import httpx
from rich.console import Console

from sluice_cli import errors, render
from sluice_cli.api import Api
from sluice_cli.documents import COMPLETED, Job
from sluice_cli.follow import follow
from sluice_cli.progress import reporter
from sluice_cli.text import quoted

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON on stdout, all else on stderr."
)
job_argument = click.argument("job_id", metavar="ID", type=click.UUID)
follow_option = click.option("--follow", "wait", is_flag=True, help="Wait until the job has ended.")


@dataclass(frozen=True)
class Session:
    """What all commands share. ``command`` is how to call the program again with the same options."""

    url: str | None
    command: str

    @contextmanager
    def api(self) -> Iterator[tuple[Api, httpx.Client]]:
        """The API, and the connections it uses. Raises WrongInput without an address or with a wrong one."""
        if not self.url:
            raise errors.WrongInput(
                "The address of the API is not known: set SLUICE_URL, or give --url.",
                hint="In a checkout, `make up` writes .local/env; load it so: set -a; . .local/env; set +a",
            )
        with httpx.Client(headers={"User-Agent": "sluice-cli"}) as client:
            yield Api(self.url, client), client

    def again(self, *arguments: object) -> str:
        """The command line that runs another command against the same API."""
        return " ".join([self.command, *(quoted(argument) for argument in arguments)])

    def followed(self, api: Api, job_id: UUID, out: Console) -> Job:
        """The job, once it has ended. Raises what ``follow`` does, and Interrupted on Ctrl-C."""
        look_again = f"To look at it: {self.again('job', job_id, '--follow')}"
        try:
            with reporter(out).ingestion() as watcher:
                return follow(lambda: api.job(job_id), watcher)
        except KeyboardInterrupt:
            raise errors.Interrupted("No longer following; the job goes on.", hint=look_again) from None
        except errors.CliError as error:
            if error.transient:
                error.hint = f"The job may well go on. {look_again}"
            raise

    def summary(self, job: Job, out: Console, *, as_json: bool) -> None:
        """Print how the job ended, or how it is."""
        render.summary(out, job, self.again("errors", job.id))
        if as_json:
            render.document(job.document)

    def handed_over(self, job_id: UUID | str, out: Console) -> None:
        """Say how to follow a job that is not waited for."""
        render.say(out, "The job goes on by itself. To follow it: ", self.again("job", job_id, "--follow"))


def progress_console(*, as_json: bool) -> Console:
    """Where people read: stdout, or stderr if stdout is for JSON."""
    return render.console(sys.stderr if as_json else sys.stdout)


def exit_status(job: Job, wanted: str = COMPLETED) -> int:
    """The program's, by how the job is; ``wanted`` is the status that means success."""
    if job.status == wanted:
        return 0
    return errors.JOB_FAILED if job.ended else errors.NOT_FINISHED
