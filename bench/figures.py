"""What is measured, and how it is shown: medians with their ranges, in tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Table:
    """Figures as they are shown. `about` says what they mean, in sentences."""

    title: str
    about: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """For a terminal."""
        lines = [self.heads, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = ("  ".join(_aligned(line, widths)).rstrip() for line in lines)
        return "\n".join((self.title, *aligned))

    def markdown(self) -> str:
        """For a page: title, sentences, table."""
        right = ["---", *("--:" for _ in self.heads[1:])]
        lines = (f"| {' | '.join(line)} |" for line in (self.heads, right, *self.rows))
        return "\n\n".join((f"### {self.title}", self.about, "\n".join(lines)))


@dataclass(frozen=True)
class Measured:
    """What a part of the benchmark found: its tables, and each figure of each round behind them."""

    tables: Sequence[Table]
    figures: Mapping[str, Sequence[float]]


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median, and the least and the greatest if there are more values than one."""
    middle, least, most = (f"{it:.{digits}f}" for it in (median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({least} to {most})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Round by round: what else the machine did concerns both of a round alike."""
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The 50th, 95th and 99th."""
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
