"""Figures and tables: medians with the smallest and the largest value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Table:
    """A table of figures. `about` explains them, in sentences."""

    title: str
    about: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Return the table for a terminal."""
        lines = [self.heads, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = ("  ".join(_aligned(line, widths)).rstrip() for line in lines)
        return "\n".join((self.title, *aligned))

    def markdown(self) -> str:
        """Return title, explanation and table for a page."""
        right = ["---", *("--:" for _ in self.heads[1:])]
        lines = (f"| {' | '.join(line)} |" for line in (self.heads, right, *self.rows))
        return "\n\n".join((f"### {self.title}", self.about, "\n".join(lines)))


@dataclass(frozen=True)
class Measurement:
    """The tables of one measurement, and the figures behind them: by name, one per round."""

    tables: Sequence[Table]
    figures: Mapping[str, Sequence[float]]


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Return the median, with the smallest and the largest of several values."""
    middle, smallest, largest = (
        f"{value:.{digits}f}" for value in (median(values), min(values), max(values))
    )
    return middle if len(values) == 1 else f"{middle} ({smallest} to {largest})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return the ratios round by round, because other load on the machine affects both of a round."""
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the 50th, 95th and 99th percentile."""
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
