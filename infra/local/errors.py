"""What can go wrong, said so that the reader knows what to do next."""

from pathlib import Path

TAIL_LINES = 15


class StackError(Exception):
    """A part of the stack failed.

    `part` names it, `reason` is one sentence, `log` (if there is one) holds the details.
    """

    def __init__(self, part: str, reason: str, log: Path | None = None) -> None:
        super().__init__(f"{part}: {reason}")
        self.part = part
        self.reason = reason
        self.log = log

    def report(self) -> str:
        """The whole story for a terminal: part, reason, the end of the log and where it is."""
        lines = [f"{self.part} failed: {self.reason}"]
        if self.log and (tail := tail_of(self.log)):
            lines += [f"  | {line}" for line in tail]
        if self.log:
            lines.append(f"  whole log: {self.log}")
        lines += getattr(self, "__notes__", ())
        return "\n".join(lines)


def tail_of(log: Path, lines: int = TAIL_LINES) -> list[str]:
    """The last lines of a log; none when there is no such file."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return []
    return text.rstrip().splitlines()[-lines:]
