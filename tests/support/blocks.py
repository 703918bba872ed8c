"""Blocks as a worker hands them to the database."""

from collections.abc import Sequence

import pyarrow as pa

from chalicelib.core.blocks import PreparedBlock
from chalicelib.core.model import Reject
from chalicelib.core.warnings import FileWarning
from chalicelib.rows.identify import identify


def block(  # noqa: PLR0913 - what a block may have
    no: int,
    values: list[str],
    *,
    rejects: int = 0,
    size: int = 10,
    lines: int | None = None,
    warnings: Sequence[FileWarning] = (),
) -> PreparedBlock:
    rows = identify(pa.array([f'{{"v":"{value}"}}' for value in values], pa.string()))
    faults = tuple(Reject("missing-cell", "Too few.", len(values) + n, n, "raw") for n in range(rejects))
    records = len(values) + rejects
    return PreparedBlock(
        no,
        no * size,
        (no + 1) * size,
        records,
        len(values) - len(rows),
        rows,
        faults,
        lines=lines,
        warnings=warnings,
    )
