"""Write regular records as RFC 4180 has them, so that Arrow can read them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from chalicelib.core.model import BLANKS, Dialect
from chalicelib.formats.csv.entries import Entry
from chalicelib.formats.csv.grammar import grammar_of
from chalicelib.reading import encodings


def regular_text(data: bytes, entries: Sequence[Entry], dialect: Dialect) -> tuple[bytes, Dialect]:
    """Return the records as RFC 4180 has them, one after the other, and the dialect of that text.

    Escapes, blanks as delimiters, and line endings in unquoted cells are written in quotes.
    """
    grammar, plain = grammar_of(dialect, marks=False), plain_dialect(dialect)
    escape = grammar.escape
    rewrite_all = dialect.delimiter == BLANKS or (not dialect.quote and plain.quote != "")
    pieces: list[bytes] = []
    for entry in entries:
        raw = data[entry.start : entry.end]
        if (
            rewrite_all
            or entry.is_joined
            or (escape and escape in raw)
            or (dialect.skip_initial_space and grammar.quote and grammar.quote in raw)
        ):
            raw = _rewrite(grammar.cells(raw), plain)
        elif not raw.endswith((b"\n", b"\r")):
            raw += b"\n"
        pieces.append(raw)
    return b"".join(pieces), plain


@lru_cache(maxsize=64)
def plain_dialect(dialect: Dialect) -> Dialect:
    """Return the dialect of rewritten records: a delimiter of one character, no escapes, no comments."""
    may_need_quotes = dialect.delimiter == BLANKS or dialect.escape or dialect.crlf
    return replace(
        dialect,
        delimiter="," if dialect.delimiter == BLANKS else dialect.delimiter,
        quote=dialect.quote or ('"' if may_need_quotes else ""),
        escape=None,
        comment=None,
        crlf=False,
        skip_initial_space=False,
        encoding=encodings.UTF8,
    )


def _rewrite(cells: Sequence[bytes], dialect: Dialect) -> bytes:
    delimiter, quote = dialect.delimiter.encode(), dialect.quote.encode()
    special = (delimiter, quote, b"\n", b"\r")
    written = [
        quote + cell.replace(quote, quote * 2) + quote
        if not cell or any(char in cell for char in special)
        else cell
        for cell in cells
    ]
    return delimiter.join(written) + b"\n"
