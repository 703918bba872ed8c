"""Lines as a text editor counts them: each ends in LF, CRLF or CR."""


def count_lines(data: bytes) -> int:
    """Return the number of line endings in ``data``."""
    if b"\r" not in data:
        return data.count(b"\n")
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")
