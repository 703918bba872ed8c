"""What the parts of a worker may take of its memory, of `SLUICE_MEMORY_BUDGET`.

`docs/explanation/how-it-runs.md` shows the sum, and what files of many shapes take.
"""

from dataclasses import dataclass

PROCESS = 128 << 20  # bytes: the process with its libraries, connections and what the allocators cannot reuse
# Shares of the memory beside PROCESS. That of decoders of compressed files is left for their windows, which
# have a limit of their own.
_READING, _DECOMPRESSION = 0.12, 0.3
_REQUESTS = 3  # to the store whose bytes a job holds
# Bytes that a block takes while it is prepared, for each byte of its text, whatever its shape.
FACTOR = 24
_SMALLEST = 1 << 16  # bytes of a block


@dataclass(frozen=True)
class MemoryBudget:
    """The memory that a worker may take, in bytes; ``jobs``: how many it works on at once."""

    total: int
    jobs: int = 1

    @property
    def read_size(self) -> int:
        """The most bytes of one request to the store."""
        return max(_SMALLEST, int(self._spare * _READING) // _REQUESTS // self.jobs)

    @property
    def blocks(self) -> int:
        """What blocks may take, of all jobs together: while they are prepared, and until they are written."""
        return int(self._spare * (1 - _READING - _DECOMPRESSION))

    @property
    def block_size(self) -> int:
        """The most bytes of text that a block may have, so that it can be prepared within :attr:`blocks`."""
        return max(_SMALLEST, self.blocks // FACTOR)

    @property
    def _spare(self) -> int:
        return max(0, self.total - PROCESS)
