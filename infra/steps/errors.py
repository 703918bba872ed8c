"""Failures that tell the user what to do next."""

import sys
from collections.abc import Callable
from pathlib import Path

TAIL_LINES = 15


class StepError(Exception):
    """A step failed.

    `step` names it, `reason` is one sentence, `log` (if there is one) holds the details.
    """

    def __init__(self, step: str, reason: str, log: Path | None = None) -> None:
        super().__init__(f"{step}: {reason}")
        self.step = step
        self.reason = reason
        self.log = log

    def report(self) -> str:
        """Return the text for a terminal: step, reason, the end of the log and its path."""
        lines = [f"{self.step} failed: {self.reason}"]
        if self.log and (tail := tail_of(self.log)):
            lines += [f"  | {line}" for line in tail]
        if self.log:
            lines.append(f"  whole log: {self.log}")
        lines += getattr(self, "__notes__", ())
        return "\n".join(lines)


def tail_of(log: Path, lines: int = TAIL_LINES) -> list[str]:
    """Return the last lines of a log, or none if the file does not exist."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return []
    return text.rstrip().splitlines()[-lines:]


def exit_status(action: Callable[[], None], *expected: type[Exception]) -> int:
    """Run `action`. Return 0, or 1 after saying on standard error why it failed, or 130 if it is interrupted.

    A `StepError` and the `expected` errors are failures; any other error is a bug and passes through.
    """
    try:
        action()
    except StepError as error:
        sys.stderr.write(f"{error.report()}\n")
    except expected as error:
        sys.stderr.write(f"\n{error}\n")
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted. The same command continues.\n")
        return 130
    else:
        return 0
    return 1
