"""Trying again what may succeed in a moment."""

from collections.abc import Callable
from typing import TypeVar

from sluice_cli.errors import CliError
from sluice_cli.text import duration

ATTEMPTS = 4
FIRST_WAIT = 0.5  # seconds, doubled each time
_LONGEST_WAIT = 10.0  # seconds, whatever the server asks for

_T = TypeVar("_T")


def retried(
    attempt: Callable[[], _T], again: str, note: Callable[[str], None], sleep: Callable[[float], None]
) -> _T:
    """What ``attempt`` gives; while it raises a transient CliError it is called again, ATTEMPTS times in all.

    Before each wait ``note`` is told what happened and ``again``, what is done about it. Raises what the last
    attempt raises, and at once what is not transient.
    """
    wait = FIRST_WAIT
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except CliError as error:
            if not error.transient:
                raise
            pause = max(wait, min(error.retry_after or 0, _LONGEST_WAIT))
            note(f"{error.message.rstrip('.')}. {again} in {duration(pause)}.")
        sleep(pause)
        wait *= 2
    return attempt()
