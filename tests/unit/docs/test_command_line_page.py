"""The reference of the command line is what `--help` prints. With SLUICE_WRITE_PAGES=1 the test writes it."""

import os
from collections.abc import Iterator

import click
from click.testing import CliRunner

from sluice_cli.main import main
from tests.support.docpages import ROOT

PAGE = ROOT / "docs" / "reference" / "command-line.md"
WIDTH = 90  # columns
HEAD = """\
# Command line

This page shows what `sluice --help` and the help of each command print. A test writes it.
[Use the command line](../how-to/use-the-command-line.md) shows how to send files with it.
"""


def pages(command: click.Command, *names: str) -> Iterator[str]:
    """Yield the help of a command, and of those below it."""
    name = " ".join(names)
    command._help_option = None  # of another test, made without the group's names for it
    arguments = [*names[1:], "--help"]
    result = CliRunner().invoke(
        main, arguments, prog_name=names[0], terminal_width=WIDTH, max_content_width=WIDTH
    )
    text = result.output
    yield f"## `{name}`\n\n```text\n{text.rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for below in sorted(command.commands):
            yield from pages(command.commands[below], *names, below)


def test_the_reference_of_the_command_line_is_what_help_prints() -> None:
    made = "\n".join([HEAD, *pages(main, "sluice")])
    if os.environ.get("SLUICE_WRITE_PAGES"):
        PAGE.write_text(made, encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == made
