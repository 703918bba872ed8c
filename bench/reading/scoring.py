"""Compare what a reader made of a file with the file's label."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bench.reading.labels import Fate, Label, LabelledFile, LeftOut

UNREADABLE = "unreadable"  # the failure of another reader, whatever its reason
CRASH = "internal-error"  # a failure that is a bug: it counts as wrong
_REFUSED = ("dialect-unclear", UNREADABLE)


class Outcome(StrEnum):
    """How well a file was read; the best comes first."""

    RIGHT = "right"
    REPORTED = "reported"  # not as meant, and a warning, a reject or the failure says so
    REFUSED = "refused"  # not loaded: the reader was not sure, or could not read it
    WRONG = "wrong"  # not as meant, and nothing says so


@dataclass(frozen=True)
class Reading:
    """What a reader made of a file."""

    rows: frozenset[str]  # canonical records
    accepted: int  # records that became one of them
    rejects: Sequence[str] = ()  # a code for each
    messages: Sequence[str] = ()  # of the rejects
    warnings: frozenset[str] = frozenset()  # codes
    failure: str | None = None  # a code
    columns: tuple[str, ...] = ()
    dialect: str = ""  # for people
    habits: frozenset[str] = (
        frozenset()
    )  # codes of what the reader does with any file, and says in its manual


@dataclass(frozen=True)
class Verdict:
    """How well a file was read, and what is not as meant."""

    outcome: Outcome
    reasons: Sequence[str] = field(default_factory=list)
    noise: Collection[str] = ()  # warnings on a plain file
    untold: Collection[str] = ()  # warnings that the reading needs and that are missing

    @property
    def is_faultless(self) -> bool:
        """Return whether the file was read as meant, and what must be told was told, and no more."""
        return self.outcome is Outcome.RIGHT and not self.noise and not self.untold


def judge(file: LabelledFile, reading: Reading) -> Verdict:
    """Return how well a file was read: by that of its labels that fits best."""
    if reading.failure is not None:
        return _judge_failure(file, reading.failure)
    verdicts = [_judge(label, reading) for label in file.labels]
    best = min(verdicts, key=lambda verdict: (list(Outcome).index(verdict.outcome), len(verdict.reasons)))
    noise = sorted(reading.warnings) if file.plain else ()
    return Verdict(best.outcome, best.reasons, noise, best.untold)


def _judge_failure(file: LabelledFile, failure: str) -> Verdict:
    if failure == CRASH:
        return Verdict(Outcome.WRONG, [f"failed: {failure}"])
    if any(failure in label.failures for label in file.labels):
        return Verdict(Outcome.RIGHT)
    is_expected = failure == "nothing-loaded" and not any(_is_required(label) for label in file.labels)
    if is_expected:
        return Verdict(Outcome.RIGHT)
    outcome = Outcome.REFUSED if failure in _REFUSED or file.plain else Outcome.REPORTED
    return Verdict(outcome, [f"failed: {failure}"])


def _is_required(label: Label) -> bool:
    """Return whether a record of the file must be stored."""
    return any(fate.left_out is LeftOut.NO for fate in label.fates)


def is_told(code: str, warnings: Collection[str]) -> bool:
    """Return whether a warning is among those told. A code `a|b` stands for either."""
    return any(one in warnings for one in code.split("|"))


def _judge(label: Label, reading: Reading) -> Verdict:
    said = {*reading.warnings, *reading.rejects}
    untold = sorted(code for code in label.must if not is_told(code, said))
    silent = [f"not told: {code}" for code in sorted(label.vital) if not is_told(code, said)]
    unaccounted, lost = _compare(label, reading)
    silent += unaccounted
    if not silent and not lost:
        return Verdict(Outcome.RIGHT, untold=untold)
    is_warned = any(is_told(code, reading.warnings) for code in label.codes)
    outcome = Outcome.WRONG if silent and not is_warned else Outcome.REPORTED
    return Verdict(outcome, [*silent, *lost], untold=untold)


def _compare(label: Label, reading: Reading) -> tuple[list[str], list[str]]:
    """Return what is not as meant: what no reject accounts for, and what is rejected without need."""
    silent: list[str] = []
    choices = [_choices(fate, reading.warnings | reading.habits) for fate in label.fates]
    meant = {row for rows in choices for row in rows}
    others = sorted(reading.rows - meant)
    if others:
        silent.append(f"{len(others)} rows that are not in the file, such as {others[0]}")
    is_stored = [any(row in reading.rows for row in rows) for rows in choices]
    missing = [fate for fate, stored in zip(label.fates, is_stored, strict=True) if not stored]
    required = [fate for fate in missing if fate.left_out is LeftOut.NO]
    optional = len([fate for fate in missing if fate.left_out is LeftOut.ANYHOW])
    unaccounted = len(missing) - optional - len(reading.rejects)
    least = len([fate for fate in label.fates if fate.left_out is LeftOut.NO]) - len(required)
    if unaccounted > 0:
        silent.append(f"{unaccounted} records are neither stored nor rejected{_example(required)}")
    if not others and not least <= reading.accepted <= sum(is_stored):
        silent.append(f"{reading.accepted} records accepted, {least} to {sum(is_stored)} meant")
    if not label.fates and reading.columns and reading.columns != label.columns:
        silent.append(f"columns {reading.columns}, {label.columns} meant")
    lost: list[str] = []
    if len(reading.rejects) > len(missing) - len(required):
        lost.append(
            f"{len(reading.rejects)} rejects ({', '.join(sorted(set(reading.rejects)))}), "
            f"{len(missing) - len(required)} meant{_example(required)}"
        )
    return silent, lost


def _choices(fate: Fate, warnings: Collection[str]) -> list[str]:
    """Return the rows as which a record may be stored, given what was told."""
    return [*fate.rows, *(row for code, row in fate.told if is_told(code, warnings))]


def _example(fates: Sequence[Fate]) -> str:
    return f", such as {fates[0].rows[0]}" if fates and fates[0].rows else ""
