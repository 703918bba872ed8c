"""``sluice options``: the default options of a dataset's files."""

import sys

import click

from sluice_cli import render
from sluice_cli.commands.completion import complete_datasets
from sluice_cli.commands.file_options import options_option
from sluice_cli.commands.session import Session, json_option


@click.command("options", short_help="Show or set the default options of a dataset.")
@click.argument("dataset", metavar="DATASET", shell_complete=complete_datasets)
@options_option
@click.option("--clear", is_flag=True, help="Remove all of them.")
@json_option
@click.pass_obj
def options_command(
    session: Session, *, dataset: str, options: dict[str, object], clear: bool, as_json: bool
) -> None:
    """Show the default options of DATASET. They apply to uploads that do not declare other values.

    With -o, set them: the given options replace all earlier ones. Files that were uploaded before keep their
    options.
    """
    if options and clear:
        raise click.UsageError("-o and --clear cannot be given together.")
    with session.api() as api:
        if options or clear:
            defaults = api.set_dataset_options(dataset, options)
        else:
            defaults = api.dataset_options(dataset)
    if as_json:
        render.print_document(defaults.document)
    else:
        render.print_options(render.console(sys.stdout), defaults)
