"""Print previews: the reading, how sure it is, the first records and the first rejects."""

import json
from collections.abc import Iterator, Mapping

from rich.console import Console

from sluice_cli.documents.jobs import Job
from sluice_cli.documents.previews import Preview
from sluice_cli.escaping import safe
from sluice_cli.formatting import number, shortened, size
from sluice_cli.reading import option_value
from sluice_cli.rejects import print_some_rejects
from sluice_cli.render import (
    print_line,
    print_table,
    print_warning,
    status,
)

_NAME_LIMIT, _CELL_LIMIT, _FILE_LIMIT = 30, 40, 60  # characters
_CELL_WIDTH = 12  # columns of the terminal: a table shows as many cells of a record as have that room
_GROUNDS = {
    "declared": "declared",
    "default": "default",
    "clear": "found in the file",
    "close": "found in the file, but not sure",
    "assumed": "assumed: see the warning",
}


def print_preview(out: Console, job: Job, preview: Preview, load_command: str, retry_command: str) -> None:
    """Print the preview of a job, and the commands that load it and that read it in another way."""
    print_line(
        out,
        status(job),
        f": {shortened(job.filename, _FILE_LIMIT)} for dataset {job.dataset}, nothing is loaded",
    )
    _print_reading(out, preview)
    for warning in (*job.warnings, *preview.warnings):
        print_warning(out, warning)
    _print_records(out, preview)
    if preview.rejects:
        print_line(out)
        print_line(out, (_of("rejected records", len(preview.rejects), preview.rejected), "bold"))
        print_some_rejects(out, preview.rejects)
    print_line(out)
    print_line(out, "To load it: ", (load_command, "bold"))
    print_line(out, "To preview it in another way: ", (f"{retry_command} -o NAME=VALUE", "bold"))


def _print_reading(out: Console, preview: Preview) -> None:
    lines = list(_reading(preview))
    widths = [max(len(cells[index]) for cells in lines) for index in range(2)]
    for name, value, ground in lines:
        print_line(out, (f"  {name:<{widths[0]}}  ", "dim"), f"{value:<{widths[1]}}  ", (ground, "dim"))
    runner_up = preview.runner_up
    if runner_up is not None:
        other = f"delimiter {option_value(runner_up.delimiter)}, quote {option_value(runner_up.quote)}"
        print_line(out, f"  The next best reading: {other}, with {100 * runner_up.score:.0f}% of the score")


def _reading(preview: Preview) -> Iterator[tuple[str, str, str]]:
    """Yield the format and the options of the reading: name, value, and on what ground it stands."""
    detected = preview.reading
    yield "format", safe(detected.get("format", "")), ""
    for name, ground in preview.sure.items():
        yield safe(name), _option(name, detected), _GROUNDS.get(ground, ground)


def _option(name: str, detected: Mapping[str, object]) -> str:
    if name in ("skip_lines", "skip_after_header"):  # the reading has only what follows from both
        line = detected.get("data_line")
        return f"records from line {number(line + 1)} on" if isinstance(line, int) else ""
    return option_value(detected.get(name))


def _print_records(out: Console, preview: Preview) -> None:
    print_line(out)
    if not preview.records:
        print_line(out, f"No record of the first {size(preview.text_bytes)} can be shown.")
        return
    print_line(out, (_of("records", len(preview.records), preview.read - preview.rejected), "bold"))
    names = _names(preview)
    shown = names[: max(out.width // _CELL_WIDTH, 1)]
    rows = [[_cell(record.get(name)) for name in shown] for record in preview.records]
    print_table(out, [shortened(safe(name), _NAME_LIMIT) for name in shown], rows, may_stack=False)
    if left_out := len(names) - len(shown):
        print_line(out, f"{number(left_out)} more columns do not fit; --json has all.")
    if not preview.whole_file:
        print_line(out, f"Only the first {size(preview.text_bytes)} of the file were read for this.")


def _of(what: str, shown: int, total: int) -> str:
    return f"The {what}:" if shown == total else f"The first {number(shown)} {what} of {number(total)} read:"


def _names(preview: Preview) -> list[str]:
    """Return the names of the columns: those of a CSV file in its order, else as they come."""
    columns = preview.reading.get("columns")
    first = columns if isinstance(columns, list) else []
    return list(dict.fromkeys([*map(str, first), *(name for record in preview.records for name in record)]))


def _cell(value: object) -> str:
    if value is None:
        return ""
    return shortened(
        safe(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)), _CELL_LIMIT
    )
