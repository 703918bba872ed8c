"""Excerpts of a file for messages: of bounded length, and without characters that steer a terminal."""


def printable(text: str, longest: int) -> str:
    """Return the text with what is not printable escaped, cut to about ``longest`` characters."""
    shown = "".join(char if char.isprintable() else _escape(char) for char in text[:longest])
    return f"{shown[:longest]}…" if len(text) > longest or len(shown) > longest else shown


def printable_bytes(data: bytes, longest: int) -> str:
    """Return the bytes as text, with those that are not printable ASCII escaped."""
    return printable(data[: longest + 1].decode("ascii", "backslashreplace"), longest)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
