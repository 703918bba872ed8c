"""Rules for names that clients choose."""

import re

LONGEST_FILENAME = 1024  # characters
_DATASET = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def is_dataset(name: str) -> bool:
    """Return whether a dataset may have this name."""
    return _DATASET.fullmatch(name) is not None


def is_text(value: object) -> bool:
    """Return whether the value is a string that Postgres and UTF-8 can hold."""
    return isinstance(value, str) and "\0" not in value and not re.search("[\ud800-\udfff]", value)
