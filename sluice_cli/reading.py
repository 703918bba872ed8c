"""How a file was read, in words: format, encoding, dialect, options, columns."""

import json
from collections.abc import Iterator, Mapping

from sluice_cli.escaping import safe
from sluice_cli.formatting import number, shortened

_VALUE_LIMIT, _COLUMNS_LIMIT = 40, 120  # characters
_FALSE_IS_DEFAULT = ("skip_initial_space", "escaped")


def reading_lines(detected: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield label and text of each line on how a file was read, by the member ``detected`` of its job."""
    yield "format", ", ".join(_format(detected))
    yield "dialect", ", ".join(_dialect(detected))
    yield "options", ", ".join(_options(detected))
    columns, count = detected.get("columns"), detected.get("column_count")
    if isinstance(columns, list) and columns:
        names = shortened(safe(", ".join(map(str, columns))), _COLUMNS_LIMIT)
        yield "columns", f"{number(count if isinstance(count, int) else len(columns))}: {names}"


def option_value(given: object) -> str:
    """Return an option's value as JSON has it, on one line."""
    return shortened(safe(json.dumps(given, ensure_ascii=False)), _VALUE_LIMIT)


def _format(detected: Mapping[str, object]) -> Iterator[str]:
    for name in ("format", "compression", "encoding"):
        if detected.get(name):
            yield safe(detected[name])
    if detected.get("bom") is True:
        yield "byte-order mark"


def _dialect(detected: Mapping[str, object]) -> Iterator[str]:
    if detected.get("delimiter") is None:
        return  # not CSV
    yield f"delimiter {option_value(detected['delimiter'])}"
    if "quote" in detected:
        yield f"quote {option_value(detected['quote'])}" if detected["quote"] else "without quotes"
    for name in ("escape", "comment"):
        if detected.get(name):
            yield f"{name} {option_value(detected[name])}"
    if "header" in detected:
        yield "header" if detected["header"] else "without a header"
    line = detected.get("data_line")
    if isinstance(line, int):
        yield f"records from line {number(line + 1)} on"


def _options(detected: Mapping[str, object]) -> Iterator[str]:
    """Yield what is not as in most files."""
    if detected.get("decimal") not in (None, "."):
        yield f"decimal {option_value(detected['decimal'])}"
    for name in ("date_order", "missing_values", "records"):
        if detected.get(name):
            yield f"{name} {option_value(detected[name])}"
    for name in _FALSE_IS_DEFAULT:
        if detected.get(name) is True:
            yield name
    for name in ("short_rows", "extra_cells"):
        if detected.get(name) not in (None, "reject"):
            yield f"{name} {option_value(detected[name])}"
