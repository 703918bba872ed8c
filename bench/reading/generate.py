"""Generate labelled files: the same ones from the same seed on every machine."""

import random
from collections.abc import Iterator

from bench.reading.draft import has_rival
from bench.reading.kinds import KINDS
from bench.reading.labels import LabelledFile

_MOST_TRIES = 1000  # a draft is discarded if it cannot be damaged, or if its reading is a matter of taste


def generate(seed: int, count: int, kind: str = "") -> Iterator[LabelledFile]:
    """Yield the first ``count`` files of a seed; of these, those whose kind holds the text ``kind``."""
    order = schedule()
    for number in range(count):
        name = order[number % len(order)]
        if kind in name:
            yield make(seed, number, name)


def schedule() -> list[str]:
    """Return the kinds of consecutive files: first one of each, then more of each according to its weight."""
    rest = [name for name, kind in KINDS.items() for _ in range(kind.weight - 1)]
    random.Random(1).shuffle(rest)
    return [*KINDS, *rest]


def make(seed: int, number: int, name: str | None = None) -> LabelledFile:
    """Return one file of a seed, whatever files come before it."""
    if name is None:
        order = schedule()
        name = order[number % len(order)]
    kind = KINDS[name]
    rng = random.Random(f"{seed}/{number}")
    for _ in range(_MOST_TRIES):
        draft = kind.base(rng)
        if not has_rival(draft) and all(damage(draft) for damage in kind.damages):
            return draft.finish(seed, number, name)
    raise RuntimeError(f"no file of the kind {name!r} could be made")
