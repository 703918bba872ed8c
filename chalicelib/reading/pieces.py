"""Pieces of a stream of bytes: cut them smaller, join them, pass on some of them."""

from collections.abc import Generator, Iterable, Iterator

from chalicelib import interruption


def sliced(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the same bytes in pieces of up to ``size`` bytes. Raises Interrupted between two of them."""
    for piece in pieces:
        for start in range(0, len(piece), size):
            interruption.check()
            yield piece[start : start + size]


def joined(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the same bytes in fewer pieces: several become one as long as that has up to ``size`` bytes."""
    held: list[bytes] = []
    length = 0
    for piece in pieces:
        if held and length + len(piece) > size:
            yield b"".join(held)
            held, length = [], 0
        if piece:
            held.append(piece)
            length += len(piece)
        if length >= size:
            yield b"".join(held)
            held, length = [], 0
    if held:
        yield b"".join(held)


def between(pieces: Iterator[bytes], start: int, end: int | None) -> Generator[bytes]:
    """Yield bytes ``[start, end)`` of the pieces' content."""
    offset = 0
    for piece in pieces:
        before = max(start - offset, 0)
        after = len(piece) if end is None else max(end - offset, 0)
        if data := piece[before:after]:
            yield data
        offset += len(piece)
        if end is not None and offset >= end:
            return
