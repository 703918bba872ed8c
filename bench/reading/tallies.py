"""Count how files of each kind were read."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.reading.kinds import KINDS
from bench.reading.scoring import Outcome, Verdict

ALL = "all"


@dataclass
class Tallies:
    """How often a reader's readings of each kind of files were right, told, refused, wrong, noisy, untold."""

    kinds: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, kind: str, verdict: Verdict) -> None:
        """Count a verdict."""
        marks = ["files", str(verdict.outcome)]
        marks += ["noise"] if verdict.noise else []
        marks += ["untold"] if verdict.untold and verdict.outcome is Outcome.RIGHT else []
        self.kinds.setdefault(kind, Counter()).update(marks)

    def rows(self) -> Mapping[str, Counter[str]]:
        """Return the counts of each kind, in the order of the kinds, and those of all."""
        found = {kind: self.kinds[kind] for kind in KINDS if kind in self.kinds}
        return {**found, ALL: self.total}

    @property
    def total(self) -> Counter[str]:
        """Return the counts of all files."""
        return sum(self.kinds.values(), Counter())

    def share(self, mark: str, kind: str = ALL) -> float:
        """Return the share of files with that mark, in per cent."""
        counter = self.rows()[kind]
        return 100 * counter[mark] / max(counter["files"], 1)

    def text(self) -> str:
        """Return the table for a terminal."""
        heads = ["files", *(str(outcome) for outcome in Outcome), "noise", "untold"]
        lines = [f"{'':36}" + "".join(f"{head:>9}" for head in heads)]
        for kind, counter in self.rows().items():
            lines.append(f"{kind:36}" + "".join(f"{counter[head] or '':>9}" for head in heads))
        shares = ", ".join(f"{head} {self.share(head):.1f} %" for head in heads[1:])
        return "\n".join([*lines, shares])
