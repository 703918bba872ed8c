"""What a step reports before, while and after it runs."""

import re
from collections.abc import Iterator
from threading import Event

import pytest

from infra.steps.progress import step


class Clock:
    """Ticks twice, then waits for the end of the step as the real one does."""

    def __init__(self) -> None:
        self.ticked = Event()

    def ticks(self, ended: Event) -> Iterator[None]:
        yield
        yield
        self.ticked.set()
        ended.wait()


def without_seconds(lines: list[str]) -> list[str]:
    return [re.sub(r" +\d+\.\d s$", "", line) for line in lines]


def test_a_slow_step_says_what_it_does_and_that_it_still_does_it() -> None:
    lines: list[str] = []
    clock = Clock()
    with step(lines.append, "redis", "installing Redis", "once: 20 MB", ticks=clock.ticks) as current:
        assert lines[0] == "  redis      installing Redis, once: 20 MB"
        clock.ticked.wait()
        current.result = "installed"
    still = "  redis      still installing Redis"
    assert without_seconds(lines[1:]) == [still, still, "  redis      installed"]
    assert all(line.endswith(" s") for line in lines[1:])


def test_a_fast_step_is_one_line() -> None:
    lines: list[str] = []
    with step(lines.append, "migrations", "applying") as current:
        current.result = "applied"
    assert without_seconds(lines) == ["  migrations applied"]


def test_a_step_with_an_empty_note_says_only_what_it_does() -> None:
    lines: list[str] = []
    with step(lines.append, "storage", "changing", note=""):
        assert lines == ["  storage    changing"]


def test_a_step_that_fails_reports_nothing_more() -> None:
    lines: list[str] = []
    clock = Clock()

    def fail() -> None:
        with step(lines.append, "app", "deploying", ticks=clock.ticks):
            clock.ticked.wait()
            raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        fail()
    assert without_seconds(lines) == ["  app        still deploying"] * 2
