"""The commands."""

import json
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import httpx
from click.core import ParameterSource
from rich.console import Console

from sluice_cli import errors, render, upload
from sluice_cli.api import Api, Page
from sluice_cli.documents import COMPLETED, Job, Reject, Ticket
from sluice_cli.follow import follow
from sluice_cli.progress import Reporter, reporter

_JOBS, _REJECTS = 20, 100  # shown unless told otherwise
_HELP = """
Load files into Sluice, and see what became of every record in them.

\b
  sluice upload people.csv    load a file and wait until it is done
  sluice errors ID            what was rejected, and why
"""
_EXIT_STATUS = """
\b
Exit status:
  0    the job is COMPLETED, or the list was printed
  1    the job FAILED, was CANCELED or EXPIRED
  2    something is wrong with the command line or the file
  3    the service, S3 or the network is in trouble
  4    the job has not ended yet (only `sluice job` without --follow)
  130  interrupted by Ctrl-C
"""


class _Sluice(click.Group):
    """Turns errors into messages and exit statuses, for all commands alike."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # a name need not fit the terminal's encoding
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except errors.CliError as error:
            render.problem(render.console(sys.stderr), error)
            ctx.exit(error.exit_status)
        except KeyboardInterrupt:
            ctx.exit(errors.INTERRUPTED)


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
        return " ".join([self.command, *(shlex.quote(str(argument)) for argument in arguments)])


@click.group(
    cls=_Sluice, help=_HELP, epilog=_EXIT_STATUS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--url", metavar="URL", envvar="SLUICE_URL", help="Address of the API. Default: the variable SLUICE_URL."
)
@click.pass_context
def main(ctx: click.Context, url: str | None) -> None:
    """Fix what all commands share."""
    given = url and ctx.get_parameter_source("url") is ParameterSource.COMMANDLINE
    ctx.obj = Session(url, f"sluice --url {shlex.quote(url)}" if url and given else "sluice")


_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout, all else on stderr.")
_job_id = click.argument("job_id", metavar="ID", type=click.UUID)


def _options(_ctx: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, object]:
    """NAME=VALUE pairs; a value that is JSON's true, false, number or list counts as that."""
    options: dict[str, object] = {}
    for pair in given:
        name, equals, text = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE.")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        options[name] = value if isinstance(value, bool | int | list) else text
    return options


@main.command("upload", short_help="Load a file and follow its job.")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--dataset", metavar="D", help="Where the rows belong, each once. Default: default.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["csv", "ndjson", "json"]),
    help="Default: found out from the file.",
)
@click.option(
    "-o",
    "--option",
    "options",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_options,
    help="How a CSV file is written: delimiter, quote, escape, encoding, header, skip_lines, comment,"
    " decimal, date_order, missing_values (a JSON list). May be given several times.",
)
@click.option("--no-follow", is_flag=True, help="Do not wait for the job: exit when the file is uploaded.")
@_as_json
@click.pass_context
def upload_command(  # noqa: PLR0913 - a parameter an option
    ctx: click.Context,
    *,
    path: Path,
    dataset: str | None,
    file_format: str | None,
    options: dict[str, object],
    no_follow: bool,
    as_json: bool,
) -> None:
    """Load FILE: upload it, then follow its job until every record is accounted for.

    FILE is CSV or JSON, plain or compressed. A record that cannot be loaded is
    rejected with a reason and does not stop the others. With --json, the last state of the job is printed.
    """
    session: Session = ctx.obj
    out = _progress_console(as_json=as_json)
    with session.api() as (api, client), upload.LocalFile.open(path) as file:
        ticket = api.create_upload(
            file.name, size=file.size, dataset=dataset, file_format=file_format, options=options
        )
        render.say(out, f"job {ticket.job_id}")
        _send(session, client, ticket, file, reporter(out))
        if no_follow:
            _handed_over(session, api, ticket.job_id, out, as_json=as_json)
            return
        job = _followed(session, api, ticket.job_id, reporter(out))
    _finish(ctx, job, out, as_json=as_json)


@main.command("jobs", short_help="List jobs, newest first.")
@click.option("--status", metavar="S", help="Only PENDING, PROCESSING, COMPLETED or FAILED ones.")
@click.option("--dataset", metavar="D", help="Only those of one dataset.")
@click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), default=_JOBS, show_default=True, help="At most N."
)
@_as_json
@click.pass_obj
def jobs_command(
    session: Session, *, status: str | None, dataset: str | None, limit: int, as_json: bool
) -> None:
    """List jobs, newest first. With --json: one job document a line."""
    with session.api() as (api, _):
        found = api.jobs(status=status.upper() if status else None, dataset=dataset, limit=limit)
        if as_json:
            _print_documents(found)
        else:
            render.jobs(render.console(sys.stdout), found)


@main.command("job", short_help="Show one job, or follow it.")
@_job_id
@click.option("--follow", "wait", is_flag=True, help="Wait until the job has ended.")
@_as_json
@click.pass_context
def job_command(ctx: click.Context, *, job_id: UUID, wait: bool, as_json: bool) -> None:
    """Show the job ID: how far it is, or how it ended.

    Exits with 0 only if the job is COMPLETED, with 4 if it has not ended yet.
    """
    session: Session = ctx.obj
    out = _progress_console(as_json=as_json)
    with session.api() as (api, _):
        job = api.job(job_id)
        if wait and not job.ended:
            job = _followed(session, api, job_id, reporter(out))
    if wait:
        _finish(ctx, job, out, as_json=as_json)
    if as_json:
        render.document(job.document)
    else:
        render.details(out, job, session.again("errors", job.id))
    ctx.exit(_exit_status(job))


@main.command("errors", short_help="List the rejected records of a job, with reasons.")
@_job_id
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    help=f"At most N of them, 0 for all. Default: {_REJECTS}, with --json all.",
)
@_as_json
@click.pass_obj
def errors_command(session: Session, *, job_id: UUID, limit: int | None, as_json: bool) -> None:
    """List the rejected records of the job ID, in file order, with reasons.

    RECORD counts the file's records from 1 and BYTE is where the record begins. With --json: one JSON object
    a line.
    """
    if limit is None:
        limit = 0 if as_json else _REJECTS
    with session.api() as (api, _):
        found = api.errors(job_id, limit=limit or None)
        if as_json:
            _print_documents(found)
        else:
            see_all = session.again("errors", job_id, "--limit", 0)
            render.rejects(render.console(sys.stdout), found, see_all)


def _progress_console(*, as_json: bool) -> Console:
    return render.console(sys.stderr if as_json else sys.stdout)


def _send(
    session: Session, client: httpx.Client, ticket: Ticket, file: upload.LocalFile, show: Reporter
) -> None:
    """Upload with a bar. Raises what ``upload.put`` does, and Interrupted on Ctrl-C."""
    try:
        with show.upload(file) as watcher:
            upload.put(client, ticket, file, watcher)
    except KeyboardInterrupt:
        raise errors.Interrupted(
            "The upload was interrupted. Unless all of the file had arrived, nothing of it will be loaded.",
            hint=f"To see whether it had: {session.again('job', ticket.job_id)}",
        ) from None


def _followed(session: Session, api: Api, job_id: UUID, show: Reporter) -> Job:
    """The job, once it has ended. Raises what ``follow`` does, and Interrupted on Ctrl-C."""
    look_again = f"To look at it: {session.again('job', job_id, '--follow')}"
    try:
        with show.ingestion() as watcher:
            return follow(lambda: api.job(job_id), watcher)
    except KeyboardInterrupt:
        raise errors.Interrupted("No longer following; the job goes on.", hint=look_again) from None
    except errors.CliError as error:
        if error.transient:
            error.hint = f"The job may well go on. {look_again}"
        raise


def _handed_over(session: Session, api: Api, job_id: UUID, out: Console, *, as_json: bool) -> None:
    if as_json:
        render.document(api.job(job_id).document)
    else:
        render.say(out, "The job goes on by itself. To follow it: ", session.again("job", job_id, "--follow"))


def _finish(ctx: click.Context, job: Job, out: Console, *, as_json: bool) -> None:
    """Print how the job ended, and exit accordingly."""
    session: Session = ctx.obj
    render.summary(out, job, session.again("errors", job.id))
    if as_json:
        render.document(job.document)
    ctx.exit(_exit_status(job))


def _exit_status(job: Job) -> int:
    if job.status == COMPLETED:
        return 0
    return errors.JOB_FAILED if job.ended else errors.NOT_FINISHED


def _print_documents(pages: Iterable[Page[Job] | Page[Reject]]) -> None:
    for page in pages:
        for item in page.items:
            render.document(item.document)
