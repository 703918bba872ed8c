"""What a file of each kind costs a worker, in the size of `docs/costs.md`."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.processes import cpu_seconds, peak_mib
from tests.support.costs import BUDGET, LARGE_PAGES
from tests.support.faults.files import File
from tests.support.faults.scenario import LONG, Scenario
from tests.support.kinds import KINDS, SLACK_BYTES, SLACK_SECONDS, Kind, people
