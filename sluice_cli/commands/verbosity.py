"""The options ``--quiet`` and ``--verbose``, which each command has, and what the second one prints."""

import sys
import time
from collections.abc import Callable
from typing import Any

import click
import httpx

from sluice_cli.escaping import safe
from sluice_cli.formatting import duration

_QUIET, _VERBOSE, _SENT_AT = "sluice_cli.quiet", "sluice_cli.verbose", "sluice_sent_at"


def is_quiet() -> bool:
    """Return whether the running command was called with --quiet."""
    return _is_set(_QUIET)


def is_verbose() -> bool:
    """Return whether the running command was called with --verbose."""
    return _is_set(_VERBOSE)


def add_options(command: click.Command) -> None:
    """Give the command both options, and those below it if it is a group."""
    command.params += [
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_remember(_QUIET),
            help="Print only errors and the items that a command lists.",
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            expose_value=False,
            callback=_remember(_VERBOSE),
            help="Print each request on stderr: method, address, status, time, request id.",
        ),
    ]
    if isinstance(command, click.Group):
        for below in command.commands.values():
            add_options(below)


def logging_hooks() -> dict[str, list[Callable[..., Any]]]:
    """Return hooks for an httpx client that print each answer on stderr.

    Neither queries, which sign upload URLs, nor headers, which hold the key, are printed.
    """
    stderr = sys.stderr

    def sent(request: httpx.Request) -> None:
        request.extensions[_SENT_AT] = time.monotonic()

    def answered(response: httpx.Response) -> None:
        request = response.request
        took = duration(time.monotonic() - request.extensions[_SENT_AT])
        address = safe(request.url.copy_with(query=None, userinfo=b""))
        request_id = response.headers.get("X-Request-Id") or response.headers.get("x-amz-request-id")
        named = f", request id {safe(request_id)}" if request_id else ""
        # While a bar moves, sys.stderr is a proxy that writes above it, on stdout: right only on a terminal.
        out = sys.stderr if stderr.isatty() else stderr
        out.write(f"{request.method} {address}: {response.status_code} in {took}{named}\n")
        out.flush()

    return {"request": [sent], "response": [answered]}


def _is_set(name: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(name) is True


def _remember(name: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's own
        if value:
            ctx.meta[name] = True  # of the whole command line: the group has the options, too

    return remember
