"""Say for each option of a reading on what ground it stands."""

from collections.abc import Sequence

from chalicelib.core.model import Dialect, Options
from chalicelib.core.options import declared
from chalicelib.core.preview import RunnerUp, Sureness
from chalicelib.core.warnings import KINDS, FileWarning

_CLOSE = 0.6  # of the best score: few right readings have such a runner-up; from 0.92 on, detection refuses
_WEIGHED = ("delimiter", "quote", "escape", "skip_lines")  # together, by evidence
_FOUND = (*_WEIGHED, "skip_initial_space")  # in the file
_OF_TABLES = (
    *(*_FOUND, "encoding", "header", "skip_after_header", "comment", "short_rows", "extra_cells"),
    *("decimal", "date_order", "missing_values"),
)
_OF_OTHERS = ("encoding", "records")


def sureness(
    options: Options, dialect: Dialect, warnings: Sequence[FileWarning], runner_up: RunnerUp | None
) -> dict[str, Sureness]:
    """Return on what ground each option stands that applies to the dialect's format.

    ``warnings``: those of the detection.
    """
    doubted = {KINDS[warning.code].option for warning in warnings}
    is_close = runner_up is not None and runner_up.score >= _CLOSE

    def ground(name: str) -> Sureness:
        if name in names:
            return Sureness.DECLARED
        if name in doubted:
            return Sureness.ASSUMED
        if name == "encoding":
            return Sureness.CLEAR if dialect.bom else Sureness.DEFAULT
        if name not in _FOUND:
            return Sureness.DEFAULT
        return Sureness.CLOSE if is_close and name in _WEIGHED else Sureness.CLEAR

    names = declared(options)
    options_of_format = _OF_TABLES if dialect.format.is_table else _OF_OTHERS
    return {name: ground(name) for name in options_of_format}
