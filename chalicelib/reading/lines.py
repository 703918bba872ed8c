"""Lines as a text editor counts them: each ends in LF, CRLF or CR."""


def count_lines(data: bytes, start: int = 0, end: int | None = None) -> int:
    """Return the number of line endings in ``data[start:end]``."""
    end = len(data) if end is None else end
    lines = data.count(b"\n", start, end)
    if data.find(b"\r", start, end) >= 0:  # most files have none, and finding is faster than counting
        lines += data.count(b"\r", start, end) - data.count(b"\r\n", start, end)
    return lines
