"""``sluice errors --csv FILE`` and ``--ndjson FILE``: download the rejected records of a job as a file."""

import time
from pathlib import Path
from uuid import UUID

import click
from rich.console import Console

from sluice_cli import errors, render
from sluice_cli.api import Api
from sluice_cli.commands.paths import FileOrStream
from sluice_cli.commands.session import error_console, progress_console
from sluice_cli.documents.rejects import RejectsFile
from sluice_cli.escaping import safe
from sluice_cli.retry import retry_with_backoff
from sluice_cli.transfer.get import STDOUT, check_target, download

_MIN_POLL, _DEFAULT_POLL, _MAX_POLL = 0.1, 1.0, 60.0  # seconds between two requests
_FILE = FileOrStream()

csv_option = click.option(
    "--csv",
    "csv_file",
    metavar="FILE",
    type=_FILE,
    help="Save the complete rejected records with their reasons as a CSV file. - is stdout.",
)
ndjson_option = click.option(
    "--ndjson",
    "ndjson_file",
    metavar="FILE",
    type=_FILE,
    help="The same for JSON files: one object per line.",
)
force_option = click.option("--force", is_flag=True, help="Replace FILE if it exists.")


def chosen_target(csv_file: Path | None, ndjson_file: Path | None) -> tuple[str, Path] | None:
    """Return the name of the rejects file in the API, and where it goes; None without an option.

    Raises InputError for both.
    """
    if csv_file is not None and ndjson_file is not None:
        raise errors.InputError("Give --csv or --ndjson, not both.")
    if csv_file is not None:
        return "rejects.csv", csv_file
    return None if ndjson_file is None else ("rejects.ndjson", ndjson_file)


def save_rejects(api: Api, job_id: UUID, name: str, target: Path, *, force: bool) -> None:
    """Have the rejects file made, wait for it and save it. Raises CliError."""
    check_target(target, force=force)
    out = progress_console(as_json=target == STDOUT)  # the file may be for stdout, as JSON is

    def attempt() -> RejectsFile:
        made = _made(api, job_id, name, out)
        download(api.http, made.url or "", target)
        return made

    made = retry_with_backoff(attempt, "Trying again", lambda text: render.print_line(out, text), time.sleep)
    render.print_line(out, f"{made.rejects:,} rejected records saved to {_shown(target)}.")
    if made.has_excerpts:
        render.print_line(
            error_console() if out.quiet else out,
            ("Some of them are cut: ", "yellow"),
            "the uploaded file, or a part of it, is no longer there. Their beginnings were kept.",
        )


def _made(api: Api, job_id: UUID, name: str, out: Console) -> RejectsFile:
    """Return the rejects file once it is made."""
    is_told = False
    while (file := api.rejects_file(job_id, name)).url is None:
        if not is_told:
            render.print_line(out, ("The file is being made …", "dim"))
            is_told = True
        poll = _DEFAULT_POLL if file.retry_after is None else file.retry_after
        time.sleep(min(max(poll, _MIN_POLL), _MAX_POLL))
    return file


def _shown(target: Path) -> str:
    return "stdout" if target == STDOUT else safe(target)
