"""Stop work on a claim between two of its pieces.

The code that runs the work says once, around it, how to ask whether it should go on: :func:`interruptible`.
The code that it calls, however deep, calls :func:`check` between two pieces of its work: of decompressed
text, of a scan, of a block. So does a connection to Postgres that waits for an answer. No function needs a
parameter for that. Another thread is interrupted only if it runs in a copy of the context.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

_Item = TypeVar("_Item")


class Interrupted(Exception):  # noqa: N818 - no error
    """The work stops here; another attempt continues it."""


_keep_going: ContextVar[Callable[[], bool] | None] = ContextVar("keep_going", default=None)


@contextmanager
def interruptible(keep_going: Callable[[], bool]) -> Iterator[None]:
    """Let :func:`check` ask ``keep_going`` within this context, in this thread."""
    token = _keep_going.set(keep_going)
    try:
        yield
    finally:
        _keep_going.reset(token)


def check() -> None:
    """Raise Interrupted if the work of this thread should stop. Takes less than a microsecond."""
    keep_going = _keep_going.get()
    if keep_going is not None and not keep_going():
        raise Interrupted


def asking(items: Iterable[_Item], every: int = 1000) -> Iterator[_Item]:
    """Yield the items. Raises Interrupted before the first, and after every so many, if work should stop."""
    for number, item in enumerate(items):
        if number % every == 0:
            check()
        yield item
