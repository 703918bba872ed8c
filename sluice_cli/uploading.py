"""``sluice upload``: registering a file, sending it in one piece or in parts, going on with that."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from time import sleep
from uuid import UUID

import click
import httpx
from click.core import ParameterSource
from rich.console import Console

from sluice_cli import errors, render, upload
from sluice_cli.api import Api
from sluice_cli.parts import PartSender, Tally, missing
from sluice_cli.progress import reporter
from sluice_cli.retry import retried
from sluice_cli.session import Session, exit_status, json_option, progress_console
from sluice_cli.text import instant, safe, size
from sluice_cli.tickets import NewUpload, PartedUpload, StoredPart, Ticket

# Bytes. A larger file is taken in parts, and without a checksum of the whole, unless the server is set up
# otherwise: reading it through for one would mostly be in vain.
_HASHED = 64 << 20
_NOT_WITH_RESUME = {"dataset": "--dataset", "file_format": "--format", "options": "-o", "force": "--force"}


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


@click.command("upload", short_help="Load a file and follow its job.")
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
@click.option("--force", is_flag=True, help="Load it even if the same file was loaded before.")
@click.option(
    "--resume", metavar="ID", type=click.UUID, help="Go on with the upload of the job ID, which broke off."
)
@click.option("--no-follow", is_flag=True, help="Do not wait for the job: exit when the file is uploaded.")
@json_option
@click.pass_context
def upload_command(  # noqa: PLR0913 - a parameter an option
    ctx: click.Context,
    *,
    path: Path,
    dataset: str | None,
    file_format: str | None,
    options: dict[str, object],
    force: bool,
    resume: UUID | None,
    no_follow: bool,
    as_json: bool,
) -> None:
    """Load FILE: upload it, then follow its job until every record is accounted for.

    FILE is CSV or JSON, plain or compressed. A record that cannot be loaded is
    rejected with a reason and does not stop the others. With --json, the last state of the job is printed.

    A large FILE is sent in parts. If that breaks off, --resume sends the parts that are missing.
    """
    session: Session = ctx.obj
    if resume:
        _refuse_with_resume(ctx)
    out = progress_console(as_json=as_json)
    with session.api() as (api, client), upload.LocalFile.open(path) as file:
        desk = _Desk(session, api, client, file, out)
        if resume:
            job_id = desk.resume(resume)
        else:
            job_id = desk.begin(NewUpload(file.name, file.size, dataset, file_format, options, force=force))
        if no_follow and as_json:
            render.document(api.job(job_id).document)
            return
        if no_follow:
            session.handed_over(job_id, out)
            return
        job = session.followed(api, job_id, out)
    session.summary(job, out, as_json=as_json)
    ctx.exit(exit_status(job))


def _refuse_with_resume(ctx: click.Context) -> None:
    for name, option in _NOT_WITH_RESUME.items():
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{option} cannot be given with --resume: the upload goes on as it was begun.", ctx
            )


@dataclass(frozen=True)
class _Desk:
    """Sends one file. Both of its methods give the job's id and raise CliErrors, Interrupted among them."""

    session: Session
    api: Api
    client: httpx.Client
    file: upload.LocalFile
    out: Console

    def begin(self, new: NewUpload) -> UUID:
        """Register the file and send all of it."""
        ticket = self._registered(new)
        render.say(self.out, f"job {ticket.job_id}")
        if isinstance(ticket, Ticket):
            self._whole(ticket)
        elif ticket.size != self.file.size:
            raise errors.Trouble(f"The API expects {ticket.size:,} bytes; the file has {self.file.size:,}.")
        else:
            self._in_parts(ticket, [])
        return ticket.job_id

    def resume(self, job_id: UUID) -> UUID:
        """Send what is missing of an upload in parts; nothing if it is complete."""
        render.say(self.out, f"job {job_id}")
        try:
            ticket, stored = retried(lambda: self.api.stored_parts(job_id), "Trying again", self._note, sleep)
        except errors.ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            # This is granted, once more, if the upload is complete; else the API says what became of it.
            self.api.complete(job_id)
            render.say(self.out, "The upload is complete: nothing is left to send.")
        else:
            self._in_parts(ticket, stored)
        return job_id

    def _registered(self, new: NewUpload) -> Ticket | PartedUpload:
        if new.size > _HASHED:
            return self.api.create_upload(new)
        try:
            return self.api.create_upload(replace(new, sha256=self.file.sha256()))
        except errors.ApiError as error:
            if error.status != HTTPStatus.BAD_REQUEST or error.field != "sha256":
                raise
        return self.api.create_upload(new)  # this server takes the file in parts only

    def _whole(self, ticket: Ticket) -> None:
        try:
            with reporter(self.out).upload(self.file) as watcher:
                upload.put(self.client, ticket, self.file, watcher)
        except KeyboardInterrupt:
            raise errors.Interrupted(
                "The upload was interrupted. Unless all of the file had arrived, none of it will be loaded.",
                hint=f"To see whether it had: {self.session.again('job', ticket.job_id)}",
            ) from None

    def _in_parts(self, ticket: PartedUpload, stored: Sequence[StoredPart]) -> None:
        # With its whole path: the line may be read in a log, by somebody in another directory.
        again = self.session.again("upload", self.file.path.absolute(), "--resume", ticket.job_id)
        until = f", until {instant(ticket.expires_at)}" if ticket.expires_at else ""
        render.say(self.out, f"If the upload breaks off, go on with it{until}: ", again)
        with _resumable(again):
            numbers = missing(ticket, self.file, stored)
            already = self.file.size - sum(map(ticket.length, numbers))
            if already:
                render.say(self.out, f"{size(already)} of it have arrived already")
            with reporter(self.out).upload(self.file, already) as watcher:
                tally = Tally(watcher, already)
                PartSender(self.api, self.client, ticket, self.file, tally).send(numbers)

    def _note(self, text: str) -> None:
        render.say(self.out, safe(text))


@contextmanager
def _resumable(again: str) -> Iterator[None]:
    """Tell how to go on with what breaks off here."""
    try:
        yield
    except KeyboardInterrupt:
        raise errors.Interrupted(
            "The upload was interrupted. The parts that have arrived are kept.",
            hint=f"To go on with it: {again}",
        ) from None
    except errors.WrongInput:
        raise  # the file is not what it was: going on would be of no use
    except errors.CliError as error:
        error.hint = f"To go on with the upload: {again}"
        raise
