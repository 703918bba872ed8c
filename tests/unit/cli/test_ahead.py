"""Items that are made ahead of their use."""

import threading
from collections.abc import Iterator

import pytest

from sluice_cli.ahead import one_ahead
from tests.support.waiting import wait_for


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_all_items_come_in_order(count: int) -> None:
    assert list(one_ahead(iter(range(count)))) == list(range(count))


def test_one_item_is_made_ahead_and_no_more() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(9):
            made.append(number)
            yield number

    items = one_ahead(numbers())

    assert next(items) == 0
    wait_for(lambda: made == [0, 1])
    assert next(items) == 1
    wait_for(lambda: made == [0, 1, 2])


def test_an_error_comes_behind_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise KeyError("gone")

    items = one_ahead(failing())

    assert next(items) == 1
    with pytest.raises(KeyError, match="gone"):
        next(items)


def test_the_thread_ends_with_its_reader() -> None:
    before = threading.active_count()
    items = one_ahead(iter(range(9)))
    next(items)

    items.close()

    wait_for(lambda: threading.active_count() == before)
