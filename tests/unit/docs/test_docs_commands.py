"""The commands of `sluice` that the documentation shows have the options that they are shown with."""

import re
import shlex
from collections.abc import Iterator
from importlib import metadata

import click
import pytest
from click.shell_completion import get_completion_class

from sluice_cli import errors
from sluice_cli.main import main
from tests.support.docpages import PAGES, blocks, page, table

HOW_TO = "how-to/use-the-command-line.md"


def shown() -> Iterator[tuple[str, str]]:
    """Yield page and command line of each `sluice` in a block of shell."""
    for path in PAGES:
        for block in [*blocks(path.read_text("utf-8"), "sh"), *blocks(path.read_text("utf-8"), "console")]:
            for line in block.splitlines():
                if match := re.search(r"(?:^|[|$] |\.venv/bin/|^)sluice ((?:-|[a-z]).*)", line):
                    yield path.name, match[1]


def option_names(words: list[str]) -> Iterator[str]:
    yield from (word.partition("=")[0] for word in words if re.fullmatch(r"--?[a-z][\w-]*(=.*)?", word))


@pytest.mark.parametrize(("name", "line"), [*shown()])
def test_a_command_takes_the_options_that_it_is_shown_with(name: str, line: str) -> None:
    command: click.Command = main
    words = shlex.split(line, comments=True)
    known = {option for parameter in main.params for option in parameter.opts}
    for word in words:
        if isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
            known |= {option for parameter in command.params for option in parameter.opts}
    known |= {"-h", "--help"}
    assert command is not main or known & set(words), (name, line)
    assert set(option_names(words)) <= known, (name, line)


def test_the_documented_exit_statuses_are_those_of_the_client() -> None:
    documented = {int(row[0]) for row in table(page(HOW_TO), "status", "meaning")}
    assert documented == {
        0,
        errors.JOB_FAILED,
        errors.INPUT_ERROR,
        errors.SERVICE_ERROR,
        errors.NOT_FINISHED,
        errors.WARNED,
        errors.REJECTED,
        errors.INTERRUPTED,
    }
    told = str(main.epilog)
    assert documented == {int(number) for number in re.findall(r"^  (\d+) ", told, re.MULTILINE)}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_the_documented_shells(shell: str) -> None:
    assert f"_SLUICE_COMPLETE={shell}_source sluice" in page(HOW_TO)
    made = get_completion_class(shell)
    assert made is not None
    assert "_SLUICE_COMPLETE" in made(main, {}, "sluice", "_SLUICE_COMPLETE").source_template % {
        "complete_func": "f",
        "complete_var": "_SLUICE_COMPLETE",
        "prog_name": "sluice",
    }


def test_the_command_is_what_is_installed() -> None:
    (entry,) = metadata.entry_points(group="console_scripts", name="sluice")
    assert entry.value == "sluice_cli.main:main"
