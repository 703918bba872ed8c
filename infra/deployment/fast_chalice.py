"""The `chalice` command with botocore's Lambda waiters, which look every 5 s, looking every 0.1 s.

Run by path with `python -P`, in the staged application's folder.
"""

import sys

import botocore.waiter
from chalice.cli import main

EMULATOR_DELAY = 0.1
_original = botocore.waiter.WaiterModel.get_waiter


def get_waiter(self: botocore.waiter.WaiterModel, waiter_name: str) -> botocore.waiter.SingleWaiterConfig:
    """Return a waiter's configuration that looks often, as suits an emulator here, and as long as before."""
    config = _original(self, waiter_name)
    config.max_attempts = round(config.max_attempts * config.delay / EMULATOR_DELAY)
    config.delay = EMULATOR_DELAY  # type: ignore[assignment]
    return config


if __name__ == "__main__":
    botocore.waiter.WaiterModel.get_waiter = get_waiter  # type: ignore[method-assign]
    sys.exit(main())
