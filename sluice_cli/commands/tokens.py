"""``sluice tokens``: make upload tokens."""

import re
import sys

import click

from sluice_cli import render
from sluice_cli.commands.labels import labels_option
from sluice_cli.commands.session import Session, json_option
from sluice_cli.formatting import instant, size

_UNITS = {
    "": 1,
    "B": 1,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
}
_SIZE = re.compile(r"([0-9]{1,18}) ?([A-Z]*)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_TIME = re.compile(r"([0-9]{1,9})([smh])")


class _Size(click.ParamType[int]):
    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = _SIZE.fullmatch(str(value).strip().upper())
        if found is None or found[2] not in _UNITS:
            self.fail(f"{value!r} is not a size such as 5000000, 5MB or 10MiB.", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


class _Time(click.ParamType[int]):
    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = _TIME.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is not a time such as 900s, 15m or 24h.", param, ctx)
        return int(found[1]) * _SECONDS[found[2]]


@click.group("tokens", short_help="Create upload tokens.")
def tokens_command() -> None:
    """Create tokens that allow their holders only to send files."""


@tokens_command.command("create")
@click.option("--dataset", required=True, metavar="D", help="The dataset of the rows.")
@click.option(
    "--max-size",
    type=_Size(),
    metavar="SIZE",
    help="The largest file, such as 10MB or 10MiB. Default: as large as may be uploaded.",
)
@click.option("--max-files", type=int, metavar="N", help="The number of files. Default: 1.")
@click.option(
    "--expires-in",
    type=_Time(),
    metavar="TIME",
    help="How long the token works, such as 15m, at most 24h. Default: 1h.",
)
@labels_option("--label", "A label that each upload gets.")
@json_option
@click.pass_obj
def create_command(  # noqa: PLR0913 - the command's options
    session: Session,
    *,
    dataset: str,
    max_size: int | None,
    max_files: int | None,
    expires_in: int | None,
    labels: dict[str, str],
    as_json: bool,
) -> None:
    """Create an upload token, and print it. It is not shown again.

    Its holder sets it as SLUICE_API_KEY and sends files: sluice upload FILE.
    """
    limits = {"max_size": max_size, "max_files": max_files, "expires_in": expires_in}
    body: dict[str, object] = {name: value for name, value in limits.items() if value is not None}
    if labels:
        body["metadata"] = labels
    with session.api() as api:
        token = api.create_upload_token({"dataset": dataset, **body})
    if as_json:
        render.print_document(token.document)
        return
    files = "one file" if token.max_files == 1 else f"{token.max_files:,} files"
    until = f" until {instant(token.expires_at)}" if token.expires_at else ""
    messages = render.console(sys.stderr)
    render.print_line(messages, f"For {files} of up to {size(token.max_size)} each{until}. Not shown again:")
    render.print_line(render.console(sys.stdout), token.text)
