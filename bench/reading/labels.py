"""The label of a generated file: what it means, record by record, and what must be told about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class LeftOut(StrEnum):
    """Whether a line of a file may be missing from the rows."""

    NO = "no"
    REJECTED = "rejected"  # only as a reject
    ANYHOW = "anyhow"  # as a reject, or passed over


@dataclass(frozen=True, slots=True)
class Fate:
    """What may become of one line or record of a file."""

    rows: tuple[str, ...] = ()  # canonical records, each of which is right
    told: tuple[tuple[str, str], ...] = ()  # (code, canonical record): right where the code is told
    left_out: LeftOut = LeftOut.NO


@dataclass(frozen=True)
class Label:
    """One right reading of a file.

    ``must`` are the codes of the warnings that this reading needs; `a|b` stands for either of two. Without
    those in ``vital``, records would be missing or misnamed in silence, so that the reading is wrong.
    """

    columns: tuple[str, ...]
    fates: Sequence[Fate]
    must: frozenset[str] = frozenset()
    vital: frozenset[str] = frozenset()
    failures: frozenset[str] = frozenset()  # codes with which the job may fail as well

    @property
    def codes(self) -> frozenset[str]:
        """Return the codes of all warnings that speak of what is wrong with the file."""
        return self.must | self.vital | {code for fate in self.fates for code, _ in fate.told}


@dataclass(frozen=True)
class LabelledFile:
    """A file and its right readings, of which there is mostly one."""

    number: int  # among the files of the seed
    seed: int
    kind: str
    about: str  # dialect and size, for people
    data: bytes
    labels: Sequence[Label]
    plain: bool  # undamaged: a reader has nothing to tell

    @property
    def name(self) -> str:
        """Return a name by which the file can be generated again."""
        return f"{self.kind}-{self.seed}-{self.number}"
