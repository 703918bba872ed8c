"""Retry with backoff."""

from collections.abc import Callable
from typing import TypeVar

from sluice_cli.errors import CliError
from sluice_cli.formatting import duration

ATTEMPTS = 4
FIRST_PAUSE = 0.5  # seconds, doubled each time
_MAX_RETRY_AFTER = 10.0  # seconds, whatever the server asks for

_T = TypeVar("_T")


# The service uses tenacity for this. The client needs click, httpx and rich only: tenacity would be one more
# package to install and to import, for a loop of a dozen lines.
def retry_with_backoff(
    attempt: Callable[[], _T], action: str, note: Callable[[str], None], sleep: Callable[[float], None]
) -> _T:
    """Return what ``attempt`` returns, calling it up to ATTEMPTS times while it raises a transient CliError.

    Before each pause ``note`` gets a sentence with the error and with ``action``, such as "Trying again". The
    last error is raised, and so is, at once, an error that is not transient.
    """
    backoff = FIRST_PAUSE
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except CliError as error:
            if not error.transient:
                raise
            pause = max(backoff, min(error.retry_after or 0, _MAX_RETRY_AFTER))
            note(f"{error.message.rstrip('.')}. {action} in {duration(pause)}.")
        sleep(pause)
        backoff *= 2
    return attempt()
