"""Format numbers, sizes and times for people."""

from datetime import UTC, datetime

from rich.filesize import decimal

_MINUTE, _HOUR = 60, 3600  # seconds
_TENTHS_BELOW = 10  # seconds


def shortened(text: str, limit: int) -> str:
    """Return ``text``, its middle replaced by an ellipsis if it has more than ``limit`` characters."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"


def number(value: float) -> str:
    """Format a count: 4021.3 → 4,021."""
    return f"{value:,.0f}"


def size(count: float) -> str:
    """Format a number of bytes: 21500000 → 21.5 MB."""
    return decimal(int(count))


def duration(seconds: float) -> str:
    """Format a duration: 4.21 → 4.2 s, 125 → 2 min 5 s, 7500 → 2 h 5 min."""
    if seconds < _TENTHS_BELOW:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def age(moment: datetime, now: datetime) -> str:
    """Format the time from ``moment`` to ``now`` in one unit: 45s, 3m, 5h, 12d."""
    seconds = max(int((now - moment).total_seconds()), 0)
    for unit, length in (("d", 24 * _HOUR), ("h", _HOUR), ("m", _MINUTE)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def instant(moment: datetime) -> str:
    """Format a moment in UTC: 2025-11-23 14:21:07Z."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
