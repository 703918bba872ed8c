"""Figures of a running process. Tests measure their own with it, so it imports the standard library only."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int | str) -> float:
    """Return the peak resident set of a process in MiB; ``pid`` may be `self`. Source: VmHWM in proc(5)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM in /proc: memory can be measured on Linux only")


def cpu_seconds(pid: int | str) -> float:
    """Return the CPU time of a running process; ``pid`` may be `self`. Source: proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
