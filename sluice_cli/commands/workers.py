"""``sluice workers``."""

import sys

import click

from sluice_cli import render
from sluice_cli.commands.session import Session, json_option
from sluice_cli.workers import print_workers


@click.command("workers", short_help="List the workers and their jobs.")
@json_option
@click.pass_obj
def workers_command(session: Session, *, as_json: bool) -> None:
    """List the workers, newest first: whether they work, are stuck or silent. With --json: one per line."""
    with session.api() as api:
        pages = api.workers()
        if as_json:
            for page in pages:
                render.print_documents(worker.document for worker in page.items)
        else:
            print_workers(render.console(sys.stdout), pages)
