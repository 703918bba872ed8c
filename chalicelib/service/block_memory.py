"""Keep the blocks that a worker holds within its memory."""

import threading
from dataclasses import dataclass, field

from chalicelib import interruption
from chalicelib.core.memory_budget import FACTOR

_PATIENCE = 0.5  # seconds between two looks at whether the work goes on


@dataclass
class BlockMemory:
    """The memory for the blocks of all jobs of a worker, ``most`` bytes.

    Memory is held for a block from before it is prepared, as much as that may take; then, until it is
    written, as much as the prepared block has. A prepared block is written without waiting here again, so the
    wait of others ends. If no memory is held, any block fits.
    """

    most: int
    _held: int = field(default=0, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False, repr=False)

    @property
    def held(self) -> int:
        """The bytes that are held."""
        return self._held

    def hold(self, text: int) -> "Hold":
        """Wait until a block of ``text`` bytes may be prepared, and hold what it may take.

        Raises Interrupted if the work should stop meanwhile.
        """
        size = text * FACTOR
        with self._changed:
            while self._held and self._held + size > self.most:
                if not self._changed.wait(_PATIENCE):
                    interruption.check()
            self._held += size
        return Hold(self, size)

    def resize(self, hold: "Hold", size: int) -> None:
        """Hold ``size`` bytes for a block from now on, without waiting."""
        with self._changed:
            self._held += size - hold.size
            hold.size = size
            self._changed.notify_all()


@dataclass
class Hold:
    """Memory that is held for a block."""

    memory: BlockMemory
    size: int

    def resize(self, size: int) -> None:
        """Hold ``size`` bytes from now on."""
        self.memory.resize(self, size)

    def release(self) -> None:
        """Hold nothing any more. May be called again."""
        self.resize(0)
