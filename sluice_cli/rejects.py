"""Print rejects, one a line or counted. There may be millions: the lines are made by hand."""

from collections.abc import Callable, Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console

from sluice_cli.api import Page
from sluice_cli.documents.jobs import Job, Reject, RejectKind
from sluice_cli.formatting import number, shortened
from sluice_cli.render import NARROW, place, print_line, print_stacked

_JOB = ("JOB", "FILE")
_REJECTS = ("ROW", "LINE", "RECORD", "COLUMN", "CODE", "MESSAGE", "EXCERPT")
_KINDS = ("COUNT", "CODE", "COLUMN", "FIRST AT")
_NUMBERS = frozenset(("ROW", "LINE", "RECORD", "COUNT"))
_EXCERPT_LIMIT, _NAME_LIMIT = 120, 60  # characters
_WIDEST = 100  # columns of the terminal that a cell is padded to
_WIDTH_FOR_EXCERPTS, _WIDTH_FOR_JOBS = 160, 60  # columns of the terminal


class _Lines:
    """Print rows of cells under each other, with two blanks between them.

    Columns are as wide as the widest cell so far. Lines are not cut: a terminal wraps them. On a narrow
    terminal each cell has a line of its own instead.
    """

    def __init__(self, out: Console, titles: Sequence[str]) -> None:
        self._out = out
        self._titles = titles
        self._widths = [0] * len(titles)
        self.is_empty = True

    def print(self, rows: list[tuple[str, ...]]) -> None:
        """Print some more rows; the titles come before the first ones."""
        if not rows:
            return
        if self._out.is_terminal and self._out.width < NARROW:
            self.is_empty = False
            print_stacked(self._out, self._titles, (row[: len(self._titles)] for row in rows))
            return
        if self.is_empty:
            rows = [tuple(self._titles), *rows]
            self.is_empty = False
        for index, cells in enumerate(zip(*rows, strict=True)):
            if index < len(self._titles):
                self._widths[index] = max(self._widths[index], min(max(map(_width, cells)), _WIDEST))
        self._out.file.write("".join(f"{self._line(row)}\n" for row in rows))

    def _line(self, row: tuple[str, ...]) -> str:
        cells = (
            " " * (width - _width(cell)) + cell if title in _NUMBERS else cell + " " * (width - _width(cell))
            for title, width, cell in zip(self._titles, self._widths, row, strict=False)
        )
        return "  ".join(cells).rstrip()


def print_rejects(out: Console, pages: Iterable[Page[Reject]], list_all_command: str) -> None:
    """Print the rejects of a job as they come, and ``list_all_command`` if there are more."""
    if _print_pages(out, pages, _REJECTS, _WIDTH_FOR_EXCERPTS, _reject_row):
        print_line(out, "There are more: ", (list_all_command, "bold"))


def print_dataset_rejects(out: Console, pages: Iterable[Page[Reject]], list_all_command: str) -> None:
    """Print rejects with their jobs as they come, and ``list_all_command`` if there may be more."""
    width = _WIDTH_FOR_JOBS + _WIDTH_FOR_EXCERPTS
    if _print_pages(out, pages, (*_JOB, *_REJECTS), width, _dataset_reject_row):
        print_line(out, "There may be more: ", (list_all_command, "bold"))


def _print_pages(
    out: Console,
    pages: Iterable[Page[Reject]],
    titles: Sequence[str],
    width_for_excerpts: int,
    row: Callable[[Reject], tuple[str, ...]],
) -> bool:
    """Print a row for each reject, and return whether another page follows the last one."""
    has_excerpts = not out.is_terminal or out.width >= width_for_excerpts
    lines = _Lines(out, titles if has_excerpts else titles[:-1])
    has_more = False
    for page in pages:
        lines.print([row(reject) for reject in page.items])
        has_more = page.more
    if lines.is_empty:
        print_line(out, "No rejected records.")
    return has_more


def print_some_rejects(out: Console, rejects: Sequence[Reject]) -> None:
    """Print a few rejects."""
    _Lines(out, _REJECTS).print([_reject_row(reject) for reject in rejects])


def print_kinds(out: Console, job: Job, errors_command: str) -> None:
    """Print how many records were rejected for which reason. ``errors_command`` lists them all."""
    lines = _Lines(out, _KINDS)
    lines.print([_kind_row(kind) for kind in job.rejects])
    rejected = job.counts.rejected
    if not rejected:
        print_line(out, "No rejected records.")
        return
    others = rejected - sum(kind.count for kind in job.rejects)
    if job.rejects and others > 0:
        print_line(out, f"and {number(others)} for other reasons")
    explained = set[str]()
    for kind in job.rejects:
        if kind.code not in explained:
            _print_explanation(out, kind)
        explained.add(kind.code)
    print_line(out, f"{number(rejected)} of {number(job.counts.read)} records were rejected.")
    print_line(out, "See each with its reason: ", (errors_command, "bold"))


def _print_explanation(out: Console, kind: RejectKind) -> None:
    """Print what a code means, the first record's own message, and the option that may decide the matter."""
    texts = [kind.message, kind.first_message, f"Option: {kind.option}" if kind.option else None]
    known = [text for text in texts if text]
    if known:
        print_line(out, f"{kind.code}: {known[0]}")
    for text in known[1:]:
        print_line(out, f"  {text}")


def _width(cell: str) -> int:
    return len(cell) if cell.isascii() else cell_len(cell)


def _reject_row(reject: Reject) -> tuple[str, ...]:
    return (
        "" if reject.row is None else f"{reject.row:,}",
        "" if reject.line is None else f"{reject.line:,}",
        "?" if reject.record_number is None else f"{reject.record_number:,}",
        shortened(reject.field or "", _NAME_LIMIT),
        reject.code,
        reject.message,
        shortened(reject.raw, _EXCERPT_LIMIT),
    )


def _dataset_reject_row(reject: Reject) -> tuple[str, ...]:
    return (reject.job_id, shortened(reject.filename, _NAME_LIMIT), *_reject_row(reject))


def _kind_row(kind: RejectKind) -> tuple[str, ...]:
    first = place(row=kind.row, line=kind.line, record=kind.record, offset=kind.offset)
    return number(kind.count), kind.code, shortened(kind.field or "", _NAME_LIMIT), ", ".join(first)
