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
    signs = [grammar.escape] if grammar.escape else []
    if dialect.skip_initial_space and grammar.quote:
        signs.append(grammar.quote)

    def needs_rewriting(entry: Entry) -> bool:
        return any(data.find(sign, entry.start, entry.end) >= 0 for sign in signs)

    rewrite_all = dialect.delimiter == BLANKS or (not dialect.quote and plain.quote != "")
    pieces: list[bytes] = []
    first = last = 0  # a stretch of records that are left as they are
    for entry in entries:
        if not (rewrite_all or entry.is_joined or needs_rewriting(entry)):
            if entry.start != last:
                pieces.append(data[first:last])
                first = entry.start
            last = entry.end
            continue
        pieces += [data[first:last], _rewrite(grammar.cells(data[entry.start : entry.end]), plain)]
        first = last = entry.end
    pieces.append(data[first:last])
    if pieces[-1] and not pieces[-1].endswith((b"\n", b"\r")):
        pieces.append(b"\n")
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
