"""Tasks in several threads."""

from threading import Event

import pytest

from sluice_cli import errors
from sluice_cli.transfer import threads


def test_all_threads_end_when_one_fails() -> None:
    ended, failed = Event(), Event()

    def work(task: int, stop: threads.Stop) -> None:
        if task == 0:
            failed.wait(20)
            raise errors.ServiceError("broken")
        try:
            failed.set()
            stop.sleep(20)
        except threads.Stopped:
            ended.set()
            raise

    with pytest.raises(errors.ServiceError, match="broken"):
        threads.in_threads(range(9), work, threads=2)
    assert ended.wait(20)


def test_an_unexpected_error_in_a_thread_is_raised() -> None:
    def work(task: int, _: threads.Stop) -> None:
        raise ZeroDivisionError(task)

    with pytest.raises(ZeroDivisionError):
        threads.in_threads(iter([1]), work, threads=4)
    threads.in_threads([], work, threads=4)
