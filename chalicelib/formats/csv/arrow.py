"""Read CSV text with Arrow."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.csv as arrow_csv

from chalicelib import memory
from chalicelib.core.model import Dialect


def read_table(
    text: bytes, dialect: Dialect, width: int, on_ragged: Callable[[arrow_csv.InvalidRow], str]
) -> pa.Table:
    """Return the rows of checked UTF-8 text that have ``width`` cells, as strings; an empty cell is null.

    ``on_ragged`` gets every other row, numbered from 1 without blank lines, and returns `skip`. The text has
    at least one row.
    """
    keys = [str(index) for index in range(width)]
    return arrow_csv.read_csv(
        pa.BufferReader(text),
        read_options=arrow_csv.ReadOptions(
            column_names=keys, use_threads=False, block_size=min(len(text) + 1, 2**31 - 1)
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote or False,
            newlines_in_values=True,
            invalid_row_handler=on_ragged,
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(keys, pa.string()),
            check_utf8=False,  # the whole text was checked
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
        memory_pool=memory.arrow_pool(),
    )
