"""The options that say how a file is written: ``-o NAME=VALUE`` and ``--format``."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from sluice_cli.commands.completion import complete_pairs

_F = TypeVar("_F", bound=Callable[..., Any] | click.Command)

# A value that a shell cannot show well: `\t`, or `\u0001`. Half of a surrogate pair is not a character.
_ESCAPE = re.compile(r"\\(?:t|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})")

_FLAG = ("true", "false")
# What a shell completes: the options of a file, and the values of those with a fixed set of them.
OPTION_VALUES: Mapping[str, tuple[str, ...]] = {
    "delimiter": ("blanks",),  # or a character
    "quote": (),
    "escape": (),
    "skip_initial_space": _FLAG,
    "encoding": (),
    "header": _FLAG,
    "skip_lines": (),
    "skip_after_header": (),
    "comment": (),
    "short_rows": ("reject", "pad"),
    "extra_cells": ("reject", "drop", "keep"),
    "decimal": (".", ","),
    "date_order": ("DMY", "MDY", "YMD"),
    "missing_values": (),
    "records": (),
}


def parse_options(
    _ctx: click.Context, _parameter: click.Parameter, pairs: tuple[str, ...]
) -> dict[str, object]:
    """Parse NAME=VALUE pairs.

    A value that is a JSON boolean, integer, list or null counts as that, and one that is an escape (a
    backslash and t, or u and four hexadecimal digits) as the character that JSON means by it. Any other value
    is a text as it stands.
    """
    options: dict[str, object] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE.")
        options[name] = _value(text)
    return options


def _value(text: str) -> object:
    if _ESCAPE.fullmatch(text):
        return json.loads(f'"{text}"')
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if value is None or isinstance(value, bool | int | list) else text


options_option = click.option(
    "-o",
    "--option",
    "options",
    metavar="NAME=VALUE",
    multiple=True,
    callback=parse_options,
    shell_complete=complete_pairs(OPTION_VALUES),
    help="How the file is written: delimiter, quote, escape, encoding, header, skip_lines, short_rows,"
    " missing_values (a JSON list) … The documentation of file formats lists them."
    " '\\t' and '\\u0001' stand for characters. May be given several times.",
)


def changes_body(options: Mapping[str, object], file_format: str | None) -> dict[str, object]:
    """Return the body of a request that changes how a file is read, empty if nothing changes."""
    return {**({"options": options} if options else {}), **({"format": file_format} if file_format else {})}


def format_option(default: str) -> Callable[[_F], _F]:
    """Return the option ``--format``; ``default`` says what applies without it."""
    choice = click.Choice(["csv", "ndjson", "json"])
    return click.option("--format", "file_format", type=choice, help=f"Default: {default}.")
