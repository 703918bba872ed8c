"""Rules for names that clients choose."""

import re

LONGEST_FILENAME = 1024  # characters
DATASET_PATTERN = r"\A[a-z0-9][a-z0-9_-]{0,62}\Z"
TEXT_PATTERN = r"\A[^\0\ud800-\udfff]*\Z"  # Postgres stores no NUL, UTF-8 encodes no half of a surrogate pair
_DATASET = re.compile(DATASET_PATTERN)
_TEXT = re.compile(TEXT_PATTERN)


def is_dataset(name: str) -> bool:
    """Return whether a dataset may have this name."""
    return _DATASET.search(name) is not None


def is_text(value: object) -> bool:
    """Return whether the value is a string that Postgres and UTF-8 can hold."""
    return isinstance(value, str) and _TEXT.search(value) is not None
