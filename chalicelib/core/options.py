"""Combine options: those of an upload with its dataset's, those of a job with a client's changes."""

from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import combinations
from typing import Any

from chalicelib.core.errors import InvalidRequest
from chalicelib.core.jobs import Changes, Instructions, Job
from chalicelib.core.model import BLANKS, Dialect, Options

_OF_VALUES = ("decimal", "date_order", "missing_values")
_DEFAULT_QUOTE = '"'


def declared(options: Options) -> dict[str, Any]:
    """Return the members of the options that differ from their defaults, by name."""
    default = Options()
    return {
        option.name: value
        for option in fields(Options)
        if (value := getattr(options, option.name)) != getattr(default, option.name)
    }


def with_members(options: Options, members: Mapping[str, Any], *, whose: str) -> Options:
    """Return the options with other values for the named members; None stands for a member's default.

    Raises InvalidRequest when one character has two meanings then; ``whose`` says in its sentence whose the
    options are, as in "the job".
    """
    defaults = Options()
    values = {name: getattr(defaults, name) if value is None else value for name, value in members.items()}
    changed = replace(options, **values)
    if clash := _clash(changed):
        raise InvalidRequest(
            "delimiter, quote, escape and comment must differ. "
            f"Together with the options of {whose}, {clash[0]} and {clash[1]} are the same character.",
            field="options",
        )
    return changed


def of_parent(parent: Job) -> Options:
    """Return the options about values with which a job's file is read: its rejects are read with them, too.

    What the job's options say about the layout of its file does not hold for the file of its rejects.
    """
    return replace(Options(), **_values(parent))


def with_parent(options: Options, parent: Job) -> Options:
    """Return the options; those about values are the parent's where none is declared, be it a default."""
    own = declared(options)
    return replace(options, **{name: value for name, value in _values(parent).items() if name not in own})


def _values(job: Job) -> dict[str, Any]:
    """Return the options about values with which the job's file is read, but for the defaults."""
    source = job.reading.dialect if job.reading else job.instructions.options
    values = {name: getattr(source, name) for name in _OF_VALUES}
    return {name: value for name, value in values.items() if value not in (None, getattr(Dialect, name))}


def change_instructions(instructions: Instructions, changes: Changes) -> Instructions:
    """Return a job's instructions with a client's changes. Raises InvalidRequest as `with_members` does."""
    options = with_members(instructions.options, changes.options, whose="the job")
    return replace(
        instructions, options=options, format=changes.format or instructions.format, **changes.limits
    )


def check_options(options: Options) -> None:
    """Raise InvalidRequest when one character has two meanings."""
    if _clash(options):
        raise InvalidRequest("delimiter, quote, escape and comment must differ.", field="options")


def _clash(options: Options) -> tuple[str, str] | None:
    """Return the names of two options with the same character; None if there are none."""
    characters = {
        "delimiter": " " if options.delimiter == BLANKS else options.delimiter,
        "quote": _DEFAULT_QUOTE if options.quote is None else options.quote,
        "escape": options.escape,
        "comment": options.comment,
    }
    used = [name for name, character in characters.items() if character]
    return next(
        ((one, other) for one, other in combinations(used, 2) if characters[one] == characters[other]), None
    )
