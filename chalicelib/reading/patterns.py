"""Possessive repetition in patterns, on every Python that Sluice runs on.

Up to Python 3.11.4, a possessive repetition of more than one character keeps what its last, failed round has
matched (https://github.com/python/cpython/issues/106052): `(?:ab?c)*+` takes all of `aca`. There an atomic
group does the same. It remembers every round until its end, which takes about 100 bytes each.
"""

import re
from typing import AnyStr

_IS_EXACT = re.fullmatch("(?:ab?c)*+a", "aca") is not None


def repeated(pattern: AnyStr, count: str = "*", *, is_exact: bool = _IS_EXACT) -> AnyStr:
    """Return a pattern that repeats another one as often as it can, and never gives a round back.

    ``count``: `*`, `+`, `?` or `{2,5}`. ``is_exact``: possessive repetition is exact.
    """
    before, after = ("(?:", f"){count}+") if is_exact else ("(?>(?:(?>", f")){count})")
    if isinstance(pattern, bytes):
        return before.encode() + pattern + after.encode()
    return before + pattern + after
