"""CSV files, and what must become of them."""

import random

from chalicelib.core.model import Tally


def rows(count: int, seed: int = 1) -> bytes:
    """Return a CSV file of that many records; every tenth repeats another, every fiftieth lacks a cell."""
    source = random.Random(seed)
    lines = []
    for number in range(count):
        if number % 50 == 49:
            lines.append(f"{number},short")
        elif number % 10 == 9:
            lines.append(lines[source.randrange(number // 50 * 50, number)] if number > 50 else lines[0])
        else:
            lines.append(f'{number},"name, {source.random()}",{source.randrange(10**9)}')
    return ("id,name,value\n" + "\n".join(lines) + "\n").encode()


def expected(data: bytes) -> Tally:
    """Count by the simplest method what a load of such a file must report."""
    lines = data.decode().splitlines()[1:]
    good = [line for line in lines if "short" not in line]
    return Tally(len(lines), len(set(good)), len(good) - len(set(good)), len(lines) - len(good))
