"""Hostile files end with a code, and cost memory and time in proportion to their size."""

import json
import os
import random
import subprocess
import sys
from typing import Any

from chalicelib import settings
from tests.support.costs import ORDINARY
from tests.support.hostile_files import SHAPES
from tests.support.peak import LARGE_PAGES

MANY = os.environ.get("SLUICE_EXAMPLES") == "many"
# A file costs at most so many times the processor time of an ordinary one of its size.
FACTOR = 100


def test_hostile_files_cost_in_proportion_to_their_size() -> None:
    seed = random.randrange(1 << 32) if MANY else 1
    found = costs(seed, (1 << 20) if MANY else (1 << 17))
    usual = next(it for it in found if it["name"] == ORDINARY)
    budget = settings.load({}).memory_budget / (1 << 20)

    assert len(found) == 1 + len(SHAPES)
    for it in found:
        assert it["status"] == "COMPLETED" or it["code"], (seed, it)
        assert it["code"] != "internal-error", (seed, it)
        assert it["peak"] < budget, (seed, it)
        assert it["cpu"] < FACTOR * usual["cpu"], (seed, it, usual)


def costs(seed: int, size: int) -> list[dict[str, Any]]:
    """Return what each file costs a fresh process."""
    command = [sys.executable, "-m", "tests.support.costs", str(seed), str(size)]
    told = subprocess.run(
        command, env=os.environ | LARGE_PAGES, check=True, stdout=subprocess.PIPE, text=True
    )
    return [json.loads(line) for line in told.stdout.splitlines() if line.startswith('{"name"')]
