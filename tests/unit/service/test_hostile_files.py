"""Hostile files end with a code, and cost memory and time in proportion to their size."""

import os
import random

from tests.support import costs
from tests.support.costs import BUDGET, ORDINARY
from tests.support.hostile_files import SHAPES

MANY = os.environ.get("SLUICE_EXAMPLES") == "many"
# A file costs at most so many times the processor time of an ordinary one of its size.
FACTOR = 100


def test_hostile_files_cost_in_proportion_to_their_size() -> None:
    seed = random.randrange(1 << 32) if MANY else 1
    found = costs.told("hostile", seed, (1 << 20) if MANY else (1 << 17))
    usual = next(it for it in found if it.name == ORDINARY)

    assert len(found) == 1 + len(SHAPES)
    for it in found:
        assert it.status == "COMPLETED" or it.code, (seed, it)
        assert it.code != "internal-error", (seed, it)
        assert it.peak < BUDGET, (seed, it)
        assert it.cpu < FACTOR * usual.cpu, (seed, it, usual)
