"""Lines as a text editor counts them: each ends in LF, CRLF or CR."""


def count_lines(data: bytes, start: int = 0, end: int | None = None) -> int:
    """Return the number of line endings in ``data[start:end]``."""
    end = len(data) if end is None else end
    lines = data.count(b"\n", start, end)
    if crs := data.count(b"\r", start, end):
        lines += crs - data.count(b"\r\n", start, end)
    return lines
