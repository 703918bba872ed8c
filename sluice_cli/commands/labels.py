"""The option for labels, ``NAME=TEXT``, which are stored with a job."""

from collections.abc import Callable
from typing import TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., object])


class Label(click.ParamType[tuple[str, str]]):
    """A name and a text, with ``=`` between them."""

    name = "label"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return the name and the text. The text may be empty, and may contain ``=``."""
        name, equals, text = str(value).partition("=")
        if not (name and equals):
            self.fail(f"{value!r} is not a label such as customer=4711.", param, ctx)
        return name, text


def labels_option(name: str, help_text: str) -> Callable[[_Command], _Command]:
    """Return the option ``name``, which may be repeated; the command gets ``labels``, a dict."""
    return click.option(
        name,
        "labels",
        type=Label(),
        multiple=True,
        metavar="NAME=TEXT",
        callback=_once_each,
        help=f"{help_text} May be repeated.",
    )


def _once_each(
    ctx: click.Context, param: click.Parameter, pairs: tuple[tuple[str, str], ...]
) -> dict[str, str]:
    labels = dict(pairs)
    if len(labels) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise click.BadParameter(f"{twice!r} is given more than once.", ctx, param)
    return labels
