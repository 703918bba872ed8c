"""The budget for rejects: how many of a job's records may be rejected before the job fails.

All comparisons are exact: shares are integers, in millionths.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.model import Tally

_WHOLE = 1_000_000  # millionths
_PER_CENT = _WHOLE // 100  # likewise
_DECIMALS = 4  # of a percentage: one millionth is 0.0001%
_SAMPLE = 1000  # records: a share of fewer says little before the end
PERCENTAGE_PATTERN = rf"\A(?:100(?:\.0{{1,{_DECIMALS}}})?|[0-9]{{1,2}}(?:\.[0-9]{{1,{_DECIMALS}}})?)%\Z"


MAX_REJECTS = 1_000_000  # that are stored for a job, unless the operator says otherwise


class OnFailure(StrEnum):
    """What becomes of the rows of a job that fails."""

    KEEP = "keep"
    UNDO = "undo"


class BeyondLimit(StrEnum):
    """What becomes of a job with more rejects than the operator has stored for one."""

    FAIL = "fail"
    COUNT = "count"  # the others are counted, and not stored


@dataclass(frozen=True)
class Budget:
    """The most rejects that a job may have: a number, or a share of the records read."""

    limit: int  # records; of a share, millionths
    is_share: bool = False

    @classmethod
    def parse(cls, value: int | str) -> "Budget":
        """Return the budget that a client declares: a number, or a percentage as text, such as ``"0.5%"``.

        Raises ValueError for a text of another form.
        """
        if isinstance(value, int):
            return cls(value)
        if not re.fullmatch(PERCENTAGE_PATTERN, value):
            raise ValueError(f"{value!r} is not a percentage from 0% to 100%")
        whole, _, decimals = value.removesuffix("%").partition(".")
        return cls(int(whole) * _PER_CENT + int(decimals.ljust(_DECIMALS, "0")), is_share=True)

    @property
    def declaration(self) -> int | str:
        """Return the number or the percentage, as a client would declare it."""
        if not self.is_share:
            return self.limit
        whole, decimals = divmod(self.limit, _PER_CENT)
        return f"{whole}.{decimals:0{_DECIMALS}}".rstrip("0").rstrip(".") + "%"

    def is_exceeded(self, tally: Tally, *, at_end: bool = False) -> bool:
        """Return whether a job with that tally has too many rejects.

        A share is compared from 1,000 records on; ``at_end``, when the whole file has been read, always.
        """
        if not self.is_share:
            return tally.rejected > self.limit
        return (at_end or tally.records >= _SAMPLE) and tally.rejected * _WHOLE > self.limit * tally.records
