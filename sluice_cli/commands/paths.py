"""Files on the command line: `-` is a standard stream, and `./-` the file of that name."""

from os import PathLike
from pathlib import Path

import click

from sluice_cli.transfer.local_file import STDIN


def file_path(name: str) -> Path:
    """Return the path of a file, never the one that stands for a standard stream: `./-` becomes absolute."""
    path = Path(name)
    return path.absolute() if path == STDIN else path


class FileOrStream(click.Path):
    """A path of a file; `-` is a standard stream."""

    def __init__(self) -> None:
        super().__init__(allow_dash=True)

    def convert(
        self, value: str | PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return the path. `Path("./-")` is equal to `Path("-")`, so the argument itself is compared."""
        name = str(super().convert(value, param, ctx))
        return STDIN if name == str(STDIN) else file_path(name)
