"""The option ``--max-rejects``, and the values that it takes."""

import re
from collections.abc import Callable
from typing import TypeVar

import click

NONE = "none"  # as a value: without a budget
_FORM = re.compile(r"[0-9]+|[0-9]+(\.[0-9]+)?%")
_Command = TypeVar("_Command", bound=Callable[..., object])


class Budget(click.ParamType[int | str]):
    """A number, or a percentage; the API says which numbers are too large."""

    name = "budget"

    def __init__(self, *, may_be_none: bool) -> None:
        self._may_be_none = may_be_none

    def convert(
        self, value: int | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return a number, a text that ends in %, or NONE."""
        text = str(value).strip()
        if text == NONE and self._may_be_none:
            return NONE
        if not (text.isascii() and _FORM.fullmatch(text)):
            alternative = f", or {NONE}" if self._may_be_none else ""
            self.fail(f"{text!r} is not a number, or a percentage such as 0.5%{alternative}.", param, ctx)
        return text if text.endswith("%") else int(text)


def max_rejects_option(*, may_be_none: bool) -> Callable[[_Command], _Command]:
    """Return the option; ``may_be_none``: a job may be rid of its budget."""
    default = "Default: as before; none removes the limit." if may_be_none else "Default: no limit."
    return click.option(
        "--max-rejects",
        metavar="N|P%",
        type=Budget(may_be_none=may_be_none),
        help=f"Let the job fail if more records than N, or than P percent, are rejected. {default}",
    )
