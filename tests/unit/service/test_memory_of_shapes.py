"""The peak memory of a process that ingests files of odd shapes stays within the default budget."""

import os
import subprocess
import sys

import pytest

from chalicelib import settings
from tests.support.peak import LARGE_PAGES, SHAPES


def peak(shape: str, **variables: str) -> float:
    """Return the peak of a fresh process, in MiB."""
    command = [sys.executable, "-m", "tests.support.peak", shape]
    env = os.environ | variables
    told = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    return float(told.stdout)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_worker_stays_within_its_budget(shape: str) -> None:
    assert peak(shape, **LARGE_PAGES) < settings.load({}).memory_budget / (1 << 20)
