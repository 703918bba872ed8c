"""Blocks wait until there is memory for them, and no longer."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.memory_budget import FACTOR, PROCESS, MemoryBudget
from chalicelib.interruption import Interrupted, interruptible
from chalicelib.service.block_memory import BlockMemory


@given(st.integers(160, 1 << 20), st.integers(1, 64), st.integers(1, 4))
def test_the_parts_of_a_budget_are_within_it(mib: int, jobs: int, others: int) -> None:
    budget = MemoryBudget(mib << 20, jobs)
    reads = 3 * jobs * budget.read_size
    assert PROCESS + budget.blocks + reads <= (mib << 20) + jobs * 3 * (1 << 16)
    assert budget.block_size * FACTOR <= budget.blocks
    assert MemoryBudget((mib + others) << 20, jobs).block_size >= budget.block_size


def test_default_blocks_fit_into_the_default_budget() -> None:
    assert MemoryBudget(350 << 20).block_size >= 4 << 20
    assert MemoryBudget(350 << 20).read_size >= 8 << 20


def test_a_block_waits_for_the_memory_of_others() -> None:
    memory = BlockMemory(100 * FACTOR)
    first = memory.hold(60)
    with interruptible(lambda: False), pytest.raises(Interrupted):
        memory.hold(60)
    first.resize(40 * FACTOR)  # it is prepared
    second = memory.hold(60)
    assert memory.held == 100 * FACTOR
    for hold in (first, second, second):  # a second release changes nothing
        hold.release()
    assert memory.held == 0


def test_a_block_that_is_larger_than_the_memory_goes_alone() -> None:
    memory = BlockMemory(10)
    hold = memory.hold(100)
    with interruptible(lambda: False), pytest.raises(Interrupted):
        memory.hold(1)
    hold.release()
    memory.hold(1).release()


def test_a_waiting_block_goes_on_when_another_is_written() -> None:
    memory = BlockMemory(FACTOR)
    first = memory.hold(1)
    waiting = threading.Thread(target=lambda: memory.hold(1).release())
    waiting.start()
    first.release()
    waiting.join(60)
    assert not waiting.is_alive()
    assert memory.held == 0
