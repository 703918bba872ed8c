"""Says how many examples a property is tried on: enough for every run, or as many as `make fuzz` wants."""

import os

_SHARE = 3


def many(count: int) -> int:
    """Return ``count`` where SLUICE_EXAMPLES is `many`, else a third of it."""
    return count if os.environ.get("SLUICE_EXAMPLES") == "many" else -(-count // _SHARE)
