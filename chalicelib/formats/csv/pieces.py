"""The pieces of which the patterns of :mod:`chalicelib.formats.csv.grammar` are made, as texts.

Every repetition is possessive: no pattern goes back into what it has matched.
"""

import re

from chalicelib.core.model import BLANKS, Dialect
from chalicelib.reading.patterns import repeated

BOM = b"\xef\xbb\xbf"
ENDING = rb"(?:\r?\n|\r(?=[^\n]))"  # not a CR at the end: a LF may follow
LAST_ENDING = rb"(?:\r\n|\n|\r|\Z)"


class Pieces:
    """The pieces for a dialect: characters, and patterns of parts of records."""

    def __init__(self, dialect: Dialect, *, has_mark: bool) -> None:
        self._is_blanks = dialect.delimiter == BLANKS
        self.delimiter_char = b"" if self._is_blanks else dialect.delimiter.encode()
        self.quote_char = dialect.quote.encode()
        escape = (dialect.escape or "").encode()
        self.escape_char = b"" if escape == self.quote_char else escape
        self.comment_char = (dialect.comment or "").encode()
        self.blank_chars = b" \t".replace(self.delimiter_char or b"-", b"")

        self.quote = re.escape(self.quote_char)
        self.escape = re.escape(self.escape_char)
        self.comment = re.escape(self.comment_char)
        self.between = rb"[ \t]++" if self._is_blanks else re.escape(self.delimiter_char)
        self.blank = b"[" + self.blank_chars.replace(b"\t", rb"\t") + b"]*+"
        self.before_quote = self.blank if dialect.skip_initial_space else b""
        self.after_quote = b"" if self._is_blanks else self.blank
        self.outer_blanks = rb"[ \t]*+" if self._is_blanks else b""  # at both ends of a line
        mark = repeated(BOM, "?") if has_mark else b""
        self.start = mark + self.outer_blanks
        self.no_quote = b"(?!" + self.blank + self.quote + b")" if self.quote else b""
        self.specials = _in_class(self.quote_char) + _in_class(self.escape_char)  # in a character class
        self._delimiters = rb" \t" if self._is_blanks else _in_class(self.delimiter_char)
        targets = b"[" + self._delimiters + self.specials + rb"\r\n]"
        self.escape_pair = self.escape + rb"(\r\n|" + targets + b")" if self.escape else b""
        self._mark = mark

    def _escapes(self, *, inline: bool) -> bytes:
        """Return an escape and what it makes text; ``inline``: no line ending."""
        if not self.escape:
            return b""
        targets = b"[" + self._delimiters + self.specials
        if inline:
            return self.escape + targets + rb"]?+(?![\r\n])"
        return self.escape + repeated(rb"\r\n|" + targets + rb"\r\n]", "?")

    def text(self, *, inline: bool = False, text_quotes: bool = True) -> bytes:
        """Return the content of a cell that is not quoted; ``text_quotes``: quotes may stand in it."""
        count = "+" if self._is_blanks else "*"  # between blanks stands no empty cell
        plain = self._plain(text_quotes=text_quotes)
        if not self.escape:
            return plain + count.encode() + b"+"
        return repeated(plain + b"++|" + self._escapes(inline=inline), count)

    def _plain(self, *, text_quotes: bool) -> bytes:
        """Return a character of a cell that is not quoted."""
        quotes = b"" if text_quotes else _in_class(self.quote_char)
        return b"[^" + self._delimiters + rb"\r\n" + quotes + _in_class(self.escape_char) + b"]"

    def body(self, *, inline: bool = False) -> bytes:
        """Return what stands between the quotes of a cell."""
        plain = b"[^" + (rb"\r\n" if inline else b"") + self.specials + b"]++" if self.specials else b"(?!)"
        escapes = b"|" + self._escapes(inline=inline) if self.escape else b""
        return repeated(plain + b"|" + self.quote + self.quote + escapes)

    def cell(
        self, *, inline: bool = False, text_quotes: bool = True, joined: bool = False, quoted: bool = True
    ) -> bytes:
        """Return a cell. ``joined``: lone line endings are text. Without ``quoted``, it is not in quotes."""
        text = self.text(inline=inline, text_quotes=text_quotes)
        if joined:
            escapes = b"|" + self._escapes(inline=inline) if self.escape else b""
            # a quote behind a line ending opens a cell: text that is regular line by line stays so
            ending = rb"(?:\n|\r(?!\n))" + self.no_quote
            text = repeated(self._plain(text_quotes=text_quotes) + b"++" + escapes + b"|" + ending)
        text = (self.no_quote if text_quotes else b"") + text
        if not self.quote or not quoted:
            return b"(?:" + text + b")"
        body = self.quote + self.body(inline=inline) + self.quote
        return b"(?:" + self.before_quote + body + self.after_quote + b"|" + text + b")"

    def loose_cell(self) -> bytes:
        """Return a cell in one line; text may follow its closing quote, blanks stand before the first."""
        rest = rb"[^\r\n" + self._delimiters + _in_class(self.quote_char) + b"]*+"
        body = self.quote + self.body(inline=True) + self.quote
        return b"(?:" + self.blank + body + rest + b"|" + rest + b")"

    def row(self, cell: bytes, widths: tuple[int, int | None] | None = None) -> bytes:
        """Return cells and what stands between them. ``widths``: the least and the largest number.

        Where widths are given, empty cells at the end do not count.
        """
        if widths is None:
            return cell + repeated(self.between + cell) + self.outer_blanks
        least, most = widths
        bounds = f"{{{max(least - 1, 0)},{'' if most is None else max(most - 1, 0)}}}"
        empty = b"" if self._is_blanks else repeated(self.between + self.blank)
        return cell + repeated(self.between + cell, bounds) + empty + self.outer_blanks

    def line(self, row: bytes) -> bytes:
        """Return a row, a comment, or nothing."""
        if self._is_blanks:
            row = repeated(row, "?")
        if not self.comment:
            return self.start + row
        comment = self._mark + self.comment + rb"[^\r\n]*+"
        return b"(?:" + comment + b"|(?!" + self._mark + self.comment + b")" + self.start + row + b")"


def _in_class(char: bytes) -> bytes:
    """Return a character as a member of a character class, escaped."""
    if char.isalnum() or char.isspace():
        return re.escape(char)
    return b"\\" + char if char else b""
