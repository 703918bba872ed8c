"""What a process remembers, and for how long."""

import pytest

from chalicelib.service.known import Known


def test_a_value_is_looked_up_again_after_a_while() -> None:
    now, stored, asked = [0.0], {"a": 1}, []
    known: Known[str, int] = Known(10, lambda: now[0])

    def look_up(key: str) -> int | None:
        asked.append(key)
        return stored.get(key)

    assert [known.get("a", look_up), known.get("a", look_up)] == [1, 1]
    stored["a"] = 2
    now[0] = 9.9
    assert known.get("a", look_up) == 1
    now[0] = 10.0
    assert known.get("a", look_up) == 2
    assert len(asked) == 2


@pytest.mark.parametrize(("clock", "wall_clock"), [(1.0, 10.0), (10.0, -3600.0)])
def test_a_clock_that_stops_or_is_set_back_keeps_no_value(clock: float, wall_clock: float) -> None:
    """A revoked key does not work longer because the process was frozen."""
    now, stored = [0.0, 0.0], {"a": 1}
    known: Known[str, int] = Known(10, lambda: now[0], lambda: now[1])
    assert known.get("a", stored.get) == 1
    del stored["a"]
    now[:] = [9.9, 9.9]
    assert known.get("a", stored.get) == 1
    now[:] = [clock, wall_clock]
    assert known.get("a", stored.get) is None


def test_what_does_not_exist_is_looked_up_each_time() -> None:
    stored: dict[str, int] = {}
    known: Known[str, int] = Known()
    assert known.get("a", stored.get) is None
    stored["a"] = 1
    assert known.get("a", stored.get) == 1


def test_as_many_values_as_there_may_be_are_remembered() -> None:
    asked: list[int] = []
    known: Known[int, int] = Known()
    for key in range(25_000):
        known.get(key, lambda it: asked.append(it) or it)  # type: ignore[func-returns-value]
    assert len(known._values) <= 10_000
    assert asked == list(range(25_000))
