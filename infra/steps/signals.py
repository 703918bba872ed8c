"""What a signal does to a command."""

import signal
from types import FrameType


def end_on_sigterm() -> None:
    """Let SIGTERM end this process as Ctrl-C does: it ends the commands that it runs for itself, too.

    Services that it has started continue, and are found by the next command.
    """
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
