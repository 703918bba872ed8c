"""What a file of each kind costs, in a small size: see `docs/reference/costs.md`."""

from collections.abc import Mapping

import pytest

from tests.support import costs
from tests.support.costs import BUDGET, Cost
from tests.support.kinds import KINDS, SLACK_BYTES, SLACK_SECONDS, Kind

# Four times the bytes take so many times the time at most; if it grew with their square, they would take 16.
LINEAR = 8
_NOISE = 0.1  # seconds of CPU


@pytest.fixture(scope="module")
def told() -> Mapping[str, list[Cost]]:
    """What each kind costs, in a quarter of its small size and in that; all in one process."""
    found: dict[str, list[Cost]] = {}
    for it in costs.told("kinds"):
        found.setdefault(it.name, []).append(it)
    assert list(found) == [kind.name for kind in KINDS]
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_file_costs_what_the_page_says_at_most(kind: Kind, told: Mapping[str, list[Cost]]) -> None:
    yardstick = told[KINDS[0].name][1]
    quarter, small = told[kind.name]
    usual = yardstick.cpu / yardstick.size * max(small.size, kind.small)

    assert small.code in (None, kind.code)  # some fail in their full size only
    assert small.peak < BUDGET
    assert small.given <= kind.stored * small.size + SLACK_BYTES
    assert small.cpu <= kind.cpu * usual + SLACK_SECONDS
    assert small.cpu <= LINEAR * quarter.cpu + _NOISE
