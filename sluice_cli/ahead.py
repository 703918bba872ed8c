"""Make the next item of an iterator while the one before it is in use."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

_T = TypeVar("_T")
_NEXT, _STOP = True, False


@dataclass(frozen=True)
class _Made(Generic[_T]):
    item: _T


@dataclass(frozen=True)
class _NoMore:
    error: BaseException | None = None  # why there is no other item, unless this was the last one


def one_ahead(items: Iterator[_T]) -> Generator[_T]:
    """Yield the items. Each is made in a thread while the one before it is in use.

    Raises what making an item raises. An item that is not wanted any more is not waited for.
    """
    wishes, outcomes = SimpleQueue[bool](), SimpleQueue[_Made[_T] | _NoMore]()
    # A thread that waits for an answer cannot be woken; a daemon does not keep the program from ending.
    Thread(target=_make, args=(items, wishes, outcomes), daemon=True).start()
    try:
        wishes.put(_NEXT)
        while not isinstance(made := outcomes.get(), _NoMore):
            wishes.put(_NEXT)
            yield made.item
        if made.error is not None:
            raise made.error
    finally:
        wishes.put(_STOP)


def _make(items: Iterator[_T], wishes: SimpleQueue[bool], outcomes: SimpleQueue[_Made[_T] | _NoMore]) -> None:
    try:
        while wishes.get():
            outcomes.put(_Made(next(items)))
    except StopIteration:
        outcomes.put(_NoMore())
    except BaseException as error:  # noqa: BLE001 - one_ahead raises it
        outcomes.put(_NoMore(error))
