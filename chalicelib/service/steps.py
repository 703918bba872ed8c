"""Carry out long work in short steps, in a sweep: for a while, then the next sweep goes on."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from chalicelib.core.errors import RetryLater

_SECONDS = 20.0  # that a sweep takes for it, and for one more step

Item = TypeVar("Item")


def take_steps(
    items: Iterable[Item],
    steps: Callable[[Item], Iterator[None]],
    finish: Callable[[Item], bool],
    clock: Callable[[], float],
) -> int:
    """Take the steps of each item until time is up; count the items that ``finish`` calls finished.

    One that cannot go on does not stop the others. Raises its RetryLater after them; the next call goes on.
    """
    deadline = clock() + _SECONDS
    finished, error = 0, None
    for item in items:
        if clock() >= deadline:
            break
        try:
            if all(clock() < deadline for _ in steps(item)):
                finished += finish(item)
        except RetryLater as its_error:
            error = its_error
    if error is not None:
        raise error
    return finished
